//! What a call without async costs over one with it, in thread wake-ups:
//! `cargo bench --bench blocking`.
//!
//! Prints the figures beside their limit, and ends with 1 when one is over it. Every call but a hit
//! reaches the upstream. One that answers at once is shown and not judged: whether a thread that waits
//! for it gets as far as to sleep is chance there, with async and without.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures, and ends where it cannot"
)]

use std::{process::ExitCode, time::Duration};

use blossom::{Blossom, blocking, sandbox::Sandbox};

const LIMIT: f64 = 2.0;

/// Calls of one kind.
struct Case {
    name: &'static str,
    cache: bool,
    // Asks the upstream though the answer is there.
    fresh: bool,
    latency: Duration,
    calls: u32,
    judged: bool,
}

const CASES: [Case; 4] = [
    Case {
        name: "a hit",
        cache: true,
        fresh: false,
        latency: Duration::ZERO,
        calls: 5_000,
        judged: true,
    },
    Case {
        name: "past a cache, 1 ms",
        cache: true,
        fresh: true,
        latency: Duration::from_millis(1),
        calls: 1_000,
        judged: true,
    },
    Case {
        name: "an upstream of 1 ms",
        cache: false,
        fresh: false,
        latency: Duration::from_millis(1),
        calls: 1_000,
        judged: true,
    },
    Case {
        name: "an upstream of 0 ms",
        cache: false,
        fresh: false,
        latency: Duration::ZERO,
        calls: 5_000,
        judged: false,
    },
];

fn main() -> ExitCode {
    println!("wake-ups a call         without async    with it      added    at most");
    let mut held = true;
    for case in CASES {
        let (blocking, inside) = measure(&case);
        let added = blocking - inside;
        let limit = if case.judged {
            format!("{LIMIT:.2}")
        } else {
            String::new()
        };
        println!(
            "{:<20}{blocking:>17.2}{inside:>11.2}{added:>11.2}{limit:>11}",
            case.name
        );
        held &= !case.judged || added <= LIMIT;
    }
    if held {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The wake-ups of a call without async, and of one in a task of the same runtime.
fn measure(case: &Case) -> (f64, f64) {
    let sandbox = Sandbox::builder().latency(case.latency).start().unwrap();
    let client = || -> blocking::Blossom {
        let builder = Blossom::builder().base_url(sandbox.base_url());
        builder.cache(case.cache).build_blocking().unwrap()
    };
    let (one, other) = (client(), client());
    let blocking = per_call(case.calls, |calls| {
        for _ in 0..calls {
            let call = one.text().generate("Hi");
            let call = if case.fresh { call.fresh() } else { call };
            call.send().unwrap();
        }
    });
    let inside = per_call(case.calls, |calls| {
        let (client, fresh) = (other.client().clone(), case.fresh);
        let calls = async move {
            for _ in 0..calls {
                let call = client.text().generate("Hi");
                let call = if fresh { call.fresh() } else { call };
                call.await.unwrap();
            }
        };
        other.block_on(calls).unwrap();
    });
    assert_eq!(sandbox.count() > 2, case.fresh || !case.cache);
    (blocking, inside)
}

/// The wake-ups of all threads that a call takes, the sandbox's included.
fn per_call(calls: u32, run: impl Fn(u32)) -> f64 {
    run(100);
    let before = wake_ups();
    run(calls);
    f64::from(wake_ups() - before) / f64::from(calls)
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
