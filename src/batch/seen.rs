//! Which inputs of a batch are one.

use std::collections::{HashMap, VecDeque};

use super::{BatchOutput, input::Identity};

/// The most results that are kept for equal inputs to come.
const MAX_RESULTS: usize = 1024;

/// The most memory that they take, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The calls under way, and the last results.
pub(super) struct Seen<T> {
    running: HashMap<Identity, Vec<usize>>,
    results: HashMap<Identity, T>,
    order: VecDeque<Identity>,
    bytes: usize,
}

/// What is known of an input.
pub(super) enum Known<T> {
    /// Nothing: it is to be called.
    New,
    /// An equal one is under way; it will be told.
    Running,
    /// An equal one has this result.
    Done(T),
}

impl<T: BatchOutput> Seen<T> {
    pub(super) fn new() -> Self {
        Self {
            running: HashMap::new(),
            results: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Looks up input `index`, and notes that it runs or waits.
    pub(super) fn note(&mut self, identity: Identity, index: usize) -> Known<T> {
        if let Some(result) = self.results.get(&identity) {
            return Known::Done(result.clone());
        }
        match self.running.get_mut(&identity) {
            Some(waiting) => {
                waiting.push(index);
                Known::Running
            }
            None => {
                self.running.insert(identity, Vec::new());
                Known::New
            }
        }
    }

    /// The call has ended: keeps its result, if it has one, and gives the inputs that wait for it.
    pub(super) fn ended(&mut self, identity: Identity, result: Option<&T>) -> Vec<usize> {
        if let Some(result) = result {
            self.keep(identity, result);
        }
        self.running.remove(&identity).unwrap_or_default()
    }

    fn keep(&mut self, identity: Identity, result: &T) {
        self.bytes += result.weight_bytes();
        self.order.push_back(identity);
        self.results.insert(identity, result.to_kept());
        while self.order.len() > MAX_RESULTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(result) = self.results.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(result.weight_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Weighs(usize);

    impl BatchOutput for Weighs {
        fn weight_bytes(&self) -> usize {
            self.0
        }
    }

    fn identity(n: usize) -> Identity {
        let mut identity = [0; 32];
        identity[..8].copy_from_slice(&n.to_le_bytes());
        identity
    }

    #[test]
    fn keeps_the_last_results_and_no_more() {
        let mut seen = Seen::new();
        for n in 0..MAX_RESULTS + 10 {
            assert!(matches!(seen.note(identity(n), n), Known::New));
            assert!(seen.ended(identity(n), Some(&Weighs(1))).is_empty());
        }

        assert_eq!(seen.results.len(), MAX_RESULTS);
        assert_eq!(seen.bytes, MAX_RESULTS);
        assert!(matches!(seen.note(identity(0), 0), Known::New));
        assert!(matches!(seen.note(identity(500), 0), Known::Done(_)));
    }

    #[test]
    fn one_result_that_is_too_large_is_not_kept() {
        let mut seen = Seen::new();
        seen.note(identity(1), 0);
        assert!(matches!(seen.note(identity(1), 7), Known::Running));

        let waiting = seen.ended(identity(1), Some(&Weighs(MAX_BYTES + 1)));

        assert_eq!(waiting, [7]);
        assert_eq!((seen.results.len(), seen.bytes), (0, 0));
    }
}
