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
