//! Inner services and bodies that check how a layer drives them.
//!
//! Semver does not cover this module.
//!
//! # Example
//!
//! ```
//! # use http::Request;
//! # use tower::{Layer as _, ServiceExt as _};
//! use blossom_layers::{
//!     limit::concurrency::ConcurrencyLimitLayer,
//!     test_util::{ScriptedBody, ScriptedService},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), blossom_layers::BoxError> {
//! let body = ScriptedBody::new().data("hello");
//! let log = body.log();
//! let upstream = ScriptedService::once(body);
//!
//! let service = ConcurrencyLimitLayer::new(8).layer(upstream.clone());
//! drop(service.oneshot(Request::new(())).await?);
//! assert_eq!(upstream.calls(), 1);
//! assert!(log.dropped() && log.frames() == 0);
//! # Ok(())
//! # }
//! ```

mod body;
mod probe;
mod service;

pub use self::{
    body::{BodyLog, ScriptedBody},
    probe::ReadyProbe,
    service::{ScriptedService, Step},
};
