//! The recorder of the moment.

use std::ptr;

use metrics::{
    Counter, Gauge, Histogram, Key, Level, Metadata, NoopRecorder, Recorder, with_recorder,
};

use crate::types::quietly;

const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Which recorder a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(pub(super) usize);

impl Identity {
    pub(super) fn of(recorder: &dyn Recorder) -> Self {
        Self(ptr::from_ref(recorder).addr())
    }
}

/// The recorder of the moment, if there is one.
pub(super) fn installed() -> Option<Identity> {
    with_recorder(|recorder| (!is_noop(recorder)).then(|| Identity::of(recorder)))
}

/// Calls into the recorder, if there is one; a panic in there is not the request's.
pub(super) fn with(call: impl FnOnce(&dyn Recorder)) {
    with_recorder(|recorder| {
        if !is_noop(recorder) {
            quietly(|| call(recorder));
        }
    });
}

/// As [`with`], if the recorder is still the same: one that came in the middle of a call would see an
/// end without a start.
pub(super) fn with_same(identity: Identity, call: impl FnOnce(&dyn Recorder)) {
    with(|recorder| {
        if Identity::of(recorder) == identity {
            call(recorder);
        }
    });
}

pub(super) fn count(recorder: &dyn Recorder, key: &Key) {
    counter(recorder, key).increment(1);
}

pub(super) fn counter(recorder: &dyn Recorder, key: &Key) -> Counter {
    recorder.register_counter(key, &METADATA)
}

pub(super) fn gauge(recorder: &dyn Recorder, key: &Key) -> Gauge {
    recorder.register_gauge(key, &METADATA)
}

pub(super) fn histogram(recorder: &dyn Recorder, key: &Key) -> Histogram {
    recorder.register_histogram(key, &METADATA)
}

/// Whether `recorder` is the one that stands in where none is installed.
///
/// The facade does not tell. What behaves as that one has its table of methods; where a compiler made
/// two copies of the table, as it does without optimisation, the answer is no. Then calls are
/// measured for nobody, which costs time and an allocation, and nothing else.
fn is_noop(recorder: &dyn Recorder) -> bool {
    let given: *const dyn Recorder = recorder;
    let noop: *const dyn Recorder = given.cast::<NoopRecorder>();
    ptr::eq(given, noop)
}

#[cfg(test)]
mod tests {
    use metrics::{KeyName, SharedString, Unit};
    use metrics_util::debugging::DebuggingRecorder;

    use super::*;

    /// As small as the one that does nothing, and does something.
    struct Small;

    impl Recorder for Small {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0)))
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn a_recorder_is_found_while_it_is_installed() {
        metrics::with_local_recorder(&DebuggingRecorder::new(), || assert!(installed().is_some()));
        metrics::with_local_recorder(&Small, || assert!(installed().is_some()));
    }

    #[test]
    fn j8_a_recorder_that_panics_does_no_harm() {
        metrics::with_local_recorder(&DebuggingRecorder::new(), || with(|_| panic!("broken")));
    }
}
