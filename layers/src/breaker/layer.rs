use std::fmt;

use tower_layer::Layer;

use super::{
    Breaker, BreakerHandle, ByAuthority, ByHealth, Rules, circuits::Circuits, service::Shared,
};
use crate::{sync::Arc, types::Classify};

/// Applies [`Breaker`].
///
/// The circuits live in the layer: clones of it share them, and all services that it makes.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::breaker::{BreakerLayer, Rules};
///
/// let layer = BreakerLayer::new().rules(Rules::new().open(Duration::from_secs(5)));
/// assert!(layer.handle().snapshots().is_empty(), "nobody has called");
/// ```
#[derive(Clone)]
pub struct BreakerLayer<P = ByAuthority, C = ByHealth> {
    partition: P,
    classify: C,
    rules: Rules,
    max_partitions: usize,
    circuits: Arc<Circuits>,
}

impl BreakerLayer {
    /// A layer with a circuit for each authority.
    #[must_use]
    pub fn new() -> Self {
        Self {
            partition: ByAuthority,
            classify: ByHealth,
            rules: Rules::new(),
            max_partitions: 1024,
            circuits: Arc::default(),
        }
    }
}

impl Default for BreakerLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<P, C> BreakerLayer<P, C> {
    /// Which part a request belongs to; each has a circuit of its own. To a request of no part the
    /// breaker does not apply. Default: [`ByAuthority`].
    pub fn partition<Q>(self, partition: Q) -> BreakerLayer<Q, C> {
        BreakerLayer {
            partition,
            classify: self.classify,
            rules: self.rules,
            max_partitions: self.max_partitions,
            circuits: self.circuits,
        }
    }

    /// How a reply counts: transient ones are failures, ignored ones do not count, and all others are
    /// successes, also permanent ones, since an upstream that refuses a request is well. Default:
    /// [`ByHealth`].
    pub fn classify<D>(self, classify: D) -> BreakerLayer<P, D>
    where
        D: Classify,
    {
        BreakerLayer {
            partition: self.partition,
            classify,
            rules: self.rules,
            max_partitions: self.max_partitions,
            circuits: self.circuits,
        }
    }

    /// When a circuit opens, and how it closes again. Default: [`Rules::new`].
    #[must_use]
    pub const fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// The most circuits that are kept. When there are more, those that have seen no failure lately are
    /// forgotten; if none is left to forget, the breaker does not apply to further parts. Default: 1,024,
    /// some 400 KiB.
    #[must_use]
    pub const fn max_partitions(mut self, max_partitions: usize) -> Self {
        self.max_partitions = max_partitions;
        self
    }

    /// A handle to read, trip and reset the circuits; taken last, since it holds the rules as they are.
    #[must_use]
    pub fn handle(&self) -> BreakerHandle {
        BreakerHandle::new(self.circuits.clone(), self.rules)
    }
}

impl<S, P: Clone, C: Clone> Layer<S> for BreakerLayer<P, C> {
    type Service = Breaker<S, P, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker {
            inner,
            partition: self.partition.clone(),
            classify: self.classify.clone(),
            shared: Arc::new(Shared {
                rules: self.rules,
                max_partitions: self.max_partitions,
                circuits: self.circuits.clone(),
            }),
        }
    }
}

// Partition and classification may be closures, which have no form to show.
impl<P, C> fmt::Debug for BreakerLayer<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayer")
            .field("rules", &self.rules)
            .field("max_partitions", &self.max_partitions)
            .field("circuits", &self.circuits)
            .finish_non_exhaustive()
    }
}
