use tower_layer::Layer;

use super::Observe;

/// Applies [`Observe`].
///
/// See the [module docs](super) for an example.
#[derive(Debug, Clone, Copy)]
pub struct ObserveLayer<P> {
    policy: P,
}

impl<P> ObserveLayer<P> {
    /// A layer that follows each body with what `policy` gives for its head.
    #[must_use]
    pub const fn new(policy: P) -> Self {
        Self { policy }
    }
}

impl<S, P: Clone> Layer<S> for ObserveLayer<P> {
    type Service = Observe<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe::new(inner, self.policy.clone())
    }
}
