//! Estimates the tokens of each request before it is sent, warns of large ones, and refuses what is
//! over a limit.
//!
//! How many tokens a request takes is asked of an [`EstimateTokens`](crate::types::EstimateTokens)
//! policy, which knows the form of the request. Two ways to count text are here for it: a
//! [`Heuristic`], and `Bpe`, which is exact, with the feature `tokens-bpe`.
//!
//! The estimate travels in the request, as [`TokenEstimate`](crate::types::TokenEstimate): limits and
//! budgets further in reserve by it. [`clamp`] is a layer of its own that lowers how long an answer may
//! become.
//!
//! What it does not do: it does not change the request, and does not count the answer.
//!
//! # Where it goes
//!
//! Inside `buffer`, if the policy needs the body, and inside the cache, so that a hit is neither
//! counted nor refused; outside `retry`, `limit::rate` and `spend`, so that a prompt is counted once
//! and they find the estimate.
//!
//! # Readiness
//!
//! Forwarded: `call` runs on the service that was made ready. A prompt that is refused gives that
//! readiness up unused.
//!
//! # Streaming
//!
//! Bodies of responses are not touched.
//!
//! # Cancellation
//!
//! It holds nothing but the inner future.
//!
//! # Cost
//!
//! What the policy does, and one extension of the request. [`Heuristic`] takes about 10 ns for each
//! character and allocates nothing (x86-64, 2026-11-25). With
//! [`only_large`](EstimateLayer::only_large), a request that is too short to reach a limit is not
//! looked into.
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::{
//!     estimate::{CountTokens, EstimateLayer, Heuristic, Notice, PromptTooLarge},
//!     types::TokenEstimate,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let whole_body =
//!     |request: &Request<String>| Some(TokenEstimate::new(Heuristic::new().count(request.body())));
//!
//! let service = ServiceBuilder::new()
//!     .layer(
//!         EstimateLayer::new(whole_body)
//!             .warn_above(1_000)
//!             .observer(|notice: Notice| println!("{}", notice.warning))
//!             .refuse_above(8_000),
//!     )
//!     .service_fn(|request: Request<String>| async move {
//!         let estimate = request.extensions().get::<TokenEstimate>();
//!         Ok::<_, Infallible>(Response::new(estimate.map(|estimate| estimate.prompt_tokens)))
//!     });
//!
//! let small = Request::new("What is a flower?".to_owned());
//! assert_eq!(service.clone().oneshot(small).await.unwrap().into_body(), Some(5));
//!
//! let large = Request::new("flower ".repeat(9_000));
//! let error = service.oneshot(large).await.unwrap_err();
//! assert_eq!(error.downcast_ref::<PromptTooLarge>().unwrap().limit(), 8_000);
//! # }
//! ```
//!
//! # Sources
//!
//! The pieces into which `o200k_base` and `cl100k_base` cut a text are those of
//! [tiktoken](https://github.com/openai/tiktoken).

#[cfg(feature = "tokens-bpe")]
mod bpe;
pub mod clamp;
mod count;
mod error;
mod future;
mod heuristic;
mod layer;
mod service;

#[cfg(feature = "tokens-bpe")]
pub use self::bpe::{Bpe, BpeTally, Encoding};
pub use self::{
    count::CountTokens,
    error::PromptTooLarge,
    future::ResponseFuture,
    heuristic::{Heuristic, HeuristicTally},
    layer::{EstimateLayer, Notice, Observer, Unobserved},
    service::Estimate,
};
