//! A recorder that counts the calls in flight.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use blossom_layers::metrics::name;
use metrics::{Gauge, GaugeFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// How many calls are in flight, as a recorder sees it.
#[derive(Default)]
pub(super) struct Level(Arc<LevelInner>);

#[derive(Default)]
struct LevelInner {
    now: AtomicI64,
    changes: AtomicUsize,
}

impl Level {
    pub(super) fn now(&self) -> i64 {
        self.0.now.load(Ordering::Relaxed)
    }

    pub(super) fn was_used(&self) -> bool {
        self.0.changes.load(Ordering::Relaxed) > 0
    }
}

impl LevelInner {
    fn add(&self, by: f64) {
        // It goes up and down by one.
        let by = if by > 0.0 { 1 } else { -1 };
        self.now.fetch_add(by, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

impl GaugeFn for LevelInner {
    fn increment(&self, by: f64) {
        self.add(by);
    }

    fn decrement(&self, by: f64) {
        self.add(-by);
    }

    fn set(&self, _: f64) {}
}

impl Recorder for Level {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> metrics::Counter {
        metrics::Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        if key.name() == name::CALLS_IN_FLIGHT {
            Gauge::from_arc(self.0.clone())
        } else {
            Gauge::noop()
        }
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}
