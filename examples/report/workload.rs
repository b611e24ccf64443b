//! Questions as people ask them, some often and most seldom: what of it a cache answers.

use blossom::{
    Blossom, Text, layers::types::CacheStatus, layers::types::Nanos, policy::Prices,
    sandbox::Sandbox,
};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep_until};

use super::{Error, Scale};

/// Which questions there are: one for every five calls.
const REPEATS: usize = 5;

/// A call, and what it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// Seconds from the first call on to the answer.
    pub(crate) at: f64,
    /// Whether the upstream was asked for it.
    pub(crate) upstream: bool,
    pub(crate) tokens: u64,
    pub(crate) cost: Nanos,
}

/// The same calls with a cache and without one.
#[derive(Debug)]
pub(crate) struct Workload {
    /// In the order of their answers.
    pub(crate) with: Vec<Call>,
    pub(crate) without: Vec<Call>,
}

impl Workload {
    /// Percent of the calls that needed no call of the upstream.
    pub(crate) fn hit_rate(&self) -> f64 {
        percent(&self.with, |call| !call.upstream)
    }

    pub(crate) fn tokens(calls: &[Call]) -> u64 {
        calls.iter().map(|call| call.tokens).sum()
    }

    pub(crate) fn cost(calls: &[Call]) -> Nanos {
        let costs = calls.iter().map(|call| call.cost);
        costs.fold(Nanos::ZERO, Nanos::saturating_add)
    }

    /// Percent of the tokens that were not paid.
    pub(crate) fn tokens_saved(&self) -> f64 {
        saved(Self::tokens(&self.without), Self::tokens(&self.with))
    }

    /// Percent of the money that was not paid.
    pub(crate) fn money_saved(&self) -> f64 {
        saved(Self::cost(&self.without).0, Self::cost(&self.with).0)
    }
}

/// Percent of `calls` that are so.
pub(crate) fn percent(calls: &[Call], so: impl Fn(&Call) -> bool) -> f64 {
    let count = calls.iter().filter(|call| so(call)).count();
    share(count as u64, calls.len() as u64)
}

fn saved(without: u64, with: u64) -> f64 {
    share(without.saturating_sub(with), without)
}

#[expect(clippy::cast_precision_loss, reason = "percent of small numbers")]
fn share(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

pub(crate) async fn measure(sandbox: &Sandbox, scale: Scale) -> Result<Workload, Error> {
    let builder = Blossom::builder().base_url(sandbox.base_url());
    let models = builder.clone().build()?.models().await?;
    let builder = builder.prices(Prices::from_models(&models));
    Ok(Workload {
        with: run(&builder.clone().build()?, scale).await?,
        without: run(&builder.cache(false).build()?, scale).await?,
    })
}

/// One call at each tick, whether or not those before it are done.
async fn run(client: &Blossom, scale: Scale) -> Result<Vec<Call>, Error> {
    let start = Instant::now();
    let mut due = start;
    let calls = questions(scale.calls).into_iter().map(|number| {
        due += scale.tick;
        let (client, due) = (client.clone(), due);
        async move {
            sleep_until(due).await;
            // Every fifth is asked of a model that costs more.
            let model = match number % 5 {
                0 => "openai-large",
                _ => "openai",
            };
            let question = format!("Frequent question number {number}");
            let answer = client.text().generate(question).model(model).await?;
            Ok::<_, Error>(call(&answer, start))
        }
    });
    let mut calls = try_join_all(calls).await?;
    calls.sort_by(|one, other| one.at.total_cmp(&other.at));
    Ok(calls)
}

fn call(answer: &Text, start: Instant) -> Call {
    let upstream = !matches!(
        answer.cache_status(),
        Some(CacheStatus::Hit | CacheStatus::Coalesced)
    );
    let tokens = answer.usage().map_or(0, |usage| usage.total_tokens);
    Call {
        at: start.elapsed().as_secs_f64(),
        upstream,
        tokens: if upstream { tokens } else { 0 },
        cost: answer.cost().unwrap_or_default(),
    }
}

/// Which question each call asks: low numbers often, high ones seldom; the same in every run.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of a small number"
)]
fn questions(calls: usize) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(7);
    let distinct = (calls / REPEATS).max(1) as f64;
    let draw = |_| (distinct * random.f64().powi(2)) as usize;
    (0..calls).map(draw).collect()
}
