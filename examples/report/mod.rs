//! What the report is made of: what is measured, and how it is drawn. The test that opens the page in
//! a browser uses it, too.

mod axis;
mod batch;
mod charts;
mod page;
mod strategies;
mod svg;
mod workload;

use std::time::Duration;

use blossom::{Blossom, sandbox::Sandbox};

pub(crate) use self::page::page;
use self::{batch::BatchRun, strategies::Strategies, workload::Workload};

pub(crate) type Error = Box<dyn std::error::Error>;

/// How large all is that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// What an answer takes that is no stream. The first words of a stream take a tenth of it, and
    /// each word a fortieth.
    pub(crate) latency: Duration,
    /// How often each strategy is measured.
    pub(crate) rounds: usize,
    /// The calls of the workload, one at each tick.
    pub(crate) calls: usize,
    /// The time from one to the next.
    pub(crate) tick: Duration,
}

impl Default for Scale {
    /// A tenth of a real service; some fifteen seconds in all.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(200),
            rounds: 3,
            calls: 300,
            tick: Duration::from_millis(10),
        }
    }
}

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) scale: Scale,
    pub(crate) strategies: Strategies,
    pub(crate) workload: Workload,
    pub(crate) batch: BatchRun,
    /// When it was, as HTTP writes dates.
    pub(crate) date: String,
    /// Which processor it was, and how many of it.
    pub(crate) machine: String,
}

impl Figures {
    /// The most important figures, a line each.
    pub(crate) fn summary(&self) -> String {
        let (strategies, workload, batch) = (&self.strategies, &self.workload, &self.batch);
        format!(
            "a cached call          {:>8.0} times faster\n\
             ten calls at once      {:>8.1} times faster\n\
             calls from the cache   {:>8.1} %\n\
             money saved            {:>8.1} %\n\
             batch, not in groups   {:>8.2} times faster",
            strategies.cached_times(),
            strategies.at_once_times(),
            workload.hit_rate(),
            workload.money_saved(),
            batch.times(),
        )
    }
}

/// Measures everything, one thing after the other.
pub(crate) async fn measure(scale: Scale) -> Result<Figures, Error> {
    let sandbox = Sandbox::builder()
        .latency(scale.latency)
        .first_event(scale.latency / 10)
        .event(scale.latency / 40)
        .start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    // The first call opens the connection.
    client.text().generate("warm up").await?;
    Ok(Figures {
        scale,
        strategies: strategies::measure(&client, scale.rounds).await?,
        workload: workload::measure(&sandbox, scale).await?,
        batch: batch::measure(&client).await?,
        date: httpdate::fmt_http_date(std::time::SystemTime::now()),
        machine: machine(),
    })
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let name = std::fs::read_to_string("/proc/cpuinfo").ok();
    let name = name.as_deref().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim())
    });
    match name {
        Some(name) => format!("{name}, cores: {cores}"),
        None => format!("{}, cores: {cores}", std::env::consts::ARCH),
    }
}
