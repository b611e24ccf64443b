use std::time::Duration;

use tokio::time::Instant;

use super::{Rules, circuits::Circuits};
use crate::{sync::Arc, types::PartitionKey};

/// What a circuit does with calls.
///
/// ```
/// use blossom_layers::{breaker::{BreakerLayer, CircuitState}, types::PartitionKey};
///
/// let handle = BreakerLayer::new().handle();
/// assert_eq!(handle.snapshot(&PartitionKey::from("unknown")).state, CircuitState::Closed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CircuitState {
    /// Lets them through.
    #[default]
    Closed,
    /// Refuses them.
    Open,
    /// Lets a few through, to see.
    HalfOpen,
}

/// A circuit at one moment.
///
/// ```
/// use blossom_layers::{breaker::BreakerLayer, types::PartitionKey};
///
/// let snapshot = BreakerLayer::new().handle().snapshot(&PartitionKey::from("unknown"));
/// assert_eq!((snapshot.calls, snapshot.failures), (0, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// What it does.
    pub state: CircuitState,
    /// The calls of its window; of a half-open one, the probes that have succeeded.
    pub calls: u64,
    /// The failures among them.
    pub failures: u64,
    /// How many of the last calls have failed.
    pub failures_in_a_row: u32,
    /// When an open one will be tried.
    pub retry_after: Option<Duration>,
}

/// Reads, trips and resets the circuits of a [`BreakerLayer`](super::BreakerLayer), while they are at
/// work.
///
/// Cheap to clone. It needs no runtime.
///
/// ```
/// use blossom_layers::{breaker::{BreakerLayer, CircuitState}, types::PartitionKey};
///
/// let layer = BreakerLayer::new();
/// let (handle, model) = (layer.handle(), PartitionKey::from("slow-model"));
/// handle.trip(&model);
/// assert_eq!(handle.snapshot(&model).state, CircuitState::Open);
/// handle.reset(&model);
/// assert_eq!(handle.snapshot(&model).state, CircuitState::Closed);
/// ```
#[derive(Debug, Clone)]
pub struct BreakerHandle {
    circuits: Arc<Circuits>,
    rules: Rules,
}

impl BreakerHandle {
    pub(super) const fn new(circuits: Arc<Circuits>, rules: Rules) -> Self {
        Self { circuits, rules }
    }

    /// The circuit of a part. One that has seen no call is closed.
    ///
    /// ```
    /// # use blossom_layers::breaker::{BreakerLayer, CircuitState};
    /// let handle = BreakerLayer::new().handle();
    /// let model = "slow-model".into();
    /// assert_eq!(handle.snapshot(&model).state, CircuitState::Closed);
    /// handle.trip(&model);
    /// assert!(handle.snapshot(&model).retry_after.is_some());
    /// ```
    #[must_use]
    pub fn snapshot(&self, partition: &PartitionKey) -> Snapshot {
        self.circuits
            .get(partition)
            .map_or_else(Snapshot::default, |circuit| {
                circuit.snapshot(Instant::now())
            })
    }

    /// All circuits, in the order of their names.
    ///
    /// ```
    /// # use blossom_layers::breaker::BreakerLayer;
    /// let handle = BreakerLayer::new().handle();
    /// handle.trip(&"b".into());
    /// handle.trip(&"a".into());
    /// let names: Vec<_> = handle.snapshots().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["a".into(), "b".into()]);
    /// ```
    #[must_use]
    pub fn snapshots(&self) -> Vec<(PartitionKey, Snapshot)> {
        let now = Instant::now();
        let all = self.circuits.all().into_iter();
        let mut all: Vec<_> = all.map(|(key, it)| (key, it.snapshot(now))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// How many circuits do so now.
    ///
    /// ```
    /// # use blossom_layers::breaker::{BreakerLayer, CircuitState};
    /// let handle = BreakerLayer::new().handle();
    /// handle.trip(&"slow-model".into());
    /// assert_eq!(handle.count(CircuitState::Open), 1);
    /// ```
    #[must_use]
    pub fn count(&self, state: CircuitState) -> usize {
        self.circuits.count(state)
    }

    /// Opens the circuit of a part, as too many failures would: after the time that the rules say it is
    /// tried again.
    ///
    /// ```
    /// # use blossom_layers::breaker::{BreakerLayer, CircuitState};
    /// let handle = BreakerLayer::new().handle();
    /// handle.trip(&"slow-model".into());
    /// assert_eq!(handle.snapshot(&"slow-model".into()).state, CircuitState::Open);
    /// ```
    pub fn trip(&self, partition: &PartitionKey) {
        if let Some(circuit) = self.circuits.get_or_create(partition, &self.rules) {
            circuit.trip(Instant::now());
        }
    }

    /// Closes the circuit of a part, and forgets its failures.
    ///
    /// ```
    /// # use blossom_layers::breaker::{BreakerLayer, CircuitState};
    /// let handle = BreakerLayer::new().handle();
    /// handle.trip(&"slow-model".into());
    /// handle.reset(&"slow-model".into());
    /// assert_eq!(handle.snapshot(&"slow-model".into()).state, CircuitState::Closed);
    /// ```
    pub fn reset(&self, partition: &PartitionKey) {
        if let Some(circuit) = self.circuits.get(partition) {
            circuit.reset();
        }
    }
}
