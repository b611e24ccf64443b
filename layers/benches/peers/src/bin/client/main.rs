//! The client beside the bare hyper-util client and async-openai: CPU and allocations of a call,
//! memory of an open stream.
//!
//! CPU is that of the client process alone (user and system time); the server is a process of its own. Each
//! row is the median of nine runs, taken in turns, at 64 calls in flight. Run without arguments it
//! starts its own parts:
//!
//! ```sh
//! layers/benches/peers/run client
//! ```

mod calls;
mod memory;
mod server;

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitCode, Stdio},
};

use peers::Report;

#[global_allocator]
static ALLOCATOR: peers::Counting = peers::Counting;

type Error = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: usize = 9;
const IN_FLIGHT: usize = 64;
const CALLS: usize = 20_480;
const STREAMS: usize = 2_000;

fn main() -> Result<ExitCode, Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => return compare(),
        ["server"] => server::run()?,
        ["calls", name, port] => calls::run(name, port.parse()?, IN_FLIGHT, CALLS)?,
        ["memory", name, port] => memory::run(name, port.parse()?, STREAMS)?,
        _ => return Err("run it without arguments".into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// One number of a child, such as CPU or allocations of a call.
fn child(arguments: &[&str]) -> Result<Vec<f64>, Error> {
    let output = Command::new(std::env::current_exe()?)
        .args(arguments)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{arguments:?} failed: {problem}").into());
    }
    text.split_whitespace()
        .map(|word| Ok(word.parse()?))
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn compare() -> Result<ExitCode, Error> {
    let mut server = Server::start()?;
    let result = rows(&server.port);
    server.child.kill()?;
    server.child.wait()?;
    result
}

fn rows(port: &str) -> Result<ExitCode, Error> {
    let names = [
        "legacy",
        "transport",
        "legacyjson",
        "blossom",
        "async-openai",
        "blossom-miss",
        "blossom-core",
        "moka-miss",
    ];
    let mut cpu = names.map(|_| Vec::new());
    let mut allocations = names.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (position, name) in names.iter().enumerate() {
            let figures = child(&["calls", name, port])?;
            cpu[position].push(figures[0]);
            allocations[position].push(figures[1]);
        }
    }
    let cpu = cpu.map(median);
    let allocations = allocations.map(median);
    println!("{:<14}{:>12}{:>14}", "client", "CPU us/call", "allocs/call");
    for (position, name) in names.iter().enumerate() {
        println!(
            "{name:<14}{:>12.2}{:>14.1}",
            cpu[position], allocations[position]
        );
    }
    let streams = ["legacy", "blossom", "blossom-core"].map(|name| child(&["memory", name, port]));
    let [bare, ours, core] = streams.map(|figures| figures.map(|figures| figures[0]));
    let (bare, ours, core) = (bare?, ours?, core?);
    println!(
        "\nmemory of an open stream: legacy {bare:.0} B, blossom {ours:.0} B, core {core:.0} B"
    );

    let mut report = Report::new();
    report.at_most("transport over the bare client, CPU", cpu[1] / cpu[0], 1.10);
    report.at_most("core over legacyjson, CPU", cpu[6] / cpu[2], 1.15);
    report.at_most("core, allocations a call", allocations[6], 36.0);
    report.at_most("blossom over legacyjson, CPU", cpu[3] / cpu[2], 1.20);
    report.at_most("blossom, allocations a call", allocations[3], 40.0);
    report.at_most("blossom over async-openai, CPU", cpu[3] / cpu[4], 0.80);
    report.at_most(
        "a miss of the cache over legacyjson, CPU",
        cpu[5] / cpu[2],
        1.35,
    );
    report.at_most("a miss of the cache, allocations", allocations[5], 56.0);
    report.note(
        "legacyjson with SHA-256 and moka, a miss, over legacyjson",
        cpu[7] / cpu[2],
    );
    report.at_most(
        "open stream over the bare client, memory",
        ours / bare,
        1.15,
    );
    Ok(report.finish())
}

struct Server {
    child: Child,
    port: String,
}

impl Server {
    fn start() -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("server")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut port = String::new();
        let stdout = child.stdout.take().ok_or("no output")?;
        BufReader::new(stdout).read_line(&mut port)?;
        let port = port.trim().to_owned();
        Ok(Self { child, port })
    }
}
