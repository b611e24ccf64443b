//! The guide's table of errors, compared with what the code does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::{Ready, pending, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Layer, service_fn};
use tower_service::Service;

use super::{Blossom, Save, Text, failure, options::Options};
use crate::{
    Error,
    layers::{
        BoxError,
        body::ReqBody,
        observe::ObserveLayer,
        test_util::ScriptedBody,
        timeout::{FirstEventTimeoutLayer, HeadTimeoutLayer, IdleTimeoutLayer, TotalTimeoutLayer},
        types::{Refusal, RefusalKind},
    },
    policy::ObserveReply,
    protocol::{ChatRequest, Dialect, Failure, StreamEvent},
    transport::{ConnectCause, ConnectError, Interrupted, InvalidResponse, PlainHttpRefused},
};

const GUIDE: &str = include_str!("../guide/errors.md");

/// Kind, whether another try can help, and the suggestion.
type Told = (String, bool, String);

/// The rows of the table under a heading: the first cell, and what it says of the error.
fn table(heading: &str) -> Vec<(String, Told)> {
    let (_, section) = GUIDE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(2);
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [key, kind, retryable, suggestion] = cells[..] else {
            panic!("{row}");
        };
        let told = (
            kind.trim_matches('`').to_owned(),
            retryable == "yes",
            suggestion.replace('`', ""),
        );
        (key.to_owned(), told)
    })
    .collect()
}

fn told(error: &Error) -> Told {
    (
        format!("{:?}", error.kind()),
        error.is_retryable(),
        error.suggestion().unwrap_or_default().to_owned(),
    )
}

/// The words of a cell that are code.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_status_is_told_as_the_guide_says() {
    let mut named = BTreeSet::new();
    let mut others = BTreeMap::new();
    let of = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        let error = failure::of_failure(&Failure::decode(status, &HeaderMap::new(), b""));
        assert_eq!(error.status(), Some(status));
        told(&error)
    };
    for (cell, expected) in table("By status") {
        for word in words(&cell) {
            let status = word.parse().unwrap();
            assert_eq!(of(status), expected, "{status}");
            assert!(named.insert(status), "{status} stands in two rows");
        }
        if let Some((_, class)) = cell.split_once("and other ") {
            others.insert(class.to_owned(), expected);
        }
    }
    for status in (400..600).filter(|status| !named.contains(status)) {
        assert_eq!(
            of(status),
            others[&format!("{}xx", status / 100)],
            "{status}"
        );
    }
}

#[test]
fn the_true_status_inside_502_decides() {
    for (cell, expected) in table("By status") {
        for status in words(&cell).into_iter().filter(|word| *word >= "400") {
            let body = format!(
                r#"{{"status":502,"success":false,"error":{{"code":"BAD_GATEWAY","message":"x",
                    "details":{{"upstreamStatus":{status}}}}}}}"#
            );
            let failure =
                Failure::decode(StatusCode::BAD_GATEWAY, &HeaderMap::new(), body.as_bytes());
            let error = failure::of_failure(&failure);
            assert_eq!(told(&error), expected, "{status}");
            assert_eq!(error.status(), Some(StatusCode::BAD_GATEWAY));
        }
    }
}

#[test]
fn every_code_is_told_as_the_guide_says() {
    let in_stream = |code: &str| {
        let event = format!(r#"{{"error":{{"message":"x","code":"{code}"}}}}"#);
        match StreamEvent::decode(&event) {
            StreamEvent::Error(failure) => told(&failure::of_failure(&failure)),
            other => panic!("{other:?}"),
        }
    };
    let under = |status: u16, code: &str| {
        let body = format!(r#"{{"error":{{"message":"x","code":"{code}"}}}}"#);
        let status = StatusCode::from_u16(status).unwrap();
        let failure = Failure::decode(status, &HeaderMap::new(), body.as_bytes());
        told(&failure::of_failure(&failure))
    };
    let rows = table("By code");
    for (position, (cell, expected)) in rows.iter().enumerate() {
        for code in words(cell) {
            assert_eq!(in_stream(code), *expected, "{code}");
            let outweighs = under(500, code) == *expected && under(429, code) == *expected;
            assert_eq!(outweighs, position < 3, "{code} under a status");
        }
    }
    assert_eq!(in_stream("never_heard_of"), rows.last().unwrap().1);
    assert_eq!(in_stream(""), rows.last().unwrap().1);
}

type Answer = Result<Response<ScriptedBody>, BoxError>;

/// A service that answers so at once.
fn answers(
    answer: impl Fn() -> Answer + Clone + Send + Sync + 'static,
) -> impl Service<
    Request<ReqBody>,
    Response = Response<ScriptedBody>,
    Error = BoxError,
    Future = Ready<Answer>,
> + Clone
+ Send
+ Sync
+ 'static {
    service_fn(move |_: Request<ReqBody>| ready(answer()))
}

fn reply(content_type: &str, body: ScriptedBody) -> Response<ScriptedBody> {
    let response = Response::builder().header("content-type", content_type);
    response.body(body).unwrap()
}

/// A body with these events.
fn events(data: &[&str]) -> ScriptedBody {
    let event = |body: ScriptedBody, data: &&str| body.data(format!("data: {data}\n\n"));
    data.iter().fold(ScriptedBody::new(), event)
}

const WORD: &str = r#"{"choices":[{"delta":{"content":"a"}}]}"#;

/// How a stream ends that begins with a word and goes on so.
async fn stream(
    rest: impl Fn(ScriptedBody) -> ScriptedBody + Clone + Send + Sync + 'static,
) -> Error {
    let answer = move || Ok(reply("text/event-stream", rest(events(&[WORD]))));
    let error = streamed(&Blossom::from_service(answers(answer)).build()).await;
    let partial = error.partial().unwrap();
    assert_eq!(partial.content(), "a", "what had arrived is kept");
    error
}

async fn streamed(client: &Blossom) -> Error {
    match client.text().chat(["x"]).stream().await {
        Ok(stream) => stream.finish().await.unwrap_err(),
        Err(error) => error,
    }
}

/// How a chat ends whose whole reply is this.
async fn whole(content_type: &'static str, body: &'static str) -> Error {
    let answer = move || Ok(reply(content_type, ScriptedBody::new().data(body)));
    let client = Blossom::from_service(answers(answer)).max_response_bytes(64);
    let error = client.build().text().chat(["x"]).await.unwrap_err();
    let kept = error
        .partial()
        .is_some_and(|partial| partial.body() == body.as_bytes());
    assert!(kept || body.len() > 64, "what came is kept");
    error
}

fn call(error: impl Into<BoxError>) -> Error {
    failure::of_call(error.into(), None).0
}

fn connect(cause: ConnectCause) -> Error {
    call(ConnectError::new(cause, "example.com", "scripted".into()))
}

/// A layer's refusal, as its error holds it.
fn refusal(kind: RefusalKind) -> Error {
    #[derive(Debug)]
    struct Refused(Refusal);
    impl fmt::Display for Refused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("refused")
        }
    }
    impl std::error::Error for Refused {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    call(Refused(Refusal::new(kind)))
}

const SECOND: Duration = Duration::from_secs(1);

/// The errors of our own clocks, each fired by itself.
async fn clocks() -> Vec<(&'static str, Error)> {
    let never = service_fn(|_: Request<ReqBody>| pending::<Answer>());
    let silent =
        |body: fn() -> ScriptedBody| answers(move || Ok(reply("text/event-stream", body())));
    let begun = || events(&[WORD]).stall();
    let nothing = || ScriptedBody::new().stall();
    let head = Blossom::from_service(HeadTimeoutLayer::new(SECOND).layer(never)).build();
    let total = TotalTimeoutLayer::new(SECOND).layer(silent(begun));
    let total = Blossom::from_service(total).build();
    let first = FirstEventTimeoutLayer::new(SECOND)
        .layer(ObserveLayer::new(ObserveReply).layer(silent(nothing)));
    let first = Blossom::from_service(first).build();
    let idle = Blossom::from_service(IdleTimeoutLayer::new(SECOND).layer(silent(begun))).build();
    let unread = IdleTimeoutLayer::new(Duration::MAX)
        .max_unread(SECOND)
        .layer(silent(begun));
    let unread = Blossom::from_service(unread).build();
    let mut stream = unread.text().chat(["x"]).stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    tokio::time::sleep(2 * SECOND).await;
    vec![
        ("the head did not come", streamed(&head).await),
        ("the stream did not begin", streamed(&first).await),
        ("the body went silent", streamed(&idle).await),
        ("the call took too long in all", streamed(&total).await),
        ("nobody read the stream", stream.finish().await.unwrap_err()),
    ]
}

/// What broke before an answer began.
fn before_the_head() -> Vec<(&'static str, Error)> {
    let invalid = ChatRequest::new(["x"])
        .temperature(9.0)
        .validate(Dialect::Gen);
    let mut options = Options::default();
    options.header("x-note", "a\nb");
    vec![
        (
            "a parameter out of its range, or one that the dialect does not carry",
            failure::invalid(&invalid.unwrap_err()),
        ),
        (
            "a header that is not legal",
            options.finish(Ok(Request::default())).unwrap_err(),
        ),
        (
            "a URI that the transport does not send to",
            call(PlainHttpRefused::new("example.com")),
        ),
        ("nobody listens there", connect(ConnectCause::Refused)),
        ("the host has no address", connect(ConnectCause::Dns)),
        ("a connection took too long", connect(ConnectCause::Timeout)),
        ("TLS failed", connect(ConnectCause::Tls)),
        ("the proxy refused", connect(ConnectCause::Proxy)),
        (
            "no connection for another reason",
            connect(ConnectCause::Other),
        ),
        (
            "broken before the head, nothing sent",
            call(Interrupted::new(false)),
        ),
        (
            "broken before the head, perhaps sent",
            call(Interrupted::new(true)),
        ),
        ("not HTTP", call(InvalidResponse::new())),
        (
            "a layer refused: too much under way",
            refusal(RefusalKind::Overloaded),
        ),
        (
            "a layer refused: a quota",
            refusal(RefusalKind::RateLimited),
        ),
        ("a layer refused: too large", refusal(RefusalKind::TooLarge)),
        (
            "a layer refused: the upstream is down",
            refusal(RefusalKind::Unavailable),
        ),
        ("a layer refused: a budget", refusal(RefusalKind::Spent)),
        ("a layer refused: a clock", refusal(RefusalKind::Timeout)),
    ]
}

/// Streams that broke.
async fn streams() -> Vec<(&'static str, Error)> {
    let finish = |reason: &str| {
        format!(
            "data: {}\n\n",
            WORD.replace("}}]", &format!("}},\"finish_reason\":\"{reason}\"}}]"))
                .replace("\"a\"", "\"\"")
        )
    };
    let (filter, failed) = (finish("content_filter"), finish("error"));
    vec![
        (
            "the body broke off",
            stream(|body| body.error("lost")).await,
        ),
        (
            "a stream without a finish reason",
            stream(|body| body.data("data: [DONE]\n\n")).await,
        ),
        (
            "a stream that ends inside a line",
            stream(|body| body.data("data: {\"choi")).await,
        ),
        (
            "a chunk that cannot be read",
            stream(|body| body.data("data: {\"choices\":[{\n\n")).await,
        ),
        (
            "a line or an event that is too long",
            stream(|body| body.data(vec![b'x'; 2 << 20])).await,
        ),
        (
            "a filter in mid-stream",
            stream(move |body| body.data(filter.clone())).await,
        ),
        (
            "a failed finish in mid-stream",
            stream(move |body| body.data(failed.clone())).await,
        ),
    ]
}

/// Whole replies that are no answer, and what follows a good one.
async fn wholes() -> Vec<(&'static str, Error)> {
    let typed = Text {
        content: "x".into(),
        ..Text::default()
    };
    let folder = std::env::temp_dir();
    vec![
        (
            "a page or broken JSON where an answer should be",
            whole("text/html", "<html>").await,
        ),
        (
            "a page or broken JSON where an answer should be",
            whole("application/json", "{\"choi").await,
        ),
        (
            "a reply that is too large",
            whole("text/plain", TOO_LARGE).await,
        ),
        (
            "an answer that is not of the type asked for",
            typed.json::<u8>().unwrap_err(),
        ),
        (
            "a file that cannot be read or written",
            Save::new(folder, Bytes::new()).await.unwrap_err(),
        ),
    ]
}

const TOO_LARGE: &str = "sixty-five bytes or more of a text that says nothing, and goes on so";

#[cfg(feature = "decompression")]
async fn compressed() -> Vec<(&'static str, Error)> {
    use crate::transport::decompress::DecompressLayer;

    let answer = || {
        let mut reply = reply("application/json", ScriptedBody::new().data("x"));
        let encoding = http::HeaderValue::from_static("unheard-of");
        reply.headers_mut().insert("content-encoding", encoding);
        Ok(reply)
    };
    let client = Blossom::from_service(DecompressLayer::new().layer(answers(answer))).build();
    vec![(COMPRESSED, streamed(&client).await)]
}

/// Without the feature nothing is decompressed, and so nothing can fail.
#[cfg(not(feature = "decompression"))]
async fn compressed() -> Vec<(&'static str, Error)> {
    ready(Vec::new()).await
}

const COMPRESSED: &str = "compressed in an unknown way, or beyond the limits";

#[tokio::test(start_paused = true)]
async fn every_cause_is_told_as_the_guide_says() {
    let mut rows: BTreeMap<_, _> = table("By cause").into_iter().collect();
    if !cfg!(feature = "decompression") {
        rows.remove(COMPRESSED);
    }
    let mut seen = BTreeSet::new();
    let causes = [
        clocks().await,
        before_the_head(),
        streams().await,
        wholes().await,
        compressed().await,
    ];
    for (cause, error) in causes.into_iter().flatten() {
        let expected = rows
            .get(cause)
            .unwrap_or_else(|| panic!("the guide has no row {cause:?}"));
        assert_eq!(told(&error), *expected, "{cause}: {error:?}");
        assert!(!error.to_string().contains('\n'));
        seen.insert(cause);
    }
    rows.retain(|cause, _| !seen.contains(cause.as_str()));
    assert!(rows.is_empty(), "no case for {rows:?}");
}
