//! A batch under way.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::time::Instant;

use super::{
    Batch, BatchInput, BatchOutput, Cancel, Output, Prepared, Progress, canceled,
    checkpoint::Checkpoint,
    input::Identity,
    observer::Observer,
    seen::{Known, Seen},
};
use crate::{
    Blossom, Error, ErrorKind, Result,
    layers::task::{Died, Tasks},
};

/// A result of a batch.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let mut batch = client.batch(["one", "two"]).start();
/// while let Some(item) = batch.next().await {
///     match item.result {
///         Ok(answer) => println!("{}: {answer}", item.index),
///         Err(error) => eprintln!("{}: {error}", item.index),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchItem<T> {
    /// Which input it belongs to, from 0.
    pub index: usize,
    /// What came of it.
    pub result: Result<T>,
}

/// The results of a batch, in the order in which they are done; see [`Batch::start`].
///
/// # Cancel safety
///
/// `next` can be dropped and called again. Dropping the stream aborts what is under way.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// // An endless input is taken only as fast as it is read.
/// let prompts = (0..).map(|n| format!("Prompt {n}"));
/// let mut batch = client.batch(prompts).concurrency(2).start();
/// for _ in 0..5 {
///     let item = batch.next().await.ok_or("it has no end")?;
///     println!("{}", item.result?);
/// }
/// # Ok(())
/// # }
/// ```
pub struct BatchStream<I: Iterator<Item: BatchInput>> {
    client: Blossom,
    inputs: Option<I>,
    concurrency: usize,
    taken: usize,
    tasks: Tasks<Done<Output<I>>>,
    identities: HashMap<usize, Identity>,
    seen: Seen<Output<I>>,
    waiting: usize,
    ready: VecDeque<BatchItem<Output<I>>>,
    opening: Option<Opening<Output<I>>>,
    checkpoint: Option<Checkpoint<Output<I>>>,
    /// Why nothing is called at all.
    refused: Option<Error>,
    cancel: Option<Cancel>,
    canceled: bool,
    progress: Progress,
    started: Instant,
    observer: Option<Observer>,
}

// Nothing in it is pinned: an iterator is used through a mutable borrow only.
impl<I: Iterator<Item: BatchInput>> Unpin for BatchStream<I> {}

type Opening<T> = Pin<Box<dyn Future<Output = Result<Checkpoint<T>>> + Send>>;

/// What a task gives.
struct Done<T> {
    result: Result<T>,
    /// From the checkpoint, and not from a call.
    kept: bool,
    /// Whether the checkpoint has it, if there is one.
    written: bool,
}

impl<I: Iterator<Item: BatchInput>> BatchStream<I> {
    pub(super) fn new(batch: Batch<I>) -> Self {
        let refused = (batch.concurrency == 0).then(|| {
            Error::new(
                ErrorKind::InvalidRequest,
                "a batch with a concurrency of 0 runs nothing; use 1 or more",
            )
            .with_retryable(false)
        });
        let opening = batch
            .checkpoint
            .map(|(path, codec)| -> Opening<_> { Box::pin(Checkpoint::open(path, codec)) });
        Self {
            client: batch.client,
            inputs: Some(batch.inputs),
            concurrency: batch.concurrency.max(1),
            taken: 0,
            tasks: Tasks::default(),
            identities: HashMap::new(),
            seen: Seen::new(),
            waiting: 0,
            ready: VecDeque::new(),
            opening,
            checkpoint: None,
            refused,
            cancel: batch.cancel,
            canceled: false,
            progress: Progress::default(),
            started: Instant::now(),
            observer: batch.observer.map(Observer::start),
        }
    }

    /// The next result; `None` at the end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut batch = client.batch(["one", "two"]).start();
    /// let mut indices = Vec::new();
    /// while let Some(item) = batch.next().await {
    ///     indices.push(item.index);
    /// }
    /// indices.sort();
    /// assert_eq!(indices, [0, 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<BatchItem<Output<I>>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// How far it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut batch = client.batch(["one", "two"]).start();
    /// batch.next().await.ok_or("it has two")?.result?;
    /// assert_eq!(batch.progress().done, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// Takes no more inputs and aborts what is under way. Results that are there are still given, and
    /// those that were aborted as [`ErrorKind::Canceled`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut batch = client.batch((0..100).map(|n| format!("Prompt {n}"))).start();
    /// let first = batch.next().await.ok_or("it has one")?;
    /// batch.cancel();
    /// assert!(first.result.is_ok());
    /// let mut left = 0;
    /// while batch.next().await.is_some() {
    ///     left += 1;
    /// }
    /// assert!(left < 20, "only what was under way");
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel(&mut self) {
        self.canceled = true;
        self.tasks.abort_all();
    }

    /// How many inputs were never taken, where their iterator knows.
    pub(super) fn into_untaken(self) -> usize {
        match self.inputs {
            // An endless one knows of no end.
            Some(inputs) if inputs.size_hint().1.is_some() => inputs.count(),
            _ => 0,
        }
    }

    /// Takes inputs until enough is under way.
    fn fill(&mut self) {
        while self.tasks.len() + self.waiting + self.ready.len() < self.concurrency {
            let Some(input) = self.inputs.as_mut().and_then(Iterator::next) else {
                self.inputs = None;
                return;
            };
            let index = self.taken;
            self.taken += 1;
            if let Some(error) = &self.refused {
                let result = Err(error.clone());
                self.ready.push_back(BatchItem { index, result });
                continue;
            }
            self.take(index, input.prepare(&self.client));
        }
    }

    fn take(&mut self, index: usize, prepared: Prepared<Output<I>>) {
        if let Some(identity) = prepared.identity {
            match self.seen.note(identity, index) {
                Known::New => drop(self.identities.insert(index, identity)),
                Known::Running => {
                    self.waiting += 1;
                    return;
                }
                Known::Done(output) => {
                    self.progress.cached += 1;
                    let result = Ok(output);
                    self.ready.push_back(BatchItem { index, result });
                    return;
                }
            }
        }
        let checkpoint = self.checkpoint.clone();
        if !self.tasks.spawn(index as u64, work(prepared, checkpoint)) {
            let error = Error::new(ErrorKind::Builder, "a batch needs a tokio runtime");
            self.ended(index, Err(error));
        }
    }

    /// A call is done: its result is ready, and those of the inputs that are one with it.
    fn ended(&mut self, index: usize, result: Result<Output<I>>) {
        if let Some(identity) = self.identities.remove(&index) {
            for index in self.seen.ended(identity, result.as_ref().ok()) {
                self.waiting -= 1;
                self.progress.cached += u64::from(result.is_ok());
                let result = result.clone();
                self.ready.push_back(BatchItem { index, result });
            }
        }
        self.ready.push_front(BatchItem { index, result });
    }

    fn joined(&mut self, index: usize, joined: std::result::Result<Done<Output<I>>, Died>) {
        let result = match joined {
            Ok(done) => {
                self.count(&done);
                done.result
            }
            Err(Died::Panicked(text)) => Err(Error::new(
                ErrorKind::Canceled,
                format!("the call panicked: {text}"),
            )
            .with_retryable(false)),
            Err(_) => canceled(),
        };
        self.ended(index, result);
    }

    fn count(&mut self, done: &Done<Output<I>>) {
        self.progress.checkpoint_failed |= !done.written;
        let Ok(output) = &done.result else { return };
        if done.kept || output.cached() {
            self.progress.cached += 1;
            return;
        }
        let tokens = output.usage().map_or(0, |usage| usage.total_tokens);
        self.progress.tokens = self.progress.tokens.saturating_add(tokens);
        self.progress.spend = self
            .progress
            .spend
            .saturating_add(output.cost().unwrap_or_default());
    }

    /// Opens the checkpoint, if there is one.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(opening) = &mut self.opening {
            match ready!(opening.as_mut().poll(cx)) {
                Ok(checkpoint) => self.checkpoint = Some(checkpoint),
                Err(error) => self.refused = self.refused.take().or(Some(error)),
            }
            self.opening = None;
        }
        Poll::Ready(())
    }

    fn poll_cancel(&mut self, cx: &mut Context<'_>) {
        if let Some(cancel) = &mut self.cancel
            && cancel.as_mut().poll(cx).is_ready()
        {
            self.cancel = None;
            self.cancel();
        }
    }

    fn give(&mut self, item: BatchItem<Output<I>>) -> BatchItem<Output<I>> {
        self.progress.done += 1;
        self.progress.failed += u64::from(item.result.is_err());
        self.progress.elapsed = self.started.elapsed();
        self.progress.total = match &self.inputs {
            Some(inputs) => inputs.size_hint().1.map(|left| (self.taken + left) as u64),
            None => Some(self.taken as u64),
        };
        if let Some(observer) = &self.observer {
            observer.tell(self.progress);
        }
        item
    }
}

/// Makes the call, or takes its result from the checkpoint.
async fn work<T: BatchOutput>(prepared: Prepared<T>, checkpoint: Option<Checkpoint<T>>) -> Done<T> {
    let kept = checkpoint.zip(prepared.identity);
    if let Some((checkpoint, identity)) = &kept
        && let Some(output) = checkpoint.get(*identity).await
    {
        return Done {
            result: Ok(output),
            kept: true,
            written: true,
        };
    }
    let result = prepared.call.await;
    let writing = match (&kept, &result) {
        (Some((checkpoint, identity)), Ok(output)) => Some(checkpoint.put(*identity, output)),
        _ => None,
    };
    let written = match writing {
        Some(writing) => writing.await,
        None => true,
    };
    Done {
        result,
        kept: false,
        written,
    }
}

impl<I: Iterator<Item: BatchInput>> Stream for BatchStream<I> {
    type Item = BatchItem<Output<I>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.poll_cancel(cx);
        if !this.canceled {
            ready!(this.poll_open(cx));
        }
        loop {
            if !this.canceled {
                this.fill();
            }
            if let Some(item) = this.ready.pop_front() {
                return Poll::Ready(Some(this.give(item)));
            }
            match ready!(this.tasks.poll_next(cx)) {
                Some((index, joined)) => {
                    this.joined(usize::try_from(index).unwrap_or(usize::MAX), joined);
                }
                None if this.canceled || this.inputs.is_none() => break,
                None => {}
            }
        }
        if let Some(observer) = &mut this.observer {
            ready!(observer.poll_caught_up(cx));
        }
        Poll::Ready(None)
    }
}

impl<I: Iterator<Item: BatchInput>> fmt::Debug for BatchStream<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
