//! A batch of streams of different lengths: when each began, when its first words came, when it ended.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use blossom::{
    Blossom, Text,
    batch::{BatchInput, BatchOutput as _, Prepared, Progress},
    client::Generate,
};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Error, strategies::times};

const INPUTS: u32 = 40;
const AT_A_TIME: usize = 5;

/// What came of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Answered,
    Cached,
    Failed,
}

/// When a call was under way, from the start of the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) input: u32,
    pub(crate) start: Duration,
    /// When its first words came; its end, if none came.
    pub(crate) first: Duration,
    pub(crate) end: Duration,
    pub(crate) how: End,
}

/// A batch, and the same inputs in groups.
#[derive(Debug)]
pub(crate) struct BatchRun {
    /// In the order in which they began.
    pub(crate) spans: Vec<Span>,
    pub(crate) progress: Progress,
    pub(crate) took: Duration,
    /// What groups took, each waiting for its slowest call.
    pub(crate) in_groups: Duration,
}

impl BatchRun {
    pub(crate) const AT_A_TIME: usize = AT_A_TIME;

    /// How many times faster the batch was than groups.
    pub(crate) fn times(&self) -> f64 {
        times(self.in_groups, self.took)
    }

    pub(crate) fn count(&self, how: End) -> usize {
        self.spans.iter().filter(|span| span.how == how).count()
    }
}

/// An input that notes when it is under way.
struct Timed {
    input: u32,
    call: Generate,
    log: Arc<Mutex<Vec<Span>>>,
    zero: Instant,
}

impl BatchInput for Timed {
    type Output = Text;

    fn prepare(self, _: &Blossom) -> Prepared<Text> {
        Prepared::new(self.run())
    }
}

impl Timed {
    async fn run(self) -> blossom::Result<Text> {
        let start = self.zero.elapsed();
        let mut first = None;
        let answer = async {
            let mut stream = self.call.stream().await?;
            while let Some(delta) = stream.next().await {
                delta?;
                first.get_or_insert(self.zero.elapsed());
            }
            stream.finish().await
        };
        let answer = answer.await;
        let end = self.zero.elapsed();
        let span = Span {
            input: self.input,
            start,
            first: first.unwrap_or(end),
            end,
            how: match &answer {
                Ok(answer) if answer.cached() => End::Cached,
                Ok(_) => End::Answered,
                Err(_) => End::Failed,
            },
        };
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(span);
        answer
    }
}

pub(crate) async fn measure(client: &Blossom) -> Result<BatchRun, Error> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let zero = Instant::now();
    let inputs = calls(client, "batch");
    let inputs: Vec<_> = inputs
        .map(|(input, call)| Timed {
            input,
            call,
            log: log.clone(),
            zero,
        })
        .collect();
    let mut batch = client.batch(inputs).concurrency(AT_A_TIME).start();
    while batch.next().await.is_some() {}
    let (progress, took) = (batch.progress(), zero.elapsed());

    let start = Instant::now();
    let grouped: Vec<_> = calls(client, "groups").map(|(_, call)| call).collect();
    for group in grouped.chunks(AT_A_TIME) {
        let group = group.iter().map(async |call: &Generate| {
            let stream = call.clone().stream().await?;
            stream.finish().await
        });
        drop(join_all(group).await);
    }
    let in_groups = start.elapsed();

    let mut spans = std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner));
    spans.sort_by_key(|span| (span.start, span.input));
    Ok(BatchRun {
        spans,
        progress,
        took,
        in_groups,
    })
}

/// Answers of different lengths. Every seventh is asked for a second time, and one fails.
fn calls(client: &Blossom, run: &'static str) -> impl Iterator<Item = (u32, Generate)> {
    (0..INPUTS).map(move |input| {
        let asked = if input % 7 == 6 { input - 6 } else { input };
        let call = client.text().generate(format!("Item {asked} of {run}"));
        let call = call.max_tokens(u64::from(8 + asked * 23 % 56));
        let fails = input == INPUTS / 2 + 1;
        match fails {
            true => (input, call.header("x-sandbox-fault", "status;code=400")),
            false => (input, call),
        }
    })
}
