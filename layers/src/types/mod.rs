//! The vocabulary that all layers share: values that travel with a request or a reply, and the
//! questions that a layer asks its user.
//!
//! # Values
//!
//! | type | travels in | says |
//! | --- | --- | --- |
//! | [`Deadline`] | request | when the caller stops waiting |
//! | [`SharedDeadline`] | request | when the last of several callers who share it stops waiting |
//! | [`Tenant`] | request | on whose behalf the request is made |
//! | [`Attempt`] | request, response | which try this is |
//! | [`Attempts`] | request | how many tries there were, for who gives up on them |
//! | [`CacheOptions`] | request | what the caller wants of a cache |
//! | [`TokenEstimate`] | request | how many tokens we expect |
//! | [`Held`] | request | whether it is held back in a queue further in |
//! | [`Outcome`] | response | what became of the reply, known when its body ends |
//! | [`Warnings`] | response | what the caller should know and that stopped nothing |
//! | [`CacheStatus`] | response | where the reply came from |
//! | [`Refusal`] | error | why a layer refused, for whoever answers |
//! | [`Overloaded`] | error | that too much is under way, whoever found it |
//! | [`CacheKey`], `ScopeDigest`, [`Usage`], [`Timing`], [`Nanos`] | inside others | identity, tokens, times, money |
//!
//! These are the only types by which layers tell one another anything.
//!
//! # Questions
//!
//! A layer never knows an endpoint, a model or a JSON field: it asks. Each question is a trait with
//! an implementation for closures: [`KeyPolicy`], [`Partition`], [`EstimateTokens`], [`Classify`],
//! [`Observe`], [`QuoteCost`], [`Price`], [`Describe`], [`ErrorType`]. [`Scope`] is a value, because there must be no way to forget it.
//!
//! # Example
//!
//! ```
//! use blossom_layers::types::{Partition as _, PartitionKey, Tenant};
//! use http::Request;
//!
//! // A question, answered by a closure ..
//! let by_tenant = |request: &Request<()>| {
//!     let tenant = request.extensions().get::<Tenant>()?;
//!     Some(PartitionKey::new(tenant.as_str()))
//! };
//! // .. from a value that travels in the request.
//! let mut request = Request::new(());
//! request.extensions_mut().insert(Tenant::new("team-a"));
//! assert_eq!(by_tenant.partition(&request), Some(PartitionKey::new("team-a")));
//! ```

mod attempt;
mod cache;
mod cache_options;
mod classify;
mod deadline;
mod describe;
#[cfg(feature = "_scope")]
mod digest;
mod estimate;
mod held;
mod observe;
mod outcome;
mod overloaded;
mod partition;
mod price;
mod refusal;
mod scope;
mod timing;
mod usage;
mod warning;

#[cfg(feature = "_flight")]
pub(crate) use self::cache::KeyHasher;
#[cfg(any(feature = "metrics", feature = "trace"))]
pub(crate) use self::describe::{quietly, word};
#[cfg(feature = "_scope")]
pub use self::digest::ScopeDigest;
pub use self::{
    attempt::{Attempt, Attempts},
    cache::{CacheKey, CacheStatus, KeyPolicy},
    cache_options::CacheOptions,
    classify::{ByStatus, Class, Classify, Reply},
    deadline::{Deadline, SharedDeadline},
    describe::{Describe, Description, Ended, ErrorType, ErrorWords, Undescribed},
    estimate::{EstimateTokens, TokenEstimate},
    held::Held,
    observe::{Decoded, Deferred, Observe, Watch},
    outcome::{FinishReason, Outcome, Record},
    overloaded::Overloaded,
    partition::{Partition, PartitionKey, Unpartitioned},
    price::{InvalidAmount, Nanos, Price, Quote, QuoteCost, Unquoted},
    refusal::{Refusal, RefusalKind},
    scope::{Owner, Scope, Tenant},
    timing::Timing,
    usage::Usage,
    warning::{Warning, Warnings},
};
