//! Ten questions asked in four ways, and one story in two.

use std::{future::IntoFuture, time::Duration};

use blossom::Blossom;
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::Error;

const QUESTIONS: usize = 10;
const AT_A_TIME: usize = 5;

/// How long each way took: the median of its rounds.
#[derive(Debug)]
pub(crate) struct Strategies {
    pub(crate) in_turn: Duration,
    pub(crate) few_at_a_time: Duration,
    pub(crate) at_once: Duration,
    pub(crate) cached: Duration,
    pub(crate) whole_story: Duration,
    pub(crate) first_words: Duration,
}

impl Strategies {
    /// How many times faster a cached answer is than one from the upstream.
    pub(crate) fn cached_times(&self) -> f64 {
        times(self.in_turn, self.cached)
    }

    /// How many times faster calls at once are than calls in turn.
    pub(crate) fn at_once_times(&self) -> f64 {
        times(self.in_turn, self.at_once)
    }
}

/// How many times `slow` is as long as `fast`.
pub(crate) fn times(slow: Duration, fast: Duration) -> f64 {
    slow.as_secs_f64() / fast.as_secs_f64().max(1e-9)
}

pub(crate) async fn measure(client: &Blossom, rounds: usize) -> Result<Strategies, Error> {
    let mut runs: [Vec<Duration>; 6] = Default::default();
    for round in 0..rounds.max(1) {
        let questions = |way: &'static str| {
            (0..QUESTIONS).map(move |n| format!("Question {n} of round {round}, {way}"))
        };
        let start = Instant::now();
        for question in questions("in turn") {
            client.text().generate(question).await?;
        }
        runs[0].push(start.elapsed());

        let start = Instant::now();
        let batch = client.batch(questions("in a batch"));
        for answer in batch.concurrency(AT_A_TIME).run().await {
            answer?;
        }
        runs[1].push(start.elapsed());

        let start = Instant::now();
        let calls = questions("at once").map(|question| client.text().generate(question));
        try_join_all(calls.map(IntoFuture::into_future)).await?;
        runs[2].push(start.elapsed());

        let start = Instant::now();
        for question in questions("in turn") {
            client.text().generate(question).await?;
        }
        runs[3].push(start.elapsed());

        let story = client.text().generate(format!("Write story {round}"));
        let start = Instant::now();
        story.clone().await?;
        runs[4].push(start.elapsed());

        let start = Instant::now();
        let mut stream = story.fresh().stream().await?;
        stream.next().await.ok_or("a stream without words")??;
        runs[5].push(start.elapsed());
        stream.finish().await?;
    }
    let [
        in_turn,
        few_at_a_time,
        at_once,
        cached,
        whole_story,
        first_words,
    ] = runs.map(median);
    Ok(Strategies {
        in_turn,
        few_at_a_time,
        at_once,
        cached,
        whole_story,
        first_words,
    })
}

fn median(mut runs: Vec<Duration>) -> Duration {
    runs.sort();
    runs.get(runs.len() / 2).copied().unwrap_or_default()
}
