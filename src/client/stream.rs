//! Streams of text.

use std::{
    fmt,
    future::{Future as _, poll_fn},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http::response::Parts;
use tokio::time::{Instant, Sleep, sleep};

use super::{
    Partial, ResponseBody, Text,
    answer::Meta,
    exchange::{Decode, Opened, Opening},
    failure,
    text::decode_reply,
};
use crate::{
    Error, ErrorKind, Result,
    layers::{
        sse::Events,
        task,
        types::{Timing, Warning},
    },
    protocol::{
        Accumulator, Delta, Failure, FinishFailure, StreamDecoder, StreamEvent, media_type,
        no_store,
    },
};

/// How long the end of a stream waits for the end of its body.
const END: Duration = Duration::from_millis(50);

/// How long the rest is read after that.
const DRAIN: Duration = Duration::from_millis(250);

/// An answer that arrives piece by piece.
///
/// [`next`](Self::next) gives the pieces, [`finish`](Self::finish) the whole; it is also a
/// [`Stream`] of `Result<Delta>`. It reads from the upstream only when it is polled, so a slow
/// reader slows the upstream and nothing piles up.
///
/// # Errors
///
/// A stream that ends before it is proven complete ends in an [`ErrorKind::Truncated`]: `[DONE]`
/// alone proves nothing, a finish reason does. Whatever the error, [`Error::partial`] holds what had
/// arrived. After an error the stream is at its end.
///
/// # Cancel safety
///
/// `next` can be dropped and called again. Dropping the stream cancels the generation.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let mut stream = client.text().generate("Write a story").stream().await?;
/// let mut length = 0;
/// while let Some(delta) = stream.next().await {
///     length += delta?.content().len();
/// }
/// let whole = stream.finish().await?;
/// assert_eq!(whole.content().len(), length);
/// # Ok(())
/// # }
/// ```
pub struct TextStream {
    source: Source,
    decoder: StreamDecoder,
    deltas: Accumulator,
    meta: Meta,
    no_store: bool,
    events: u64,
    bytes: u64,
    started: Instant,
    // Kept for `finish`, when the stream ended without one.
    failed: bool,
}

enum Source {
    Events(Box<Events<ResponseBody>>),
    /// The last event has come.
    Ending(Ending),
    /// The upstream answered with a whole reply though a stream was asked for.
    Whole(Option<Box<Delta>>),
    Over,
}

/// What is left of a body after its last event.
///
/// A reply is over when its body ends: then its connection can serve again, and a cache has all of it.
/// Usually that is with the last event or right after. One that does not end is not waited for.
struct Ending {
    events: Box<Events<ResponseBody>>,
    // Made at the first wait.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Ending {
    /// Waits for the end, for a short time.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(event) = Pin::new(&mut *self.events).poll_next(cx) {
            if !matches!(event, Some(Ok(_))) {
                return Poll::Ready(());
            }
        }
        self.wait
            .get_or_insert_with(|| Box::pin(sleep(END)))
            .as_mut()
            .poll(cx)
    }

    /// Leaves what is still to come to a task, for a time.
    fn leave(self) {
        let mut events = self.events;
        if self.wait.is_some_and(|wait| wait.is_elapsed()) {
            task::spawn(async move {
                let rest = async { while let Some(Ok(_)) = events.next().await {} };
                drop(tokio::time::timeout(DRAIN, rest).await);
            });
        }
    }
}

impl TextStream {
    fn open(reply: Opened) -> Self {
        Self {
            meta: Meta::of(&reply.head),
            no_store: no_store(&reply.head.headers),
            source: Source::Events(Box::new(Events::new(reply.body))),
            decoder: StreamDecoder::default(),
            deltas: Accumulator::default(),
            events: 0,
            bytes: 0,
            started: reply.started,
            failed: false,
        }
    }

    /// The next piece; `None` at the end and after an error.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut stream = client.text().generate("Write a story").stream().await?;
    /// while let Some(delta) = stream.next().await {
    ///     print!("{}", delta?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Delta>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Reads what is left and gives the whole answer.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); if it has given an error before, one that the stream is incomplete.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let stream = client.text().generate("Write a story").stream().await?;
    /// let whole = stream.finish().await?;
    /// println!("{whole} ({:?})", whole.usage());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finish(mut self) -> Result<Text> {
        while let Some(delta) = self.next().await {
            delta?;
        }
        if self.failed {
            let error = self.broken(ErrorKind::Truncated, "the stream has failed before");
            return Err(error.after(self.meta.attempts, self.started.elapsed()));
        }
        Ok(self.take_text())
    }

    /// What has arrived, taken out at the end of the stream.
    pub(crate) fn take_text(&mut self) -> Text {
        let deltas = mem::take(&mut self.deltas);
        Text::of_stream(deltas, mem::take(&mut self.meta))
    }

    /// What has arrived so far.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut stream = client.text().generate("Write a story").stream().await?;
    /// stream.next().await.ok_or("it has begun")??;
    /// println!("so far: {}", stream.content());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn content(&self) -> &str {
        self.deltas.content()
    }

    /// When the parts of the reply arrived, as far as they have; `None` without `observe` in the
    /// stack. The end is known when the stream has been read to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut stream = client.text().generate("Write a story").stream().await?;
    /// stream.next().await.ok_or("it has begun")??;
    /// let timing = stream.timing().ok_or("the client measures it")?;
    /// assert!(timing.first_event.is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn timing(&self) -> Option<Timing> {
        self.meta.timing()
    }

    /// What you should know of this call, though it stopped nothing: that the prompt was long. Known
    /// before the first delta.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let long = "Tell me about this garden. ".repeat(300);
    /// let stream = client.text().chat([long]).stream().await?;
    /// assert_eq!(stream.warnings().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.meta.warnings()
    }

    fn poll_delta(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Delta>>> {
        loop {
            let events = match &mut self.source {
                Source::Over => return Poll::Ready(None),
                Source::Whole(whole) => {
                    let delta = whole.take().map(|delta| *delta);
                    self.source = Source::Over;
                    return Poll::Ready(delta.map(Ok));
                }
                Source::Ending(ending) => {
                    ready!(ending.poll(cx));
                    if let Source::Ending(ending) = mem::replace(&mut self.source, Source::Over) {
                        ending.leave();
                    }
                    return Poll::Ready(self.ended().err().map(Err));
                }
                Source::Events(events) => events,
            };
            let event = match ready!(Pin::new(&mut **events).poll_next(cx)) {
                Some(Ok(event)) => event,
                Some(Err(error)) => {
                    let partial = self.partial();
                    return Poll::Ready(Some(Err(failure::of_body(error, partial))));
                }
                None => {
                    self.source = Source::Over;
                    return Poll::Ready(self.ended().err().map(Err));
                }
            };
            self.events += 1;
            self.bytes += event.data().len() as u64;
            match self.decoder.decode(&event.data_lossy()) {
                StreamEvent::Ignored => {}
                StreamEvent::Broken => {
                    let error = self
                        .broken(ErrorKind::Decode, "a chunk of the stream cannot be read")
                        .with_retryable(true)
                        .with_suggestion(failure::TRUNCATED);
                    return Poll::Ready(Some(Err(error)));
                }
                StreamEvent::Done => {
                    if let Source::Events(events) = mem::replace(&mut self.source, Source::Over) {
                        self.source = Source::Ending(Ending { events, wait: None });
                    }
                }
                StreamEvent::Error(failure) => {
                    let error = failure::of_failure(&failure).with_partial(self.partial());
                    return Poll::Ready(Some(Err(error)));
                }
                StreamEvent::Delta(delta) => {
                    self.deltas.push(&delta);
                    if !delta.is_empty() {
                        return Poll::Ready(Some(Ok(delta)));
                    }
                }
            }
        }
    }

    /// Whether what came is a whole answer.
    fn ended(&self) -> Result<()> {
        match self.deltas.failure() {
            // A notice to pay looks like an answer that cost nothing and must not be kept.
            None if self.no_store && self.deltas.usage().is_some_and(|usage| usage.is_zero()) => {
                Err(failure::of_failure(&Failure::notice()).with_partial(self.partial()))
            }
            None if self.deltas.is_complete() => Ok(()),
            None => Err(self
                .broken(
                    ErrorKind::Truncated,
                    "the stream ended before the answer was finished",
                )
                .with_suggestion(failure::TRUNCATED)),
            Some(FinishFailure::ContentFilter) => Err(self
                .broken(
                    ErrorKind::ContentPolicy,
                    "the upstream's filter ended the answer",
                )
                .with_retryable(false)
                .with_suggestion("change the prompt")),
            Some(_) => Err(self
                .broken(ErrorKind::Upstream, "the upstream failed in mid-stream")
                .with_suggestion(failure::TRUNCATED)),
        }
    }

    fn broken(&self, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, message).with_partial(self.partial())
    }

    fn partial(&self) -> Partial {
        let text = Text::of_stream(self.deltas.clone(), self.meta.clone());
        Partial::of_stream(text, self.events, self.bytes)
    }
}

impl Stream for TextStream {
    type Item = Result<Delta>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_delta(cx));
        Poll::Ready(item.map(|item| {
            item.map_err(|error| {
                self.source = Source::Over;
                self.failed = true;
                error.after(self.meta.attempts, self.started.elapsed())
            })
        }))
    }
}

impl fmt::Debug for TextStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextStream")
            .field("events", &self.events)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Opens a stream; takes a whole reply for one too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenStream;

impl Decode for OpenStream {
    type Output = TextStream;

    fn open(self, reply: Opened) -> Opening<Self> {
        if media_type(&reply.head.headers) == "text/event-stream" {
            Opening::Done(TextStream::open(reply))
        } else {
            Opening::Whole(self, reply)
        }
    }

    fn decode(self, head: &Parts, body: &Bytes) -> Result<TextStream> {
        if media_type(&head.headers) != "application/json" {
            return Err(failure::unexpected(head, body, "an event stream"));
        }
        let reply = decode_reply(head, body)?;
        let delta = reply.to_delta();
        let mut deltas = Accumulator::default();
        deltas.push(&delta);
        Ok(TextStream {
            source: Source::Whole(Some(Box::new(delta))),
            decoder: StreamDecoder::default(),
            deltas,
            meta: Meta::of(head),
            no_store: false,
            events: 0,
            bytes: body.len() as u64,
            started: Instant::now(),
            failed: false,
        })
    }
}
