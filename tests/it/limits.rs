//! The limits of the client, over the sandbox.

use std::time::Duration;

use blossom::{Blossom, Builder, ErrorKind, policy::Quotas, sandbox::Sandbox};

use crate::support::eventually;

fn sandbox() -> Sandbox {
    Sandbox::builder()
        .event(Duration::from_millis(5))
        .start()
        .unwrap()
}

fn over(sandbox: &Sandbox) -> Builder {
    Blossom::builder().base_url(sandbox.base_url())
}

#[tokio::test]
async fn e1_streams_wait_for_one_another_to_end_and_not_to_begin() {
    let sandbox = sandbox();
    let client = over(&sandbox)
        .cache(false)
        .max_in_flight(2)
        .build()
        .unwrap();
    let stream = async || {
        let stream = client.text().chat(["Tell me of a river."]).stream().await?;
        stream.finish().await
    };

    let (a, b, c, d, e) = tokio::join!(stream(), stream(), stream(), stream(), stream());

    assert!([a, b, c, d, e].iter().all(Result::is_ok));
    // It may see a stream end a moment after we do.
    assert!((2..=3).contains(&sandbox.max_in_flight()));
    let limits = client.limits().unwrap().concurrency();
    assert_eq!((limits.in_flight(), limits.waiting()), (0, 0));
}

#[tokio::test]
async fn e3_what_does_not_fit_into_the_queue_is_refused_at_once_with_what_helps() {
    let sandbox = sandbox();
    let client = over(&sandbox)
        .quotas(Quotas::unpaid())
        .max_waiting(0)
        .build()
        .unwrap();
    let open = client.text().chat(["Hi"]).stream().await.unwrap();

    let error = client.text().generate("Hi").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.is_retryable());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert!(error.suggestion().unwrap().contains("raise the limit"));
    drop(open);
    let limits = client.limits().unwrap().concurrency();
    eventually("the permit comes back", || limits.in_flight() == 0).await;
    assert!(client.text().generate("Hi").await.is_ok());
}

#[tokio::test]
async fn e4_who_waits_past_the_total_timeout_is_never_seen_by_the_service() {
    let sandbox = sandbox();
    let client = over(&sandbox)
        .max_in_flight(1)
        .total_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let mut open = client.text().chat(["Hi"]).stream().await.unwrap();
    open.next().await.unwrap().unwrap();
    let seen = sandbox.count();

    let error = client.text().generate("Hi").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(sandbox.count(), seen);
}

#[tokio::test]
async fn a_quota_of_requests_refuses_with_the_time_to_come_back() {
    let sandbox = sandbox();
    let client = over(&sandbox)
        .requests_per_minute(20)
        .max_waiting(0)
        .build()
        .unwrap();
    assert!(client.text().generate("one").await.is_ok());

    let error = client.text().generate("two").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.status(), None);
    let after = error.retry_after().unwrap();
    assert!(after > Duration::from_secs(2) && after <= Duration::from_secs(3));
    assert!(error.to_string().contains("20 requests per 60s"), "{error}");
    assert_eq!(sandbox.count(), 1);
}

#[tokio::test]
async fn f3_a_quota_of_tokens_is_settled_by_what_the_reply_reports() {
    let sandbox = sandbox();
    let client = over(&sandbox).tokens_per_minute(100_000).build().unwrap();
    let quotas = client.limits().unwrap().rate();

    let answer = client.text().chat(["Hi"]).max_tokens(9_000).await.unwrap();
    let used = answer.usage().unwrap().total_tokens;

    assert!(used < 1_000);
    eventually("the reservation is settled", || {
        quotas.available(None) == [100_000 - used]
    })
    .await;
    // A list of models takes none.
    assert!(client.models().await.is_ok());
    assert_eq!(quotas.available(None), [100_000 - used]);
}

#[tokio::test]
async fn a_stack_of_ones_own_has_no_limits_of_the_client() {
    let stack = blossom::transport::Transport::builder().build().unwrap();
    assert!(Blossom::from_service(stack).build().limits().is_none());
}
