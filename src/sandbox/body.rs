//! Response bodies that do what they are told, step by step.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::{
    cache::{Filling, Kept},
    limits::Slot,
    log::Log,
};

/// One step of a body.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Data(Bytes),
    /// The same data again and again, without a pause.
    Repeat(Bytes, u64),
    Wait(Duration),
    /// Breaks the connection.
    Cut,
    /// Nothing more, and no end.
    Stall,
}

/// Counts a request as under way until it is dropped.
#[derive(Debug)]
pub(super) struct Flight(Arc<Log>);

impl Flight {
    pub(super) fn begin(log: &Arc<Log>) -> Self {
        log.began();
        Self(log.clone())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// A response body. It is made frame by frame as the connection takes it.
#[derive(Debug, Default)]
pub(super) struct StepBody {
    steps: VecDeque<Step>,
    /// Set if the length is told, which need not be the truth.
    length: Option<u64>,
    sleeping: Option<Pin<Box<Sleep>>>,
    flight: Option<Flight>,
    slot: Option<Slot>,
    kept: Option<(Filling, Kept)>,
}

impl StepBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        let length = Some(bytes.len() as u64);
        Self {
            length,
            steps: [Step::Data(bytes)].into(),
            ..Self::default()
        }
    }

    pub(super) fn steps(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Tells the length of a body that will break before it.
    pub(super) const fn length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    pub(super) fn flight(mut self, flight: Option<Flight>) -> Self {
        self.flight = flight;
        self
    }

    /// Holds an account's slot to the end.
    pub(super) fn slot(mut self, slot: Option<Slot>) -> Self {
        self.slot = slot;
        self
    }

    /// Fills the cache at the end, if it comes to that.
    pub(super) fn kept(mut self, filling: Filling, kept: Kept) -> Self {
        self.kept = Some((filling, kept));
        self
    }

    /// All data of a body that breaks nowhere.
    pub(super) fn data(&self) -> Option<Bytes> {
        let mut data = Vec::new();
        for step in &self.steps {
            match step {
                Step::Data(part) => data.extend_from_slice(part),
                Step::Wait(_) => {}
                Step::Repeat(..) | Step::Cut | Step::Stall => return None,
            }
        }
        Some(data.into())
    }

    /// Whether the body is one piece of the length that it tells.
    pub(super) fn is_whole(&self) -> bool {
        let mut steps = self.steps.iter();
        match (steps.next(), steps.next()) {
            (Some(Step::Data(data)), None) => self.length == Some(data.len() as u64),
            _ => false,
        }
    }

    /// Whether the body keeps what it promises.
    pub(super) fn is_honest(&self) -> bool {
        let breaks = |step: &Step| matches!(step, Step::Cut | Step::Repeat(..));
        self.is_whole() || (self.length.is_none() && !self.steps.iter().any(breaks))
    }

    /// Maps each step; the function is told which one holds the last data.
    pub(super) fn map_steps(mut self, mut map: impl FnMut(Step, bool) -> Step) -> Self {
        let last = self
            .steps
            .iter()
            .rposition(|step| matches!(step, Step::Data(_)));
        let steps = std::mem::take(&mut self.steps).into_iter().enumerate();
        self.steps = steps
            .map(|(at, step)| map(step, Some(at) == last))
            .collect();
        self
    }

    /// Tells the length that there is, if that is known.
    pub(super) fn measured(mut self) -> Self {
        self.length = self.data().map(|data| data.len() as u64);
        self
    }

    /// What hangs on a body that has ended well.
    fn end(&mut self) {
        self.flight = None;
        self.slot = None;
        if let Some((filling, kept)) = self.kept.take() {
            filling.fill(kept);
        }
    }

    fn next(&mut self) -> Option<Step> {
        match self.steps.pop_front()? {
            Step::Repeat(data, times) => {
                if times > 1 {
                    self.steps.push_front(Step::Repeat(data.clone(), times - 1));
                }
                Some(Step::Data(data))
            }
            step => Some(step),
        }
    }
}

impl Body for StepBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        loop {
            if let Some(sleeping) = &mut this.sleeping {
                ready!(sleeping.as_mut().poll(cx));
                this.sleeping = None;
            }
            match this.next() {
                Some(Step::Data(data)) => {
                    if let Some(Flight(log)) = &this.flight {
                        log.sent(data.len());
                    }
                    if let Some(length) = &mut this.length {
                        *length = length.saturating_sub(data.len() as u64);
                    }
                    if this.steps.is_empty()
                        && let Some((filling, kept)) = this.kept.take()
                    {
                        // Nobody polls a body that says that it is at its end.
                        filling.fill(kept);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Step::Wait(pause)) => this.sleeping = Some(Box::pin(sleep(pause))),
                Some(Step::Stall) => {
                    this.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                Some(Step::Cut) => {
                    this.steps.clear();
                    this.flight = None;
                    this.slot = None;
                    return Poll::Ready(Some(Err(io::Error::other("the sandbox cuts here"))));
                }
                Some(Step::Repeat(..)) => {}
                None => {
                    this.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.sleeping.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
