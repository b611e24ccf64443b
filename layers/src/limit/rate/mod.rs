//! Limits how many requests, tokens or how much cost is admitted in any window of a period.
//!
//! Any number of [`Quota`]s hold at once, and a request takes of all of them or of none. Who cannot go
//! yet waits, first come first served, in a bounded queue; or is refused with [`RateLimited`], which
//! says when to come back.
//!
//! What it does not do: it does not limit how many calls are under way at once, and it keeps no count
//! of what was used in all.
//!
//! # The promise
//!
//! *No window of the period, wherever it begins, admits more than the limit.* Not only windows that
//! begin on the minute: a counter that is reset each minute admits twice its limit within two seconds.
//!
//! A quota is by default a burst and a pace: a burst of b (a twentieth of the limit, at least 1), then
//! one each `period / (limit - b + 1)`. The pace is slower than `limit / period` by just so much that
//! burst and pace together keep the promise; 95 % of the limit stays usable, evenly spread.
//! [`Quota::exact`] keeps a log instead.
//!
//! Tokens and cost are known only when the reply ends. A request reserves what it is expected to take
//! ([`TokenEstimate`](crate::types::TokenEstimate) in its extensions, or
//! [`estimate`](RateLimitLayer::estimate)); the promise is about these reservations. At the end of
//! the body the reservation becomes what the upstream reports in the
//! [`Outcome`](crate::types::Outcome):
//!
//! | what happened | what it means |
//! | --- | --- |
//! | less was used | the rest comes back: in full with `exact`; else as far as the pace has not made up for it meanwhile, since more would break the promise |
//! | more was used | a debt that those who come next wait for; it ends at one limit |
//! | the upstream does not say, or the body was dropped before it did | the reservation stays |
//! | the request was never sent: dropped before, or refused further in | all comes back, the request too |
//!
//! # Where it goes
//!
//! Inside the cache and `retry`: hits cost nothing, each attempt counts. Outside
//! `limit::concurrency`: who waits for quota holds no permit. `observe` stands inside, for its
//! outcome; `timeout::total` outside. A request whose wait cannot end before its
//! [`Deadline`](crate::types::Deadline) is refused at once.
//!
//! # Readiness
//!
//! Always ready: the inner service is not touched in `poll_ready`. A request that can go at once takes
//! its quotas in `call`, where a clone is readied and called; any other waits in its future. Nothing is
//! held by that which time does not give back, so a future that is not polled keeps nobody waiting.
//! Clones of a service, and all services of a layer and its clones, share their quotas.
//!
//! # Streaming
//!
//! The head and frames pass as they come; the guard on the body settles at its end, in any of the four
//! ways.
//!
//! # Cancellation
//!
//! A future that is dropped while it waits leaves the queue, and the next takes its place. Dropped
//! before the inner service was called it gives back all it took; after that nothing, since the
//! upstream counts it too.
//!
//! # Cost
//!
//! One lock and one reading of the clock for a request that goes at once, and no allocation: 690
//! instructions with one quota (callgrind, x86-64, 2026-11-25). If tokens or cost are counted, two more
//! locks and five allocations; one that has to wait is one more. The clock is the monotonic one: setting the time
//! changes nothing. Each part takes about 230 bytes until it is at rest (a period at most), and
//! [`max_partitions`](RateLimitLayer::max_partitions) bounds them.
//!
//! # Example
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     body::ReqBody,
//!     limit::rate::{Quota, RateLimitLayer, RateLimited},
//!     types::TokenEstimate,
//! };
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let minute = Duration::from_secs(60);
//! let layer = RateLimitLayer::new([
//!     Quota::requests(600, minute),
//!     Quota::tokens(10_000, minute).exact(),
//! ])
//! .max_waiting(0);
//! let quotas = layer.handle();
//! let service = ServiceBuilder::new().layer(layer).service_fn(|_: Request<ReqBody>| async {
//!     Ok::<_, Infallible>(Response::new(ReqBody::from("hello")))
//! });
//!
//! let mut request = Request::new(ReqBody::empty());
//! request.extensions_mut().insert(TokenEstimate::new(9_000));
//! service.clone().oneshot(request).await.unwrap();
//! assert_eq!(quotas.available(None), [29, 1_000]);
//!
//! let mut request = Request::new(ReqBody::empty());
//! request.extensions_mut().insert(TokenEstimate::new(2_000));
//! let error = service.oneshot(request).await.unwrap_err();
//! let limited = error.downcast_ref::<RateLimited>().unwrap();
//! assert_eq!(limited.quota(), Some(quotas.quotas()[1]));
//! assert!(limited.retry_after() <= minute);
//! # }
//! ```
//!
//! # Differences from tower
//!
//! tower's `RateLimit` counts requests in windows that it resets, so that twice its limit can go
//! around a reset. It has one quota, cannot be cloned, and so cannot be shared; it waits in
//! `poll_ready`, where neither deadline nor size of the request is known.
//!
//! The pace is the [generic cell rate algorithm](https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm)
//! of ITU-T I.371.

mod claim;
mod error;
mod future;
mod handle;
mod layer;
mod learn;
mod limiter;
mod log;
mod meter;
mod paced;
mod quota;
mod service;
mod settlement;

pub use self::{
    error::{LargerThanQuota, RateLimited},
    future::ResponseFuture,
    handle::Handle,
    layer::{RateLimitLayer, Stated},
    quota::{Quota, Unit},
    service::RateLimit,
    settlement::Settlement,
};
