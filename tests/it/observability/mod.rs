//! What the client lets others see: figures, spans, logs, and nothing secret in any of them.

mod capture;
mod figures;
#[cfg(feature = "otel")]
mod otel;
mod redaction;
mod spans;

use std::time::Duration;

/// Polls until `done` says so, for two seconds at most: the last bytes of a stream are read when its
/// answer is already whole.
async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = tokio::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(2), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
