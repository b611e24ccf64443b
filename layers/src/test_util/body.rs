use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::BoxError;

/// A body that does what it was told, frame by frame, and counts what is done to it.
///
/// By default its length is unknown, so that it ends with `None`. [`sized`](Self::sized) makes it
/// end with its last frame, as a body with `Content-Length` does.
#[derive(Default)]
pub struct ScriptedBody {
    steps: VecDeque<Step>,
    sized: bool,
    sleeping: Option<Pin<Box<Sleep>>>,
    log: BodyLog,
}

enum Step {
    Frame(Frame<Bytes>),
    Wait(Duration),
    Error(BoxError),
    Stall,
}

impl ScriptedBody {
    /// A body without frames.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Then a frame of data.
    #[must_use]
    pub fn data(self, data: impl Into<Bytes>) -> Self {
        self.step(Step::Frame(Frame::data(data.into())))
    }

    /// Then trailers of one field.
    #[must_use]
    pub fn trailer(self, name: &'static str, value: &'static str) -> Self {
        let fields = [(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )];
        self.step(Step::Frame(Frame::trailers(HeaderMap::from_iter(fields))))
    }

    /// Then a pause.
    #[must_use]
    pub fn wait(self, pause: Duration) -> Self {
        self.step(Step::Wait(pause))
    }

    /// Then an error with this text.
    #[must_use]
    pub fn error(self, text: &'static str) -> Self {
        self.step(Step::Error(text.into()))
    }

    /// Then nothing more, without an end.
    #[must_use]
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Makes the length known: the body is at its end with its last frame.
    #[must_use]
    pub fn sized(mut self) -> Self {
        self.sized = true;
        self
    }

    /// What is done to this body: readable also when it is gone.
    #[must_use]
    pub fn log(&self) -> BodyLog {
        self.log.clone()
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        this.log.0.polls.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(sleeping) = &mut this.sleeping {
                std::task::ready!(sleeping.as_mut().poll(cx));
                this.sleeping = None;
            }
            match this.steps.pop_front() {
                Some(Step::Wait(pause)) => this.sleeping = Some(Box::pin(sleep(pause))),
                Some(Step::Frame(frame)) => {
                    this.log.0.frames.fetch_add(1, Ordering::Relaxed);
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Step::Error(error)) => return Poll::Ready(Some(Err(error))),
                Some(Step::Stall) => {
                    this.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.sized {
            return SizeHint::new();
        }
        let data = self.steps.iter().map(|step| match step {
            Step::Frame(frame) => frame.data_ref().map_or(0, Bytes::len),
            Step::Wait(_) | Step::Error(_) | Step::Stall => 0,
        });
        SizeHint::with_exact(data.sum::<usize>() as u64)
    }
}

impl Drop for ScriptedBody {
    fn drop(&mut self) {
        self.log.0.drops.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for ScriptedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedBody")
            .field("steps", &self.steps.len())
            .field("sized", &self.sized)
            .finish_non_exhaustive()
    }
}

/// What was done to a [`ScriptedBody`].
#[derive(Debug, Clone, Default)]
pub struct BodyLog(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    polls: AtomicUsize,
    frames: AtomicUsize,
    drops: AtomicUsize,
}

impl BodyLog {
    /// How often it was polled.
    #[must_use]
    pub fn polls(&self) -> usize {
        self.0.polls.load(Ordering::Relaxed)
    }

    /// How many frames it gave.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.0.frames.load(Ordering::Relaxed)
    }

    /// Whether it is gone.
    #[must_use]
    pub fn dropped(&self) -> bool {
        self.0.drops.load(Ordering::Relaxed) > 0
    }
}
