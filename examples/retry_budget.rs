//! An outage that does not become a storm.
//!
//! 10,000 calls in 10 s meet an upstream that is down. Without a budget every call is sent three times;
//! with one the upstream gets a tenth more, also where three layers retry. The clock is simulated.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use blossom::{
    Body,
    layers::retry::{Budget, RetryLayer, Standard},
};
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

const CALLS: u32 = 10_000;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let without = RetryLayer::new(Standard::new().budget(Budget::new(u32::MAX, u32::MAX)));
    let without = amplification(|down| without.layer(down)).await;
    println!("without a budget:    {without:.2} requests a call");

    let with = amplification(|down| RetryLayer::default().layer(down)).await;
    println!("with the default:    {with:.2}");

    let more = Standard::new().max_attempts(NonZeroU32::MIN.saturating_add(9));
    let more = amplification(|down| RetryLayer::new(more.clone()).layer(down)).await;
    println!("with ten attempts:   {more:.2}");

    let stacked = amplification(|down| {
        ServiceBuilder::new()
            .layer(RetryLayer::default())
            .layer(RetryLayer::default())
            .layer(RetryLayer::default())
            .service(down)
    })
    .await;
    println!("with three layers:   {stacked:.2}");

    assert!(without > 2.99);
    // A tenth, and the floor of 10 retries.
    for amplification in [with, more, stacked] {
        assert!(amplification <= 1.101, "{amplification}");
    }
}

/// How many requests an upstream that is down gets for each call through a stack.
async fn amplification<S>(stack: impl FnOnce(Down) -> S) -> f64
where
    S: Service<Request<Body>> + Clone,
{
    let down = Down::default();
    let service = stack(down.clone());
    let calls = (0..CALLS).map(|call| {
        let service = service.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(call.into())).await;
            drop(service.oneshot(Request::new(Body::from("ask"))).await);
        }
    });
    join_all(calls).await;
    f64::from(down.requests.load(Ordering::Relaxed)) / f64::from(CALLS)
}

/// Answers 503, and counts.
#[derive(Clone, Default)]
struct Down {
    requests: Arc<AtomicU32>,
}

impl Service<Request<Body>> for Down {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        ready(Ok(response))
    }
}
