//! Answers again what has been answered before: whole or streamed, frame by frame as it came.
//!
//! A miss streams through while it is kept; it is stored when it has ended and is proven whole. Equal
//! requests in flight share one call. What is kept and for how long is decided by the reply's own
//! directives, or by a [`CachePolicy`].
//!
//! What it does not do: it never changes a request, never revalidates (a conditional request passes
//! by), and never stores what is incomplete, partial, `private` or `no-store`, what sets a cookie, or
//! a failure that was not asked to be kept.
//!
//! | part | what |
//! | --- | --- |
//! | [`CacheLayer`], [`Cache`] | the layer and its service |
//! | [`CachePolicy`] | which replies may be stored, and for how long; [`ByDirectives`] unless told otherwise |
//! | [`CacheHandle`], [`CacheStats`] | a view from outside: what it has done, and what it is to forget |
//! | [`tier`] | where entries are kept: the [`Tier`] trait and the tiers |
//! | [`Entry`] | a reply that was proven whole, and how long it may be used |
//! | [`key`] | what identifies a request |
//!
//! # Where it goes
//!
//! Outside retries, limits and budgets: a hit takes no permit and no quota and costs nothing. Inside
//! what changes requests, since the key is made of the request as it is sent. Inside authentication in
//! a server; whose a reply is says the [`Scope`](crate::types::Scope), without which there is no
//! layer. `observe` stands further in: its [`Outcome`](crate::types::Outcome) is the proof that a
//! reply is whole, and without it no event stream is stored.
//!
//! A caller says what it wants of the cache by [`CacheOptions`](crate::types::CacheOptions) in the
//! extensions of its request.
//!
//! # Readiness
//!
//! Always ready: a hit never waits for the inner service, however saturated that is. A miss readies
//! and calls a clone.
//!
//! # Streaming
//!
//! A frame of a miss reaches its reader in the poll in which it came. A hit replays the frames with
//! their boundaries and trailers, as fast as they are read, or at a
//! [`pace`](CacheLayer::pace). Readers of one reply in flight each read at their own speed; beyond
//! [`max_entry_bytes`](CacheLayer::max_entry_bytes) the reply is neither kept nor joined, and what is
//! held in memory stays under that limit plus one frame. A failure is shared as
//! [`Shared`](crate::flight::Shared).
//!
//! The response says where it came from: as [`CacheStatus`](crate::types::CacheStatus) in its
//! extensions, and in `Cache-Status` ([RFC 9211]) and `Age`.
//!
//! # Cancellation
//!
//! Dropping a future or a body leaves the call to the others who share it. The last one cancels it at
//! once, unless [`finish_fill`](CacheLayer::finish_fill) lets it end in the background. Nothing is
//! stored of a reply that did not end.
//!
//! # Cost
//!
//! A hit in memory: a key, a short hash for the scope where the key was not among the last (two where
//! the owner depends on the request), one lock, and the six allocations of the response's head; the
//! body is shared. With a key known in each byte it takes 0.63 µs (1 KiB, AMD EPYC, 2026-11-25). What
//! is not for the cache costs two allocations, for its future and its body. A miss: that, the flight,
//! and one allocation for each part of the entry. A body of up to 64 KiB is copied once into a buffer
//! of its length.
//!
//! # Example
//!
//! ```
//! # use std::{convert::Infallible, sync::{Arc, atomic::{AtomicUsize, Ordering}}, time::Duration};
//! # use http::{Request, Response};
//! # use http_body_util::BodyExt;
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     body::ReqBody,
//!     cache::{CacheLayer, tier::MemoryTier},
//!     types::{CacheKey, CacheStatus, Scope},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // A key of your own; elsewhere it is a hash of the whole request.
//! let by_path = |request: &Request<ReqBody>| {
//!     let mut key = [0; 32];
//!     for (to, from) in key.iter_mut().zip(request.uri().path().bytes()) {
//!         *to = from;
//!     }
//!     Some(CacheKey::new(key))
//! };
//! let layer = CacheLayer::new(MemoryTier::new(64 << 20), by_path, Scope::fixed("team-a"))
//!     .time_to_live(Duration::from_secs(3600)) // where the reply does not say
//!     .stale_if_error(Duration::from_secs(600));
//! let cache = layer.handle();
//! let service = ServiceBuilder::new()
//!     .layer(layer)
//!     .service_fn(|_: Request<ReqBody>| async {
//!         Ok::<_, Infallible>(Response::new(ReqBody::from("hello")))
//!     });
//!
//! for expected in [CacheStatus::Miss, CacheStatus::Hit] {
//!     let response = service.clone().oneshot(Request::new(ReqBody::empty())).await.unwrap();
//!     assert_eq!(response.extensions().get(), Some(&expected));
//!     assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
//! }
//! assert_eq!(cache.stats().hits, 1);
//! # }
//! ```
//!
//! Sources: [RFC 9111] (caching), [RFC 9211] (`Cache-Status`), [RFC 5861] (stale replies).
//!
//! [RFC 9111]: https://www.rfc-editor.org/rfc/rfc9111
//! [RFC 9211]: https://www.rfc-editor.org/rfc/rfc9211
//! [RFC 5861]: https://www.rfc-editor.org/rfc/rfc5861

mod body;
mod entry;
mod fetch;
mod fill;
mod fold;
mod future;
mod handle;
mod headers;
pub mod key;
mod layer;
mod lifetime;
mod plan;
mod policy;
mod scoped;
mod service;
mod stats;
pub mod tier;

pub use self::{
    body::ResponseBody,
    entry::Entry,
    future::ResponseFuture,
    handle::CacheHandle,
    layer::CacheLayer,
    lifetime::{Freshness, Lifetime},
    policy::{ByDirectives, CachePolicy, Deterministic, Storage, Unknown},
    service::Cache,
    stats::{Bypassed, CacheStats},
    tier::{Found, Generation, Invalidation, Lookup, Tier, TierStats},
};
