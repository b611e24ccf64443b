use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    body::{End, Guard},
    sync::Arc,
};

/// The mean time of about the last eight calls, in nanoseconds; zero while nothing is known.
#[derive(Debug, Default)]
pub(super) struct Mean(AtomicU64);

/// What is said while nothing is known.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Longer than this nobody is told to stay away: things change.
const LONGEST: Duration = Duration::from_secs(120);

impl Mean {
    pub(super) fn get(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => UNKNOWN,
            nanos => Duration::from_nanos(nanos).min(LONGEST),
        }
    }

    /// Two that record at once may lose one of both, which a mean can bear.
    fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        let mean = match self.0.load(Ordering::Relaxed) {
            0 => nanos,
            mean => mean - mean / 8 + nanos / 8,
        };
        self.0.store(mean.max(1), Ordering::Relaxed);
    }
}

/// Measures one call. It hangs on the response body, and ends with it.
pub struct ServiceTime {
    started: Instant,
    mean: Arc<Mean>,
}

impl ServiceTime {
    pub(super) fn start(mean: Arc<Mean>) -> Self {
        Self {
            started: Instant::now(),
            mean,
        }
    }
}

impl Guard for ServiceTime {
    fn end(self, _end: End) {
        self.mean.record(self.started.elapsed());
    }
}

impl fmt::Debug for ServiceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTime")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}
