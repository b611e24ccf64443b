//! The client as it is when every setting is left alone: of each set of cases what a user meets first.

use std::{future::IntoFuture, time::Duration};

use blossom::{
    Blossom, ErrorKind,
    layers::types::CacheStatus,
    sandbox::{Sandbox, SandboxBuilder},
};
use futures_util::future::join_all;

use crate::support::{FAULT, eventually};

/// No option but where the service is.
fn with(sandbox: SandboxBuilder) -> (Sandbox, Blossom) {
    let sandbox = sandbox.start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .build()
        .unwrap();
    (sandbox, client)
}

fn pair() -> (Sandbox, Blossom) {
    with(Sandbox::builder())
}

#[tokio::test]
async fn m5_a_equal_calls_hit_and_what_is_broken_is_not_kept() {
    let (sandbox, client) = pair();
    let ask = client.text().chat(["What is Rust?"]);
    let first = ask.clone().await.unwrap();
    let second = ask.await.unwrap();
    assert_eq!(second.cache_status(), Some(CacheStatus::Hit));
    assert_eq!(second.content(), first.content());
    let other = client.text().chat(["What is Rust?"]).temperature(0.1);
    assert_eq!(other.await.unwrap().cache_status(), Some(CacheStatus::Miss));

    for fault in ["done-without-finish", "mid-error", "form-a"] {
        let before = sandbox.count();
        for _ in 0..2 {
            let ask = client.text().chat([fault]).header(FAULT, fault);
            let whole = async { ask.stream().await?.finish().await };
            whole.await.unwrap_err();
        }
        assert_eq!(sandbox.count() - before, 2, "{fault} was kept");
    }
}

#[tokio::test]
async fn m5_b_equal_calls_at_once_are_one_and_a_caller_who_leaves_harms_none() {
    let (sandbox, client) = with(Sandbox::builder().latency(Duration::from_millis(50)));
    let ask = || client.text().generate("What is Tower?").into_future();
    let leader = ask();
    let mut followers = Box::pin(join_all((0..50).map(|_| ask())));
    tokio::select! {
        biased;
        _ = leader => panic!("it cannot be done yet"),
        _ = &mut followers => panic!("nor can they"),
        () = eventually("the call is under way", || sandbox.in_flight() == 1) => {}
    }

    let answers = followers.await;

    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(sandbox.count(), 1);
}

#[tokio::test]
async fn m5_e_f_any_number_of_calls_is_served_sixty_four_at_a_time_and_none_is_refused() {
    let (sandbox, client) = with(Sandbox::builder().latency(Duration::from_millis(5)));
    let calls = (0..500).map(|n| client.text().generate(format!("Prompt {n}")));

    let answers = join_all(calls.map(IntoFuture::into_future)).await;

    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(sandbox.max_in_flight(), 64);
}

#[tokio::test]
async fn m5_g_a_service_that_is_slow_is_waited_for_and_a_deadline_of_a_call_holds() {
    let (_sandbox, client) = pair();
    let slow = client.text().chat(["Slow"]);
    let slow = slow.header(FAULT, "delay;head-ms=300;event-ms=20");
    let mut stream = slow.stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(stream.finish().await.is_ok());

    let stalls = client.text().chat(["Stalls"]).header(FAULT, "stall");
    let stream = stalls.timeout(Duration::from_millis(200)).stream().await;
    let error = stream.unwrap().finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.partial().is_some(), "what had arrived is kept");
}

#[tokio::test]
async fn m5_h_what_may_heal_is_asked_for_again_and_nothing_else() {
    let (sandbox, client) = pair();
    let ask = |fault: &str| client.text().chat([fault]).header(FAULT, fault);
    let healed = ask("status;code=503;times=2").await;
    assert!(healed.is_ok());
    assert_eq!(sandbox.count(), 3);

    let error = ask("status;code=400").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::InvalidRequest, 1)
    );
    let error = ask("status;code=402").await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Payment, 1));
    assert_eq!(sandbox.count(), 5);
}

#[tokio::test]
async fn m5_i_a_stream_is_whole_or_an_error_with_what_had_arrived() {
    let (_sandbox, client) = pair();
    for fault in [
        "crlf",
        "no-space",
        "comments",
        "split-utf8",
        "one-chunk",
        "no-done",
        "dribble",
    ] {
        let stream = client.text().chat([fault]).header(FAULT, fault);
        let whole = stream.stream().await.unwrap().finish().await;
        assert!(!whole.unwrap().content().is_empty(), "{fault}");
    }
    for (fault, kind) in [
        ("cut", ErrorKind::Truncated),
        ("done-without-finish", ErrorKind::Truncated),
        ("mid-error", ErrorKind::Upstream),
    ] {
        let stream = client.text().chat([fault]).header(FAULT, fault);
        let error = stream.stream().await.unwrap().finish().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault}: {error}");
        assert!(!error.partial().unwrap().content().is_empty(), "{fault}");
    }
}

#[tokio::test]
async fn m5_j_a_long_prompt_is_warned_of_and_no_error_shows_the_prompt() {
    let (_sandbox, client) = pair();
    let long = "Tell me about this garden. ".repeat(300);
    let answer = client.text().chat([long.as_str()]).await.unwrap();
    assert_eq!(answer.warnings().len(), 1);

    let secret = client.text().generate("a canary of mine");
    let error = secret.header(FAULT, "form-d").await.unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("canary"),
        "{error:?}"
    );
}

#[tokio::test]
async fn m5_k_no_redirect_is_followed_and_every_prompt_arrives_as_it_is() {
    let (sandbox, client) = pair();
    let away = client.text().generate("Away").header(FAULT, "redirect");
    assert_eq!(away.await.unwrap_err().kind(), ErrorKind::Upstream);
    assert_eq!(sandbox.count(), 1);

    for prompt in [
        "../../account",
        "%2e%2e/x",
        "a\\..\\b",
        "a#b",
        "a?token=x",
        ".",
        "a/b",
        "ü ✿",
    ] {
        client.text().generate(prompt).await.unwrap();
        let last = sandbox.requests().pop().unwrap();
        assert_eq!(last.prompt(), Some(prompt));
    }
}
