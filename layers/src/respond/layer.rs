use tower_layer::Layer;

use super::Respond;

/// Applies [`Respond`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::respond::RespondLayer;
/// use tower_layer::Layer as _;
///
/// // Outermost: what stands within may refuse, and what comes out is an answer.
/// let service = RespondLayer::new().layer("any service");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct RespondLayer(());

impl RespondLayer {
    /// A layer that answers by the table of the [module](super).
    ///
    /// ```
    /// # use blossom_layers::{respond::RespondLayer, test_util::{ScriptedService, Step}};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = RespondLayer::new().layer(ScriptedService::new([Step::Fail("down")]));
    /// let Ok(response) = service.oneshot(Request::new(())).await;
    /// assert_eq!(response.status(), 500, "anything that is no refusal of ours");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for RespondLayer {
    type Service = Respond<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Respond::new(inner)
    }
}
