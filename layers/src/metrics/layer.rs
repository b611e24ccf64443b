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
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{metrics::MetricsLayer, test_util::ScriptedService};
    /// # use metrics_util::debugging::DebuggingRecorder;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let recorder = DebuggingRecorder::new();
    /// # let figures = recorder.snapshotter();
    /// # let _installed = metrics::set_default_local_recorder(&recorder);
    /// MetricsLayer::new().layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    ///
    /// let seen = figures.snapshot().into_vec();
    /// let mut labels = seen.iter().flat_map(|(key, ..)| key.key().labels());
    /// assert!(labels.any(|it| (it.key(), it.value()) == ("gen_ai.operation.name", "request")));
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     metrics::MetricsLayer,
    /// #     test_util::ScriptedService,
    /// #     types::Description,
    /// # };
    /// # use metrics_util::debugging::DebuggingRecorder;
    /// fn chat(_: &Request<()>) -> Option<Description<'_>> {
    ///     Some(Description::new("chat").model("small"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let recorder = DebuggingRecorder::new();
    /// # let figures = recorder.snapshotter();
    /// # let _installed = metrics::set_default_local_recorder(&recorder);
    /// let service = MetricsLayer::new().describe(chat).layer(ScriptedService::default());
    /// service.oneshot(Request::new(())).await?;
    ///
    /// let seen = figures.snapshot().into_vec();
    /// let mut labels = seen.iter().flat_map(|(key, ..)| key.key().labels());
    /// assert!(labels.any(|it| (it.key(), it.value()) == ("gen_ai.request.model", "small")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn describe<T>(self, describe: T) -> MetricsLayer<T, E> {
        MetricsLayer {
            describe,
            errors: self.errors,
            shared: self.shared,
        }
    }

    /// Says which word an error is: an [`ErrorType`](crate::types::ErrorType). Default:
    /// [`ErrorWords`].
    ///
    /// ```
    /// # use std::borrow::Cow;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     metrics::MetricsLayer,
    /// #     test_util::{ScriptedService, Step},
    /// #     types::Ended,
    /// # };
    /// # use metrics_util::debugging::DebuggingRecorder;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let recorder = DebuggingRecorder::new();
    /// # let figures = recorder.snapshotter();
    /// # let _installed = metrics::set_default_local_recorder(&recorder);
    /// let words = |ended: &Ended<'_>| ended.error.map(|_| Cow::Borrowed("lost"));
    /// let upstream = ScriptedService::new([Step::Fail("connection reset")]);
    /// let service = MetricsLayer::new().error_type(words).layer(upstream);
    /// assert!(service.oneshot(Request::new(())).await.is_err());
    ///
    /// let seen = figures.snapshot().into_vec();
    /// let mut labels = seen.iter().flat_map(|(key, ..)| key.key().labels());
    /// assert!(labels.any(|it| (it.key(), it.value()) == ("error.type", "lost")));
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use std::num::NonZeroUsize;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     metrics::MetricsLayer,
    /// #     test_util::ScriptedService,
    /// #     types::Description,
    /// # };
    /// # use metrics_util::debugging::DebuggingRecorder;
    /// fn by_path(request: &Request<()>) -> Option<Description<'_>> {
    ///     Some(Description::new("chat").model(request.uri().path()))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let recorder = DebuggingRecorder::new();
    /// # let figures = recorder.snapshotter();
    /// # let _installed = metrics::set_default_local_recorder(&recorder);
    /// let layer = MetricsLayer::new().describe(by_path).max_series(NonZeroUsize::MIN);
    /// let service = layer.layer(ScriptedService::default());
    /// for path in ["/small", "/large"] {
    ///     service.clone().oneshot(Request::get(path).body(())?).await?;
    /// }
    ///
    /// let seen = figures.snapshot().into_vec();
    /// let model = |model| {
    ///     let mut labels = seen.iter().flat_map(|(key, ..)| key.key().labels());
    ///     labels.any(|label| label.value() == model)
    /// };
    /// assert!(model("/small") && model("other") && !model("/large"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_series(mut self, max_series: NonZeroUsize) -> Self {
        let levels = self.shared.levels().cloned();
        self.shared = Arc::new(Shared::new(max_series, levels));
        self
    }

    /// Tells the levels of the stack too, whenever a call goes on. Default: none.
    ///
    /// The layer forgets the combinations that it has met.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     metrics::{Levels, MetricsLayer, Publisher, name},
    /// #     test_util::ScriptedService,
    /// # };
    /// # use metrics_util::debugging::DebuggingRecorder;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let recorder = DebuggingRecorder::new();
    /// # let figures = recorder.snapshotter();
    /// # let _installed = metrics::set_default_local_recorder(&recorder);
    /// let publisher = Publisher::new(|| {
    ///     let mut levels = Levels::default();
    ///     levels.rate_waiting = Some(3);
    ///     levels
    /// });
    /// let service = MetricsLayer::new().levels(publisher).layer(ScriptedService::default());
    /// service.oneshot(Request::new(())).await?;
    /// let seen = figures.snapshot().into_vec();
    /// assert!(seen.iter().any(|(key, ..)| key.key().name() == name::RATE_WAITING));
    /// # Ok(())
    /// # }
    /// ```
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
