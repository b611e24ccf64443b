use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::{Error, layers::types::CacheKey};

/// The calls that are under way, so that equal ones take turns.
///
/// Whoever has the turn makes the call and leaves its result for those who wait. Whoever gives up while
/// making it passes the turn on. Holds nothing of calls that nobody makes or waits for.
#[derive(Debug, Default)]
pub(super) struct Calls {
    under_way: Mutex<HashMap<CacheKey, Arc<Turn<Slot>>>>,
}

/// What the last one who had the turn has left.
#[derive(Debug, Default)]
pub(super) enum Slot {
    /// Nothing: the call is to be made.
    #[default]
    Empty,
    /// The value, as it is kept.
    Value(Bytes),
    /// An error that can be shared.
    Failed(Error),
}

impl Calls {
    /// Takes part in the calls with this key.
    pub(super) fn join(&self, key: CacheKey) -> Caller<'_> {
        let mut calls = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let turn = Some(calls.entry(key).or_default().clone());
        Caller {
            calls: self,
            key,
            turn,
        }
    }
}

/// One who makes a call or waits for it.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    calls: &'a Calls,
    key: CacheKey,
    turn: Option<Arc<Turn<Slot>>>,
}

impl Caller<'_> {
    /// Waits for the turn.
    pub(super) async fn turn(&self) -> Option<OwnedMutexGuard<Slot>> {
        // There is one until this is dropped.
        Some(self.turn.clone()?.lock_owned().await)
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        let mut calls = self
            .calls
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.turn = None;
        // Under the lock, so that nobody joins meanwhile: if only the map holds it, nobody does.
        if calls
            .get(&self.key)
            .is_some_and(|turn| Arc::strong_count(turn) == 1)
        {
            calls.remove(&self.key);
        }
    }
}

/// The error as one that can be shared, if it is the client's own.
pub(super) fn shared<E: Any>(error: &E) -> Option<Error> {
    (error as &dyn Any).downcast_ref::<Error>().cloned()
}

/// The client's own error as an `E`, if it is one.
pub(super) fn unshared<E: Any>(error: &Error) -> Option<E> {
    let error: Box<dyn Any> = Box::new(error.clone());
    error.downcast().ok().map(|error| *error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[tokio::test]
    async fn nothing_is_left_of_calls_that_have_ended() {
        let (calls, key) = (Calls::default(), CacheKey::new([1; 32]));
        let (one, other) = (calls.join(key), calls.join(key));
        drop(one.turn().await);
        drop(one);
        assert_eq!(calls.under_way.lock().unwrap().len(), 1);

        drop(other.turn().await);
        drop(other);
        assert_eq!(calls.under_way.lock().unwrap().len(), 0);
    }

    #[test]
    fn only_the_clients_own_error_is_shared() {
        let error = Error::new(ErrorKind::Upstream, "down");

        let shared_error = shared(&error).unwrap();
        assert_eq!(
            unshared::<Error>(&shared_error).unwrap().kind(),
            error.kind()
        );
        assert!(shared(&"down".to_owned()).is_none());
        assert!(unshared::<String>(&error).is_none());
    }
}
