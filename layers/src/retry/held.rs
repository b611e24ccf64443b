use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE, response::Parts};
use http_body::{Body, Frame};
use tokio::time::Instant;

use super::ResponseBody;
use crate::{
    BoxError,
    body::Peek,
    timer::Timer,
    types::{FinishReason, Outcome, Reply},
};

/// A reply whose head is held while its body is looked at.
#[derive(Debug)]
pub(super) struct Held<R> {
    head: Parts,
    body: Peek<Pin<Box<R>>>,
    // A stream; otherwise an answer that failed.
    stream: bool,
    // `None` for one that is no stream, or that nobody observes.
    outcome: Option<Outcome>,
    frames: usize,
    // `None`: for ever.
    until: Option<Instant>,
    timer: Timer,
}

/// What was seen of a held reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It has begun, or was held for long enough: it is the caller's.
    Begun,
    /// There is reason to ask whether it is to be retried.
    Failed,
}

impl<R> Held<R> {
    pub(super) fn stream(response: Response<R>, commit_after: Duration) -> Self {
        let outcome = response.extensions().get().cloned();
        Self::new(response, commit_after, true, outcome)
    }

    pub(super) fn failure(response: Response<R>, commit_after: Duration) -> Self {
        Self::new(response, commit_after, false, None)
    }

    fn new(
        response: Response<R>,
        commit_after: Duration,
        stream: bool,
        outcome: Option<Outcome>,
    ) -> Self {
        let (head, body) = response.into_parts();
        Self {
            head,
            body: Peek::new(Box::pin(body)),
            stream,
            outcome,
            frames: 0,
            until: Instant::now().checked_add(commit_after),
            timer: Timer::default(),
        }
    }

    /// The reply, to be passed on with what was looked at.
    pub(super) fn into_response(self) -> Response<ResponseBody<R>> {
        Response::from_parts(self.head, ResponseBody::peeked(self.body))
    }

    /// The body, without what was looked at, to be got rid of.
    pub(super) fn into_body(self) -> Pin<Box<R>> {
        self.body.into_inner()
    }

    /// Shows what is known of the reply.
    pub(super) fn show<T>(&self, ask: impl FnOnce(&Reply<'_>) -> T) -> T {
        let text = self.body.text();
        let reply = match self.body.error() {
            // The status of an answer that failed says more than how its text ended.
            Some(error) if self.stream => Reply::failed(error),
            _ => Reply::head(self.head.status, &self.head.headers),
        };
        let reply = reply.beginning(&text);
        ask(&match &self.outcome {
            Some(outcome) => reply.outcome(outcome),
            None => reply,
        })
    }
}

impl<R> Held<R>
where
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    /// Looks at what comes until enough is known.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Seen> {
        let limit = if self.stream {
            STREAM_BYTES
        } else {
            FAILURE_BYTES
        };
        while self.body.kept_bytes() < limit && self.frames < MAX_FRAMES {
            let peeked = match Pin::new(&mut self.body).poll_peek(cx) {
                Poll::Ready(peeked) => peeked,
                Poll::Pending => {
                    let Some(until) = self.until else {
                        return Poll::Pending;
                    };
                    ready!(self.timer.poll_until(until, cx));
                    break;
                }
            };
            let Some(Ok(frame)) = peeked else {
                return Poll::Ready(self.ended());
            };
            self.frames += 1;
            let seen = self.stream.then(|| look(frame, self.outcome.as_ref()));
            if let Some(Some(seen)) = seen {
                return Poll::Ready(seen);
            }
            // Comments that come without a pause would never meet the timer above.
            if self.until.is_some_and(|until| Instant::now() > until) {
                break;
            }
        }
        Poll::Ready(if self.stream {
            Seen::Begun
        } else {
            Seen::Failed
        })
    }

    /// The body has ended, well or in an error, before anything of it was content.
    fn ended(&self) -> Seen {
        let proven = self.outcome.as_ref().is_none_or(Outcome::complete);
        if self.stream && self.body.error().is_none() && proven {
            Seen::Begun
        } else {
            Seen::Failed
        }
    }
}

/// Whether a stream has begun or failed with this frame: who observes it knows; else any data is a
/// beginning.
fn look(frame: &Frame<Bytes>, outcome: Option<&Outcome>) -> Option<Seen> {
    let Some(outcome) = outcome else {
        let data = frame.data_ref().is_some_and(|data| !data.is_empty());
        return data.then_some(Seen::Begun);
    };
    outcome.read(|record| {
        if record.timing.first_event.is_some() {
            Some(Seen::Begun)
        } else if record.failure.is_some() || record.finish_reason == Some(FinishReason::Error) {
            Some(Seen::Failed)
        } else {
            None
        }
    })
}

/// Whether a reply is a stream of events that succeeds so far.
pub(super) fn is_event_stream<R>(response: &Response<R>) -> bool {
    response.status().is_success()
        && response.headers().get(CONTENT_TYPE).is_some_and(|value| {
            let kind = value.as_bytes().get(..EVENT_STREAM.len());
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM))
        })
}

const EVENT_STREAM: &[u8] = b"text/event-stream";
/// The most of a stream that is kept before it is passed on.
const STREAM_BYTES: usize = 64 * 1024;
/// The most of an answer that failed that a policy is shown.
const FAILURE_BYTES: usize = 16 * 1024;
/// Frames cost memory beside their bytes.
const MAX_FRAMES: usize = 1024;
