//! `kill -9` while a process writes.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use blossom_layers::cache::{Found, Tier as _, tier::DiskTier};
use peers::Report;

use crate::entries::{key, len, mixed, open, runtime, there};

pub fn rounds(rounds: u64, report: &mut Report) {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("cache");
    let (mut lost, mut wrong, mut committed, mut slowest) = (0, 0, 0_u64, Duration::ZERO);
    for round in 0..rounds {
        let last = killed(&path, round);
        let start = Instant::now();
        let tier = open(&path);
        slowest = slowest.max(start.elapsed());
        for number in 0..=last {
            match check(&tier, number) {
                Ok(true) => committed += 1,
                Ok(false) => lost += 1,
                Err(()) => wrong += 1,
            }
        }
        for number in last + 1..last + 32 {
            wrong += u32::from(check(&tier, number).is_err());
        }
        if round % 10 == 9 {
            // Not everything is always the same.
            drop(tier);
            std::fs::remove_dir_all(&path).expect("it was there");
        }
    }
    println!("{rounds} rounds of kill -9, {committed} committed entries read");
    report.at_most("committed entries lost", f64::from(lost), 0.0);
    report.at_most("entries with a wrong byte", f64::from(wrong), 0.0);
    report.at_most("slowest opening, seconds", slowest.as_secs_f64(), 1.0);
}

/// Lets a process write until chance kills it; the number of the last entry that it committed.
fn killed(path: &std::path::Path, round: u64) -> u64 {
    let program = std::env::current_exe().expect("a name");
    let mut child = Command::new(program)
        .args(["write".as_ref(), path.as_os_str(), "1000000".as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let wanted = 15 + mixed(round) % 300;
    let mut last = 0;
    // Kept until it is killed: who writes into a pipe without a reader ends by itself.
    let mut lines = output.lines().map_while(Result::ok);
    for line in lines.by_ref() {
        last = line.parse().expect("a number");
        if last >= wanted {
            break;
        }
    }
    // In the middle of whatever it does by then.
    let moment = Instant::now() + Duration::from_micros(mixed(round + 1) % 3000);
    while Instant::now() < moment {}
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
    last
}

fn check(tier: &DiskTier, number: u64) -> Result<bool, ()> {
    runtime().block_on(async {
        loop {
            match tier.get(&key(number)).found().await {
                Found::Busy => tokio::time::sleep(Duration::from_millis(5)).await,
                found => return there(found, number, len(number)),
            }
        }
    })
}
