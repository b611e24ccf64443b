//! Layers under a tonic client, over a real tonic server.

use std::{
    convert::Infallible,
    error::Error as _,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use blossom::{
    Body,
    layers::{
        BoxError,
        backoff::Backoff,
        buffer::BufferLayer,
        retry::{RetryLayer, Standard},
        timeout::{GrpcTimeoutLayer, TotalTimeoutLayer},
        types::{Attempt, Class, Reply},
    },
};
use http::{Request, Response};
use tokio::net::TcpListener;
use tonic::{
    Code, Status,
    body::Body as GrpcBody,
    codegen::BoxFuture,
    server::NamedService,
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

const MILLIS: Duration = Duration::from_millis(1);

/// Notes what each call says of its time, is unavailable after a while, and good at the third call.
#[derive(Clone, Default)]
struct Tired {
    told: Arc<Mutex<Vec<Option<String>>>>,
}

impl NamedService for Tired {
    const NAME: &'static str = "test.Tired";
}

impl Service<Request<GrpcBody>> for Tired {
    type Response = Response<GrpcBody>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<GrpcBody>) -> Self::Future {
        let field = request.headers().get("grpc-timeout");
        let field = field.map(|value| value.to_str().unwrap().to_owned());
        let calls = {
            let mut told = self.told.lock().unwrap();
            told.push(field);
            told.len()
        };
        Box::pin(async move {
            tokio::time::sleep(MILLIS * 100).await;
            let status = match calls {
                1 | 2 => Status::unavailable("tired"),
                _ => Status::new(Code::Ok, ""),
            };
            Ok(status.into_http())
        })
    }
}

impl Tired {
    /// A channel to a server of this service.
    #[expect(clippy::disallowed_methods, reason = "the server is a test's own")]
    async fn served(&self) -> Channel {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_service(self.clone());
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let base = format!("http://{address}");
        Channel::from_shared(base).unwrap().connect().await.unwrap()
    }

    /// What the calls so far said, as times.
    fn told(&self) -> Vec<Option<Duration>> {
        let told = self.told.lock().unwrap();
        let read = |text: &String| {
            let (digits, unit) = text.split_at(text.len() - 1);
            assert!((1..=8).contains(&digits.len()), "{text}");
            let number: u32 = digits.parse().unwrap();
            number
                * match unit {
                    "S" => MILLIS * 1000,
                    "m" => MILLIS,
                    "u" => Duration::from_micros(1),
                    "n" => Duration::from_nanos(1),
                    _ => panic!("{text}"),
                }
        };
        told.iter().map(|text| text.as_ref().map(read)).collect()
    }
}

fn request(timeout: Option<&'static str>) -> Request<Body> {
    let request = Request::post("http://test/test.Tired/Call")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let request = match timeout {
        Some(timeout) => request.header("grpc-timeout", timeout),
        None => request,
    };
    request
        .body(Body::from(bytes::Bytes::from_static(&[0; 5])))
        .unwrap()
}

/// gRPC fails with status 200.
fn classify(reply: &Reply<'_>) -> Class {
    let status = reply.headers().and_then(|fields| fields.get("grpc-status"));
    match status {
        Some(status) if status == "14" => Class::Transient,
        _ => Class::Success,
    }
}

type Answer = Result<http::response::Parts, BoxError>;

/// Retries over the channel; each attempt says what is left.
async fn call(
    channel: Channel,
    total: Duration,
    lower: GrpcTimeoutLayer,
    request: Request<Body>,
) -> Answer {
    let policy = Standard::new()
        .classify(classify)
        // Nothing is done twice here that matters.
        .repeat(|_: Attempt, _: &Request<Body>, _: &Reply<'_>| true)
        .max_attempts(NonZeroU32::new(3).unwrap())
        .backoff(Backoff::new(MILLIS * 50, MILLIS * 50));
    let stack = ServiceBuilder::new()
        .layer(GrpcTimeoutLayer::new())
        .layer(TotalTimeoutLayer::new(total))
        .layer(BufferLayer::new())
        .layer(RetryLayer::new(policy))
        .layer(lower)
        .map_request(|request: Request<Body>| request.map(GrpcBody::new))
        .service(channel);
    Ok(stack.oneshot(request).await?.into_parts().0)
}

#[tokio::test]
async fn g5_each_attempt_tells_a_tonic_server_what_is_left() {
    let tired = Tired::default();
    let channel = tired.served().await;
    let layer = GrpcTimeoutLayer::new();

    // The caller would wait for ten seconds, the client for two.
    let answer = call(channel, MILLIS * 2000, layer, request(Some("10S"))).await;

    assert_eq!(answer.unwrap().headers["grpc-status"], "0");
    let told: Vec<_> = tired.told().into_iter().map(Option::unwrap).collect();
    let [first, second, third] = told[..] else {
        panic!("{told:?}");
    };
    assert!(first <= MILLIS * 2000, "{told:?}");
    // An attempt takes a tenth of a second.
    assert!(second + MILLIS * 100 <= first, "{told:?}");
    assert!(third + MILLIS * 100 <= second, "{told:?}");
}

#[tokio::test]
async fn g5_what_the_caller_asks_for_counts_from_its_first_attempt() {
    let tired = Tired::default();
    let channel = tired.served().await;
    let layer = GrpcTimeoutLayer::new();

    let answer = call(channel, Duration::MAX, layer, request(Some("5S"))).await;

    assert!(answer.is_ok());
    let told: Vec<_> = tired.told().into_iter().map(Option::unwrap).collect();
    assert!(told[2] + MILLIS * 200 <= MILLIS * 5000, "{told:?}");
}

#[tokio::test]
async fn g5_a_call_without_a_time_has_none_unless_it_is_asked_for() {
    for (layer, some) in [
        (GrpcTimeoutLayer::new(), false),
        (GrpcTimeoutLayer::new().always(), true),
    ] {
        let tired = Tired::default();
        let channel = tired.served().await;

        let answer = call(channel, MILLIS * 5000, layer, request(None)).await;

        assert!(answer.is_ok());
        let told = tired.told();
        assert!(told.iter().all(|told| told.is_some() == some), "{told:?}");
        assert!(told.is_sorted_by(|a, b| !some || a > b), "{told:?}");
    }
}

#[tokio::test]
async fn g5_a_tonic_server_ends_a_call_at_the_time_it_was_told() {
    let tired = Tired::default();
    let channel = tired.served().await;
    let lower = GrpcTimeoutLayer::new().always();
    // No clock of ours: only the server knows when to end.
    let stack = ServiceBuilder::new()
        .map_request(|mut request: Request<Body>| {
            let now = tokio::time::Instant::now().into_std();
            let deadline = blossom::layers::types::Deadline::after(now, MILLIS * 20);
            request.extensions_mut().insert(deadline.unwrap());
            request
        })
        .service(
            lower.layer(
                ServiceBuilder::new()
                    .map_request(|request: Request<Body>| request.map(GrpcBody::new))
                    .service(channel),
            ),
        );

    let answer = stack.oneshot(request(None)).await;

    // tonic's channel keeps to the field as well; whoever is first, the call ends long before it answers.
    match answer {
        Ok(response) => assert_eq!(response.headers()["grpc-status"], "1"),
        Err(error) => {
            let source = error.source().unwrap().to_string();
            assert!(source.to_lowercase().contains("timeout"), "{source}");
        }
    }
    assert!(tired.told()[0].unwrap() <= MILLIS * 20);
}
