use std::sync::{Mutex, PoisonError};

use crate::types::{CacheKey, ScopeDigest};

/// Brings keys under a scope that never changes, and remembers a few: to do so takes a hash, and what
/// is asked for most is asked for again.
#[derive(Debug)]
pub(super) struct Scoped {
    digest: ScopeDigest,
    // A key and what it became, by the first byte of the key.
    last: [Mutex<Option<(CacheKey, CacheKey)>>; PLACES],
}

impl Scoped {
    pub(super) const fn new(digest: ScopeDigest) -> Self {
        Self {
            digest,
            last: [const { Mutex::new(None) }; PLACES],
        }
    }

    pub(super) const fn digest(&self) -> ScopeDigest {
        self.digest
    }

    pub(super) fn key(&self, key: &CacheKey) -> CacheKey {
        let [first, ..] = *key.as_bytes();
        let Some(last) = self.last.get(usize::from(first) % PLACES) else {
            return self.digest.scoped(key);
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((asked, scoped)) if asked == *key && asked.check() == key.check() => scoped,
            _ => {
                let scoped = self.digest.scoped(key);
                *last = Some((*key, scoped));
                scoped
            }
        }
    }
}

const PLACES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Owner;

    #[test]
    fn a_key_becomes_the_same_whether_it_is_remembered_or_not() {
        let digest = ScopeDigest::of(Owner::Shared);
        let scoped = Scoped::new(digest);
        let key = |number: u8, check: u8| {
            let mut bytes = [number; 32];
            // Three to a place.
            bytes[0] = number / 3;
            CacheKey::new(bytes).with_check([check; 16])
        };

        for number in [0, 0, 1, 2, 0, 3, 3, 0, 255, 255] {
            for check in [0, 1, 1, 0] {
                let key = key(number, check);
                let (one, other) = (scoped.key(&key), digest.scoped(&key));
                assert_eq!((one, one.check()), (other, other.check()));
            }
        }
    }
}
