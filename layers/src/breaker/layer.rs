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
    ///
    /// ```
    /// # use blossom_layers::{breaker::BreakerLayer, test_util::ScriptedService};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = BreakerLayer::new();
    /// let request = Request::get("http://example.com/").body(())?;
    /// layer.layer(ScriptedService::default()).oneshot(request).await?;
    /// assert_eq!(layer.handle().snapshot(&"example.com".into()).calls, 1);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use blossom_layers::{breaker::BreakerLayer, test_util::ScriptedService, types::PartitionKey};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let by_path = |request: &Request<()>| Some(PartitionKey::new(request.uri().path()));
    /// let layer = BreakerLayer::new().partition(by_path);
    /// layer.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// assert_eq!(layer.handle().snapshot(&"/".into()).calls, 1);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use blossom_layers::{breaker::BreakerLayer, test_util::ScriptedService, types::{Class, Reply}};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = BreakerLayer::new().classify(|_: &Reply<'_>| Class::Transient);
    /// layer.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// assert_eq!(layer.handle().snapshot(&"".into()).failures, 1, "even of an answer");
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::breaker::{BreakerLayer, Rules};
    /// let layer = BreakerLayer::new().rules(Rules::new().open(Duration::from_secs(5)));
    /// let handle = layer.handle();
    /// handle.trip(&"slow-model".into());
    /// let wait = handle.snapshot(&"slow-model".into()).retry_after;
    /// assert!(wait.is_some_and(|wait| wait <= Duration::from_secs(5)));
    /// ```
    #[must_use]
    pub const fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// The most circuits that are kept. When there are more, those that have seen no failure lately are
    /// forgotten; if none is left to forget, the breaker does not apply to further parts. Default: 1,024,
    /// some 400 KiB.
    ///
    /// ```
    /// # use blossom_layers::{breaker::BreakerLayer, test_util::ScriptedService};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = BreakerLayer::new().max_partitions(1);
    /// let service = layer.layer(ScriptedService::default());
    /// for uri in ["http://a.example/", "http://b.example/"] {
    ///     service.clone().oneshot(Request::get(uri).body(())?).await?;
    /// }
    /// assert_eq!(layer.handle().snapshots().len(), 1, "the first was forgotten");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_partitions(mut self, max_partitions: usize) -> Self {
        self.max_partitions = max_partitions;
        self
    }

    /// A handle to read, trip and reset the circuits; taken last, since it holds the rules as they are.
    ///
    /// ```
    /// # use blossom_layers::breaker::{BreakerLayer, CircuitState};
    /// let layer = BreakerLayer::new();
    /// layer.handle().trip(&"slow-model".into());
    /// assert_eq!(layer.handle().count(CircuitState::Open), 1, "all handles see the same circuits");
    /// ```
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
