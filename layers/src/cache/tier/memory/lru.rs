use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc, time::Instant};

use crate::{
    cache::Entry,
    types::{CacheKey, KeyHasher},
};

/// A map of entries that knows which was used longest ago. Every operation takes constant time.
///
/// The nodes stand in one vector and are linked by their places in it.
#[derive(Default)]
pub(super) struct Lru {
    places: HashMap<CacheKey, u32, BuildHasherDefault<KeyHasher>>,
    nodes: Vec<Node>,
    // The places of nodes that are not in use.
    free: Vec<u32>,
    newest: Option<u32>,
    oldest: Option<u32>,
}

struct Node {
    // `None` if the node is not in use.
    entry: Option<Arc<Entry>>,
    weight: u64,
    used_at: Instant,
    newer: Option<u32>,
    older: Option<u32>,
}

impl Lru {
    /// The entry under `key`, with its place, and when it was used last.
    pub(super) fn peek(&self, key: &CacheKey) -> Option<(u32, &Arc<Entry>, Instant)> {
        let place = *self.places.get(key)?;
        let node = self.nodes.get(place as usize)?;
        Some((place, node.entry.as_ref()?, node.used_at))
    }

    /// Makes the entry in this place the newest.
    pub(super) fn touch(&mut self, place: u32, now: Instant) {
        if let Some(node) = self.nodes.get_mut(place as usize) {
            node.used_at = now;
        }
        if self.newest != Some(place) {
            self.unlink(place);
            self.link_newest(place);
        }
    }

    /// Adds an entry as the newest. Its key must not be there, nor may there be [`MOST`] of them.
    pub(super) fn insert(&mut self, entry: Arc<Entry>, weight: u64, now: Instant) {
        let key = *entry.key();
        let node = Node {
            entry: Some(entry),
            weight,
            used_at: now,
            newer: None,
            older: None,
        };
        let place = match self.free.pop() {
            Some(place) => {
                if let Some(free) = self.nodes.get_mut(place as usize) {
                    *free = node;
                }
                place
            }
            None => {
                let place = u32::try_from(self.nodes.len()).unwrap_or(MOST);
                self.nodes.push(node);
                place
            }
        };
        self.places.insert(key, place);
        self.link_newest(place);
    }

    pub(super) fn remove(&mut self, key: &CacheKey) -> Option<(Arc<Entry>, u64)> {
        let place = self.places.remove(key)?;
        self.unlink(place);
        self.free.push(place);
        let node = self.nodes.get_mut(place as usize)?;
        node.entry.take().map(|entry| (entry, node.weight))
    }

    pub(super) fn pop_oldest(&mut self) -> Option<(Arc<Entry>, u64)> {
        let oldest = self.nodes.get(self.oldest? as usize)?;
        let key = *oldest.entry.as_ref()?.key();
        self.remove(&key)
    }

    fn link_newest(&mut self, place: u32) {
        let before = self.newest.replace(place);
        if let Some(node) = self.nodes.get_mut(place as usize) {
            node.newer = None;
            node.older = before;
        }
        match before.and_then(|before| self.nodes.get_mut(before as usize)) {
            Some(before) => before.newer = Some(place),
            None => self.oldest = Some(place),
        }
    }

    fn unlink(&mut self, place: u32) {
        let Some(node) = self.nodes.get(place as usize) else {
            return;
        };
        let (newer, older) = (node.newer, node.older);
        match newer.and_then(|newer| self.nodes.get_mut(newer as usize)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match older.and_then(|older| self.nodes.get_mut(older as usize)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }
}

/// The most entries that can be linked.
pub(super) const MOST: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::types::{Owner, ScopeDigest};

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8),
        Touch(u8),
        Remove(u8),
        Pop,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let key = 0..8_u8;
        let step = prop_oneof![
            key.clone().prop_map(Step::Insert),
            key.clone().prop_map(Step::Touch),
            key.prop_map(Step::Remove),
            Just(Step::Pop),
        ];
        prop::collection::vec(step, 0..64)
    }

    fn key(number: u8) -> CacheKey {
        CacheKey::new([number; 32])
    }

    proptest! {
        #[test]
        fn is_a_queue_from_which_any_one_can_leave(steps in steps()) {
            let now = tokio::time::Instant::now().into_std();
            let scope = ScopeDigest::of(Owner::Shared);
            let (mut lru, mut model) = (Lru::default(), VecDeque::new());
            for step in steps {
                match step {
                    Step::Insert(k) if !model.contains(&k) => {
                        lru.insert(Arc::new(Entry::new(key(k), scope, now)), 1, now);
                        model.push_back(k);
                    }
                    Step::Insert(k) | Step::Touch(k) => {
                        if let Some((place, ..)) = lru.peek(&key(k)) {
                            lru.touch(place, now);
                        }
                        if model.contains(&k) {
                            model.retain(|other| *other != k);
                            model.push_back(k);
                        }
                    }
                    Step::Remove(k) => {
                        prop_assert_eq!(lru.remove(&key(k)).is_some(), model.contains(&k));
                        model.retain(|other| *other != k);
                    }
                    Step::Pop => {
                        let popped = lru.pop_oldest().map(|(entry, _)| *entry.key());
                        prop_assert_eq!(popped, model.pop_front().map(key));
                    }
                }
                for k in 0..8 {
                    prop_assert_eq!(lru.peek(&key(k)).is_some(), model.contains(&k));
                }
            }
            prop_assert!(lru.nodes.len() <= 8);
        }
    }
}
