use std::fmt;

use metrics::{Key, Recorder};

use super::{
    Kind, LEVELS, Levels,
    levels::COUNT,
    recorder::{self, Identity},
};
use crate::{
    sync::{Arc, Mutex, lock},
    types::quietly,
};

/// Reads the [`Levels`] of a stack, and tells the recorder that is installed what has changed.
///
/// Clones are one. What several publishers tell adds up, so that two clients of one process have one
/// sum; what one has told of its gauges is taken back when its last clone is dropped.
///
/// A [`MetricsLayer`](super::MetricsLayer) that has it publishes whenever a call of its goes on: when
/// it first has to wait, has its head, ends, or is dropped. A breaker that may be tried again, for one, is
/// not seen before the next call: publish before each scrape, and the page is true of its moment.
///
/// ```
/// use blossom_layers::{
///     limit::concurrency::ConcurrencyLimitLayer,
///     metrics::{Levels, MetricsLayer, Publisher},
/// };
///
/// let limit = ConcurrencyLimitLayer::new(64);
/// let handle = limit.handle();
/// let publisher = Publisher::new(move || {
///     let mut levels = Levels::default();
///     levels.permits_in_use = Some(handle.in_flight() as u64);
///     levels.permits_waiting = Some(handle.waiting() as u64);
///     levels
/// });
/// let layer = MetricsLayer::new().levels(publisher.clone());
/// // .. when the page is asked for:
/// publisher.publish();
/// assert_eq!(publisher.levels().permits_in_use, Some(0));
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    read: Box<dyn Fn() -> Levels + Send + Sync>,
    // For each recorder of late: threads may have some of their own, as in tests.
    told: Mutex<Vec<Told>>,
}

/// What a recorder was told last.
struct Told {
    recorder: Identity,
    values: [Option<u64>; COUNT],
}

const MAX_RECORDERS: usize = 4;

impl Publisher {
    /// A publisher of what `read` says.
    ///
    /// It is asked on the paths of calls, so it should do no more than read handles. One that panics
    /// costs the figures, not the call.
    ///
    /// ```
    /// use blossom_layers::{
    ///     limit::concurrency::ConcurrencyLimitLayer,
    ///     metrics::{Levels, Publisher},
    /// };
    ///
    /// let limit = ConcurrencyLimitLayer::new(64).handle();
    /// let publisher = Publisher::new(move || {
    ///     let mut levels = Levels::default();
    ///     levels.permits_waiting = Some(limit.waiting() as u64);
    ///     levels
    /// });
    /// assert_eq!(publisher.levels().permits_waiting, Some(0));
    /// ```
    #[must_use]
    pub fn new(read: impl Fn() -> Levels + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                read: Box::new(read),
                told: Mutex::default(),
            }),
        }
    }

    /// How the levels are now.
    ///
    /// ```
    /// use blossom_layers::metrics::{Levels, Publisher};
    ///
    /// let publisher = Publisher::new(Levels::default);
    /// assert_eq!(publisher.levels(), Levels::default());
    /// ```
    #[must_use]
    pub fn levels(&self) -> Levels {
        (self.shared.read)()
    }

    /// Tells the recorder that is installed; does nothing where there is none.
    ///
    /// The first time each level that is filled in is told, also one of zero; later what has changed.
    ///
    /// ```
    /// use blossom_layers::metrics::{Levels, Publisher, name};
    /// use metrics_util::debugging::DebuggingRecorder;
    ///
    /// let publisher = Publisher::new(|| {
    ///     let mut levels = Levels::default();
    ///     levels.breakers_open = Some(1);
    ///     levels
    /// });
    /// let recorder = DebuggingRecorder::new();
    /// let figures = recorder.snapshotter();
    /// metrics::with_local_recorder(&recorder, || publisher.publish());
    /// let seen = figures.snapshot().into_vec();
    /// assert_eq!(seen.first().map(|(key, ..)| key.key().name()), Some(name::BREAKERS_OPEN));
    /// ```
    pub fn publish(&self) {
        recorder::with(|recorder| {
            let identity = Identity::of(recorder);
            // Read under the lock: what is older must not be told later.
            let mut all = lock(&self.shared.told);
            let Some(levels) = quietly(|| self.levels()) else {
                return;
            };
            let mut known = take(&mut all, identity);
            // What a recorder that panics was told is kept all the same.
            quietly(|| known.tell(recorder, levels.values()));
            if all.len() == MAX_RECORDERS {
                all.remove(0);
            }
            all.push(known);
        });
    }
}

/// What `recorder` was told last, taken out.
fn take(all: &mut Vec<Told>, recorder: Identity) -> Told {
    match all.iter().position(|told| told.recorder == recorder) {
        Some(at) => all.remove(at),
        None => Told {
            recorder,
            values: [None; COUNT],
        },
    }
}

impl Told {
    fn tell(&mut self, recorder: &dyn Recorder, values: [Option<u64>; COUNT]) {
        let now = LEVELS.iter().zip(values);
        for (told, (metric, value)) in self.values.iter_mut().zip(now) {
            let Some(value) = value.filter(|value| *told != Some(*value)) else {
                continue;
            };
            let before = told.unwrap_or(0);
            *told = Some(value);
            let key = Key::from_static_name(metric.name);
            match metric.kind {
                Kind::Counter => {
                    recorder::counter(recorder, &key).increment(value.saturating_sub(before));
                }
                _ => step(recorder, &key, before, value),
            }
        }
    }

    /// What is no more is not there.
    fn take_back(&self, recorder: &dyn Recorder) {
        for (metric, told) in LEVELS.iter().zip(self.values) {
            if let (Kind::Gauge, Some(told @ 1..)) = (metric.kind, told) {
                step(recorder, &Key::from_static_name(metric.name), told, 0);
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for told in &*lock(&self.told) {
            recorder::with_same(told.recorder, |recorder| told.take_back(recorder));
        }
    }
}

/// Moves a gauge that others move too.
fn step(recorder: &dyn Recorder, key: &Key, from: u64, to: u64) {
    let gauge = recorder::gauge(recorder, key);
    if to >= from {
        gauge.increment(as_float(to - from));
    } else {
        gauge.decrement(as_float(from - to));
    }
}

#[expect(clippy::cast_precision_loss, reason = "the facade knows no integers")]
const fn as_float(level: u64) -> f64 {
    level as f64
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
