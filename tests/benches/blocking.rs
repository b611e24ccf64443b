//! What a call without async costs over one with it, in thread wake-ups:
//! `cargo bench --bench blocking`.
//!
//! Prints the figure beside its limit, and ends with 1 when it is over it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures, and ends where it cannot"
)]

use std::process::ExitCode;

use blossom::{Blossom, blocking, sandbox::Sandbox};

const CALLS: u32 = 5_000;
const LIMIT: f64 = 2.0;

fn main() -> ExitCode {
    let sandbox = Sandbox::start().unwrap();
    let builder = || Blossom::builder().base_url(sandbox.base_url());
    let client = builder().build_blocking().unwrap();
    let blocking = per_call(|calls| {
        for _ in 0..calls {
            client.text().generate("Hi").send().unwrap();
        }
    });
    // The same runtime, and the calls one after the other in a task of it.
    let other: blocking::Blossom = builder().build_blocking().unwrap();
    let inside = per_call(|calls| {
        let client = other.client().clone();
        let calls = async move {
            for _ in 0..calls {
                client.text().generate("Hi").await.unwrap();
            }
        };
        other.block_on(calls).unwrap();
    });
    let added = blocking - inside;
    println!("wake-ups a call: {blocking:.2} without async, {inside:.2} with it");
    println!("added: {added:.2}, at most {LIMIT:.2}");
    if added <= LIMIT {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The wake-ups of all threads that a call takes, the sandbox's included.
fn per_call(run: impl Fn(u32)) -> f64 {
    run(100);
    let before = wake_ups();
    run(CALLS);
    f64::from(wake_ups() - before) / f64::from(CALLS)
}

/// How often a thread of this process has gone to sleep by itself, which is how often one was woken.
fn wake_ups() -> u32 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let statuses = threads.filter_map(|thread| {
        let path = thread.ok()?.path().join("status");
        std::fs::read_to_string(path).ok()
    });
    let counts = statuses.filter_map(|status| {
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt"))?;
        line.split_whitespace().nth(1)?.parse::<u32>().ok()
    });
    counts.sum()
}
