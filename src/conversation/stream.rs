//! Answers of a conversation as they arrive.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::{Conversation, Step, Turn};
use crate::{
    Error, ErrorKind, Result, Text, TextStream,
    client::StreamCall,
    protocol::{Delta, Message},
};

/// An answer of a conversation on its way; see [`Conversation::ask_stream`].
///
/// [`next`](Self::next) gives the pieces, [`finish`](Self::finish) the whole; it is also a [`Stream`]
/// of `Result<Delta>`. Dropping it cancels the answer and leaves the history as it was.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let mut talk = client.conversation().start();
/// let mut answer = talk.ask_stream("Write a story");
/// while let Some(delta) = answer.next().await {
///     print!("{}", delta?);
/// }
/// let whole = answer.finish().await?;
/// assert_eq!(talk.messages()[1].text(), whole.content());
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Asking<'a> {
    talk: &'a mut Conversation,
    turn: Turn,
    state: State,
    failed: bool,
}

enum State {
    Opening(Box<StreamCall>),
    Reading(Box<TextStream>),
    Answering(Pin<Box<dyn Future<Output = Vec<Message>> + Send>>),
    Over(Option<Box<Text>>),
}

impl<'a> Asking<'a> {
    pub(super) fn new(talk: &'a mut Conversation, turn: Turn) -> Self {
        let state = State::Opening(Box::new(talk.chat(&turn).stream()));
        Self {
            talk,
            turn,
            state,
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
    /// let mut talk = client.conversation().start();
    /// let mut answer = talk.ask_stream("Write a story");
    /// let mut story = String::new();
    /// while let Some(delta) = answer.next().await {
    ///     story.push_str(delta?.content());
    /// }
    /// assert_eq!(talk.messages()[1].text(), story);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Delta>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Reads what is left and gives the last answer, which calls no tool that has a handler.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); if it has given an error before, one that the answer is incomplete.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().start();
    /// let answer = talk.ask_stream("Write a story").finish().await?;
    /// assert_eq!(talk.messages()[1].text(), answer.content());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finish(mut self) -> Result<Text> {
        while let Some(delta) = self.next().await {
            delta?;
        }
        match &mut self.state {
            State::Over(text) if !self.failed => text.take().map(|text| *text),
            _ => None,
        }
        .ok_or_else(|| Error::new(ErrorKind::Truncated, "the answer has failed before"))
    }

    fn poll_delta(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Delta>>> {
        loop {
            self.state = match &mut self.state {
                State::Opening(opening) => {
                    let stream = ready!(Pin::new(&mut **opening).poll(cx))?;
                    State::Reading(Box::new(stream))
                }
                State::Reading(stream) => {
                    if let Some(delta) = ready!(Pin::new(&mut **stream).poll_next(cx)) {
                        return Poll::Ready(Some(delta));
                    }
                    let answer = stream.take_text();
                    match self.talk.next_step(&mut self.turn, &answer)? {
                        Step::Tools => {
                            State::Answering(Box::pin(self.talk.settings.tools.answer(&answer)))
                        }
                        Step::Done => {
                            self.talk.commit(std::mem::take(&mut self.turn));
                            State::Over(Some(Box::new(answer)))
                        }
                    }
                }
                State::Answering(answering) => {
                    let results = ready!(answering.as_mut().poll(cx));
                    self.turn.messages.extend(results);
                    State::Opening(Box::new(self.talk.chat(&self.turn).stream()))
                }
                State::Over(_) => return Poll::Ready(None),
            };
        }
    }
}

impl Stream for Asking<'_> {
    type Item = Result<Delta>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_delta(cx));
        if matches!(item, Some(Err(_))) {
            self.failed = true;
            self.state = State::Over(None);
        }
        Poll::Ready(item)
    }
}

impl fmt::Debug for Asking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("rounds", &self.turn.rounds)
            .finish_non_exhaustive()
    }
}
