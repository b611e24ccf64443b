//! Many calls, a few at a time.
//!
//! [`Blossom::batch`] takes prompts, or any calls, and makes them with bounded concurrency on one
//! client. [`run`](Batch::run) gives the results in the order of the inputs, [`start`](Batch::start)
//! a stream of them in the order in which they are done.
//!
//! - At most `concurrency` inputs are taken ahead of the reader: an endless input works, and memory
//!   stays flat.
//! - Each input has a result of its own: a failure or a panic never costs another.
//! - Equal inputs are one call while it is under way, and as long as its result is among the last
//!   [1,024 or 4 MiB](Batch#equal-inputs).
//! - Progress goes to an observer on a thread of its own, which cannot stall the batch.
//! - With a [`checkpoint`](Batch::checkpoint) a batch that was killed goes on where it was.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sandbox = blossom::sandbox::Sandbox::start()?;
//! # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
//! let prompts = ["What is Rust?", "What is Tower?", "What is Rust?"];
//! let results = client.batch(prompts).concurrency(2).run().await;
//! assert_eq!(results.len(), 3);
//! assert_eq!(sandbox.count(), 2, "equal inputs are one call");
//! # Ok(())
//! # }
//! ```

mod checkpoint;
mod input;
mod observer;
mod progress;
mod running;
mod seen;

use std::{future::Future, path::PathBuf, pin::Pin};

use self::{checkpoint::Codec, observer::Callback};
pub use self::{
    input::{BatchInput, BatchOutput, Prepared},
    progress::Progress,
    running::{BatchItem, BatchStream},
};
use crate::{Blossom, Error, ErrorKind, Result};

/// How many calls a batch makes at once, unless told otherwise: enough to hide latency, few enough
/// for an ordinary account.
const CONCURRENCY: usize = 16;

/// A batch in the making; see [`Blossom::batch`].
///
/// # Equal inputs
///
/// Inputs whose requests are equal to the byte are one call. Its result serves every equal input that
/// comes while it runs, and later ones as long as it is among the last 1,024 results or 4 MiB of
/// them; beyond that they are calls again, and hits of the client's cache if there is one. Failures
/// are shared by those who wait for them, and tried again for later ones.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let prompts = ["What is Rust?", "What is Tower?", "What is hyper?"];
///
/// let results = client.batch(prompts).concurrency(2).run().await;
/// assert!(results.iter().all(Result::is_ok));
///
/// // In the order in which they are done, and from calls of any kind:
/// let calls = prompts.map(|prompt| client.text().generate(prompt).max_tokens(20));
/// let mut batch = client.batch(calls).on_progress(|p| println!("{} done", p.done)).start();
/// while let Some(item) = batch.next().await {
///     println!("{}: {}", item.index, item.result?);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a batch does nothing until it is run or started"]
pub struct Batch<I: Iterator<Item: BatchInput>> {
    client: Blossom,
    inputs: I,
    concurrency: usize,
    observer: Option<Callback>,
    checkpoint: Option<(PathBuf, Codec<Output<I>>)>,
    cancel: Option<Cancel>,
}

type Output<I> = <<I as Iterator>::Item as BatchInput>::Output;
type Cancel = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Blossom {
    /// Makes many calls, a few at a time: prompts, conversations, or calls of any kind.
    ///
    /// See [`Batch`] for what it promises and for an example.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let results = client.batch(["What is Rust?", "What is Tower?"]).run().await;
    /// assert_eq!(results.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch<I>(&self, inputs: I) -> Batch<I::IntoIter>
    where
        I: IntoIterator<Item: BatchInput>,
    {
        Batch {
            client: self.clone(),
            inputs: inputs.into_iter(),
            concurrency: CONCURRENCY,
            observer: None,
            checkpoint: None,
            cancel: None,
        }
    }
}

impl<I: Iterator<Item: BatchInput>> Batch<I> {
    /// How many calls are under way at once. Default: 16.
    ///
    /// More hides more latency, up to what the service allows; the client's own limits hold as well.
    /// 0 would run nothing, and is refused: every result is then an [`ErrorKind::InvalidRequest`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let prompts = (0..20).map(|n| format!("Prompt {n}"));
    /// client.batch(prompts).concurrency(5).run().await;
    /// assert!(sandbox.max_in_flight() <= 5);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Tells `observer` how far the batch is, after each result.
    ///
    /// It runs on a thread of its own and gets the newest state: one that is slow misses states, one
    /// that panics gets no more, and neither stalls the batch. The end of the batch waits for it to
    /// see the last state, for a second at most.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let batch = client.batch(["one", "two"]);
    /// batch.on_progress(|progress| println!("{} of {:?}", progress.done, progress.total)).run().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_progress(mut self, observer: impl FnMut(Progress) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Keeps results in a file, so that a batch which was killed goes on where it was.
    ///
    /// A result stands in the file before it is given: when the next batch is run with the same
    /// inputs and the same file, no more is called again than was under way. Failures are not kept.
    /// The file is JSON Lines, readable by its owner only, and holds the answers; a last line that was
    /// cut off is dropped. It survives the end of the process at any moment; a loss of power may cost
    /// the last results.
    ///
    /// # Errors
    ///
    /// If the file cannot be used, is no checkpoint, or is in use by another batch, nothing is called,
    /// and every result is an [`ErrorKind::Io`]. If it cannot be written later on, the batch goes on
    /// without, and says so in [`Progress::checkpoint_failed`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("batch.jsonl");
    /// let prompts = ["one", "two", "three"];
    /// client.batch(prompts.into_iter().take(2)).checkpoint(&path).run().await;
    /// // Killed here, say. The next run asks for what is missing.
    /// client.batch(prompts).checkpoint(&path).run().await;
    /// assert_eq!(sandbox.count(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn checkpoint(mut self, path: impl Into<PathBuf>) -> Self
    where
        Output<I>: serde::Serialize + serde::de::DeserializeOwned,
    {
        self.checkpoint = Some((path.into(), Codec::json()));
        self
    }

    /// Ends the batch when `cancel` is ready: calls that are under way are aborted, what is done is
    /// kept, and all other results are an [`ErrorKind::Canceled`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let enough = async {}; // such as tokio::signal::ctrl_c()
    /// let results = client.batch(["a", "b"]).cancel_when(enough).run().await;
    /// assert!(results.iter().all(|result| result.is_err()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel_when(mut self, cancel: impl Future<Output = ()> + Send + 'static) -> Self {
        self.cancel = Some(Box::pin(cancel));
        self
    }

    /// Shows a bar on the terminal: how many are done, how fast, and how long the rest takes.
    ///
    /// It takes the place of [`on_progress`](Self::on_progress).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.batch(["one", "two"]).progress_bar().run().await;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "progress")]
    #[cfg_attr(docsrs, doc(cfg(feature = "progress")))]
    pub fn progress_bar(self) -> Self {
        self.on_progress(progress::bar())
    }

    /// Starts the batch: a stream of results in the order in which they are done.
    ///
    /// Calls that were started go on while nobody reads, and no new ones are started. Dropping the
    /// stream aborts them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut batch = client.batch(["one", "two"]).start();
    /// while let Some(item) = batch.next().await {
    ///     println!("{}: {}", item.index, item.result?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(self) -> BatchStream<I> {
        BatchStream::new(self)
    }

    /// Runs the batch to its end: the results in the order of the inputs.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the results that it holds; use
    /// [`cancel_when`](Self::cancel_when) to keep them, or a [`checkpoint`](Self::checkpoint).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// for result in client.batch(["one", "two"]).run().await {
    ///     println!("{}", result?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run(self) -> Vec<Result<Output<I>>> {
        let mut results = Vec::new();
        let mut stream = self.start();
        while let Some(item) = stream.next().await {
            if results.len() <= item.index {
                results.resize_with(item.index + 1, canceled);
            }
            if let Some(place) = results.get_mut(item.index) {
                *place = item.result;
            }
        }
        let untaken = stream.into_untaken();
        results.extend((0..untaken).map(|_| canceled()));
        results
    }
}

fn canceled<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Canceled, "the batch was canceled").with_retryable(true))
}

impl<I: Iterator<Item: BatchInput>> std::fmt::Debug for Batch<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("concurrency", &self.concurrency)
            .field(
                "checkpoint",
                &self.checkpoint.as_ref().map(|(path, _)| path),
            )
            .finish_non_exhaustive()
    }
}
