use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use super::{Decoder, Ending, Event, Truncated};
use crate::BoxError;

pin_project! {
    /// The events of a body.
    ///
    /// It is pulled: a frame is taken from the body only when no event is ready, so a consumer that
    /// pauses makes the upstream pause, and nothing is buffered but the event that is arriving.
    /// Trailers are passed over.
    ///
    /// ```
    /// use blossom_layers::sse::Events;
    /// use http_body_util::Full;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut events = Events::new(Full::from("data: one\n\ndata: two\n\n"));
    /// let mut all = Vec::new();
    /// while let Some(event) = events.next().await {
    ///     all.push(event?.into_data());
    /// }
    /// assert_eq!(all, ["one", "two"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The stream ends after the first error, and the body is dropped with it. What comes is
    /// - the body's own error, as it is;
    /// - a [`DecodeError`](super::DecodeError) when a cap is broken;
    /// - [`Truncated`] when the body ended in the middle of a line. What there was of the last event
    ///   has been given just before.
    ///
    /// A body that ended without the last blank line is no error, see [`Ending::InsideEvent`].
    ///
    /// # Cancel safety
    ///
    /// [`next`](Self::next) can be dropped and called again: nothing is lost.
    #[derive(Debug)]
    pub struct Events<B> {
        // Gone at the end, so that what hangs on it is released at once.
        #[pin]
        body: Option<B>,
        decoder: Decoder,
        state: State,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    // The body is at its end, the decoder may hold more.
    Finishing,
    Over,
}

impl<B> Events<B> {
    /// The events of `body`, with the default caps.
    ///
    /// ```
    /// # use blossom_layers::sse::Events;
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut events = Events::new(Full::from("data: hello\n\n"));
    /// assert_eq!(events.next().await.ok_or("there is one")??.data(), "hello");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(body: B) -> Self {
        Self::with_decoder(body, Decoder::new())
    }

    /// The events of `body`, decoded by `decoder`: with its caps, and after what it has read.
    ///
    /// ```
    /// # use blossom_layers::sse::{DecodeError, Decoder, Events};
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let decoder = Decoder::new().max_line_bytes(8);
    /// let mut events = Events::with_decoder(Full::from("data: too long\n\n"), decoder);
    /// let error = events.next().await.ok_or("there is an error")?.unwrap_err();
    /// assert!(error.is::<DecodeError>());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn with_decoder(body: B, decoder: Decoder) -> Self {
        Self {
            body: Some(body),
            decoder,
            state: State::Reading,
        }
    }

    /// The decoder: its id and reconnection time in force.
    ///
    /// ```
    /// # use blossom_layers::sse::Events;
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut events = Events::new(Full::from("id: 7\ndata: 1\n\n"));
    /// events.next().await;
    /// assert_eq!(events.decoder().last_event_id(), Some("7"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Where the stream ended; `None` until it did, or when it ended in an error of the body or a
    /// cap.
    ///
    /// ```
    /// # use blossom_layers::sse::{Ending, Events};
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut events = Events::new(Full::from("data: 1\n"));
    /// while let Some(event) = events.next().await {
    ///     event?;
    /// }
    /// assert_eq!(events.ending(), Some(Ending::InsideEvent), "its blank line was cut");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        self.decoder.ending()
    }
}

impl<B> Events<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    /// The next event; `None` at the end and after an error.
    ///
    /// ```
    /// # use blossom_layers::sse::Events;
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut events = Events::new(Full::from("data: hello\n\n"));
    /// assert_eq!(events.next().await.ok_or("there is one")??.data(), "hello");
    /// assert!(events.next().await.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Event, BoxError>>
    where
        B: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn poll_event(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event>, BoxError>> {
        let mut this = self.project();
        while *this.state == State::Reading {
            if let Some(event) = this.decoder.next_event()? {
                let event = event.to_event();
                // A reader who pauses here must not keep the transport's buffer.
                this.decoder.let_go();
                return Poll::Ready(Ok(Some(event)));
            }
            let frame = match this.body.as_mut().as_pin_mut() {
                Some(body) => ready!(body.poll_frame(cx))
                    .transpose()
                    .map_err(Into::into)?,
                None => None,
            };
            match frame.map(Frame::into_data) {
                Some(Ok(data)) => this.decoder.push(data),
                Some(Err(_trailers)) => {}
                None => {
                    *this.state = State::Finishing;
                    this.body.set(None);
                }
            }
        }
        let last = this.decoder.finish()?.map(|event| event.to_event());
        Poll::Ready(match this.decoder.ending() {
            Some(ending @ Ending::InsideLine) if last.is_none() => {
                Err(Truncated::new(ending).into())
            }
            _ => Ok(last),
        })
    }
}

impl<B> Stream for Events<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Item = Result<Event, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.state == State::Over {
            return Poll::Ready(None);
        }
        let item = ready!(self.as_mut().poll_event(cx)).transpose();
        if !matches!(item, Some(Ok(_))) {
            let mut this = self.project();
            *this.state = State::Over;
            this.body.set(None);
        }
        Poll::Ready(item)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, io};

    use futures_util::FutureExt;

    use super::*;
    use crate::{cause_ref, sse::DecodeError};

    /// Gives its frames, counts them, and ends in an error if told so.
    #[derive(Default)]
    struct Script {
        frames: VecDeque<Option<Result<Frame<Bytes>, io::Error>>>,
    }

    impl Script {
        fn data(mut self, data: &'static str) -> Self {
            let frame = Frame::data(Bytes::from_static(data.as_bytes()));
            self.frames.push_back(Some(Ok(frame)));
            self
        }

        fn pending(mut self) -> Self {
            self.frames.push_back(None);
            self
        }

        fn error(mut self) -> Self {
            let error = io::Error::from(io::ErrorKind::ConnectionReset);
            self.frames.push_back(Some(Err(error)));
            self
        }

        fn trailers(mut self) -> Self {
            let frame = Frame::trailers(http::HeaderMap::new());
            self.frames.push_back(Some(Ok(frame)));
            self
        }
    }

    impl Body for Script {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            match self.frames.pop_front() {
                Some(Some(frame)) => Poll::Ready(Some(frame)),
                Some(None) => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    fn next(events: &mut Events<Script>) -> Option<Result<Bytes, BoxError>> {
        let item = events.next().now_or_never().unwrap();
        item.map(|event| event.map(Event::into_data))
    }

    #[test]
    fn pulls_a_frame_only_when_no_event_is_ready() {
        let body = Script::default()
            .data("data: 1\n\ndata: 2\n\n")
            .data("data: 3\n\n");
        let mut events = Events::new(body);

        for left in [1, 1, 0] {
            assert!(next(&mut events).unwrap().is_ok());
            assert_eq!(events.body.as_ref().unwrap().frames.len(), left);
        }
        assert!(next(&mut events).is_none());
        assert_eq!(events.ending(), Some(Ending::Clean));
    }

    #[test]
    fn loses_nothing_when_next_is_dropped() {
        let body = Script::default().data("data: wh").pending().data("ole\n\n");
        let mut events = Events::new(body);

        assert!(events.next().now_or_never().is_none());
        assert_eq!(next(&mut events).unwrap().unwrap(), "whole");
    }

    #[test]
    fn passes_over_trailers() {
        let mut events = Events::new(Script::default().data("data: 1\n\n").trailers());

        assert_eq!(next(&mut events).unwrap().unwrap(), "1");
        assert!(next(&mut events).is_none());
    }

    #[test]
    fn ends_after_the_error_of_the_body_and_drops_it() {
        let mut events = Events::new(Script::default().data("data: 1\n\ndata: 2\n").error());

        assert_eq!(next(&mut events).unwrap().unwrap(), "1");
        let error = next(&mut events).unwrap().unwrap_err();
        assert!(error.is::<io::Error>());
        assert!(events.body.is_none());
        assert!(next(&mut events).is_none());
        assert_eq!(events.ending(), None);
    }

    #[test]
    fn ends_after_a_broken_cap() {
        let body = Script::default()
            .data("data: 1\n\ndata: 23\n\n")
            .data("data: 4\n\n");
        let mut events = Events::with_decoder(body, Decoder::new().max_line_bytes(7));

        assert_eq!(next(&mut events).unwrap().unwrap(), "1");
        let error = next(&mut events).unwrap().unwrap_err();
        assert_eq!(
            cause_ref(&*error),
            Some(&DecodeError::LineTooLong { limit_bytes: 7 })
        );
        assert!(events.body.is_none());
        assert!(next(&mut events).is_none());
    }

    #[test]
    fn i7_says_that_the_body_ended_inside_a_line_after_what_there_was() {
        let mut events = Events::new(Script::default().data("data: 1\n\ndata: {\"a"));

        assert_eq!(next(&mut events).unwrap().unwrap(), "1");
        assert_eq!(next(&mut events).unwrap().unwrap(), "{\"a");
        let error = next(&mut events).unwrap().unwrap_err();
        assert!(error.is::<Truncated>());
        assert!(next(&mut events).is_none());
    }

    #[test]
    fn i7_accepts_a_last_event_without_blank_line() {
        let mut events = Events::new(Script::default().data("data: [DONE]\n"));

        assert_eq!(next(&mut events).unwrap().unwrap(), "[DONE]");
        assert!(next(&mut events).is_none());
        assert_eq!(events.ending(), Some(Ending::InsideEvent));
    }
}
