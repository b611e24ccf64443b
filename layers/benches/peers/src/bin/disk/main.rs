//! The tier on disk: beside bare redb, killed, and with its files changed.
//!
//! Run it with `./run disk` in this package. It measures
//! 1. 100,000 entries of 1 KiB: how long opening takes, after a clean end and after `kill -9`; a lookup
//!    on the thread of a reader beside the same lookup in bare redb; and the memory that is taken;
//! 2. 1,000 rounds of `kill -9` while a process writes: nothing committed may be lost, no byte wrong;
//! 3. 100,000 changes to the files, of directories that were closed and of some that were not: no byte
//!    may be wrong, nothing may panic, and what is put afterwards has to be there.
//!
//! `disk kill 50` and `disk damage 500` are rounds of the latter two alone.

mod damage;
mod entries;
mod kill;
mod speed;

use std::process::ExitCode;

use peers::Report;

#[global_allocator]
static ALLOCATOR: peers::Counting = peers::Counting;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut report = Report::new();
    match arguments[..] {
        ["write", path, count] => return entries::write(path, count),
        ["fill", path, count] => return entries::fill(path, count),
        ["measure", path] => return speed::measure(path),
        ["kill", rounds] => kill::rounds(rounds.parse().expect("a number"), &mut report),
        ["damage", rounds] => damage::rounds(rounds.parse().expect("a number"), &mut report),
        ["speed"] => speed::run(&mut report),
        _ => {
            speed::run(&mut report);
            kill::rounds(1000, &mut report);
            damage::rounds(100_000, &mut report);
        }
    }
    report.finish()
}
