use std::fmt;

use tower_layer::Layer;

use super::{Estimate, service::Limits};
use crate::types::Warning;

/// Applies [`Estimate`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::{estimate::EstimateLayer, types::TokenEstimate};
/// use http::Request;
///
/// // A token for each header: a policy is any function of the request.
/// let policy = |request: &Request<()>| Some(TokenEstimate::new(request.headers().len() as u64));
/// let layer = EstimateLayer::new(policy).warn_above(1_000).refuse_above(100_000);
/// ```
#[derive(Clone)]
pub struct EstimateLayer<P, O = Unobserved> {
    policy: P,
    observer: O,
    limits: Limits,
}

impl<P> EstimateLayer<P> {
    /// A layer that asks `policy`, and neither warns nor refuses.
    #[must_use]
    pub const fn new(policy: P) -> Self {
        Self {
            policy,
            observer: Unobserved,
            limits: Limits {
                warn: u64::MAX,
                refuse: u64::MAX,
                only_large: false,
            },
        }
    }

    /// Shows each warning to `observer`, a closure that takes a [`Notice`].
    #[must_use]
    pub fn observer<O>(self, observer: O) -> EstimateLayer<P, O> {
        EstimateLayer {
            policy: self.policy,
            observer,
            limits: self.limits,
        }
    }
}

impl<P, O> EstimateLayer<P, O> {
    /// Warns of a prompt of more tokens than this: by a [`Notice`], by a
    /// [`Warning`](crate::types::Warning) in the extensions of the response, and in the log where the
    /// feature `trace` is on. Default: `u64::MAX`, never. Zero warns of every prompt.
    #[must_use]
    pub const fn warn_above(mut self, prompt_tokens: u64) -> Self {
        self.limits.warn = prompt_tokens;
        self
    }

    /// Refuses a prompt of more tokens than this, with
    /// [`PromptTooLarge`](super::PromptTooLarge). Default: `u64::MAX`, never. Zero refuses every
    /// prompt.
    #[must_use]
    pub const fn refuse_above(mut self, prompt_tokens: u64) -> Self {
        self.limits.refuse = prompt_tokens;
        self
    }

    /// Leaves requests alone that the policy says cannot reach a limit (see
    /// [`EstimateTokens::at_most`](crate::types::EstimateTokens::at_most)); they bear no estimate
    /// then. For stacks in which nobody further in reads it. Default: off.
    #[must_use]
    pub const fn only_large(mut self, only_large: bool) -> Self {
        self.limits.only_large = only_large;
        self
    }
}

impl<S, P: Clone, O: Clone> Layer<S> for EstimateLayer<P, O> {
    type Service = Estimate<S, P, O>;

    fn layer(&self, inner: S) -> Self::Service {
        Estimate::new(
            inner,
            self.policy.clone(),
            self.observer.clone(),
            self.limits,
        )
    }
}

// Policies and observers may be closures, which have no form to show.
impl<P, O> fmt::Debug for EstimateLayer<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EstimateLayer")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What [`Estimate`] tells when it warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// What is the matter.
    pub warning: Warning,
}

/// Is told of warnings. Implemented for closures that take a [`Notice`].
///
/// It is called before the request goes on: it must not block.
pub trait Observer {
    /// Takes one warning.
    fn notice(&self, notice: Notice);
}

impl<F: Fn(Notice)> Observer for F {
    fn notice(&self, notice: Notice) {
        self(notice);
    }
}

/// Nobody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn notice(&self, _notice: Notice) {}
}
