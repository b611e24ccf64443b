//! Everything that is said while a test runs on its thread.

use std::{
    io,
    sync::{Arc, Mutex},
};

use metrics_util::debugging::{DebuggingRecorder, Snapshotter};
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

/// Logs of every level, spans with their fields, and figures.
pub(super) struct Capture {
    log: Log,
    figures: Snapshotter,
    _subscriber: tracing::subscriber::DefaultGuard,
    _recorder: metrics::LocalRecorderGuard<'static>,
}

impl Capture {
    pub(super) fn install() -> Self {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
        Self {
            log,
            figures: recorder.snapshotter(),
            _subscriber: tracing::subscriber::set_default(subscriber),
            _recorder: metrics::set_default_local_recorder(recorder),
        }
    }

    pub(super) fn log(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }

    /// The figures, one a line: name, labels, value.
    pub(super) fn figures(&self) -> String {
        let seen = self.figures.snapshot().into_vec();
        let lines = seen.into_iter().map(|(key, unit, about, value)| {
            format!("{:?} {unit:?} {about:?} {value:?}\n", key.key())
        });
        lines.collect()
    }
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
