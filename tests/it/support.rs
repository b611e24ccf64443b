//! What several tests need.

use std::time::Duration;

use blossom::{Blossom, layers::breaker::Rules, sandbox::Sandbox};
use tokio::time::Instant;

/// The header that asks the sandbox for a fault.
pub(crate) const FAULT: &str = "x-sandbox-fault";

/// A sandbox, and a client that asks it once: what it does when it asks again is tested elsewhere.
pub(crate) fn pair() -> (Sandbox, Blossom) {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .breaker(Rules::never())
        .build()
        .unwrap();
    (sandbox, client)
}

/// Polls until `done` says so, for two seconds at most.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(2), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
