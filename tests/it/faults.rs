//! What the client says to each fault of the sandbox, over real sockets.

use std::{collections::BTreeSet, time::Duration};

use blossom::{
    Blossom, Dialect, Endpoint, Error, ErrorKind, Text,
    layers::{observe::ObserveLayer, timeout::IdleTimeoutLayer},
    policy::ObserveReply,
    protocol::Message,
    sandbox::Sandbox,
    transport::Transport,
};
use tower::ServiceBuilder;

const FAULT: &str = "x-sandbox-fault";

/// What a call ends in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Answer,
    /// Kind, status, and whether another try can help.
    Error(ErrorKind, Option<u16>, bool),
}

const fn status(kind: ErrorKind, status: u16, retryable: bool) -> End {
    End::Error(kind, Some(status), retryable)
}

const fn cause(kind: ErrorKind, retryable: bool) -> End {
    End::Error(kind, None, retryable)
}

use End::Answer;
use ErrorKind::{
    ContentPolicy, Decode, InvalidRequest, Payment, RateLimited, Timeout, Truncated, Upstream,
};

/// The fault, what a chat ends in, and what a stream does.
const TOLD: &[(&str, End, End)] = &[
    (
        "form-a",
        status(InvalidRequest, 400, false),
        status(InvalidRequest, 400, false),
    ),
    (
        "form-b",
        status(RateLimited, 429, true),
        status(RateLimited, 429, true),
    ),
    (
        "form-c",
        status(RateLimited, 429, true),
        status(RateLimited, 429, true),
    ),
    (
        "form-d",
        status(Upstream, 500, true),
        status(Upstream, 500, true),
    ),
    // Refusals of v1 images come as 500.
    (
        "form-e",
        status(ContentPolicy, 500, false),
        status(ContentPolicy, 500, false),
    ),
    (
        "form-f",
        status(Upstream, 503, true),
        status(Upstream, 503, true),
    ),
    (
        "form-g",
        status(InvalidRequest, 404, false),
        status(InvalidRequest, 404, false),
    ),
    (
        "form-h",
        status(Upstream, 522, true),
        status(Upstream, 522, true),
    ),
    (
        "form-i",
        status(Upstream, 502, true),
        status(Upstream, 502, true),
    ),
    (
        "form-j",
        status(Payment, 200, false),
        status(Payment, 200, false),
    ),
    (
        "status;code=429;retry-after=2;date=1",
        status(RateLimited, 429, true),
        status(RateLimited, 429, true),
    ),
    (
        "status;code=502;upstream=401",
        status(ErrorKind::Unauthorized, 502, false),
        status(ErrorKind::Unauthorized, 502, false),
    ),
    (
        "moderation",
        status(ContentPolicy, 422, false),
        status(ContentPolicy, 422, false),
    ),
    (
        "redirect",
        status(Upstream, 302, false),
        status(Upstream, 302, false),
    ),
    (
        "early",
        status(InvalidRequest, 413, false),
        status(InvalidRequest, 413, false),
    ),
    (
        "not-json",
        status(Decode, 200, false),
        status(Decode, 200, false),
    ),
    (
        "bomb;mib=1",
        status(Decode, 200, false),
        status(Decode, 200, false),
    ),
    ("cut", cause(Truncated, true), cause(Truncated, true)),
    ("reset", cause(Truncated, true), cause(Truncated, true)),
    ("stall", cause(Timeout, true), cause(Timeout, true)),
    ("long-length", cause(Truncated, true), Answer),
    ("short-length", status(Decode, 200, false), Answer),
    ("mid-error", Answer, status(Upstream, 200, true)),
    ("mid-error;form=2", Answer, status(Upstream, 200, true)),
    ("mid-error;form=3", Answer, cause(ContentPolicy, false)),
    ("done-without-finish", Answer, cause(Truncated, true)),
    ("delay;head-ms=5;event-ms=1", Answer, Answer),
    ("slow-head;byte-ms=1", Answer, Answer),
    ("dribble", Answer, Answer),
    ("split-utf8", Answer, Answer),
    ("crlf", Answer, Answer),
    ("no-space", Answer, Answer),
    ("comments", Answer, Answer),
    ("one-chunk", Answer, Answer),
    ("no-done", Answer, Answer),
    ("no-usage", Answer, Answer),
    ("no-stream", Answer, Answer),
    ("compress", Answer, Answer),
    ("server-cache", Answer, Answer),
    ("unpaid", Answer, Answer),
    ("pollen", Answer, Answer),
];

/// Faults that have no end of their own, or one that no client can see.
const ELSEWHERE: [&str; 3] = ["comments-only", "flood", "fake-success"];

fn client(sandbox: &Sandbox) -> Blossom {
    let stack = ServiceBuilder::new()
        .layer(IdleTimeoutLayer::new(Duration::from_millis(500)))
        .layer(ObserveLayer::new(ObserveReply))
        .service(Transport::builder().build().unwrap());
    let endpoint = Endpoint::new(Dialect::Gen, sandbox.base_url()).unwrap();
    Blossom::from_service(stack).endpoint(endpoint).build()
}

fn end(result: &Result<Text, Error>) -> End {
    match result {
        Ok(_) => Answer,
        Err(error) => {
            let status = error.status().map(|status| status.as_u16());
            End::Error(error.kind(), status, error.is_retryable())
        }
    }
}

async fn streamed(client: &Blossom, fault: &str) -> Result<Text, Error> {
    let call = client
        .text()
        .chat([Message::user("Hi")])
        .header(FAULT, fault);
    call.stream().await?.finish().await
}

#[tokio::test]
async fn every_fault_ends_a_chat_and_a_stream_as_it_should() {
    let sandbox = Sandbox::start().unwrap();
    let client = client(&sandbox);
    let ends = TOLD.iter().map(async |(fault, of_chat, of_stream)| {
        let chat = client
            .text()
            .chat([Message::user("Hi")])
            .header(FAULT, fault)
            .await;
        assert_eq!(end(&chat), *of_chat, "{fault}: {chat:?}");
        let stream = streamed(&client, fault).await;
        assert_eq!(end(&stream), *of_stream, "{fault}, streamed: {stream:?}");
        for error in [chat, stream].into_iter().filter_map(Result::err) {
            assert!(!error.to_string().contains('\n'), "{fault}: {error}");
            assert!(error.suggestion().is_some(), "{fault}: {error:?}");
        }
    });
    futures_util::future::join_all(ends).await;
}

#[tokio::test]
async fn what_had_arrived_is_kept_whatever_ends_a_stream() {
    let sandbox = Sandbox::start().unwrap();
    let client = client(&sandbox);
    let whole = streamed(&client, "crlf").await.unwrap();

    for fault in [
        "cut",
        "reset",
        "stall",
        "mid-error",
        "mid-error;form=2",
        "done-without-finish",
    ] {
        let fault = format!("{fault};after-events=4");
        let error = streamed(&client, &fault).await.unwrap_err();
        let partial = error.partial().unwrap().content().to_owned();
        // The first event has only the role.
        assert_eq!(partial.split(' ').count(), 3, "{fault}: {partial}");
        assert!(whole.content().starts_with(&partial), "{fault}: {partial}");
    }
}

#[tokio::test]
async fn a_fault_may_strike_only_at_first_or_be_named_by_the_model() {
    let sandbox = Sandbox::start().unwrap();
    let client = client(&sandbox);
    let chat = || client.text().chat([Message::user("Hi")]);

    let twice = || chat().model("fault:status;code=503;times=2");
    assert!(twice().await.is_err() && twice().await.is_err());
    assert_eq!(
        twice().await.unwrap().content(),
        chat().await.unwrap().content()
    );

    let error = chat().model("fault:explode").await.unwrap_err();
    assert_eq!(error.kind(), InvalidRequest);
    assert!(error.to_string().contains("form-a"), "{error}");
}

#[tokio::test]
async fn no_fault_is_without_a_test() {
    let sandbox = Sandbox::start().unwrap();
    let uri = format!("{}/__sandbox/faults", sandbox.base_url());
    let request = http::Request::get(uri)
        .body(blossom::Body::empty())
        .unwrap();
    let reply = tower::ServiceExt::oneshot(client(&sandbox), request)
        .await
        .unwrap();
    let body = http_body_util::BodyExt::collect(reply.into_body())
        .await
        .unwrap()
        .to_bytes();
    let listed: serde_json::Value = serde_json::from_slice(&body).unwrap();

    let listed = listed["faults"].as_array().unwrap().iter();
    let listed: BTreeSet<_> = listed
        .map(|fault| fault["name"].as_str().unwrap())
        .collect();
    let told = TOLD
        .iter()
        .map(|(fault, ..)| fault.split(';').next().unwrap());
    let told: BTreeSet<_> = told.chain(ELSEWHERE).collect();
    assert_eq!(listed, told);
}
