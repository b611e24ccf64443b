//! Filling the cache ahead of its use.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use super::{Blossom, Chat, Generate};
use crate::{
    Error, Text,
    batch::{BatchInput, Prepared, Progress},
    layers::types::CacheStatus,
    protocol::Message,
};

/// What can be asked ahead: a prompt, messages, a text call.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// // Prompts and calls are inputs.
/// client.warm(["When are you open?", "Where are you?"]).await;
/// client.warm([client.text().chat(["Who are you?"])]).await;
/// assert_eq!(sandbox.count(), 3);
/// # Ok(())
/// # }
/// ```
pub trait WarmInput: Send + 'static {
    /// The call, kept as `options` say unless it says so itself.
    #[doc(hidden)]
    fn call(self, client: &Blossom, options: &WarmOptions) -> Prepared<Text>;
}

/// How warmed answers are kept.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use std::time::Duration;
///
/// // They are set by the methods of `Warm`.
/// let warm = client.warm(["Where are you?"]).cache_ttl(Duration::from_secs(60)).cache_tag("faq");
/// assert!(format!("{warm:?}").contains("faq"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct WarmOptions {
    time_to_live: Option<Duration>,
    tag: Option<String>,
}

/// Fills the cache ahead of its use; see [`Blossom::warm`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use std::time::Duration;
///
/// let questions = ["When are you open?", "Where are you?"];
/// let day = Duration::from_secs(24 * 3600);
/// client.warm(questions).cache_ttl(day).cache_tag("faq").concurrency(5).await;
///
/// client.text().generate("Where are you?").await?; // at once
/// assert_eq!(sandbox.count(), 2);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is warmed until it is awaited"]
pub struct Warm<I> {
    client: Blossom,
    inputs: I,
    options: WarmOptions,
    concurrency: usize,
    observer: Option<Box<dyn FnMut(Progress) + Send>>,
}

/// What warming has done.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let warmed = client.warm(["When are you open?", "Where are you?"]).await;
/// println!("{warmed:?}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Warmed {
    /// Answers that were there already.
    pub already: u64,
    /// Answers that were asked for and are there now.
    pub filled: u64,
    /// Inputs that failed, by their position, and why.
    pub failed: Vec<(usize, Error)>,
}

impl Blossom {
    /// Asks ahead, so that the answers are in the cache when they are wanted.
    ///
    /// Only what is not there already is asked for. Streams are kept apart: a prompt that was warmed
    /// is a hit for a call that wants the whole answer.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use std::time::Duration;
    ///
    /// let questions = ["When are you open?", "Where are you?"];
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let warmed = client.warm(questions).cache_ttl(day).concurrency(5).await;
    ///
    /// assert_eq!((warmed.filled, warmed.already), (2, 0));
    /// assert_eq!(client.warm(questions).await.already, 2);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
    pub fn warm<I>(&self, inputs: I) -> Warm<I::IntoIter>
    where
        I: IntoIterator<Item: WarmInput>,
    {
        Warm {
            client: self.clone(),
            inputs: inputs.into_iter(),
            options: WarmOptions::default(),
            concurrency: CONCURRENCY,
            observer: None,
        }
    }
}

/// Fewer than a batch: nobody waits for the answers.
const CONCURRENCY: usize = 5;

impl<I> Warm<I> {
    /// How long the answers are kept. Default: as long as others.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use std::time::Duration;
    ///
    /// let day = Duration::from_secs(24 * 3600);
    /// let warm = client.warm(["Where are you?"]).cache_ttl(day);
    /// assert!(format!("{warm:?}").contains("86400s"));
    /// assert_eq!(warm.await.filled, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn cache_ttl(mut self, cache_ttl: Duration) -> Self {
        self.options.time_to_live = Some(cache_ttl);
        self
    }

    /// A tag for all of the answers.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.warm(["Where are you?"]).cache_tag("faq").await;
    /// client.cache().invalidate_tag("faq");
    /// client.text().generate("Where are you?").await?;
    /// assert_eq!(sandbox.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cache_tag(mut self, tag: impl Into<String>) -> Self {
        self.options.tag = Some(tag.into());
        self
    }

    /// How many calls are under way at once. Default: 5.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let questions = (0..20).map(|n| format!("Question {n}"));
    /// client.warm(questions).concurrency(2).await;
    /// assert!(sandbox.max_in_flight() <= 2);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Tells `observer` how far it is, after each answer; see
    /// [`Batch::on_progress`](crate::batch::Batch::on_progress).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let (done, seen) = std::sync::mpsc::channel();
    /// let questions = ["When are you open?", "Where are you?"];
    /// client.warm(questions).on_progress(move |progress| drop(done.send(progress.done))).await;
    /// assert_eq!(seen.iter().last(), Some(2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_progress(mut self, observer: impl FnMut(Progress) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }
}

impl<I> IntoFuture for Warm<I>
where
    I: Iterator<Item: WarmInput> + Send + 'static,
{
    type Output = Warmed;
    type IntoFuture = Warming;

    fn into_future(self) -> Warming {
        Warming(Box::pin(self.run()))
    }
}

/// Warming under way. Dropping it stops it; what was filled stays.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::client::Warming;
///
/// let warming: Warming = client.warm(["Where are you?"]).into_future();
/// assert_eq!(warming.await.filled, 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Warming(Pin<Box<dyn Future<Output = Warmed> + Send>>);

impl Future for Warming {
    type Output = Warmed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Warmed> {
        self.0.as_mut().poll(cx)
    }
}

impl<I> Warm<I>
where
    I: Iterator<Item: WarmInput> + Send + 'static,
{
    async fn run(self) -> Warmed {
        let Self {
            client,
            inputs,
            options,
            concurrency,
            observer,
        } = self;
        let inputs = inputs.map(move |input| Ahead {
            input,
            options: options.clone(),
        });
        let mut batch = client.batch(inputs).concurrency(concurrency);
        if let Some(observer) = observer {
            batch = batch.on_progress(observer);
        }
        let mut results = batch.start();
        let mut warmed = Warmed::default();
        while let Some(item) = results.next().await {
            match item.result.map(|text| text.cache_status()) {
                Ok(Some(CacheStatus::Miss | CacheStatus::Bypass) | None) => warmed.filled += 1,
                Ok(Some(_)) => warmed.already += 1,
                Err(error) => warmed.failed.push((item.index, error)),
            }
        }
        warmed.failed.sort_by_key(|(index, _)| *index);
        warmed
    }
}

/// An input of the batch that does the work.
struct Ahead<I> {
    input: I,
    options: WarmOptions,
}

impl<I: WarmInput> BatchInput for Ahead<I> {
    type Output = Text;

    fn prepare(self, client: &Blossom) -> Prepared<Text> {
        self.input.call(client, &self.options)
    }
}

impl WarmInput for Generate {
    fn call(mut self, client: &Blossom, options: &WarmOptions) -> Prepared<Text> {
        self.options
            .keep_as(options.time_to_live, options.tag.as_deref());
        self.prepare(client)
    }
}

impl WarmInput for Chat {
    fn call(mut self, client: &Blossom, options: &WarmOptions) -> Prepared<Text> {
        self.options
            .keep_as(options.time_to_live, options.tag.as_deref());
        self.prepare(client)
    }
}

impl WarmInput for String {
    fn call(self, client: &Blossom, options: &WarmOptions) -> Prepared<Text> {
        client.text().generate(self).call(client, options)
    }
}

impl WarmInput for &'static str {
    fn call(self, client: &Blossom, options: &WarmOptions) -> Prepared<Text> {
        client.text().generate(self).call(client, options)
    }
}

impl WarmInput for Vec<Message> {
    fn call(self, client: &Blossom, options: &WarmOptions) -> Prepared<Text> {
        client.text().chat(self).call(client, options)
    }
}

impl<I> fmt::Debug for Warm<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("options", &self.options)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Warming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warming").finish_non_exhaustive()
    }
}
