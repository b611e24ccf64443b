//! The spans of the preset.

use blossom::{Blossom, layers::trace::W3c, protocol::Message, sandbox::Sandbox};

use super::{capture::Capture, eventually};

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
