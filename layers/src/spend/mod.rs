//! Counts what calls cost, to the end of their bodies, and refuses those that a budget does not allow.
//!
//! Money is an integer number of billionths ([`Nanos`](crate::types::Nanos)): sums of floats drift,
//! and a budget must add up. What a reply costs is asked of a [`Price`](crate::types::Price) policy
//! when its body has ended, what it may cost of a [`QuoteCost`](crate::types::QuoteCost) policy before
//! it is sent. The quote is reserved, so that many calls at once do not together pass a budget that
//! each would keep. At the end the reservation is settled with what the reply did cost; the rest is
//! given back.
//!
//! What it does not do: it keeps no books across a restart, and does not know what the upstream
//! itself has on its bill.
//!
//! # Where it goes
//!
//! Inside the cache, so that a hit costs nothing, and inside `retry`, so that each attempt is paid;
//! outside limits, so that a call that has no budget takes no permit. `observe` stands inside: its
//! [`Outcome`](crate::types::Outcome) holds the usage. [`SpendLayer::savings`] makes a layer for
//! outside the cache, that counts what hits have saved.
//!
//! ```
//! # use blossom_layers::{spend::*, types::*};
//! # use tower::ServiceBuilder;
//! # let price = |_: &Quote, _: &Record| Some(Nanos(1));
//! let spend = SpendLayer::new(price);
//! let books = spend.handle();
//! let stack = ServiceBuilder::new()
//!     .layer(spend.savings())
//!     // .. cache, retry ..
//!     .layer(spend);
//!     // .. limits, timeouts, observe ..
//! # let _ = (stack, books);
//! ```
//!
//! # Readiness
//!
//! Always ready: the inner service is not touched in `poll_ready`. The reservation is made in `call`;
//! the future readies and calls a clone. Clones of a service, and all services of a layer and its
//! clones, share their books; two layers that were made by [`new`](SpendLayer::new) share nothing.
//!
//! # Streaming
//!
//! The reservation hangs on the response body and is settled once, when the body ends in any of the
//! four ways. The cost is written into the reply's outcome, as
//! [`Record::cost`](crate::types::Record::cost), as soon as the usage is known, and at the end.
//!
//! | the call ends | it costs |
//! | --- | --- |
//! | with the end of a body | what the policy says of its usage, else what it was quoted at |
//! | with a body that fails or is dropped | the same of what had been produced |
//! | with a status that is no success, or from a cache | nothing |
//! | with an error before a head: it was never sent | nothing |
//! | with any other error before a head | what the policy says of a reply without usage, else the quote |
//!
//! # Cancellation
//!
//! A future that is dropped before the inner service was called gives its reservation back, and so does
//! one whose request waits in a queue of a limit further in, which says so by
//! [`Held`](crate::types::Held). One that is dropped later, before a head came, is settled as one whose
//! reply is empty: the upstream may have begun.
//!
//! # Cost
//!
//! A lock for a few instructions to reserve and one to settle, and two look-ups in a map with parts;
//! no timer. With a quote, a budget and a reply that names its model it adds some 2,810 instructions and
//! five allocations to a call (callgrind, x86-64, 2026-11-25); four of them are the mark of what is held
//! back, in a request that has no other extensions. Memory is bounded by
//! [`max_partitions`](SpendLayer::max_partitions) and
//! [`max_models`](SpendLayer::max_models).
//!
//! # Example
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     body::ReqBody,
//!     spend::{Budget, SpendExceeded, SpendLayer},
//!     types::{Nanos, Quote, Record},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // Each call costs 40, and may cost 50.
//! let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)))
//!     .quote(|_: &Request<ReqBody>| Some(Quote::new().model("small").most(Nanos(50))))
//!     .budget(Budget::new(Nanos(100), Duration::from_secs(3600)));
//! let books = spend.handle();
//! let service = ServiceBuilder::new().layer(spend).service_fn(|_: Request<ReqBody>| async {
//!     Ok::<_, Infallible>(Response::new(ReqBody::from("hello")))
//! });
//!
//! let open = service.clone().oneshot(Request::default()).await.unwrap();
//! assert_eq!(books.totals().reserved, Nanos(50), "its body is not read yet");
//! drop(open);
//! assert_eq!(books.totals().spent, Nanos(40));
//!
//! service.clone().oneshot(Request::default()).await.unwrap();
//! let error = service.oneshot(Request::default()).await.unwrap_err();
//! let exceeded = error.downcast_ref::<SpendExceeded>().unwrap();
//! assert_eq!((exceeded.spent(), exceeded.left()), (Nanos(80), Nanos(20)));
//! assert!(exceeded.resets().unwrap() <= Duration::from_secs(3600));
//! # }
//! ```

mod account;
mod budget;
mod error;
mod future;
mod handle;
mod layer;
mod ledger;
mod savings;
mod service;
mod settle;
mod totals;

pub use self::{
    budget::{Budget, Unknown},
    error::{PriceUnknown, SpendExceeded},
    future::ResponseFuture,
    handle::Handle,
    layer::SpendLayer,
    savings::{Save, Savings, SavingsFuture, SavingsLayer},
    service::Spend,
    settle::Settle,
    totals::{Balance, Totals},
};
