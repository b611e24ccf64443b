//! Secrets are planted wherever they can be, and looked for wherever something is shown.

use std::{convert::Infallible, panic::AssertUnwindSafe};

use blossom::{
    Blossom, Body, Dialect, Endpoint, Error,
    layers::{metrics::MetricsLayer, trace::TraceLayer},
    policy::{DescribeRequest, NameError},
    protocol::Message,
    sandbox::Sandbox,
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Frame;
use proptest::prelude::*;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::capture::Capture;

const KEY: &str = "sk_CANARY0key0abcdefghijklmnop";
const HEADER: &str = "CANARY1header";
const PROMPT: &str = "CANARY2prompt\r\nGET / HTTP/1.1\x1b[31m\u{202e}\0";

fn assert_clean(what: &str, shown: &str) {
    assert!(!shown.contains("CANARY"), "{what}: {shown}");
}

/// No text of others can begin a line, move a cursor or turn the direction.
fn assert_plain(what: &str, shown: &str) {
    let moves = |char: char| matches!(char, '\x1b' | '\r' | '\0' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!shown.contains(moves), "{what}: {shown:?}");
}

fn shown(error: &Error) -> String {
    let mut all = format!("{error}\n{error:?}\n{error:#?}\n");
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        all.push_str(&format!("{source}\n{source:?}\n"));
        next = source.source();
    }
    all.push_str(&format!("{:?}", error.partial()));
    all
}

#[tokio::test]
async fn j6_no_canary_is_shown_whatever_the_upstream_does() {
    let sandbox = Sandbox::start().unwrap();
    let seen = Capture::install();
    let builder = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .api_key(KEY);
    assert_clean("the builder", &format!("{builder:?}"));
    let client = builder.build().unwrap();
    assert_clean("the client", &format!("{client:?}"));

    let forms = ('a'..='j').map(|form| format!("form-{form}"));
    let streams = [
        "cut;after-events=2",
        "mid-error;form=1",
        "moderation",
        "not-json",
    ];
    for fault in forms.chain(streams.map(str::to_owned)) {
        let chat = client.text().chat([Message::user(PROMPT)]);
        let chat = chat
            .header("x-secret", HEADER)
            .header("x-sandbox-fault", &fault);
        assert_clean("a call", &format!("{chat:?}"));
        if let Ok(stream) = chat.stream().await {
            assert_clean("a stream", &format!("{stream:?}"));
            assert_clean(&fault, &shown(&stream.finish().await.unwrap_err()));
        }
        let text = client.text().generate(PROMPT);
        let text = text
            .header("x-secret", HEADER)
            .header("x-sandbox-fault", &fault);
        if let Err(error) = text.await {
            assert_clean(&fault, &shown(&error));
            assert_plain(&fault, &error.to_string());
        }
    }
    let log = seen.log();
    assert!(log.contains(": close"), "something was logged");
    assert_clean("the log", &log);
    assert_plain("the log", &log);
    let figures = seen.figures();
    assert!(figures.contains("blossom.calls.ended"));
    assert_clean("the figures", &figures);
}

#[tokio::test]
async fn j6_what_is_wrong_with_a_configuration_is_said_without_it() {
    for url in [
        "https://user:CANARY@example.com",
        "https://example.com/?key=CANARY",
        "https://CANARY example",
        "http://CANARY.example/\u{202e}",
    ] {
        let error = Blossom::builder().base_url(url).build().unwrap_err();
        assert_clean(url, &shown(&error));
    }
    for key in ["CANARY\r\nx: 1", "CANARY\0", "CANARY ü"] {
        let error = Blossom::builder().api_key(key).build().unwrap_err();
        assert_clean("a key", &shown(&error));
    }
    let refused = Blossom::builder()
        .api_key(KEY)
        .base_url("http://127.0.0.1:1/")
        .max_attempts(1)
        .build()
        .unwrap()
        .text()
        .generate(PROMPT)
        .await;
    assert_clean("no connection", &shown(&refused.unwrap_err()));
}

/// What stands in the files of a folder, and what they are called.
#[cfg(unix)]
fn files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let name = path.to_string_lossy().into_owned();
            all.push((name, std::fs::read(&path).unwrap()));
        }
    }
    all
}

#[cfg(unix)]
#[tokio::test]
async fn j6_the_files_of_a_cache_hold_answers_and_no_key_no_header_and_no_prompt() {
    let sandbox = Sandbox::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .api_key(KEY)
        .cache_dir(folder.path().join("cache"))
        .request_ids(true)
        .build()
        .unwrap();
    let chat = client.text().chat([Message::user(PROMPT)]);
    let answer = chat.header("x-secret", HEADER).await.unwrap();
    let text = client.text().generate(PROMPT).header("x-secret", HEADER);
    text.await.unwrap();
    let chat = client
        .text()
        .chat([Message::system(PROMPT), Message::user("Tell me")]);
    chat.stream().await.unwrap().finish().await.unwrap();
    let image = client.image().generate(PROMPT).size(64, 64);
    image.await.unwrap();
    client.cache().flush().await.unwrap();
    drop(client);

    let all = files(folder.path());
    let first: String = answer.content().chars().take(30).collect();
    let kept = all
        .iter()
        .any(|(_, bytes)| memchr::memmem::find(bytes, first.as_bytes()).is_some());
    assert!(kept, "the answer is there: {first}");
    for (name, bytes) in &all {
        assert_clean("the name of a file", name);
        let found = memchr::memmem::find(bytes, b"CANARY");
        assert_eq!(found, None, "{name}");
    }
}

#[tokio::test]
async fn j6_a_panic_message_stands_in_no_span_and_no_figure() {
    let seen = Capture::install();
    let panics = service_fn(|request: Request<Body>| async move {
        assert!(request.uri().path().is_empty(), "CANARY: {}", request.uri());
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let stack = ServiceBuilder::new()
        .layer(
            TraceLayer::call()
                .describe(DescribeRequest)
                .error_type(NameError),
        )
        .layer(
            MetricsLayer::new()
                .describe(DescribeRequest)
                .error_type(NameError),
        )
        .service(panics);

    let request = Request::get("https://example.com/CANARY?key=CANARY").body(Body::empty());
    let answer = AssertUnwindSafe(stack.oneshot(request.unwrap())).catch_unwind();
    assert!(answer.await.is_err());

    assert!(seen.log().contains(": close"));
    assert_clean("the log", &seen.log());
    assert!(seen.figures().contains("canceled"));
    assert_clean("the figures", &seen.figures());
}

#[tokio::test]
async fn j5_a_model_name_that_moves_lines_stays_a_word() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .build()
        .unwrap();
    let seen = Capture::install();
    let evil = "small\r\n2026-01-01 ERROR all is lost\x1b[31m\u{202e}\0";

    let chat = client.text().chat([Message::user("Hi")]).model(evil);
    drop(chat.await);

    for (what, text) in [("the log", seen.log()), ("the figures", seen.figures())] {
        assert!(text.contains("small"), "{what}: {text}");
        assert_plain(what, &text);
        let lines = text.lines().filter(|line| line.starts_with("2026-01-01"));
        assert_eq!(lines.count(), 0, "{what}: {text}");
    }
}

/// A client of an upstream that refuses with `body`, in frames that end at `cuts`.
fn refused(body: &str, cuts: &[usize]) -> Blossom {
    let mut frames = Vec::new();
    let mut from = 0;
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    cuts.sort_unstable();
    for to in cuts.into_iter().chain([body.len()]) {
        frames.push(Bytes::copy_from_slice(&body.as_bytes()[from..to]));
        from = to;
    }
    let service = service_fn(move |_: Request<Body>| {
        let frames = frames.clone().into_iter();
        let frames = frames.map(|frame| Ok::<_, Infallible>(Frame::data(frame)));
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        let response = Response::builder()
            .status(401)
            .header("content-type", "application/json")
            .body(Body::stream(body));
        std::future::ready(Ok::<_, Infallible>(response.unwrap()))
    });
    Blossom::from_service(service)
        .endpoint(Endpoint::new(Dialect::Gen, "http://127.0.0.1:1").unwrap())
        .build()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands around a key that an upstream echoes, and however its answer is cut.
    #[test]
    fn p13_what_is_shown_holds_no_key(
        mark in prop::sample::select(vec!["sk_", "pk_", "Bearer ", "?key=", "&token=", "api_key="]),
        secret in "[a-zA-Z0-9]{16,40}",
        before in "\\PC{0,300}",
        after in "[ \"'&,.;:)\\]}]\\PC{0,300}",
        form in 0..4u8,
        cuts in prop::collection::vec(any::<usize>(), 0..5),
    ) {
        let message = format!("{before}{mark}{secret}{after}");
        let body = match form {
            0 => serde_json::json!({ "error": message }),
            1 => serde_json::json!({ "error": { "message": message, "code": message } }),
            2 => serde_json::json!({
                "status": 401, "success": false,
                "error": { "code": "UNAUTHORIZED", "message": message },
            }),
            _ => serde_json::json!(message),
        };
        let body = body.to_string();
        let seen = Capture::install();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let error = runtime.block_on(async {
            refused(&body, &cuts).text().generate("Hi").await.unwrap_err()
        });
        for text in [shown(&error), seen.log(), seen.figures()] {
            prop_assert!(!text.contains(&secret), "{secret} in {text}");
        }
        prop_assert!(!error.to_string().contains(['\n', '\r', '\x1b']));
    }
}
