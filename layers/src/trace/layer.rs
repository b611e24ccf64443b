use std::fmt;

use tower_layer::Layer;

use super::{NoContent, NoContext, Trace};
use crate::types::{ErrorWords, Undescribed};

/// Applies [`Trace`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::trace::TraceLayer;
///
/// let (call, attempt) = (TraceLayer::call(), TraceLayer::attempt());
/// ```
#[derive(Clone, Copy)]
pub struct TraceLayer<D = Undescribed, E = ErrorWords, P = NoContext, C = NoContent> {
    pub(super) kind: Kind,
    pub(super) describe: D,
    pub(super) errors: E,
    pub(super) propagate: P,
    pub(super) content: C,
}

/// What the spans of a layer stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Attempt,
}

impl TraceLayer {
    /// A layer that opens a span for each call: for outside of everything.
    #[must_use]
    pub fn call() -> Self {
        Self::new(Kind::Call)
    }

    /// A layer that opens a span for each attempt, as a child of its call's: for inside retries.
    /// Which attempt it is says the [`Attempt`](crate::types::Attempt) that a retry layer places in
    /// the request.
    #[must_use]
    pub fn attempt() -> Self {
        Self::new(Kind::Attempt)
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            describe: Undescribed::default(),
            errors: ErrorWords::default(),
            propagate: NoContext::default(),
            content: NoContent::default(),
        }
    }
}

impl<D, E, P, C> TraceLayer<D, E, P, C> {
    /// Says what a request asks for: a [`Describe`](crate::types::Describe). A request
    /// that it says nothing of has no span. Default: all are an operation `request`.
    pub fn describe<T>(self, describe: T) -> TraceLayer<T, E, P, C> {
        TraceLayer {
            kind: self.kind,
            describe,
            errors: self.errors,
            propagate: self.propagate,
            content: self.content,
        }
    }

    /// Says which word an error is: an [`ErrorType`](crate::types::ErrorType). Default: [`ErrorWords`].
    pub fn error_type<T>(self, errors: T) -> TraceLayer<D, T, P, C> {
        TraceLayer {
            kind: self.kind,
            describe: self.describe,
            errors,
            propagate: self.propagate,
            content: self.content,
        }
    }

    /// Sends the trace context on: a [`Propagate`](super::Propagate), such as [`W3c`](super::W3c). Default: none is
    /// added.
    pub fn propagate<T>(self, propagate: T) -> TraceLayer<D, E, T, C> {
        TraceLayer {
            kind: self.kind,
            describe: self.describe,
            errors: self.errors,
            propagate,
            content: self.content,
        }
    }

    /// Shows what is asked, in the field `gen_ai.input.messages`: a [`Content`](super::Content).
    /// Default: nothing.
    ///
    /// Prompts are personal data, and whoever reads the traces reads them. Line ends and other
    /// control characters are shown escaped; at most 8 KiB are shown.
    pub fn content<T>(self, content: T) -> TraceLayer<D, E, P, T> {
        TraceLayer {
            kind: self.kind,
            describe: self.describe,
            errors: self.errors,
            propagate: self.propagate,
            content,
        }
    }
}

impl<S, D, E, P, C> Layer<S> for TraceLayer<D, E, P, C>
where
    Self: Clone,
{
    type Service = Trace<S, D, E, P, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace::new(inner, self.clone())
    }
}

// Policies may be closures, which have no form to show.
impl<D, E, P, C> fmt::Debug for TraceLayer<D, E, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceLayer").finish_non_exhaustive()
    }
}
