//! The client against the embedded upstream, over real sockets.

use std::{
    future::{Future, IntoFuture},
    time::Duration,
};

use blossom::{
    Blossom, Error, ErrorKind, Text,
    protocol::{Message, Tool},
    sandbox::Sandbox,
};
use tokio::time::Instant;

use crate::support::{FAULT, eventually, pair};

#[expect(clippy::disallowed_methods, reason = "a test may start tasks")]
fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::task::spawn(future)
}

async fn streamed(client: &Blossom, fault: &str) -> Result<Text, Error> {
    let call = client.text().chat([Message::user("Tell me of rivers")]);
    call.header(FAULT, fault).stream().await?.finish().await
}

#[tokio::test]
async fn a_prompt_has_an_answer() {
    let (_sandbox, client) = pair();

    let answer = client.text().generate("What is Rust?").await.unwrap();

    assert!(!answer.content().is_empty());
    assert_eq!(answer.to_string(), answer.content());
    assert!(
        answer
            .usage()
            .is_some_and(|usage| usage.completion_tokens > 0)
    );
    assert!(answer.timing().is_some_and(|timing| timing.end.is_some()));
}

#[tokio::test]
async fn a_chat_has_an_answer_with_usage_model_and_reason() {
    let (_sandbox, client) = pair();

    let answer = client
        .text()
        .chat([Message::system("Be brief."), Message::user("What is Rust?")])
        .model("openai")
        .seed(7)
        .await
        .unwrap();

    assert!(!answer.content().is_empty());
    assert_eq!(answer.finish_reason().unwrap().as_str(), "stop");
    assert!(answer.model().is_some());
    assert!(answer.usage().unwrap().total_tokens > 0);
}

#[tokio::test]
async fn a_stream_gives_the_same_text_as_a_whole_answer() {
    let (_sandbox, client) = pair();
    let chat = || {
        client
            .text()
            .chat([Message::user("Tell me of rivers")])
            .seed(7)
    };

    let whole = chat().await.unwrap();
    let mut stream = chat().stream().await.unwrap();
    let mut pieces = Vec::new();
    while let Some(delta) = stream.next().await {
        pieces.push(delta.unwrap().content().to_owned());
    }
    let finished = stream.finish().await.unwrap();

    assert!(pieces.len() > 1, "it came in pieces");
    assert_eq!(pieces.concat(), whole.content());
    assert_eq!(finished.content(), whole.content());
    assert!(finished.usage().is_some(), "usage is asked for");
}

#[tokio::test]
async fn odd_but_legal_streams_give_the_same_text() {
    let (_sandbox, client) = pair();
    let plain = streamed(&client, "comments").await.unwrap();

    for fault in [
        "crlf",
        "no-space",
        "dribble",
        "split-utf8",
        "one-chunk",
        "no-done",
    ] {
        let text = streamed(&client, fault).await.unwrap();
        if fault != "split-utf8" {
            assert_eq!(text.content(), plain.content(), "{fault}");
        }
        assert!(!text.content().contains('\u{fffd}'), "{fault}");
    }
}

#[tokio::test]
async fn i7_a_stream_that_is_cut_says_so_and_keeps_what_had_arrived() {
    let (_sandbox, client) = pair();
    let whole = streamed(&client, "comments").await.unwrap();

    let error = streamed(&client, "cut;after-events=3").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Truncated);
    let partial = error.partial().unwrap();
    assert!(partial.events() >= 2 && partial.bytes() > 0);
    assert!(!partial.content().is_empty());
    assert!(whole.content().starts_with(partial.content()));
    assert!(error.is_retryable());
    assert!(error.suggestion().is_some() || error.elapsed().is_some());
}

#[tokio::test]
async fn done_without_a_finish_reason_is_no_answer() {
    let (_sandbox, client) = pair();

    let error = streamed(&client, "done-without-finish").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert!(!error.partial().unwrap().content().is_empty());
}

#[tokio::test]
async fn i10_an_error_event_in_mid_stream_is_a_typed_error_with_what_had_arrived() {
    let (_sandbox, client) = pair();

    for fault in ["mid-error;form=1", "mid-error;form=2", "mid-error;form=3"] {
        let error = streamed(&client, fault).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Upstream | ErrorKind::ContentPolicy),
            "{fault}: {error:?}"
        );
        assert!(!error.partial().unwrap().content().is_empty(), "{fault}");
    }
}

#[tokio::test]
async fn i9_dropping_a_stream_cancels_the_upstream_at_once() {
    let (sandbox, client) = pair();
    let mut stream = client
        .text()
        .chat([Message::user("Tell me of rivers")])
        .header(FAULT, "stall;after-events=3")
        .stream()
        .await
        .unwrap();
    stream.next().await.unwrap().unwrap();
    assert_eq!(sandbox.in_flight(), 1);

    let dropped = Instant::now();
    drop(stream);

    eventually("the upstream is not cancelled", || sandbox.in_flight() == 0).await;
    assert!(dropped.elapsed() < Duration::from_millis(500));
}

#[tokio::test]
async fn g6_a_clock_in_mid_body_closes_the_upstream() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .idle_timeout(Duration::from_millis(80))
        .build()
        .unwrap();

    let error = streamed(&client, "stall;after-events=3").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(!error.partial().unwrap().content().is_empty());
    assert!(error.suggestion().unwrap().contains("idle_timeout"));
    eventually("the upstream is not closed", || sandbox.in_flight() == 0).await;
    assert!(
        client.text().generate("Hi").await.is_ok(),
        "the next call has a sound connection"
    );
}

#[tokio::test]
async fn each_clock_of_the_preset_fires_alone() {
    let sandbox = Sandbox::start().unwrap();
    let builder = || {
        Blossom::builder()
            .base_url(sandbox.base_url())
            .max_attempts(1)
    };
    let short = Duration::from_millis(60);

    let head = builder().unary_timeout(short).build().unwrap();
    let error = head
        .text()
        .generate("Hi")
        .header(FAULT, "delay;head-ms=400")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.suggestion().unwrap().contains("unary_timeout"));

    let first = builder().first_event_timeout(short).build().unwrap();
    let error = streamed(&first, "stall;after-events=0").await.unwrap_err();
    assert!(error.suggestion().unwrap().contains("first_event_timeout"));

    let total = builder().build().unwrap();
    let error = total
        .text()
        .generate("Hi")
        .header(FAULT, "delay;head-ms=400")
        .timeout(short)
        .await
        .unwrap_err();
    assert!(error.suggestion().unwrap().contains("total_timeout"));
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_closed_and_says_so() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_unread(Duration::from_millis(60))
        .build()
        .unwrap();
    let mut stream = client
        .text()
        .chat([Message::user("Hi")])
        .header(FAULT, "stall;after-events=3")
        .stream()
        .await
        .unwrap();
    stream.next().await.unwrap().unwrap();

    eventually("the slot is not freed", || sandbox.in_flight() == 0).await;
    let error = stream.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unread);
    assert!(error.partial().is_some());
}

#[tokio::test]
async fn i12_a_page_instead_of_a_reply_is_a_typed_error_with_a_short_snippet() {
    let (_sandbox, client) = pair();

    let error = client
        .text()
        .chat([Message::user("Hi")])
        .header(FAULT, "form-h;status=200")
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().len() < 4096);
    assert!(!error.to_string().contains('\n'));
}

#[tokio::test]
async fn every_form_of_failure_is_a_typed_error() {
    let (_sandbox, client) = pair();

    for form in 'a'..='i' {
        let error = client
            .text()
            .generate("Hi")
            .header(FAULT, &format!("form-{form}"))
            .await
            .unwrap_err();
        assert!(error.status().is_some(), "form {form}: {error:?}");
        assert!(!error.to_string().contains('\n'), "form {form}");
        assert_eq!(error.attempts(), 1);
    }
}

#[tokio::test]
async fn a_notice_to_pay_under_200_is_an_error_and_no_answer() {
    let (_sandbox, client) = pair();

    let unary = client
        .text()
        .chat([Message::user("Hi")])
        .header(FAULT, "form-j")
        .await
        .unwrap_err();
    assert_eq!(unary.kind(), ErrorKind::Payment);
    assert!(!unary.is_retryable());

    let stream = streamed(&client, "form-j").await.unwrap_err();
    assert_eq!(stream.kind(), ErrorKind::Payment, "{stream:?}");

    let plain = client.text().generate("Hi").header(FAULT, "form-j").await;
    assert_eq!(plain.unwrap_err().kind(), ErrorKind::Payment);
}

#[tokio::test]
async fn a_limit_says_when_to_come_back() {
    let (_sandbox, client) = pair();

    let error = client
        .text()
        .generate("Hi")
        .header(FAULT, "status;code=429;retry-after=7")
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn j7_a_key_that_the_upstream_echoes_is_not_shown() {
    let sandbox = Sandbox::start().unwrap();
    let key = "sk_abcdefghijklmnopqrstuvwxyz012345";
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .api_key(key)
        .max_attempts(1)
        .build()
        .unwrap();

    for form in ['a', 'd', 'e', 'g', 'h'] {
        let error = client
            .text()
            .generate(format!("Hi, my key is {key}"))
            .header(FAULT, &format!("form-{form};status=401"))
            .await
            .unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(key), "form {form}: {shown}");
    }
    assert!(!format!("{client:?}").contains(key));
}

#[tokio::test]
async fn k3_every_prompt_reaches_the_upstream_as_it_is() {
    let (sandbox, client) = pair();
    let prompts = [
        "../../account",
        "%2e%2e/x",
        "a\\..\\b",
        "a#b",
        "a?token=x",
        "a\r\nb",
        ".",
        "..",
        "a/b",
        "a b",
        "a+b",
        "100%41",
        "ü 漢字 🌸",
        "a&b=c",
        "/text/x",
    ];

    for prompt in prompts {
        sandbox.reset();
        client.text().generate(prompt).await.unwrap();
        let seen = sandbox.requests();
        assert_eq!(seen.len(), 1, "{prompt:?}");
        assert_eq!(seen[0].prompt(), Some(prompt), "{prompt:?}");
    }
}

#[tokio::test]
async fn an_empty_prompt_is_refused_before_anything_is_sent() {
    let (sandbox, client) = pair();

    let error = client
        .text()
        .chat([Message::user("Hi")])
        .temperature(9.0)
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.to_string().contains("temperature"));
    assert_eq!(error.attempts(), 0);
    assert_eq!(sandbox.requests().len(), 0);
}

#[tokio::test]
async fn i8_an_idle_reader_slows_the_upstream_instead_of_filling_memory() {
    let (sandbox, client) = pair();
    let mut stream = client
        .text()
        .chat([Message::user("Hi")])
        .header(FAULT, "flood;events=1000000")
        .stream()
        .await
        .unwrap();
    stream.next().await.unwrap().unwrap();

    tokio::time::sleep(Duration::from_millis(300)).await;
    let early = sandbox.bytes_sent();
    tokio::time::sleep(Duration::from_millis(300)).await;

    // The sockets' buffers are full, and nobody takes from them.
    assert_eq!(sandbox.bytes_sent(), early);
    assert!(early < 16 * 1024 * 1024, "{early} bytes were taken unread");
}

#[tokio::test]
async fn tools_are_asked_for_and_streamed_calls_are_merged() {
    let (_sandbox, client) = pair();
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
    });
    let chat = || {
        let tool = Tool::function("weather")
            .description("The weather of a city")
            .parameters(schema.clone());
        client
            .text()
            .chat([Message::user("Weather in Paris?")])
            .tools([tool])
    };

    let whole = chat().await.unwrap();
    let streamed = chat().stream().await.unwrap().finish().await.unwrap();

    assert_eq!(whole.content(), "");
    for answer in [whole, streamed] {
        let call = answer.tool_calls().first().unwrap();
        assert_eq!(call.name(), "weather");
        let arguments: serde_json::Value = serde_json::from_str(call.arguments()).unwrap();
        assert!(arguments["city"].is_string());
        assert_eq!(answer.finish_reason().unwrap().as_str(), "tool_calls");
    }
}

#[tokio::test]
async fn models_are_listed() {
    let (_sandbox, client) = pair();

    let models = client.models().await.unwrap();

    assert!(models.iter().any(|model| model.id() == "openai"));
}

#[tokio::test]
async fn a_call_can_be_stored_and_moved_into_a_task() {
    let (_sandbox, client) = pair();
    let calls: Vec<_> = (0..3)
        .map(|n| client.text().generate(format!("Question {n}")))
        .collect();
    drop(client);

    for call in calls {
        let answer = spawn(call.into_future()).await.unwrap();
        assert!(!answer.unwrap().content().is_empty());
    }
}

#[tokio::test]
async fn calls_one_after_the_other_use_their_connections_again() {
    let (sandbox, client) = pair();

    for n in 0..5 {
        client
            .text()
            .generate(format!("Question {n}"))
            .await
            .unwrap();
        let stream = client
            .text()
            .generate(format!("Story {n}"))
            .stream()
            .await
            .unwrap();
        stream.finish().await.unwrap();
        eventually("a stream is still open", || sandbox.in_flight() == 0).await;
    }

    // Ten calls; the last bytes of a stream may still be read when the next call begins.
    assert!(sandbox.connections() <= 2, "{}", sandbox.connections());
}
