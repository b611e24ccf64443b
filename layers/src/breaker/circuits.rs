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
    parts: Mutex<Parts>,
}

#[derive(Default)]
struct Parts {
    all: HashMap<PartitionKey, Arc<Circuit>>,
    // Most requests are of the same part as the one before, and its key is mostly the same text in the same
    // place: it need not be hashed.
    last: Option<(PartitionKey, Arc<Circuit>)>,
}

impl Parts {
    fn find(&mut self, key: &PartitionKey) -> Option<Arc<Circuit>> {
        if let Some((last, circuit)) = &self.last
            && last == key
        {
            return Some(circuit.clone());
        }
        let circuit = self.all.get(key)?.clone();
        self.last = Some((key.clone(), circuit.clone()));
        Some(circuit)
    }

    fn forget_quiet(&mut self, now: Instant) {
        self.all.retain(|_, circuit| !circuit.is_quiet(now));
        self.last = None;
    }
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
        if parts.all.len() >= most {
            parts.forget_quiet(now);
        }
        if parts.all.len() >= most && !parts.all.contains_key(key) {
            return None;
        }
        let circuit = parts
            .all
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
        lock(&self.parts).find(key)
    }

    /// The circuit of `key`, made if need be, whatever their number.
    pub(super) fn get_or_create(&self, key: &PartitionKey, rules: &Rules) -> Option<Arc<Circuit>> {
        self.create(key, rules, usize::MAX)
    }

    pub(super) fn count(&self, wanted: CircuitState) -> usize {
        let parts = lock(&self.parts);
        let all = self.rest.get().into_iter().chain(parts.all.values());
        all.filter(|circuit| circuit.state() == wanted).count()
    }

    pub(super) fn all(&self) -> Vec<(PartitionKey, Arc<Circuit>)> {
        let rest = self.rest.get().into_iter();
        let rest = rest.map(|circuit| (PartitionKey::default(), circuit.clone()));
        let parts = lock(&self.parts);
        rest.chain(
            parts
                .all
                .iter()
                .map(|(key, circuit)| (key.clone(), circuit.clone())),
        )
        .collect()
    }
}

impl fmt::Debug for Circuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Circuits({})", lock(&self.parts).all.len())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_circuit_that_made_room_for_another_is_found_no_more() {
        let circuits = Circuits::default();
        let [one, other] = ["one", "other"].map(PartitionKey::new);
        let find = |key| circuits.find(key, &Rules::default(), 1);
        assert!(find(&one).is_some());
        assert!(
            circuits.get(&one).is_some(),
            "and is the last that was asked for"
        );

        assert!(find(&other).is_some());

        assert!(circuits.get(&one).is_none());
        assert!(circuits.get(&other).is_some());
    }
}
