use std::{collections::HashMap, fmt, sync::OnceLock};

use tokio::time::Instant;

use super::{CircuitState, Rules, circuit::Circuit};
use crate::{
    sync::{Arc, Mutex, lock},
    types::PartitionKey,
};

/// The circuits of a layer, by part.
#[derive(Default)]
pub(super) struct Circuits {
    // Of the requests of no other part: it needs neither hash nor lock.
    rest: OnceLock<Arc<Circuit>>,
    parts: Mutex<HashMap<PartitionKey, Arc<Circuit>>>,
}

impl Circuits {
    /// The circuit of `key`, unless there are too many.
    #[inline]
    pub(super) fn find(
        &self,
        key: &PartitionKey,
        rules: &Rules,
        most: usize,
    ) -> Option<Arc<Circuit>> {
        self.get(key).or_else(|| self.create(key, rules, most))
    }

    /// A new circuit, unless there are too many that have seen failures.
    #[cold]
    fn create(&self, key: &PartitionKey, rules: &Rules, most: usize) -> Option<Arc<Circuit>> {
        let now = Instant::now();
        if key.as_str().is_empty() {
            let circuit = self
                .rest
                .get_or_init(|| Arc::new(Circuit::new(*rules, now)));
            return Some(circuit.clone());
        }
        let mut parts = lock(&self.parts);
        if parts.len() >= most {
            parts.retain(|_, circuit| !circuit.is_quiet(now));
        }
        if parts.len() >= most && !parts.contains_key(key) {
            return None;
        }
        let circuit = parts
            .entry(key.clone())
            .or_insert_with(|| Arc::new(Circuit::new(*rules, now)));
        Some(circuit.clone())
    }

    #[inline(always)]
    pub(super) fn get(&self, key: &PartitionKey) -> Option<Arc<Circuit>> {
        if key.as_str().is_empty() {
            return self.rest.get().cloned();
        }
        self.get_part(key)
    }

    // Apart, so that the way without a part is short.
    #[inline(never)]
    fn get_part(&self, key: &PartitionKey) -> Option<Arc<Circuit>> {
        lock(&self.parts).get(key).cloned()
    }

    /// The circuit of `key`, made if need be, whatever their number.
    pub(super) fn get_or_create(&self, key: &PartitionKey, rules: &Rules) -> Option<Arc<Circuit>> {
        self.create(key, rules, usize::MAX)
    }

    pub(super) fn count(&self, wanted: CircuitState) -> usize {
        let parts = lock(&self.parts);
        let all = self.rest.get().into_iter().chain(parts.values());
        all.filter(|circuit| circuit.state() == wanted).count()
    }

    pub(super) fn all(&self) -> Vec<(PartitionKey, Arc<Circuit>)> {
        let rest = self.rest.get().into_iter();
        let rest = rest.map(|circuit| (PartitionKey::default(), circuit.clone()));
        let parts = lock(&self.parts);
        rest.chain(
            parts
                .iter()
                .map(|(key, circuit)| (key.clone(), circuit.clone())),
        )
        .collect()
    }
}

impl fmt::Debug for Circuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Circuits({})", lock(&self.parts).len())
    }
}
