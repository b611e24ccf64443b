use std::{fmt, num::NonZeroUsize};

use tower_layer::Layer;

use super::{Metrics, Publisher, call::Shared};
use crate::{
    sync::Arc,
    types::{ErrorWords, Undescribed},
};

/// Applies [`Metrics`].
///
/// Clones share their label sets. See the [module docs](super) for an example.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use blossom_layers::metrics::MetricsLayer;
///
/// let layer = MetricsLayer::new().max_series(NonZeroUsize::MIN.saturating_add(99));
/// ```
#[derive(Clone)]
pub struct MetricsLayer<D = Undescribed, E = ErrorWords> {
    describe: D,
    errors: E,
    shared: Arc<Shared>,
}

impl MetricsLayer {
    /// A layer that measures all calls as one operation, `request`, until
    /// [`describe`](Self::describe) tells them apart.
    #[must_use]
    pub fn new() -> Self {
        Self {
            describe: Undescribed,
            errors: ErrorWords::default(),
            shared: Arc::new(Shared::new(MAX_SERIES, None)),
        }
    }
}

impl Default for MetricsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<D, E> MetricsLayer<D, E> {
    /// Says what a request asks for: a [`Describe`](crate::types::Describe). A request that it says
    /// nothing of is not measured.
    pub fn describe<T>(self, describe: T) -> MetricsLayer<T, E> {
        MetricsLayer {
            describe,
            errors: self.errors,
            shared: self.shared,
        }
    }

    /// Says which word an error is: an [`ErrorType`](crate::types::ErrorType). Default:
    /// [`ErrorWords`].
    pub fn error_type<T>(self, errors: T) -> MetricsLayer<D, T> {
        MetricsLayer {
            describe: self.describe,
            errors,
            shared: self.shared,
        }
    }

    /// How many combinations of operation, provider and model keep their names. Default: 100, a
    /// multiple of the models that one service offers, and little for any recorder. When they are
    /// used up, the model of a new one is `other`.
    ///
    /// The layer forgets the combinations that it has met.
    #[must_use]
    pub fn max_series(mut self, max_series: NonZeroUsize) -> Self {
        let levels = self.shared.levels().cloned();
        self.shared = Arc::new(Shared::new(max_series, levels));
        self
    }

    /// Tells the levels of the stack too, whenever a call goes on. Default: none.
    ///
    /// The layer forgets the combinations that it has met.
    #[must_use]
    pub fn levels(mut self, publisher: Publisher) -> Self {
        let max_series = self.shared.max_series();
        self.shared = Arc::new(Shared::new(max_series, Some(publisher)));
        self
    }
}

impl<S, D: Clone, E: Clone> Layer<S> for MetricsLayer<D, E> {
    type Service = Metrics<S, D, E>;

    fn layer(&self, inner: S) -> Self::Service {
        Metrics::new(
            inner,
            self.describe.clone(),
            self.errors.clone(),
            self.shared.clone(),
        )
    }
}

// A policy may be a closure, which has no form to show.
impl<D, E> fmt::Debug for MetricsLayer<D, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer").finish_non_exhaustive()
    }
}

const MAX_SERIES: NonZeroUsize = NonZeroUsize::new(100).unwrap();
