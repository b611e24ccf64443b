//! What several tests need.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

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

/// Set in a process that runs one test alone: what its parent gives it.
const ALONE: &str = "BLOSSOM_TEST_ALONE";

/// What the parent gave, in the process of [`alone`]; `None` in the parent.
pub(crate) fn given() -> Option<String> {
    std::env::var(ALONE).ok()
}

/// Runs the test `name` in a process of its own, where [`given`] is `given`.
pub(crate) fn alone(name: &str, given: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture"])
        .env(ALONE, given)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits for a process of [`alone`], which must succeed.
pub(crate) fn succeeds(child: Child) {
    let output = child.wait_with_output().unwrap();
    let [out, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    // Without its name nothing would have run.
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{}\n{out}\n{errors}",
        output.status
    );
    println!("{out}");
}
