//! Stops calling an upstream that fails, for a while, and then tries it with a few calls.
//!
//! A circuit is *closed* while calls go through. It *opens* when too many of them fail, and calls are
//! refused at once with [`Broken`]: that spares the callers a wait, and the upstream a load that it
//! cannot bear. After a while it is *half-open*: exactly as many probes go through as the [`Rules`] say.
//! If all succeed it closes, if one fails it opens again.
//!
//! | rule | default | why |
//! | --- | --- | --- |
//! | share of failures | half of at least 20 calls in 30 s | an upstream that fails now and then is still of use |
//! | failures in a row | 10 | with few calls a share says little |
//! | time open | 15 s | shorter than what people wait, longer than a restart |
//! | probes | 3 | one may be lucky |
//!
//! What it does not do: it never waits, it does not repeat anything, and it knows nothing of other
//! processes.
//!
//! # Where it goes
//!
//! Inside retries, so that each attempt counts and an open circuit ends them; outside limits, so that
//! an open circuit costs no permit, no quota and no wait. `observe` stands inside it, if failures in the
//! middle of a stream that ends well are to count.
//!
//! ```
//! # use std::time::Duration;
//! # use blossom_layers::{breaker::BreakerLayer, retry::RetryLayer, timeout::HeadTimeoutLayer};
//! # use tower::ServiceBuilder;
//! let stack = ServiceBuilder::new()
//!     .layer(RetryLayer::default())
//!     .layer(BreakerLayer::new())
//!     // .. limits ..
//!     .layer(HeadTimeoutLayer::new(Duration::from_secs(10))); // what is late has failed
//! # let _ = stack;
//! ```
//!
//! # Readiness
//!
//! Always ready: a refusal never waits behind an upstream that is not ready. In the future a clone of the
//! inner service is made ready and called.
//!
//! # Streaming
//!
//! A reply counts when its body ends, so a stream that breaks in the middle is a failure. A bad head
//! counts at once, and a probe succeeds when its answer has begun, since a stream may last for minutes.
//!
//! # Cancellation
//!
//! A call that is dropped says nothing, unless its answer had begun, which is a success. The place of a
//! probe that was dropped is free again; one that is neither read nor dropped holds its place no longer
//! than the circuit was open.
//!
//! # Cost
//!
//! A look-up, an uncontended lock at the end of a call, one more for a key that is not empty, and the
//! clone of the inner service; an allocation for a key that the partition makes anew. That is some 490
//! instructions (x86-64, 2026-11-25, empty key).
//!
//! # Example
//!
//! ```
//! # use std::{convert::Infallible, num::NonZeroU32, time::Duration};
//! # use http::{Request, Response, StatusCode};
//! # use tower::{Service, ServiceBuilder, ServiceExt};
//! use blossom_layers::{body::ReqBody, breaker::{BreakerLayer, Broken, CircuitState, Rules}};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let rules = Rules::new().in_a_row(NonZeroU32::MIN).open(Duration::from_secs(5));
//! let layer = BreakerLayer::new().rules(rules);
//! let handle = layer.handle();
//! let mut service = ServiceBuilder::new().layer(layer).service_fn(|_: Request<ReqBody>| async {
//!     let mut response = Response::new(ReqBody::empty());
//!     *response.status_mut() = StatusCode::BAD_GATEWAY;
//!     Ok::<_, Infallible>(response)
//! });
//! let request = || Request::get("http://example.com/").body(ReqBody::empty()).unwrap();
//!
//! assert!(service.call(request()).await.is_ok(), "the failure is passed on");
//! let error = service.call(request()).await.unwrap_err();
//! assert_eq!(error.downcast_ref::<Broken>().unwrap().retry_after(), Duration::from_secs(5));
//!
//! handle.reset(&"example.com".into());
//! assert_eq!(handle.snapshot(&"example.com".into()).state, CircuitState::Closed);
//! # }
//! ```
//!
//! # Sources
//!
//! M. Nygard, *Release It!*, on circuit breakers; [Circuit Breaker] for the three states. tower has no
//! such layer.
//!
//! [Circuit Breaker]: https://martinfowler.com/bliki/CircuitBreaker.html

mod ask;
mod body;
mod circuit;
mod circuits;
mod error;
mod future;
mod handle;
mod layer;
mod rules;
mod service;

pub use self::{
    ask::{ByAuthority, ByHealth},
    body::ResponseBody,
    error::Broken,
    future::ResponseFuture,
    handle::{BreakerHandle, CircuitState, Snapshot},
    layer::BreakerLayer,
    rules::Rules,
    service::Breaker,
};
