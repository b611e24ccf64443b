use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    cache::fold::{fold, hash, hash_long},
    types::CacheKey,
};

/// Keys of requests that were seen before, by their bytes.
///
/// Exact: a request is found only if it is the same in every byte. The hash only says where to look,
/// and is keyed, so that nobody can choose requests that drive one another out. Bounded in places and
/// in bytes.
///
/// A request is kept when it comes for the second time: most come once, and those neither cost a copy
/// nor drive out the others.
#[derive(Debug)]
pub(super) struct Memo {
    // One for each place: a request that is not kept is not looked for under the lock.
    marks: Box<[Mark]>,
    places: Mutex<Places>,
    max_bytes: usize,
    secrets: [u64; 2],
}

#[derive(Debug, Default)]
struct Places {
    seen: Vec<Option<Seen>>,
    bytes: usize,
    // Where to look next for something to forget.
    hand: usize,
}

/// Hashes that belong to a place. They hint: what is so is known under the lock alone.
#[derive(Debug, Default)]
struct Mark {
    /// Of the last request that was looked for here.
    last: AtomicU64,
    /// Of the request that was kept here last.
    kept: AtomicU64,
}

#[derive(Debug, Clone)]
struct Seen {
    /// Head and body.
    text: Arc<[u8]>,
    head: usize,
    key: CacheKey,
}

impl Memo {
    pub(super) fn new(max_bytes: usize) -> Self {
        let random = RandomState::new();
        let secret = |number: u64| {
            let mut hasher = random.build_hasher();
            hasher.write_u64(number);
            hasher.finish()
        };
        let mut places = Places::default();
        if max_bytes > 0 {
            let number = usize::try_from(PLACES).unwrap_or(1);
            places.seen.resize(number, None);
        }
        Self {
            marks: places.seen.iter().map(|_| Mark::default()).collect(),
            places: Mutex::new(places),
            max_bytes,
            secrets: [secret(1), secret(2)],
        }
    }

    pub(super) const fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Where a request with these bytes stands, if it does; `None` if it is too long to be kept.
    pub(super) fn place(&self, head: &[u8], body: &[u8]) -> Option<Place> {
        if head.len() + body.len() > self.max_bytes / 4 || self.max_bytes == 0 {
            return None;
        }
        let [one, two] = self.secrets;
        let hash = fold(hash(head, one, two) ^ one, hash_long(body, two, one) ^ two);
        let at = usize::try_from(hash % PLACES).ok()?;
        Some(Place { at, hash })
    }

    pub(super) fn look(&self, place: Place, head: &[u8], body: &[u8]) -> Looked {
        let Some(mark) = self.marks.get(place.at) else {
            return Looked::New;
        };
        let again = mark.last.load(Relaxed) == place.hash;
        if !again {
            mark.last.store(place.hash, Relaxed);
        }
        if mark.kept.load(Relaxed) == place.hash {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = places.seen.get(place.at).cloned().flatten();
            // Compared outside the lock: a long body takes long to compare.
            drop(places);
            if let Some(seen) = seen
                && seen.text.split_at_checked(seen.head) == Some((head, body))
            {
                return Looked::Known(seen.key);
            }
        }
        if again { Looked::Again } else { Looked::New }
    }

    /// Keeps the key of the request whose bytes are `text`, of which so many are its head.
    pub(super) fn put(&self, place: Place, text: &[u8], head: usize, key: CacheKey) {
        let bytes = text.len();
        let seen = Seen {
            text: text.into(),
            head,
            key,
        };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.forget(place.at);
        while places.bytes > self.max_bytes.saturating_sub(bytes) {
            let hand = places.hand;
            places.hand = (hand + 1) % places.seen.len();
            places.forget(hand);
        }
        places.bytes += bytes;
        if let (Some(kept), Some(mark)) = (places.seen.get_mut(place.at), self.marks.get(place.at))
        {
            *kept = Some(seen);
            mark.kept.store(place.hash, Relaxed);
        }
    }
}

impl Places {
    fn forget(&mut self, place: usize) {
        if let Some(seen) = self.seen.get_mut(place).and_then(Option::take) {
            self.bytes -= seen.text.len();
        }
    }
}

/// Where to look for a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    at: usize,
    hash: u64,
}

/// What was found there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    Known(CacheKey),
    /// Not kept, but the last that was looked for here: it is to be kept.
    Again,
    New,
}

const PLACES: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> CacheKey {
        CacheKey::new([number; 32])
    }

    #[test]
    fn finds_what_is_the_same_in_every_byte() {
        let memo = Memo::new(1 << 16);
        let place = memo.place(b"head", b"body").unwrap();
        memo.put(place, b"headbody", 4, key(1));

        assert_eq!(memo.look(place, b"head", b"body"), Looked::Known(key(1)));
        // Also where two requests meet in one place, and with one hash.
        assert_eq!(memo.look(place, b"head", b"bodz"), Looked::Again);
        assert_eq!(memo.look(place, b"headb", b"ody"), Looked::Again);
    }

    #[test]
    fn keeps_what_comes_twice_and_not_what_comes_once() {
        let memo = Memo::new(1 << 16);
        let place = memo.place(b"head", b"body").unwrap();
        let other = Place {
            hash: !place.hash,
            ..place
        };

        assert_eq!(memo.look(place, b"head", b"body"), Looked::New);
        assert_eq!(memo.look(other, b"head", b"once"), Looked::New);
        assert_eq!(memo.look(place, b"head", b"body"), Looked::New);
        assert_eq!(memo.look(place, b"head", b"body"), Looked::Again);
        memo.put(place, b"headbody", 4, key(1));
        assert_eq!(memo.look(other, b"head", b"once"), Looked::New);
        assert_eq!(memo.look(place, b"head", b"body"), Looked::Known(key(1)));
    }

    #[test]
    fn is_bounded_in_bytes() {
        let memo = Memo::new(10_000);
        for number in 0..500_u32 {
            let body = number.to_le_bytes().repeat(100);
            let place = memo.place(b"head", &body).unwrap();
            memo.put(place, &[b"head", &*body].concat(), 4, key(2));
            assert_eq!(memo.look(place, b"head", &body), Looked::Known(key(2)));
            let places = memo.places.lock().unwrap();
            let kept: usize = places
                .seen
                .iter()
                .flatten()
                .map(|seen| seen.text.len())
                .sum();
            assert_eq!(kept, places.bytes);
            assert!(kept <= 10_000);
        }
        let large = vec![0; 2501];
        assert!(memo.place(b"", &large).is_none());
    }

    #[test]
    fn two_memos_place_the_same_request_differently() {
        let places = |memo: &Memo| -> Vec<usize> {
            let place = |number: u8| memo.place(&[number], &[]).unwrap().at;
            (0..16).map(place).collect()
        };
        assert_ne!(places(&Memo::new(4096)), places(&Memo::new(4096)));
    }

    #[test]
    fn bytes_anywhere_change_the_place() {
        let memos: Vec<_> = (0..16).map(|_| Memo::new(4096)).collect();
        for len in [1, 7, 8, 31, 32, 33, 63, 64, 100, 200] {
            let body = vec![0; len];
            for at in 0..len {
                let mut other = body.clone();
                other[at] = 1;
                let moves = |memo: &&Memo| {
                    memo.place(b"", &other).unwrap().at != memo.place(b"", &body).unwrap().at
                };
                // One of 512 falls on the same place by chance.
                assert!(memos.iter().filter(moves).count() > 11, "{at} of {len}");
            }
        }
    }
}
