use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::BuildHasherDefault,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;

use super::{
    driver::{Delivery, Driver},
    one::{Flight, Landing},
    origin::Origin,
    reader::Reader,
    state::State,
};
use crate::{
    BoxError,
    sync::{Arc, Mutex, lock},
    types::{CacheKey, Deadline, KeyHasher, SharedDeadline},
};

/// The bounds of a flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Up to here a reply is kept whole.
    pub(crate) max_bytes: usize,
    /// How long the fastest reader waits for the slowest.
    pub(crate) lag_grace: Duration,
    /// How long a flight takes new readers; after it the next one begins another.
    pub(crate) max_age: Duration,
    /// How long a flight goes on without readers.
    pub(crate) finish_fill: Option<Duration>,
}

impl Limits {
    pub(crate) const DEFAULT: Self = Self {
        max_bytes: 8 * 1024 * 1024,
        lag_grace: Duration::from_secs(1),
        max_age: Duration::from_secs(300),
        finish_fill: None,
    };
}

/// Who wants to board.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passenger {
    pub(crate) key: CacheKey,
    pub(crate) limits: Limits,
    pub(crate) deadline: Option<Deadline>,
    /// Joins nobody, and takes the place of the flight there is.
    pub(crate) fresh: bool,
    /// What [`Flights::landings`] said before the passenger looked where landed flights are kept.
    /// If one has landed since, it may look again.
    pub(crate) landings: Option<u64>,
}

/// How it boarded.
pub(crate) enum Boarded<T, L: Landing> {
    /// A flight that had begun; what another would have been made of comes back.
    Joined(Reader<L>, T),
    /// A new one.
    Began(Reader<L>),
    /// None: one has landed meanwhile.
    Landed(T),
}

/// All flights of a layer, by key. Clones share them.
pub(crate) struct Flights<L: Landing> {
    home: Arc<Home<L>>,
}

/// The index of flights, which holds each while it may be joined.
pub(super) struct Home<L: Landing> {
    flights: Mutex<HashMap<CacheKey, Arc<Flight<L>>, BuildHasherDefault<KeyHasher>>>,
    // By the first byte of the key, so that others seldom look like one's own.
    landings: [AtomicU64; SHARDS],
}

const SHARDS: usize = 64;

/// An empty index keeps no more room than for this many.
const KEPT: usize = 64;

impl<L: Landing> Flights<L> {
    pub(crate) fn new() -> Self {
        Self {
            home: Arc::new(Home {
                flights: Mutex::default(),
                landings: [const { AtomicU64::new(0) }; SHARDS],
            }),
        }
    }

    /// How many may be joined.
    pub(crate) fn len(&self) -> usize {
        lock(&self.home.flights).len()
    }

    /// A number that changes whenever a flight with this key lands.
    pub(crate) fn landings(&self, key: &CacheKey) -> u64 {
        self.home.counter(key).load(Ordering::SeqCst)
    }

    /// Takes the flights that `which` picks by their keys and notes out of the way: nobody joins them
    /// any more, and they do not land.
    #[cfg(feature = "cache")]
    pub(crate) fn supersede(&self, which: impl Fn(&CacheKey, &L::Note) -> bool) {
        let mut flights = lock(&self.home.flights);
        let picked: Vec<_> = flights
            .extract_if(|key, flight| which(key, &flight.note))
            .collect();
        drop(flights);
        for (_, flight) in picked {
            lock(&flight.state).supersede();
        }
    }

    /// Joins the flight of this key, or begins one with what `make` makes of `parts`, under the
    /// deadline that all its readers share.
    ///
    /// `make` runs under a lock: it may move, but must not call foreign code.
    pub(crate) fn board<T, F, D, E>(
        &self,
        passenger: Passenger,
        parts: T,
        make: impl FnOnce(T, Option<SharedDeadline>) -> (Driver<F, D::Body>, L),
    ) -> Boarded<T, L>
    where
        F: Future<Output = Result<D, E>> + Send + 'static,
        D: Delivery<L::Cargo>,
        E: Into<BoxError> + 'static,
        D::Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let Passenger {
            key,
            limits,
            deadline,
            fresh,
            landings,
        } = passenger;
        let here = Origin::here();
        let mut flights = lock(&self.home.flights);
        if let Some(flight) = flights.get(&key) {
            let mut state = lock(&flight.state);
            if fresh || flight.born.elapsed() > flight.limits.max_age {
                state.supersede();
            } else if let Some(seat) = state.join(deadline) {
                let first = state.origin();
                drop(state);
                let reader = Reader::new(flight.clone(), seat);
                drop(flights);
                if let Some(first) = first {
                    here.follow(&first);
                }
                return Boarded::Joined(reader, parts);
            }
        } else if landings.is_some_and(|seen| seen != self.landings(&key)) {
            return Boarded::Landed(parts);
        }
        let shared = deadline.map(SharedDeadline::new);
        let (driver, landing) = make(parts, shared.clone());
        let state = State::new(shared, deadline, here);
        let flight = Flight::new(
            key,
            limits,
            self.home.clone(),
            state,
            Box::pin(driver),
            landing,
        );
        let flight = Arc::new(flight);
        let old = flights.insert(key, flight.clone());
        drop(flights);
        drop(old);
        Boarded::Began(Reader::new(flight, 0))
    }
}

impl<L: Landing> Home<L> {
    fn counter(&self, key: &CacheKey) -> &AtomicU64 {
        let [first, ..] = key.as_bytes();
        let [zero, ..] = &self.landings;
        self.landings
            .get(usize::from(*first) % SHARDS)
            .unwrap_or(zero)
    }

    /// Nobody joins `flight` any more.
    pub(super) fn remove(&self, flight: &Flight<L>) {
        let mut flights = lock(&self.flights);
        self.counter(&flight.key).fetch_add(1, Ordering::SeqCst);
        let is_it = |known: &Arc<Flight<L>>| std::ptr::eq(&**known, flight);
        let removed = if flights.get(&flight.key).is_some_and(is_it) {
            flights.remove(&flight.key)
        } else {
            None
        };
        if flights.is_empty() && flights.capacity() > KEPT {
            flights.shrink_to(KEPT);
        }
        drop(flights);
        drop(removed);
    }
}

impl<L: Landing> Clone for Flights<L> {
    fn clone(&self) -> Self {
        Self {
            home: self.home.clone(),
        }
    }
}

impl<L: Landing> fmt::Debug for Flights<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
