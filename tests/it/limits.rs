//! The limits of the client, over the sandbox.

use std::time::Duration;

use blossom::{
    Blossom, Builder, ErrorKind,
    layers::types::PartitionKey,
    policy::{Prices, Quotas},
    sandbox::Sandbox,
};

use tokio::time::Instant;

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
async fn f4_who_leaves_the_queue_has_spent_nothing() {
    let sandbox = sandbox();
    let models = over(&sandbox).build().unwrap().models().await.unwrap();
    let client = over(&sandbox)
        .max_in_flight(1)
        .prices(Prices::from_models(&models))
        .build()
        .unwrap();
    let limits = client.limits().unwrap().concurrency();
    let books = client.spend().unwrap();
    let mut open = client.text().chat(["Hi"]).stream().await.unwrap();
    open.next().await.unwrap().unwrap();

    let waits = async {
        eventually("it waits", || limits.waiting() == 1).await;
    };
    tokio::select! {
        _ = client.text().chat(["Ho"]).into_future() => panic!("there is no room"),
        () = waits => {}
    }

    eventually("it has left", || limits.waiting() == 0).await;
    let first = open.finish().await.unwrap().cost().unwrap();
    eventually("the first is paid for", || books.totals().spent == first).await;
    let balance = books.balance();
    assert_eq!(balance.open, 0);
    assert_eq!(balance.settled, u128::from(first.0));
}

#[tokio::test]
async fn a_stack_of_ones_own_has_no_limits_of_the_client() {
    let stack = blossom::transport::Transport::builder().build().unwrap();
    assert!(Blossom::from_service(stack).build().limits().is_none());
}

/// An account without balance, whose streams take a while.
fn unpaid() -> Sandbox {
    Sandbox::builder()
        .unpaid(true)
        .event(Duration::from_millis(5))
        .start()
        .unwrap()
}

#[tokio::test]
async fn f8_an_unpaid_account_runs_one_generation_until_its_body_is_drained() {
    let sandbox = unpaid();
    let client = over(&sandbox)
        .quotas(Quotas::unpaid())
        .max_attempts(1)
        .cache(false)
        .build()
        .unwrap();
    let limits = client.limits().unwrap().concurrency();
    let stream = async |prompt: &str| {
        let stream = client.text().chat([prompt]).stream().await?;
        stream.finish().await
    };

    // Without the quotas all but one would be refused, and nothing is tried again here.
    let (a, b, c, d) = tokio::join!(stream("a"), stream("b"), stream("c"), async {
        client.text().generate("d").await
    });
    assert!([a, b, c].iter().all(Result::is_ok) && d.is_ok());
    assert_eq!(sandbox.count(), 4);

    // Its head is here, its body is not: nothing else begins.
    let mut open = client.text().chat(["e"]).stream().await.unwrap();
    open.next().await.unwrap().unwrap();
    let read = async {
        eventually("the next one waits", || limits.waiting() == 1).await;
        assert_eq!((limits.in_flight(), sandbox.count()), (1, 5));
        open.finish().await
    };
    let (read, next) = tokio::join!(read, client.text().generate("f").into_future());
    assert!(read.is_ok() && next.is_ok());
    assert_eq!(sandbox.count(), 6);
}

#[tokio::test]
async fn f8_without_these_quotas_the_service_refuses_what_is_too_much() {
    let sandbox = unpaid();
    let client = over(&sandbox).max_attempts(1).build().unwrap();
    let open = client.text().chat(["a"]).stream().await.unwrap();

    let error = client.text().generate("b").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    drop(open);
}

#[tokio::test]
async fn f8_a_publishable_key_keeps_to_what_the_edge_takes() {
    let sandbox = sandbox();
    let client = over(&sandbox)
        .quotas(Quotas::publishable())
        .max_waiting(0)
        .cache(false)
        .build()
        .unwrap();
    let rate = client.limits().unwrap().rate();

    // A twentieth of 100 goes at once, the rest at 96 in 10 s.
    let start = Instant::now();
    let calls = (0..8).map(|call| client.text().generate(call.to_string()).into_future());
    let answers = futures_util::future::join_all(calls).await;

    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    let most = 5.0 + start.elapsed().as_secs_f64() * 9.6;
    let went = f64::from(u32::try_from(good.len()).unwrap());
    assert!(went >= 5.0 && went <= most, "{went} of {most}");
    for error in bad.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert!(
            error.to_string().contains("100 requests per 10s"),
            "{error}"
        );
        assert!(error.retry_after().unwrap() <= Duration::from_millis(105));
    }
    assert_eq!(sandbox.count(), good.len() as u64);
    assert!(rate.available(None)[0] < 5);
}

#[tokio::test]
async fn f8_a_429_to_one_model_holds_up_no_other_model_and_no_other_key() {
    let sandbox = sandbox();
    let with_key = |key: &str| {
        over(&sandbox)
            .api_key(key)
            .quotas(Quotas::publishable())
            .max_attempts(1)
            .max_waiting(0)
            .cache(false)
            .build()
            .unwrap()
    };
    let (mine, other) = (
        with_key("pk_abcdefghijklmnop"),
        with_key("pk_ponmlkjihgfedcba"),
    );
    let ask = |client: &Blossom, model: &str| client.text().chat(["Hi"]).model(model);

    let busy = "status;code=429;retry-after=60";
    let told = ask(&mine, "openai").header("x-sandbox-fault", busy).await;
    assert_eq!(told.unwrap_err().kind(), ErrorKind::RateLimited);
    let seen = sandbox.count();

    let error = ask(&mine, "openai").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(error.retry_after().unwrap() > Duration::from_secs(50));
    assert_eq!(sandbox.count(), seen, "it is not asked again");
    assert!(ask(&mine, "mistral").await.is_ok());
    assert!(ask(&other, "openai").await.is_ok());

    let heeded = mine.limits().unwrap().heeded().unwrap();
    let authority = sandbox.base_url().trim_start_matches("http://").to_owned();
    let paused =
        |model: &str| heeded.paused(Some(&PartitionKey::new(&format!("{authority} {model}"))));
    assert!(paused("openai").is_some());
    assert_eq!(paused("mistral"), None);
}

#[tokio::test]
async fn f8_no_quotas_are_guessed_from_the_key() {
    let sandbox = sandbox();
    for key in ["pk_abcdefghijklmnop", "sk_abcdefghijklmnopqrstuvwxyz012345"] {
        let client = over(&sandbox)
            .api_key(key)
            .max_attempts(1)
            .max_waiting(0)
            .cache(false)
            .build()
            .unwrap();
        let limits = client.limits().unwrap();
        assert!(limits.rate().quotas().is_empty() && limits.heeded().is_none());
        assert_eq!(limits.concurrency().limit(), 64);

        let busy = "status;code=429;retry-after=60";
        let told = client.text().generate("a").header("x-sandbox-fault", busy);
        assert_eq!(told.await.unwrap_err().kind(), ErrorKind::RateLimited);
        assert!(client.text().generate("b").await.is_ok());
    }
}
