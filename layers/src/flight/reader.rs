use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};

use super::{
    Lagged,
    one::{Flight, Landing},
    state::{HeadTaken, Next, State, Take},
};
use crate::{
    BoxError,
    sync::{Arc, lock},
    task,
    timer::Timer,
};

/// One who waits for a flight: first for its head, by [`Reader::poll_head`], then for its body, which it is.
///
/// Dropping it leaves the flight; the last one out cancels the upstream.
pub(crate) struct Reader<L: Landing> {
    // `None` once there is nothing left to read.
    aboard: Option<Aboard<L>>,
    timer: Timer,
    hint: SizeHint,
    read: u64,
}

/// Why there is no head.
pub(crate) enum NoHead {
    /// This reader must make a call of its own: the reply is not for it, or went by too fast.
    Own,
    Failed(BoxError),
}

struct Aboard<L: Landing> {
    flight: Arc<Flight<L>>,
    seat: usize,
    // Whether the seat was given back.
    left: bool,
}

impl<L: Landing> Reader<L> {
    pub(super) fn new(flight: Arc<Flight<L>>, seat: usize) -> Self {
        Self {
            aboard: Some(Aboard {
                flight,
                seat,
                left: false,
            }),
            timer: Timer::default(),
            hint: SizeHint::default(),
            read: 0,
        }
    }

    /// Reads it all in the background, for a time, while it can be of use.
    #[cfg(feature = "cache")]
    pub(crate) fn finish_alone(mut self, within: Duration) {
        if let Some(aboard) = self.aboard.take() {
            lock(&aboard.flight.state).outlive(within);
            // Without a runtime the work is dropped, and with it the seat.
            task::spawn(aboard.finish(within));
        }
    }

    /// The head; from then on this is the body.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Parts, NoHead>> {
        let Some(aboard) = &self.aboard else {
            return Poll::Ready(Err(NoHead::Own));
        };
        let taken = ready!(aboard.poll(&mut self.timer, cx, State::take_head));
        Poll::Ready(match taken {
            HeadTaken::Head { parts, hint, over } => {
                self.hint = hint;
                if over {
                    self.aboard = None;
                }
                Ok(parts)
            }
            HeadTaken::Own => {
                self.aboard = None;
                Err(NoHead::Own)
            }
            HeadTaken::Failed(error) => {
                self.aboard = None;
                Err(NoHead::Failed(error))
            }
        })
    }
}

impl<L: Landing> Aboard<L> {
    /// Takes what there is, and drives the flight until there is something.
    fn poll<T>(
        &self,
        timer: &mut Timer,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&mut State, usize) -> Take<T>,
    ) -> Poll<T> {
        let flight = &*self.flight;
        let mut registered = false;
        loop {
            let taken = take(&mut lock(&flight.state), self.seat);
            match taken {
                Take::Ready(taken) => return Poll::Ready(taken),
                Take::Wait if flight.drive(self.seat) => continue,
                Take::Wait if registered => return Poll::Pending,
                Take::Blocked(since) if registered => {
                    let grace = flight.limits.lag_grace;
                    let Some(until) = since.checked_add(grace) else {
                        return Poll::Pending;
                    };
                    ready!(timer.poll_until(until, cx));
                    lock(&flight.state).leave_behind(since, flight.limits.max_bytes);
                    flight.wakers.wake_others(self.seat);
                    continue;
                }
                Take::Wait | Take::Blocked(_) => {}
            }
            // What came before this is seen in the next round, what comes after it wakes.
            flight.wakers.register(self.seat, cx.waker());
            registered = true;
        }
    }

    /// Reads the rest in the background, for a time, while it can be of use.
    async fn finish(self, within: Duration) {
        let limit = self.flight.limits.max_bytes;
        let mut timer = Timer::default();
        let rest = poll_fn(|cx| {
            loop {
                let take = |state: &mut State, seat| state.take_frame(seat, limit);
                let taken = ready!(self.poll(&mut timer, cx, take));
                // What will not be kept is of no more use.
                if taken.over || !lock(&self.flight.state).is_open() {
                    return Poll::Ready(());
                }
            }
        });
        drop(tokio::time::timeout(within, rest).await);
    }
}

impl<L: Landing> Drop for Aboard<L> {
    fn drop(&mut self) {
        if !self.left {
            self.flight.leave(self.seat, false);
        }
    }
}

impl<L: Landing> Drop for Reader<L> {
    fn drop(&mut self) {
        let Some(mut aboard) = self.aboard.take() else {
            return;
        };
        let Some(within) = aboard.flight.limits.finish_fill else {
            return;
        };
        if !aboard.flight.leave(aboard.seat, true) {
            aboard.left = true;
            return;
        }
        lock(&aboard.flight.state).outlive(within);
        task::spawn(aboard.finish(within));
    }
}

impl<L: Landing> Body for Reader<L> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(aboard) = &this.aboard else {
            return Poll::Ready(None);
        };
        let flight = &aboard.flight;
        let limit = flight.limits.max_bytes;
        let take = |state: &mut State, seat| state.take_frame(seat, limit);
        let taken = ready!(aboard.poll(&mut this.timer, cx, take));
        if taken.unblocked {
            flight.wakers.wake_all();
        }
        let grace = flight.limits.lag_grace;
        if taken.over {
            this.aboard = None;
        }
        Poll::Ready(match taken.next {
            Next::Frame(frame) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.read = this.read.saturating_add(bytes as u64);
                Some(Ok(frame))
            }
            Next::Failed(error) => Some(Err(error)),
            Next::Lagged => Some(Err(Lagged::new(grace).into())),
            Next::End => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.aboard.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.aboard.is_none() {
            return SizeHint::with_exact(0);
        }
        let mut hint = SizeHint::new();
        if let Some(upper) = self.hint.upper() {
            hint.set_upper(upper.saturating_sub(self.read));
        }
        let lower = self.hint.lower().saturating_sub(self.read);
        hint.set_lower(lower.min(hint.upper().unwrap_or(u64::MAX)));
        hint
    }
}

impl<L: Landing> fmt::Debug for Reader<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("read", &self.read)
            .field("over", &self.aboard.is_none())
            .finish_non_exhaustive()
    }
}
