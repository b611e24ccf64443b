//! Retries and breaker of the client, against the embedded upstream, over real sockets.

use std::{num::NonZeroU32, time::Duration};

use blossom::{
    Blossom, Builder, Error, ErrorKind,
    layers::{
        backoff::Backoff,
        breaker::{Broken, Rules},
        cause_ref,
        retry::Budget,
    },
    sandbox::Sandbox,
};
use tokio::time::Instant;

use crate::support::FAULT;

/// A client that waits a moment before each retry, and never opens its breaker.
fn builder(sandbox: &Sandbox) -> Builder {
    Blossom::builder()
        .base_url(sandbox.base_url())
        .backoff(Backoff::new(
            Duration::from_millis(5),
            Duration::from_millis(10),
        ))
        .breaker(Rules::never())
        .cache(false)
}

fn pair() -> (Sandbox, Blossom) {
    let sandbox = Sandbox::start().unwrap();
    let client = builder(&sandbox).build().unwrap();
    (sandbox, client)
}

/// How a chat ends with this fault.
async fn chat(client: &Blossom, fault: &str) -> Result<String, Error> {
    let call = client.text().chat(["Tell me of rivers"]);
    Ok(call.header(FAULT, fault).await?.into_content())
}

async fn stream(client: &Blossom, fault: &str) -> Result<String, Error> {
    let call = client.text().chat(["Tell me of rivers"]);
    let stream = call.header(FAULT, fault).stream().await?;
    Ok(stream.finish().await?.into_content())
}

#[tokio::test]
async fn what_fails_twice_succeeds_at_the_third_attempt() {
    let (sandbox, client) = pair();

    assert!(
        !chat(&client, "status;code=503;times=2")
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(sandbox.count(), 3);
    assert!(
        !stream(&client, "status;code=429;times=2")
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(sandbox.count(), 6);
}

#[tokio::test]
async fn an_error_says_how_many_attempts_there_were() {
    let (sandbox, client) = pair();

    let error = chat(&client, "status;code=503").await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Upstream, 3));
    let error = chat(&client, "status;code=404").await.unwrap_err();
    assert_eq!(error.attempts(), 1);
    let error = stream(&client, "status;code=502").await.unwrap_err();
    assert_eq!(error.attempts(), 3);
    let error = stream(&client, "cut;after-events=3").await.unwrap_err();
    assert_eq!(error.attempts(), 1);
    assert_eq!(sandbox.count(), 3 + 1 + 3 + 1);

    let nobody = Blossom::builder()
        .base_url("http://127.0.0.1:9")
        .backoff(Backoff::new(Duration::ZERO, Duration::ZERO))
        .build();
    let error = chat(&nobody.unwrap(), "").await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
}

#[tokio::test]
async fn attempts_are_told_also_when_the_whole_call_takes_too_long() {
    let sandbox = Sandbox::start().unwrap();
    let client = builder(&sandbox)
        .total_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let prompt = "Tell me of lakes";
    // The first fails, the second takes its time.
    sandbox.script([(503, "{}")]);
    let call = client.text().chat([prompt]);

    let error = call.header(FAULT, "delay;head-ms=5000").await.unwrap_err();

    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 2));
    assert_eq!(sandbox.count(), 2);
}

#[tokio::test]
async fn h2_what_will_not_heal_is_asked_for_once() {
    let (sandbox, client) = pair();
    for status in [400, 401, 402, 403, 404, 413, 422] {
        sandbox.reset();
        let fault = format!("status;code={status}");
        assert!(!chat(&client, &fault).await.unwrap_err().is_retryable());
        assert_eq!(sandbox.count(), 1, "{status}");
    }
}

#[tokio::test]
async fn h2_the_body_of_a_failure_decides_and_is_still_told() {
    let (sandbox, client) = pair();
    let quota = r#"{"error":{"message":"no more of it","code":"insufficient_quota"}}"#;
    sandbox.script([(429, quota)]);

    let error = client.text().chat(["x"]).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Payment);
    assert!(error.to_string().contains("no more of it"), "{error}");
    assert_eq!(sandbox.count(), 1);

    for (upstream, calls) in [(401, 1), (402, 1), (429, 3), (524, 3)] {
        sandbox.reset();
        let fault = format!("status;code=502;upstream={upstream}");
        chat(&client, &fault).await.unwrap_err();
        assert_eq!(sandbox.count(), calls, "{upstream}");
    }
}

#[tokio::test]
async fn h2_a_500_is_asked_for_once_more_and_not_at_all_as_a_stream() {
    let (sandbox, client) = pair();
    chat(&client, "status;code=500").await.unwrap_err();
    assert_eq!(sandbox.count(), 2);

    sandbox.reset();
    stream(&client, "status;code=500").await.unwrap_err();
    assert_eq!(sandbox.count(), 1);
}

#[tokio::test]
async fn h2_a_notice_to_pay_is_asked_for_once() {
    let (sandbox, client) = pair();

    let error = chat(&client, "form-j").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Payment);
    let error = stream(&client, "form-j").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Payment);

    assert_eq!(sandbox.count(), 2);
}

#[tokio::test]
async fn h3_every_attempt_is_the_same_request() {
    let (sandbox, client) = pair();
    let call = client.text().chat(["Tell me of rivers"]).seed(7);

    call.header(FAULT, "status;code=503").await.unwrap_err();

    let seen = sandbox.requests();
    let form = |at: usize| serde_json::to_value(&seen[at]).unwrap();
    assert_eq!(seen.len(), 3);
    assert_eq!((form(0), form(0)), (form(1), form(2)));
}

#[tokio::test]
async fn h3_a_reply_that_is_late_is_asked_for_again_but_not_as_a_stream() {
    let sandbox = Sandbox::start().unwrap();
    let late = Duration::from_millis(100);
    let client = builder(&sandbox).unary_timeout(late).head_timeout(late);
    let client = client.build().unwrap();

    let answer = chat(&client, "delay;head-ms=5000;times=1").await.unwrap();
    assert!(!answer.is_empty());
    assert_eq!(sandbox.count(), 2);

    sandbox.reset();
    let error = stream(&client, "delay;head-ms=5000").await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 1));
    assert_eq!(sandbox.count(), 1);
}

#[tokio::test]
async fn h4_a_stream_is_asked_for_again_until_its_first_word_and_never_after() {
    let (sandbox, client) = pair();

    let whole = stream(&client, "mid-error;after-events=0;times=1")
        .await
        .unwrap();
    assert!(!whole.is_empty());
    assert_eq!(sandbox.count(), 2);

    for fault in ["mid-error;after-events=3", "cut;after-events=3"] {
        sandbox.reset();
        let error = stream(&client, fault).await.unwrap_err();
        let partial = error.partial().unwrap();
        assert!(!partial.content().is_empty(), "{fault}");
        assert!(partial.events() > 0 && partial.bytes() > 0);
        assert_eq!((sandbox.count(), error.attempts()), (1, 1), "{fault}");
    }
}

#[tokio::test]
async fn h6_a_wait_that_does_not_fit_ends_the_retries_and_stands_in_the_error() {
    let sandbox = Sandbox::start().unwrap();
    let client = builder(&sandbox).total_timeout(Duration::from_secs(10));
    let client = client.build().unwrap();
    for (wait, fault) in [
        (60, "status;code=429;retry-after=60"),
        (9_999_999, "status;code=429;retry-after=9999999"),
    ] {
        sandbox.reset();
        let error = chat(&client, fault).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(wait)));
        assert_eq!((sandbox.count(), error.attempts()), (1, 1));
    }
}

#[tokio::test]
async fn h6_a_wait_that_is_told_is_waited() {
    let (sandbox, client) = pair();
    let start = Instant::now();

    chat(&client, "status;code=429;retry-after=1;times=1")
        .await
        .unwrap();

    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(sandbox.count(), 2);
}

#[tokio::test]
async fn h1_a_client_without_budget_or_attempts_asks_once() {
    let sandbox = Sandbox::start().unwrap();
    let one = builder(&sandbox).max_attempts(1).build().unwrap();
    chat(&one, "status;code=503").await.unwrap_err();
    assert_eq!(sandbox.count(), 1);

    sandbox.reset();
    let shared = Budget::new(0, 1);
    let clients = [(); 2].map(|()| {
        builder(&sandbox)
            .retry_budget(shared.clone())
            .build()
            .unwrap()
    });
    for client in &clients {
        chat(client, "status;code=503").await.unwrap_err();
    }
    assert_eq!(sandbox.count(), 3, "one retry for both");
    assert_eq!(shared.stats().refused, 2);
}

#[tokio::test]
async fn h11_failing_attempts_leave_no_connection_open() {
    let sandbox = Sandbox::start().unwrap();
    // A hundredth of the thousand, three at a time.
    let client = builder(&sandbox)
        .retry_budget(Budget::new(0, 1000))
        .build()
        .unwrap();
    for _ in 0..11 {
        let calls = [(); 3].map(|()| chat(&client, "form-h;status=522"));
        for result in futures_util::future::join_all(calls).await {
            result.unwrap_err();
        }
    }

    assert_eq!(sandbox.count(), 99);
    assert!(sandbox.connections() <= 9, "{}", sandbox.connections());
    let start = Instant::now();
    while sandbox.in_flight() > 0 {
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "a request is under way"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_model_that_fails_is_refused_at_once_and_another_is_not() {
    let sandbox = Sandbox::start().unwrap();
    let rules = Rules::new().in_a_row(NonZeroU32::new(3).unwrap());
    let client = builder(&sandbox).breaker(rules).build().unwrap();
    let call = |model: &str| client.text().chat(["Tell me of rivers"]).model(model);

    let bad = || call("openai").header(FAULT, "status;code=503");
    assert_eq!(bad().await.unwrap_err().attempts(), 3);
    let error = bad().await.unwrap_err();

    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Upstream, 0));
    assert!(cause_ref::<Broken>(&error).is_some(), "{error:?}");
    assert!(
        error
            .retry_after()
            .is_some_and(|wait| wait > Duration::from_secs(10))
    );
    assert!(error.is_retryable());
    assert_eq!(sandbox.count(), 3);
    assert!(call("mistral").await.is_ok());
}

#[tokio::test]
async fn a_circuit_that_opens_ends_the_retries() {
    let sandbox = Sandbox::start().unwrap();
    let rules = Rules::new().in_a_row(NonZeroU32::new(2).unwrap());
    let client = builder(&sandbox).breaker(rules).build().unwrap();

    let error = chat(&client, "status;code=503").await.unwrap_err();

    assert!(cause_ref::<Broken>(&error).is_some());
    assert_eq!((error.attempts(), sandbox.count()), (2, 2));
}

#[tokio::test]
async fn limits_of_the_account_open_no_circuit() {
    let sandbox = Sandbox::start().unwrap();
    let client = builder(&sandbox)
        .breaker(Rules::new())
        .max_attempts(1)
        .build()
        .unwrap();
    for _ in 0..20 {
        let error = chat(&client, "form-c").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
    }
    assert!(chat(&client, "comments").await.is_ok());
}
