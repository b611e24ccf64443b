use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, response::Parts};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::{Panicked, Shared, driver::Arrived, origin::Origin, seats::Seats, window::Window};
use crate::{
    BoxError,
    body::Recording,
    sync::Arc,
    types::{Deadline, SharedDeadline},
};

/// What has arrived, and who reads it. Pure: no lock, no waker, no clock of its own.
pub(super) struct State {
    head: Option<Arc<Head>>,
    frames: Frames,
    trailers: Option<HeaderMap>,
    end: Option<End>,
    seats: Seats,
    // Whether somebody may still join.
    open: bool,
    // Whether a newer flight has taken its place.
    superseded: bool,
    // Since when the fastest reader waits for the slowest.
    blocked_since: Option<Instant>,
    deadline: Option<SharedDeadline>,
    // Where the upstream's work is done, while it is.
    origin: Option<Origin>,
}

pub(super) struct Head {
    pub(super) parts: Parts,
    hint: SizeHint,
    // For the one who began the flight alone.
    private: bool,
}

enum Frames {
    /// All of them, while they may be kept.
    Whole(Recording),
    /// All of them, for good.
    Landed(Arc<Recording>),
    /// Those that somebody has still to read.
    Window(Window),
}

pub(super) enum End {
    Complete,
    /// Failed for the one reader there was.
    Sole(Option<BoxError>),
    Shared(Shared),
    Panicked,
}

/// What there is for a reader.
pub(super) enum Take<T> {
    Ready(T),
    /// Nothing yet.
    Wait,
    /// Nothing until the slowest reader has read, and since when.
    Blocked(Instant),
}

pub(super) enum HeadTaken {
    Head {
        parts: Parts,
        hint: SizeHint,
        over: bool,
    },
    /// This reader is to make a call of its own.
    Own,
    Failed(BoxError),
}

pub(super) struct FrameTaken {
    pub(super) next: Next,
    // Nothing is left to read after this.
    pub(super) over: bool,
    // Somebody waited for this reader and need not any more.
    pub(super) unblocked: bool,
}

pub(super) enum Next {
    Frame(Frame<Bytes>),
    Failed(BoxError),
    Lagged,
    End,
}

impl State {
    /// With one reader, in seat 0.
    pub(super) fn new(
        deadline: Option<SharedDeadline>,
        own: Option<Deadline>,
        origin: Origin,
    ) -> Self {
        Self {
            head: None,
            frames: Frames::Whole(Recording::default()),
            trailers: None,
            end: None,
            seats: Seats::new(own),
            open: true,
            superseded: false,
            blocked_since: None,
            deadline,
            origin: Some(origin),
        }
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        self.origin.clone()
    }

    /// The upstream's work is over: its span need not be kept.
    pub(super) const fn take_origin(&mut self) -> Option<Origin> {
        self.origin.take()
    }

    /// Takes one more reader, or says that this flight takes none.
    pub(super) fn join(&mut self, own: Option<Deadline>) -> Option<usize> {
        if !self.open {
            return None;
        }
        if let Some(deadline) = &self.deadline {
            deadline.extend(own);
        }
        Some(self.seats.take(own))
    }

    pub(super) const fn ended(&self) -> bool {
        self.end.is_some()
    }

    /// Gives a seat back. Says whether it was the last, and whether somebody had waited for it.
    pub(super) fn leave(&mut self, seat: usize) -> Left {
        let Some(left) = self.seats.leave(seat) else {
            return Left::default();
        };
        if let Frames::Window(window) = &mut self.frames
            && !left.lagged
        {
            window.leave(left.next);
        }
        if let Some(deadline) = &self.deadline
            && left.deadline == deadline.get()
        {
            deadline.set(self.seats.latest_deadline());
        }
        let last = (left.creator && self.is_private()) || self.nobody_reads();
        if last {
            self.open = false;
        }
        Left {
            last,
            unblocked: self.blocked_since.is_some(),
        }
    }

    /// Those who were left behind read nothing any more.
    fn nobody_reads(&self) -> bool {
        self.seats.taken() == 0
            || matches!(self.frames, Frames::Window(_)) && self.seats.reading() == 0
    }

    /// Whether there is one reader left, of a reply that may still be kept.
    pub(super) const fn is_sole_hope(&self) -> bool {
        self.open && self.end.is_none() && self.seats.taken() == 1
    }

    /// Whether the reply may still be kept.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// There is no reader to say how long it may take.
    pub(super) fn outlive(&self, within: Duration) {
        if let Some(deadline) = &self.deadline {
            deadline.set(Deadline::after(Instant::now().into_std(), within));
        }
    }

    pub(super) const fn supersede(&mut self) {
        self.superseded = true;
        self.open = false;
    }

    pub(super) const fn is_superseded(&self) -> bool {
        self.superseded
    }

    // What the upstream gives.

    pub(super) fn arrive(&mut self, arrived: Arrived, private: bool) {
        if private {
            self.open = false;
        }
        self.head = Some(Arc::new(Head {
            parts: arrived.head,
            hint: arrived.hint,
            private,
        }));
    }

    /// Takes a frame, and lets go of the beginning once all of it is more than `limit` bytes. Says
    /// whether that is now: nobody may join any more.
    pub(super) fn push(&mut self, frame: Frame<Bytes>, limit: usize) -> bool {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                self.trailers = frame.into_trailers().ok();
                return false;
            }
        };
        match &mut self.frames {
            Frames::Whole(recording) => {
                recording.push(data);
                if recording.len_bytes() > limit {
                    let window = Window::new(recording.frames(), self.seats.next());
                    self.frames = Frames::Window(window);
                    self.open = false;
                    return true;
                }
            }
            Frames::Window(window) => window.push(data, self.seats.reading()),
            Frames::Landed(_) => {}
        }
        false
    }

    /// What has come, if it is all there from the first byte on, `compact` if it is to be kept. Stays
    /// what readers read.
    pub(super) fn recording(&mut self, compact: bool) -> Option<Arc<Recording>> {
        if let Frames::Whole(recording) = &mut self.frames {
            let mut recording = std::mem::take(recording);
            if let Some(trailers) = &self.trailers {
                recording.set_trailers(trailers.clone());
            }
            if compact {
                recording.compact();
            }
            self.frames = Frames::Landed(Arc::new(recording));
        }
        match &self.frames {
            Frames::Landed(recording) => Some(recording.clone()),
            Frames::Whole(_) | Frames::Window(_) => None,
        }
    }

    pub(super) fn head(&self) -> Option<Arc<Head>> {
        self.head.clone()
    }

    fn is_private(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.private)
    }

    pub(super) fn complete(&mut self) {
        self.open = false;
        self.end = Some(End::Complete);
    }

    pub(super) fn fail(&mut self, error: BoxError) {
        self.open = false;
        self.end = Some(if error.is::<Panicked>() {
            End::Panicked
        } else if self.seats.taken() <= 1 {
            End::Sole(Some(error))
        } else {
            End::Shared(Shared::new(error))
        });
    }

    // What readers take.

    pub(super) fn take_head(&mut self, seat: usize) -> Take<HeadTaken> {
        let private = self.is_private();
        let Some(own) = self.seats.get_mut(seat) else {
            return Take::Ready(HeadTaken::Own);
        };
        if own.lagged || (private && !own.creator) {
            return Take::Ready(HeadTaken::Own);
        }
        let Some(head) = &self.head else {
            return match &mut self.end {
                Some(end) => Take::Ready(HeadTaken::Failed(end.error())),
                None => Take::Wait,
            };
        };
        Take::Ready(HeadTaken::Head {
            parts: head.parts.clone(),
            hint: head.hint,
            over: self.is_over(0, false),
        })
    }

    pub(super) fn take_frame(&mut self, seat: usize, limit: usize) -> Take<FrameTaken> {
        let Some(own) = self.seats.get_mut(seat) else {
            return Take::Ready(FrameTaken::last(Next::End));
        };
        if own.lagged {
            return Take::Ready(FrameTaken::last(Next::Lagged));
        }
        let frame = match &mut self.frames {
            Frames::Whole(recording) => recording.frames().get(own.next).cloned(),
            Frames::Landed(recording) => recording.frames().get(own.next).cloned(),
            Frames::Window(window) => window.read(own.next),
        };
        if let Some(frame) = frame {
            own.next += 1;
            let next = own.next;
            return Take::Ready(FrameTaken {
                next: Next::Frame(Frame::data(frame)),
                over: self.is_over(next, false),
                unblocked: self.unblock(limit),
            });
        }
        if let Some(trailers) = &self.trailers
            && !own.trailers
        {
            own.trailers = true;
            let (trailers, next) = (trailers.clone(), own.next);
            return Take::Ready(FrameTaken {
                next: Next::Frame(Frame::trailers(trailers)),
                over: self.is_over(next, true),
                unblocked: false,
            });
        }
        match &mut self.end {
            Some(End::Complete) => return Take::Ready(FrameTaken::last(Next::End)),
            Some(end) => return Take::Ready(FrameTaken::last(Next::Failed(end.error()))),
            None => {}
        }
        if self.is_full(limit) {
            let since = self.blocked_since.get_or_insert_with(Instant::now);
            return Take::Blocked(*since);
        }
        self.blocked_since = None;
        Take::Wait
    }

    /// Leaves those behind for whom the others have waited since `since`.
    pub(super) fn leave_behind(&mut self, since: Instant, limit: usize) {
        let Frames::Window(window) = &mut self.frames else {
            return;
        };
        if self.blocked_since != Some(since) {
            return;
        }
        let within = window.within(limit);
        for seat in self.seats.iter_mut() {
            if !seat.lagged && seat.next < within {
                seat.lagged = true;
                window.leave(seat.next);
            }
        }
        self.blocked_since = None;
    }

    /// Whether no more may be read from the upstream until somebody has read.
    fn is_full(&self, limit: usize) -> bool {
        matches!(&self.frames, Frames::Window(window) if window.bytes() > limit)
    }

    fn unblock(&mut self, limit: usize) -> bool {
        self.blocked_since.is_some() && !self.is_full(limit) && self.blocked_since.take().is_some()
    }

    /// Whether nothing is left for one who reads frame `next` next.
    fn is_over(&self, next: usize, trailers: bool) -> bool {
        let all = match &self.frames {
            Frames::Whole(recording) => recording.frames().len(),
            Frames::Landed(recording) => recording.frames().len(),
            Frames::Window(window) => window.end(),
        };
        matches!(self.end, Some(End::Complete))
            && next >= all
            && (trailers || self.trailers.is_none())
    }
}

#[derive(Default)]
pub(super) struct Left {
    pub(super) last: bool,
    pub(super) unblocked: bool,
}

impl FrameTaken {
    const fn last(next: Next) -> Self {
        Self {
            next,
            over: true,
            unblocked: false,
        }
    }
}

impl End {
    fn error(&mut self) -> BoxError {
        match self {
            Self::Shared(shared) => shared.clone().into(),
            Self::Sole(error) => error.take().unwrap_or_else(|| Panicked::new().into()),
            // Complete without a head cannot be.
            Self::Panicked | Self::Complete => Panicked::new().into(),
        }
    }
}
