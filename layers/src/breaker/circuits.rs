use std::{collections::HashMap, fmt};

use tokio::time::Instant;

use super::{
    Rules,
    circuit::{Circuit, Ticket},
    error::Broken,
};
use crate::{
    sync::{Arc, Mutex, lock},
    types::PartitionKey,
};

/// The circuits of a layer, by part.
#[derive(Default)]
pub(super) struct Circuits(Mutex<HashMap<PartitionKey, Arc<Circuit>>>);

impl Circuits {
    /// Lets a call through, with a ticket if there is a circuit for it.
    pub(super) fn admit(
        &self,
        key: &PartitionKey,
        rules: &Rules,
        most: usize,
    ) -> Result<Option<Ticket>, Broken> {
        let now = Instant::now();
        let known = lock(&self.0).get(key).cloned();
        let circuit = known.or_else(|| self.create(key, rules, most, now));
        match circuit.map(|circuit| circuit.admit(now)).transpose() {
            Ok(ticket) => Ok(ticket),
            Err(retry_after) => Err(Broken::new(key.clone(), retry_after)),
        }
    }

    /// A new circuit, unless there are too many that have seen failures.
    #[cold]
    fn create(
        &self,
        key: &PartitionKey,
        rules: &Rules,
        most: usize,
        now: Instant,
    ) -> Option<Arc<Circuit>> {
        let mut circuits = lock(&self.0);
        if circuits.len() >= most {
            circuits.retain(|_, circuit| !circuit.is_quiet(now));
        }
        if circuits.len() >= most && !circuits.contains_key(key) {
            return None;
        }
        let circuit = circuits
            .entry(key.clone())
            .or_insert_with(|| Arc::new(Circuit::new(*rules, now)));
        Some(circuit.clone())
    }

    pub(super) fn get(&self, key: &PartitionKey) -> Option<Arc<Circuit>> {
        lock(&self.0).get(key).cloned()
    }

    /// The circuit of `key`, made if need be, whatever their number.
    pub(super) fn get_or_create(&self, key: &PartitionKey, rules: &Rules) -> Option<Arc<Circuit>> {
        self.create(key, rules, usize::MAX, Instant::now())
    }

    pub(super) fn all(&self) -> Vec<(PartitionKey, Arc<Circuit>)> {
        let circuits = lock(&self.0);
        circuits
            .iter()
            .map(|(key, circuit)| (key.clone(), circuit.clone()))
            .collect()
    }
}

impl fmt::Debug for Circuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Circuits({})", lock(&self.0).len())
    }
}
