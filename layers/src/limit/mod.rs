//! Limits on what goes to an upstream: how many calls at once, and how much in a time.
//!
//! | module | limits | a call counts |
//! | --- | --- | --- |
//! | `concurrency` | calls at once | until its body ends |
//! | `rate` | requests, tokens or cost in any window of a period | when it is admitted |
//!
//! Who needs both puts `rate` outside: then nobody who waits for quota holds a permit.
//!
//! ```
//! # use std::time::Duration;
//! # use http::Request;
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     limit::{concurrency::ConcurrencyLimitLayer, rate::{Quota, RateLimitLayer}},
//!     test_util::ScriptedService,
//! };
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), blossom_layers::BoxError> {
//! let rate = RateLimitLayer::new([Quota::requests(1, Duration::from_secs(60))]);
//! let concurrency = ConcurrencyLimitLayer::new(64);
//! let (quotas, permits) = (rate.handle(), concurrency.handle());
//! let service = ServiceBuilder::new()
//!     .layer(rate)
//!     .layer(concurrency)
//!     .service(ScriptedService::default());
//!
//! service.clone().oneshot(Request::new(())).await?;
//! let mut second = tokio_test::task::spawn(service.oneshot(Request::new(())));
//! assert!(second.poll().is_pending());
//! assert_eq!((quotas.waiting(), permits.in_flight()), (1, 0));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "limit-concurrency")]
pub mod concurrency;
#[cfg(feature = "limit-rate")]
pub mod rate;
