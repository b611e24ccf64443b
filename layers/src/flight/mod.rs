//! One reply in flight that many can read, head and body.
//!
//! A flight owns the inner future and, later, the inner body. Nobody owns the flight: whoever waits
//! for it drives it. So the *leader* is only the one who began it; when it is dropped, stuck, or never
//! polled, the others go on as before.
//!
//! - Every wake of the inner future wakes every waiter, and one of them polls it. A waiter that finds
//!   it being polled registers and returns. Nobody polls it without a wake.
//! - The polled future, what has arrived, and the wakers have a lock each; foreign code runs under the
//!   first alone, and a waiter never blocks on that one.
//! - The reply is kept whole up to a limit, so that a late joiner gets all of it. Past the limit
//!   nobody joins; what all have read is let go, and the fastest reader waits for the slowest for a
//!   short grace. Then the slow one ends in [`Lagged`].
//! - A failure is shared: [`Shared`] for many, the error itself for a sole reader. A panic is
//!   [`Panicked`] for all who wait, and the key is free.
//! - When the last reader leaves, the upstream is cancelled, or read to its end in the background.
//!
//! # Example
//!
//! ```
//! use blossom_layers::{coalesce::CoalesceLayer, types::CacheStatus};
//! # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, test_util::*, types::Scope};
//! # use http::Request;
//! # use http_body_util::BodyExt;
//! # use tower::{Layer, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), blossom_layers::BoxError> {
//! let inner = ScriptedService::once(ScriptedBody::new().data("hel").data("lo"));
//! let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"));
//! let service = layer.layer(inner.clone());
//! # let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
//! let (leader, follower) = tokio::try_join!(ask(), ask())?;
//! drop(leader);
//! assert_eq!(follower.extensions().get(), Some(&CacheStatus::Coalesced));
//! assert_eq!(follower.collect().await?.to_bytes(), "hello", "the others go on");
//! assert_eq!(inner.calls(), 1);
//! # Ok(())
//! # }
//! ```

mod board;
mod call;
mod driver;
mod error;
#[cfg(all(test, loom))]
mod interleavings;
mod one;
mod origin;
mod reader;
mod seats;
mod state;
mod wakers;
mod window;

#[cfg(feature = "cache")]
pub(crate) use self::call::Caught;
pub use self::error::{Lagged, Panicked, Shared};
pub(crate) use self::{
    board::{Boarded, Flights, Limits, Passenger},
    call::{By, Call, Ride},
    driver::Driver,
    one::{Landing, Share},
    reader::{NoHead, Reader},
};
