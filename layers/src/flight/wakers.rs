use std::{
    sync::{Arc, atomic::Ordering},
    task::{Wake, Waker},
};

use crate::sync::{AtomicBool, Mutex, lock};

/// The wakers of those who wait for a flight, by seat, and whether the flight wants to be polled.
///
/// It is the waker that the inner future sees.
#[derive(Debug)]
pub(super) struct Wakers {
    // Set by a wake and by progress, taken by whoever polls: without it a poll would be in vain.
    woken: AtomicBool,
    waiting: Mutex<Waiting>,
}

/// Not in the `Arc` that loom checks: it has to be a waker.
pub(super) type SharedWakers = Arc<Wakers>;

#[derive(Debug, Default)]
struct Waiting {
    // Most flights have one reader, who then needs no list.
    first: Option<Waker>,
    others: Vec<Option<Waker>>,
}

impl Waiting {
    fn place(&mut self, seat: usize) -> &mut Option<Waker> {
        let Some(index) = seat.checked_sub(1) else {
            return &mut self.first;
        };
        if self.others.len() <= index {
            self.others.resize_with(index + 1, || None);
        }
        // Just made long enough; the alternative is only there for the type.
        self.others.get_mut(index).unwrap_or(&mut self.first)
    }
}

impl Wakers {
    /// Of a flight that nobody has polled yet.
    pub(super) fn new() -> SharedWakers {
        Arc::new(Self {
            woken: AtomicBool::new(true),
            waiting: Mutex::default(),
        })
    }

    // All three read and write: so of two that meet the later has seen all that came before the
    // earlier, such as a lock that was given back. A mere load may be told of old times.
    pub(super) fn set_woken(&self) {
        self.woken.swap(true, Ordering::AcqRel);
    }

    pub(super) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.fetch_or(false, Ordering::AcqRel)
    }

    /// Wakes `waker` with the others from now on, once.
    pub(super) fn register(&self, seat: usize, waker: &Waker) {
        let mut waiting = lock(&self.waiting);
        let place = waiting.place(seat);
        if place.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        let old = place.replace(waker.clone());
        drop(waiting);
        // Outside the lock, as all foreign code: it may be the last reference to a task.
        drop(old);
    }

    pub(super) fn forget(&self, seat: usize) {
        let mut waiting = lock(&self.waiting);
        let old = match seat.checked_sub(1) {
            None => waiting.first.take(),
            Some(index) => waiting.others.get_mut(index).and_then(Option::take),
        };
        drop(waiting);
        drop(old);
    }

    pub(super) fn wake_all(&self) {
        self.wake_others(usize::MAX);
    }

    /// Wakes all but the one who calls.
    pub(super) fn wake_others(&self, own: usize) {
        let mut waiting = lock(&self.waiting);
        let first = (own != 0).then(|| waiting.first.take()).flatten();
        if waiting.others.is_empty() {
            drop(waiting);
            if let Some(first) = first {
                first.wake();
            }
            return;
        }
        let mut others = std::mem::take(&mut waiting.others);
        let kept = own
            .checked_sub(1)
            .and_then(|index| others.get_mut(index))
            .and_then(Option::take);
        if let Some(kept) = kept {
            *waiting.place(own) = Some(kept);
        }
        drop(waiting);
        for waker in first.into_iter().chain(others.drain(..).flatten()) {
            waker.wake();
        }
        // The list is used again, unless somebody has begun another.
        let mut waiting = lock(&self.waiting);
        if waiting.others.capacity() == 0 {
            waiting.others = others;
        }
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set_woken();
        self.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_wake_reaches_each_waiter_once() {
        let wakers = Wakers::new();
        let counts: Vec<_> = (0..4).map(|_| Arc::new(Count::default())).collect();
        let seen = || -> Vec<_> { counts.iter().map(|c| c.0.load(Ordering::SeqCst)).collect() };
        for (seat, count) in counts.iter().enumerate() {
            wakers.register(seat, &count.clone().into());
        }
        wakers.forget(3);

        wakers.wake_others(1);
        assert_eq!(seen(), [1, 0, 1, 0]);
        Wake::wake_by_ref(&wakers);
        assert_eq!(seen(), [1, 1, 1, 0]);
        wakers.wake_all();
        assert_eq!(seen(), [1, 1, 1, 0]);
    }
}
