//! The spans of the preset.

use blossom::{Blossom, layers::trace::W3c, protocol::Message, sandbox::Sandbox};

use super::{capture::Capture, eventually};

/// A client that does not wait before it asks again.
fn hasty(sandbox: &Sandbox) -> blossom::Builder {
    Blossom::builder()
        .base_url(sandbox.base_url())
        .backoff(blossom::layers::backoff::Backoff::new(
            std::time::Duration::ZERO,
            std::time::Duration::ZERO,
        ))
}

#[tokio::test]
async fn a_request_id_is_sent_with_all_attempts_and_shown() {
    let sandbox = Sandbox::start().unwrap();
    let client = hasty(&sandbox).request_ids(true).build().unwrap();
    let seen = Capture::install();

    let answer = client.text().generate("Tell me of rivers").await.unwrap();
    let sent = sandbox.requests().pop().unwrap();
    let id = sent.header("x-request-id").unwrap().to_owned();
    assert_eq!(id.len(), 32);
    assert_eq!(answer.request_id(), Some(&*id), "the sandbox gives none");
    assert!(seen.log().contains(&id), "{}", seen.log());

    let given = client
        .text()
        .generate("Again")
        .header("x-request-id", "mine");
    given.await.unwrap();
    let sent = sandbox.requests().pop().unwrap();
    assert_eq!(sent.header("x-request-id"), Some("mine"));

    let failing = client.text().generate("And again");
    let failing = failing.header("x-sandbox-fault", "status;code=503");
    let error = failing.await.unwrap_err();
    assert_eq!(error.attempts(), 3);
    let requests = sandbox.requests();
    let ids: Vec<_> = requests[2..]
        .iter()
        .map(|request| request.header("x-request-id").unwrap())
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(
        error.request_id(),
        Some("req_sandbox"),
        "its own goes before"
    );
}

#[tokio::test]
async fn an_error_without_a_reply_has_the_id_of_the_call() {
    let client = Blossom::builder()
        .base_url("http://127.0.0.1:1")
        .max_attempts(1)
        .request_ids(true)
        .build()
        .unwrap();
    let call = client.text().generate("Hi").header("x-request-id", "mine");
    assert_eq!(call.await.unwrap_err().request_id(), Some("mine"));
    let error = client.text().generate("Hi").await.unwrap_err();
    assert_eq!(error.request_id().unwrap().len(), 32);
}

#[tokio::test]
async fn without_the_setting_no_id_is_sent() {
    let sandbox = Sandbox::start().unwrap();
    let client = hasty(&sandbox).build().unwrap();
    client.text().generate("Hi").await.unwrap();
    assert_eq!(sandbox.requests()[0].header("x-request-id"), None);
}

#[tokio::test]
async fn a_call_and_its_attempt_have_a_span_each_that_say_what_was_used() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .build()
        .unwrap();
    let seen = Capture::install();

    let chat = client.text().chat([Message::user("Tell me of rivers")]);
    let stream = chat.model("openai").stream().await.unwrap();
    assert!(!seen.log().contains(": close"), "the body has not ended");
    stream.finish().await.unwrap();
    let closed = || seen.log().matches(": close").count() == 2;
    eventually("the spans are not closed", closed).await;

    let log = seen.log();
    let closed = |span: &str| {
        let mut lines = log.lines().rev();
        let line = lines.find(|line| line.contains(": close") && line.contains(span));
        line.unwrap_or_else(|| panic!("{span} was not closed: {log}"))
            .to_owned()
    };
    // The call's closes last.
    let (attempt, call) = (closed(":attempt{"), closed(" call{"));
    for text in [
        r#"gen_ai.operation.name="chat""#,
        r#"gen_ai.request.model="openai""#,
        "gen_ai.usage.output_tokens=",
        r#"gen_ai.response.finish_reasons="stop""#,
        "http.response.status_code=200",
    ] {
        assert!(call.contains(text), "{text}: {call}");
        assert!(attempt.contains(text), "{text}: {attempt}");
    }
    assert!(!log.contains("rivers"), "{log}");
}

#[tokio::test]
async fn content_and_trace_context_are_there_when_they_are_asked_for() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .trace_content(true)
        .propagate_trace(W3c::default())
        .build()
        .unwrap();
    let seen = Capture::install();

    client.text().generate("Tell me\nof rivers").await.unwrap();

    let log = seen.log();
    assert!(log.contains("of rivers"));
    let sent = sandbox.requests();
    let context = sent[0].header("traceparent").unwrap();
    let id = context.split('-').nth(1).unwrap();
    assert_eq!(log.matches(&format!("trace_id={id}")).count() % 2, 0);
    assert!(log.contains(&format!("trace_id={id}")), "{log}");
}
