//! One request and its whole reply.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Request, response::Parts};
use http_body::Body;
use tokio::time::Instant;

use super::{
    Partial, ResponseBody, ResponseFuture, Stack,
    answer::is_own,
    failure::{self, failed_answer},
    request_id::RequestId,
};
use crate::{
    Error, Result,
    builder::Settings,
    layers::{
        body::ReqBody,
        types::{Attempt, Attempts, Outcome},
    },
};

/// The most of an error's body that is read.
const ERROR_BYTES: usize = 64 * 1024;

/// What a call makes of its reply.
pub(crate) trait Decode: Sized + Unpin {
    type Output;

    /// Takes the body before it is read, as streams do, or gives it back to be read whole.
    fn open(self, reply: Opened) -> Opening<Self> {
        Opening::Whole(self, reply)
    }

    /// Decodes the whole reply.
    fn decode(self, head: &Parts, body: &Bytes) -> Result<Self::Output>;
}

/// What becomes of a reply when its head is known.
pub(crate) enum Opening<D: Decode> {
    /// The call is done; the body goes on in what it gave.
    Done(D::Output),
    /// The body is to be read whole.
    Whole(D, Opened),
}

/// A reply whose body has not been read yet.
pub(crate) struct Opened {
    pub(crate) head: Parts,
    pub(crate) body: ResponseBody,
    pub(crate) started: Instant,
}

/// Sends a request, reads the reply and decodes it. Dropping it cancels the call.
pub(crate) struct Exchange<D> {
    state: State,
    decode: Option<D>,
    started: Instant,
    // Where the stack may give up on a call without saying how often it was sent.
    attempts: Option<Attempts>,
    id: Option<RequestId>,
    max_response_bytes: usize,
}

// Large while it reads: calls are awaited, and a box would cost each of them an allocation.
#[expect(clippy::large_enum_variant, reason = "an allocation a call costs more")]
enum State {
    Refused(Box<Error>),
    Sending(ResponseFuture),
    Reading(Reading),
    Done,
}

struct Reading {
    reply: Opened,
    whole: Whole,
    limit: usize,
}

impl<D: Decode> Exchange<D> {
    pub(crate) fn new(
        stack: &Stack,
        mut request: Result<Request<ReqBody>>,
        decode: D,
        settings: &Settings,
    ) -> Self {
        // Before the call: what it waits for belongs to it.
        let started = Instant::now();
        let attempts = settings.counts_attempts().then(Attempts::default);
        let id = match &mut request {
            Ok(request) if settings.request_ids => Some(RequestId::of(request)),
            _ => None,
        };
        Self {
            state: match request {
                Ok(mut request) => {
                    if let Some(attempts) = &attempts {
                        request.extensions_mut().insert(attempts.clone());
                    }
                    State::Sending(stack.call(request))
                }
                Err(error) => State::Refused(Box::new(error)),
            },
            decode: Some(decode),
            started,
            attempts,
            id,
            max_response_bytes: settings.max_response_bytes,
        }
    }

    fn done(&mut self, result: Result<D::Output>) -> Poll<Result<D::Output>> {
        self.state = State::Done;
        Poll::Ready(result)
    }

    fn opened(&mut self, mut reply: Opened) -> Option<D::Output> {
        note_start(&reply.head, self.started);
        if let Some(id) = &self.id {
            id.name_reply(&mut reply.head);
        }
        let success = reply.head.status.is_success();
        if success && let Some(decode) = self.decode.take() {
            match decode.open(reply) {
                Opening::Done(output) => return Some(output),
                Opening::Whole(decode, unopened) => {
                    self.decode = Some(decode);
                    reply = unopened;
                }
            }
        }
        let limit = if success {
            self.max_response_bytes
        } else {
            ERROR_BYTES
        };
        self.state = State::Reading(Reading {
            reply,
            whole: Whole::default(),
            limit,
        });
        None
    }
}

/// Lets the outcome of a reply that was made for this call know how long it had waited before.
fn note_start(head: &Parts, started: Instant) {
    if let Some(outcome) = head.extensions.get::<Outcome>()
        && is_own(head.extensions.get().copied())
    {
        outcome.begun_at(started.into_std());
    }
}

impl<D: Decode> Future for Exchange<D> {
    type Output = Result<D::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (attempts, error) = loop {
            match &mut this.state {
                State::Sending(sending) => match ready!(Pin::new(sending).poll(cx)) {
                    Ok(response) => {
                        let (head, body) = response.into_parts();
                        let reply = Opened {
                            head,
                            body,
                            started: this.started,
                        };
                        if let Some(output) = this.opened(reply) {
                            return this.done(Ok(output));
                        }
                    }
                    Err(error) => {
                        let counted = this.attempts.as_ref().and_then(Attempts::last);
                        let (error, attempts) = failure::of_call(error, counted);
                        break (attempts, error);
                    }
                },
                State::Reading(reading) => {
                    let result = ready!(reading.poll(cx));
                    let Some(decode) = this.decode.take() else {
                        return Poll::Pending;
                    };
                    let head = &reading.reply.head;
                    let decoded = result.and_then(|body| {
                        if head.status.is_success() {
                            let decoded = decode.decode(head, &body);
                            decoded.map_err(|error| keep(error, head, &body))
                        } else {
                            Err(failed_answer(head, &body))
                        }
                    });
                    match decoded {
                        Ok(output) => return this.done(Ok(output)),
                        Err(error) => break (attempts_of(head), error),
                    }
                }
                State::Refused(_) => {
                    let State::Refused(error) = mem::replace(&mut this.state, State::Done) else {
                        return Poll::Pending;
                    };
                    break (0, *error);
                }
                // As every future that is polled after its end.
                State::Done => return Poll::Pending,
            }
        };
        let error = error.after(attempts, this.started.elapsed());
        let error = match &this.id {
            Some(id) => id.name_error(error),
            None => error,
        };
        this.done(Err(error))
    }
}

/// How often a request was sent, of which this is the reply: a stack that does not say sent it once.
pub(super) fn attempts_of(head: &Parts) -> u32 {
    let attempt = head.extensions.get::<Attempt>();
    attempt.map_or(1, |attempt| attempt.number())
}

/// What came is lost to nobody, also where it is not what was asked for.
fn keep(error: Error, head: &Parts, body: &Bytes) -> Error {
    if error.partial().is_some() {
        return error;
    }
    error.with_partial(Partial::of_body(head, body))
}

impl Reading {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes>> {
        let success = self.reply.head.status.is_success();
        while !self.reply.body.is_end_stream() {
            let Some(frame) = ready!(Pin::new(&mut self.reply.body).poll_frame(cx)) else {
                break;
            };
            let data = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                // The status alone says enough of an answer that failed.
                Err(_) if !success => break,
                Err(error) => {
                    let arrived = mem::take(&mut self.whole).into_bytes();
                    let partial = Partial::of_body(&self.reply.head, &arrived);
                    return Poll::Ready(Err(failure::of_body(error, partial)));
                }
            };
            self.whole.push(data);
            if self.whole.len() > self.limit {
                if success {
                    return Poll::Ready(Err(failure::too_large(self.limit)));
                }
                break;
            }
        }
        Poll::Ready(Ok(mem::take(&mut self.whole).into_bytes()))
    }
}

/// Collects frames; a body of one frame is not copied.
#[derive(Default)]
struct Whole {
    first: Bytes,
    all: BytesMut,
}

impl Whole {
    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&data);
    }

    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() {
            self.first
        } else {
            self.all.freeze()
        }
    }
}

impl<D> fmt::Debug for Exchange<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Refused(_) => "refused",
            State::Sending(_) => "sending",
            State::Reading(_) => "reading",
            State::Done => "done",
        };
        f.debug_tuple("Exchange").field(&state).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_one_frame_is_not_copied() {
        let frame = Bytes::from(vec![b'a'; 100]);
        let mut whole = Whole::default();
        whole.push(Bytes::new());
        whole.push(frame.clone());

        assert_eq!(whole.into_bytes().as_ptr(), frame.as_ptr());
    }

    #[test]
    fn frames_are_joined_in_order() {
        let mut whole = Whole::default();
        for frame in ["ab", "", "c", "def"] {
            whole.push(Bytes::from_static(frame.as_bytes()));
        }

        assert_eq!(whole.len(), 6);
        assert_eq!(whole.into_bytes(), "abcdef");
    }
}
