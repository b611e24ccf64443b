use tower_layer::Layer;

use super::{LoadShed, service_time::Mean};
use crate::sync::Arc;

/// Applies [`LoadShed`].
///
/// The layer holds the mean time that calls take: services of one layer, and of its clones, share it.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::load_shed::LoadShedLayer;
/// use tower_layer::Layer as _;
///
/// let service = LoadShedLayer::new().layer("any service");
/// ```
#[derive(Debug, Clone, Default)]
pub struct LoadShedLayer {
    mean: Arc<Mean>,
}

impl LoadShedLayer {
    /// A layer that refuses while the inner service is not ready.
    ///
    /// ```
    /// # use blossom_layers::{load_shed::{LoadShedLayer, Overloaded}, test_util::ScriptedService};
    /// # use http::Request;
    /// # use tower::{ServiceBuilder, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let builder = ServiceBuilder::new().layer(LoadShedLayer::new()).concurrency_limit(0);
    /// let error = builder.service(ScriptedService::default()).oneshot(Request::new(())).await;
    /// assert!(error.is_err_and(|error| error.is::<Overloaded>()), "it is never ready");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for LoadShedLayer {
    type Service = LoadShed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LoadShed::with_mean(inner, self.mean.clone())
    }
}
