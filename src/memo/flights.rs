//! Values that are being made, so that each is made once.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;

use crate::layers::types::CacheKey;

/// The values under way, by key.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<Map>>);

type Map = HashMap<CacheKey, Arc<dyn Any + Send + Sync>>;

impl Flights {
    /// Joins the making of the value under `key`. One of another type is another.
    pub(super) fn join<V: Clone + Send + Sync + 'static>(&self, key: CacheKey) -> Flight<V> {
        let mut map = self.lock();
        let known = map.get(&key).cloned();
        let cell = match known.and_then(|cell| cell.downcast::<OnceCell<V>>().ok()) {
            Some(cell) => cell,
            None => {
                let cell = Arc::new(OnceCell::new());
                map.insert(key, cell.clone());
                cell
            }
        };
        drop(map);
        Flight {
            flights: self.clone(),
            key,
            cell,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Map> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part in the making of one value. The last to leave takes it off the map.
pub(super) struct Flight<V: 'static> {
    flights: Flights,
    key: CacheKey,
    cell: Arc<OnceCell<V>>,
}

impl<V: Clone> Flight<V> {
    /// Makes the value, or waits for whoever does. When that one is dropped or panics, the next
    /// makes it.
    pub(super) async fn get_or_init<F, Fut>(&self, make: F) -> V
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = V>,
    {
        self.cell.get_or_init(make).await.clone()
    }
}

impl<V> Drop for Flight<V> {
    fn drop(&mut self) {
        let mut map = self.flights.lock();
        let Some(known) = map.get(&self.key) else {
            return;
        };
        let mine = std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(&self.cell));
        // Once the value is there, later callers look it up or make another.
        let over = self.cell.initialized() || Arc::strong_count(known) <= 2;
        if mine && over {
            map.remove(&self.key);
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}
