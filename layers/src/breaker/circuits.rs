use std::{collections::HashMap, fmt};

use tokio::time::Instant;

use super::{
    CircuitState, Rules,
    circuit::{Circuit, Ticket},
    error::Broken,
};
use crate::{
    sync::{Arc, Mutex, lock},
    types::PartitionKey,
};

/// The circuits of a layer, by part.
#[derive(Default)]
pub(super) struct Circuits(Mutex<State>);

#[derive(Default)]
struct State {
    // Of the requests of no other part: it needs no hash.
    rest: Option<Arc<Circuit>>,
    parts: HashMap<PartitionKey, Arc<Circuit>>,
}

impl State {
    fn get(&self, key: &PartitionKey) -> Option<&Arc<Circuit>> {
        if key.as_str().is_empty() {
            self.rest.as_ref()
        } else {
            self.parts.get(key)
        }
    }
}

impl Circuits {
    /// Lets a call through, with a ticket if there is a circuit for it.
    pub(super) fn admit(
        &self,
        key: &PartitionKey,
        rules: &Rules,
        most: usize,
    ) -> Result<Option<Ticket>, Broken> {
        let known = lock(&self.0).get(key).cloned();
        let circuit = known.or_else(|| self.create(key, rules, most));
        match circuit.map(|circuit| circuit.admit()).transpose() {
            Ok(ticket) => Ok(ticket),
            Err(retry_after) => Err(Broken::new(key.clone(), retry_after)),
        }
    }

    /// A new circuit, unless there are too many that have seen failures.
    #[cold]
    fn create(&self, key: &PartitionKey, rules: &Rules, most: usize) -> Option<Arc<Circuit>> {
        let now = Instant::now();
        let State { rest, parts } = &mut *lock(&self.0);
        if key.as_str().is_empty() {
            let circuit = rest.get_or_insert_with(|| Arc::new(Circuit::new(*rules, now)));
            return Some(circuit.clone());
        }
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

    pub(super) fn get(&self, key: &PartitionKey) -> Option<Arc<Circuit>> {
        lock(&self.0).get(key).cloned()
    }

    /// The circuit of `key`, made if need be, whatever their number.
    pub(super) fn get_or_create(&self, key: &PartitionKey, rules: &Rules) -> Option<Arc<Circuit>> {
        self.create(key, rules, usize::MAX)
    }

    pub(super) fn count(&self, wanted: CircuitState) -> usize {
        let state = lock(&self.0);
        let all = state.rest.iter().chain(state.parts.values());
        all.filter(|circuit| circuit.state() == wanted).count()
    }

    pub(super) fn all(&self) -> Vec<(PartitionKey, Arc<Circuit>)> {
        let state = lock(&self.0);
        let rest = state.rest.iter();
        let rest = rest.map(|circuit| (PartitionKey::default(), circuit.clone()));
        let parts = state.parts.iter();
        rest.chain(parts.map(|(key, circuit)| (key.clone(), circuit.clone())))
            .collect()
    }
}

impl fmt::Debug for Circuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Circuits({})", lock(&self.0).parts.len())
    }
}
