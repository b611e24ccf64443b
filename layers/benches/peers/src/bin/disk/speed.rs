//! How long it takes, and how much memory.

use std::{
    fs,
    hint::black_box,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use blossom_layers::cache::Tier as _;
use peers::Report;
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::entries::{body, entry, key, mixed, open, runtime};

const COUNT: u64 = 100_000;
const LEN: usize = 1024;
const GETS: u64 = 20_000;
// Short ones, in turns: a machine that is busy for a while is so for both.
const ROUNDS: u64 = 45;
const GETS_IN_ROUND: u64 = 7000;
const BARE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bare");

pub fn run(report: &mut Report) {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("cache");
    let program = std::env::current_exe().expect("a name");
    let mut child = Command::new(&program)
        .args([
            "fill".as_ref(),
            path.as_os_str(),
            COUNT.to_string().as_ref(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    output
        .lines()
        .next()
        .expect("it says when it is full")
        .expect("a line");
    child.kill().expect("it runs");
    child.wait().expect("it has ended");

    let killed = opening(&path);
    let clean = (0..9).map(|_| opening(&path)).min().expect("nine");
    println!("{COUNT} entries of {LEN} bytes");
    report.at_most("opening after kill -9, milliseconds", millis(killed), 50.0);
    report.at_most("opening, milliseconds, best of nine", millis(clean), 5.0);

    // In a process of its own: what is measured is all the memory that it takes.
    let measured = Command::new(&program)
        .args(["measure".as_ref(), path.as_os_str()])
        .output()
        .expect("it can be started");
    let anonymous: f64 = String::from_utf8_lossy(&measured.stdout)
        .trim()
        .parse()
        .expect("a number");
    report.at_most("anonymous memory, MiB", anonymous, 32.0);

    let database = bare(&root.path().join("bare"));
    let tier = open(&path);
    let mut ratios = Vec::new();
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for round in 0..ROUNDS {
        let numbers = || (0..GETS_IN_ROUND).map(|get| mixed(round << 32 | get) % COUNT);
        let start = Instant::now();
        for number in numbers() {
            assert!(
                black_box(tier.get_blocking(&key(number)))
                    .into_entry()
                    .is_some()
            );
        }
        let one = start.elapsed();
        let start = Instant::now();
        for number in numbers() {
            let table = database
                .begin_read()
                .expect("a read")
                .open_table(BARE)
                .expect("a table");
            let value = table
                .get(&key(number).as_bytes()[..])
                .expect("a read")
                .expect("an entry");
            black_box(value.value().to_vec());
        }
        let other = start.elapsed();
        (ours, theirs) = (ours.min(one), theirs.min(other));
        ratios.push(one.as_secs_f64() / other.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let nanos = |time: Duration| time.as_nanos() as f64 / GETS_IN_ROUND as f64;
    report.note("a lookup, ns, best of 45", nanos(ours));
    report.note("the same in bare redb, ns, best of 45", nanos(theirs));
    report.at_most(
        "a lookup / the same in bare redb",
        ratios[ratios.len() / 2],
        1.3,
    );
}

fn opening(path: &Path) -> Duration {
    let start = Instant::now();
    let tier = open(path);
    let time = start.elapsed();
    assert!(tier.stats().entries >= COUNT, "{:?}", tier.stats());
    time
}

/// The same entries in redb alone, with quick repair, and with more cache than the tier gives it.
fn bare(path: &Path) -> Database {
    let database = redb::Builder::new()
        .set_cache_size(16 << 20)
        .create(path)
        .expect("a file");
    for start in (0..COUNT).step_by(1024) {
        let mut write = database.begin_write().expect("a write");
        write.set_quick_repair(true);
        {
            let mut table = write.open_table(BARE).expect("a table");
            for number in start..(start + 1024).min(COUNT) {
                let (key, body) = (key(number), body(number, LEN));
                table.insert(&key.as_bytes()[..], &body[..]).expect("room");
            }
        }
        write.commit().expect("room");
    }
    database
}

/// Looks up and puts as a process would, and prints the anonymous memory that it takes, in MiB.
pub fn measure(path: &str) -> ExitCode {
    runtime().block_on(async {
        let tier = open(path);
        for get in 0..GETS {
            tier.get(&key(mixed(get) % COUNT)).found().await;
        }
        for number in 0..2000 {
            tier.put(Arc::new(entry(COUNT + number, LEN)));
        }
        tier.flush().await.expect("the disk works");
        println!("{}", anonymous());
    });
    ExitCode::SUCCESS
}

fn anonymous() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .expect("a number");
    kib.parse::<f64>().expect("a number") / 1024.0
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
