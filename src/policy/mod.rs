//! Blossom's answers to the questions that the layers ask.
//!
//! | question | answer |
//! | --- | --- |
//! | [`Observe`](crate::layers::types::Observe) | [`ObserveReply`]: usage, finish reason, errors, completeness |
//! | [`EstimateTokens`](crate::layers::types::EstimateTokens) | [`EstimatePrompt`]: messages, tools, pictures |
//! | [`ClampTokens`](crate::layers::estimate::clamp::ClampTokens) | [`ClampMaxTokens`]: the most tokens of an answer |
//! | [`QuoteCost`](crate::layers::types::QuoteCost), [`Price`](crate::layers::types::Price) | [`Prices`]: what a call may cost, and what it did |
//! | [`Classify`](crate::layers::types::Classify) | [`ClassifyReply`] for retries, [`ClassifyHealth`] for breakers |
//! | [`Repeat`](crate::layers::retry::Repeat) | [`RepeatSafely`]: never what may be paid for twice |
//! | [`Partition`](crate::layers::types::Partition) | [`ByModel`]: a part for each authority and model |
//! | [`After`](crate::layers::timeout::After) | [`HeadAfter`]: how long to wait for a head |
//! | [`KeyPolicy`](crate::layers::types::KeyPolicy) | [`KeyRequest`]: what identifies a request, if its answer may be kept |
//! | [`CachePolicy`](crate::layers::cache::CachePolicy) | [`KeepAnswers`]: all answers, for a time of one's own |
//! | [`Deterministic`](crate::layers::cache::Deterministic) | [`OneAnswer`]: seeded, or at temperature 0 |
//! | [`Describe`](crate::layers::types::Describe) | [`DescribeRequest`]: operation, provider and model, for metrics and spans |
//! | [`ErrorType`](crate::layers::types::ErrorType) | [`NameError`]: the word for an error |
//!
//! [`Quotas`] are what an upstream lets through.
//!
//! A layer asks; each answer can be had without one:
//!
//! ```
//! use blossom::{
//!     Body, Dialect,
//!     layers::types::{Describe, EstimateTokens, KeyPolicy},
//!     policy::{DescribeRequest, EstimatePrompt, KeyRequest},
//!     protocol::{ChatRequest, Endpoint},
//! };
//!
//! let chat = ChatRequest::new(["What is a flower?"]).model("openai");
//! let request = chat.encode(&Endpoint::default())?.map(Body::from);
//!
//! let estimate = EstimatePrompt::new().estimate(&request);
//! assert_eq!(estimate.map(|estimate| estimate.prompt_tokens), Some(12));
//! let described = DescribeRequest.describe(&request).ok_or("it is a call")?;
//! assert_eq!(described.model.as_deref(), Some("openai"));
//! assert!(KeyRequest::new(Dialect::Gen).key(&request).is_some());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod clamp;
mod classify;
mod describe;
mod estimate;
mod head;
#[cfg(feature = "cache-memory")]
mod keep;
#[cfg(feature = "cache-memory")]
mod key;
mod model;
mod observe;
mod price;
mod quotas;
mod repeat;
mod trace;

#[cfg(test)]
pub(crate) use self::classify::class_of;
pub use self::{
    clamp::ClampMaxTokens,
    classify::{ClassifyHealth, ClassifyReply},
    describe::{DescribeRequest, NameError},
    estimate::EstimatePrompt,
    head::HeadAfter,
    model::ByModel,
    observe::{CountReply, ObserveReply, WatchReply},
    price::{InvalidPrices, Prices, Rates},
    quotas::Quotas,
    repeat::RepeatSafely,
};
#[cfg(feature = "cache-memory")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
pub use self::{
    keep::KeepAnswers,
    key::{KeyRequest, OneAnswer},
};
pub(crate) use self::{
    observe::ReadReply,
    quotas::{requests_per_minute, tokens_per_minute},
    trace::{Propagation, ShowContent},
};
