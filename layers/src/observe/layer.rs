use std::fmt;

use tower_layer::Layer;

use super::Observe;

/// Applies [`Observe`].
///
/// See the [module docs](super) for an example.
#[derive(Clone, Copy)]
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

// A policy may be a closure, which has no form to show.
impl<P> fmt::Debug for ObserveLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveLayer").finish_non_exhaustive()
    }
}
