use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::sync::Arc;

/// The mean time of the last calls, in nanoseconds; zero while nothing is known.
#[derive(Debug, Default)]
pub(super) struct Mean {
    nanos: AtomicU64,
    calls: AtomicU64,
}

/// What is said while nothing is known.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Longer than this nobody is told to stay away: things change.
const LONGEST: Duration = Duration::from_secs(120);
/// The first calls are all measured, and then one in so many.
const FIRST: u64 = 8;
const ONE_IN: u64 = 32;

impl Mean {
    pub(super) fn get(&self) -> Duration {
        match self.nanos.load(Ordering::Relaxed) {
            0 => UNKNOWN,
            nanos => Duration::from_nanos(nanos).min(LONGEST),
        }
    }

    /// Two that record at once may lose one of both, which a mean can bear.
    fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        let mean = match self.nanos.load(Ordering::Relaxed) {
            0 => nanos,
            mean => mean - mean / 8 + nanos / 8,
        };
        self.nanos.store(mean.max(1), Ordering::Relaxed);
    }
}

/// Measures one call, to its head.
#[derive(Debug)]
pub(super) struct ServiceTime {
    started: Instant,
    mean: Arc<Mean>,
}

impl ServiceTime {
    /// Begins, if this call is one that is measured: a clock costs more than all else here.
    #[inline]
    pub(super) fn start(mean: &Arc<Mean>) -> Option<Self> {
        let calls = mean.calls.fetch_add(1, Ordering::Relaxed);
        (calls < FIRST || calls.is_multiple_of(ONE_IN)).then(|| Self {
            started: Instant::now(),
            mean: mean.clone(),
        })
    }

    pub(super) fn end(self) {
        self.mean.record(self.started.elapsed());
    }
}
