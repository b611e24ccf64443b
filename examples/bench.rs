//! Benchmarks of your own: calls in turn and at once, the cache, memory.
//!
//! ```sh
//! cargo run --example bench -- basic|strategies|cache|memory
//! ```
//!
//! Without an argument all of them run. They use the sandbox, with a tenth of the latency of a real
//! service.

use std::{future::IntoFuture, time::Duration};

use blossom::{Blossom, Quality, sandbox::Sandbox};
use futures_util::future::try_join_all;
use tokio::time::Instant;

type Error = Box<dyn std::error::Error>;

const LATENCY: Duration = Duration::from_millis(200);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sandbox = Sandbox::builder().latency(LATENCY).start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    client.text().generate("warm up").await?;
    match std::env::args().nth(1).as_deref() {
        Some("basic") => basic(&client).await,
        Some("strategies") => strategies(&client).await,
        Some("cache") => cache(&client).await,
        Some("memory") => memory(&client).await,
        None => {
            basic(&client).await?;
            strategies(&client).await?;
            cache(&client).await?;
            memory(&client).await
        }
        Some(other) => {
            Err(format!("no benchmark {other}; there are basic, strategies, cache, memory").into())
        }
    }
}

/// Ten calls that reach the upstream.
async fn basic(client: &Blossom) -> Result<(), Error> {
    let mut runs = Vec::new();
    for n in 0..10 {
        let start = Instant::now();
        client
            .text()
            .generate(format!("Explain AI, take {n}"))
            .await?;
        runs.push(start.elapsed());
    }
    Table::new("basic").row("a call", &runs);
    Ok(())
}

/// Five calls in turn, and five at once.
async fn strategies(client: &Blossom) -> Result<(), Error> {
    let (mut in_turn, mut at_once) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let start = Instant::now();
        for n in 0..5 {
            client
                .text()
                .generate(format!("In turn {round}.{n}"))
                .await?;
        }
        in_turn.push(start.elapsed());
        let start = Instant::now();
        let calls = (0..5).map(|n| client.text().generate(format!("At once {round}.{n}")));
        try_join_all(calls.map(IntoFuture::into_future)).await?;
        at_once.push(start.elapsed());
    }
    let table = Table::new("strategies");
    table.row("five in turn", &in_turn);
    table.row("five at once", &at_once);
    table.speed_up(&in_turn, &at_once);
    Ok(())
}

/// The first call, and a hundred equal ones after it.
async fn cache(client: &Blossom) -> Result<(), Error> {
    let call = client.text().generate("Test prompt");
    let start = Instant::now();
    call.clone().await?;
    let first = vec![start.elapsed()];
    let mut hits = Vec::new();
    for _ in 0..100 {
        let start = Instant::now();
        call.clone().await?;
        hits.push(start.elapsed());
    }
    let table = Table::new("cache");
    table.row("first call", &first);
    table.row("equal call", &hits);
    table.speed_up(&first, &hits);
    Ok(())
}

/// A hundred images, each dropped once it is there.
async fn memory(client: &Blossom) -> Result<(), Error> {
    let Some(before) = resident_kib() else {
        println!("\nmemory: /proc/self/status is needed to measure it");
        return Ok(());
    };
    let images = (0..100).map(|n| {
        let image = client.image().generate(format!("Test {n}"));
        image.size(512, 512).quality(Quality::Medium).no_store()
    });
    let mut batch = client.batch(images).concurrency(10).start();
    let mut bytes = 0;
    while let Some(item) = batch.next().await {
        bytes += item.result?.bytes().len();
    }
    let after = resident_kib().unwrap_or(before);
    println!("\nmemory{:>31}{:>12}{:>12}", "before", "after", "more");
    println!(
        "{:<25}{:>8} KiB{:>8} KiB{:>8} KiB",
        format!("100 images, {} KiB", bytes >> 10),
        before,
        after,
        after.saturating_sub(before)
    );
    Ok(())
}

/// What this process has in memory.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Figures of several runs, a line each.
struct Table;

impl Table {
    fn new(name: &str) -> Self {
        println!(
            "\n{name:<18}{:>6}{:>11}{:>11}{:>11}{:>11}{:>11}",
            "runs", "average", "minimum", "median", "maximum", "p99"
        );
        Self
    }

    fn row(&self, name: &str, runs: &[Duration]) {
        let mut sorted = runs.to_vec();
        sorted.sort();
        let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100];
        let p99 = match sorted.len() {
            100.. => format!("{:.1?}", at(99)),
            _ => String::new(),
        };
        println!(
            "{name:<18}{:>6}{:>11.1?}{:>11.1?}{:>11.1?}{:>11.1?}{p99:>11}",
            sorted.len(),
            average(runs),
            at(0),
            at(50),
            at(100),
        );
    }

    fn speed_up(&self, slow: &[Duration], fast: &[Duration]) {
        let times = average(slow).as_secs_f64() / average(fast).as_secs_f64();
        println!("{:<18}{times:>6.1} times", "faster by");
    }
}

fn average(runs: &[Duration]) -> Duration {
    runs.iter().sum::<Duration>() / u32::try_from(runs.len()).unwrap_or(1)
}
