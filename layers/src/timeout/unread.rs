//! Takes a body away that is held but not read.
//!
//! A body that nobody polls cannot time itself out, so a watched body lives in a slot that one task
//! for all bodies of a layer can reach. The task runs only while bodies are open.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep_until};

use super::Unread;
use crate::{
    BoxError,
    sync::{Mutex, lock},
    task,
};

/// Knows the open bodies of a layer and closes those that nobody reads.
#[derive(Clone)]
pub(super) struct Watchdog {
    shared: Arc<Shared>,
}

struct Shared {
    after: Duration,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    slots: Vec<Option<Weak<dyn Expire>>>,
    free: Vec<usize>,
    running: bool,
}

impl Watchdog {
    pub(super) fn new(after: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                after,
                open: Mutex::default(),
            }),
        }
    }

    /// Puts `body` where it can be taken away.
    pub(super) fn hold<B: Body + Send + 'static>(&self, body: B) -> Held<B> {
        let slot = Arc::new(Slot {
            state: Mutex::new(State {
                body: Some(Box::pin(body)),
                unread_since: Some(Instant::now()),
                expired: false,
            }),
        });
        let weak: Weak<dyn Expire> = Arc::downgrade(&(Arc::clone(&slot) as Arc<dyn Expire>));
        let index = self.shared.enter(weak);
        Held::Watched {
            watched: Watched {
                slot,
                index,
                shared: self.shared.clone(),
            },
        }
    }
}

impl Shared {
    fn enter(self: &Arc<Self>, slot: Weak<dyn Expire>) -> usize {
        let mut open = lock(&self.open);
        let index = if let Some(index) = open.free.pop() {
            if let Some(place) = open.slots.get_mut(index) {
                *place = Some(slot);
            }
            index
        } else {
            open.slots.push(Some(slot));
            open.slots.len() - 1
        };
        let start = !std::mem::replace(&mut open.running, true);
        drop(open);
        if start && !task::spawn(Arc::clone(self).watch()) {
            lock(&self.open).running = false;
        }
        index
    }

    fn leave(&self, index: usize) {
        let mut open = lock(&self.open);
        if let Some(place) = open.slots.get_mut(index) {
            *place = None;
            open.free.push(index);
        }
    }

    /// Sleeps until the first body can be due, until no body is open.
    async fn watch(self: Arc<Self>) {
        let mut mark = Running(&self, true);
        while let Some(next) = self.expire() {
            sleep_until(next).await;
        }
        mark.1 = false;
    }

    /// Closes what is due and says when to look again, or ends the task if nothing is open.
    fn expire(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut next = None::<Instant>;
        let mut due = Vec::new();
        let mut open = lock(&self.open);
        for slot in open.slots.iter().flatten().filter_map(Weak::upgrade) {
            // A wait that began after now cannot be due before now + after.
            let at = slot.unread_since().unwrap_or(now) + self.after;
            if at <= now {
                due.push(slot);
            } else {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        if next.is_none() && due.is_empty() {
            open.running = false;
            open.slots = Vec::new();
            open.free = Vec::new();
            return None;
        }
        drop(open);
        // Outside the lock: dropping a body runs the guards that hang on it.
        for slot in due {
            slot.expire(now, self.after);
        }
        Some(next.unwrap_or(now + self.after))
    }
}

/// Lets another task start when this one ends early, as when its runtime is shut down.
struct Running<'a>(&'a Shared, bool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.1 {
            lock(&self.0.open).running = false;
        }
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog")
            .field("after", &self.shared.after)
            .finish_non_exhaustive()
    }
}

trait Expire: Send + Sync {
    /// Since when nobody reads; `None` while somebody waits for a frame.
    fn unread_since(&self) -> Option<Instant>;

    /// Drops the body if nobody has read it for `after`.
    fn expire(&self, now: Instant, after: Duration);
}

struct Slot<B> {
    state: Mutex<State<B>>,
}

struct State<B> {
    body: Option<Pin<Box<B>>>,
    unread_since: Option<Instant>,
    expired: bool,
}

impl<B: Send> Expire for Slot<B> {
    fn unread_since(&self) -> Option<Instant> {
        lock(&self.state).unread_since
    }

    fn expire(&self, now: Instant, after: Duration) {
        let mut state = lock(&self.state);
        // It may have been read since it was found due.
        if state.unread_since.is_some_and(|since| since + after <= now) {
            state.expired = true;
            let body = state.body.take();
            drop(state);
            drop(body);
        }
    }
}

pin_project! {
    /// A body, within the reach of a [`Watchdog`] or not.
    #[project = HeldProj]
    pub(super) enum Held<B> {
        /// Not watched.
        Plain { #[pin] body: B },
        /// Watched.
        Watched { watched: Watched<B> },
    }
}

impl<B> Held<B> {
    pub(super) const fn plain(body: B) -> Self {
        Self::Plain { body }
    }
}

/// The reader's side of a slot.
pub(super) struct Watched<B> {
    slot: Arc<Slot<B>>,
    index: usize,
    shared: Arc<Shared>,
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        self.shared.leave(self.index);
    }
}

impl<B: Body<Data = Bytes>> Watched<B>
where
    B::Error: Into<BoxError>,
{
    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = lock(&self.slot.state);
        if std::mem::take(&mut state.expired) {
            return Poll::Ready(Some(Err(Unread::new(self.shared.after).into())));
        }
        let Some(body) = &mut state.body else {
            return Poll::Ready(None);
        };
        let polled = body.as_mut().poll_frame(cx);
        state.unread_since = polled.is_ready().then(Instant::now);
        polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }
}

impl<B> Body for Held<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            HeldProj::Plain { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            HeldProj::Watched { watched } => watched.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain { body } => body.is_end_stream(),
            Self::Watched { watched } => {
                let state = lock(&watched.slot.state);
                !state.expired && state.body.as_ref().is_none_or(|body| body.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain { body } => body.size_hint(),
            Self::Watched { watched } => lock(&watched.slot.state)
                .body
                .as_ref()
                .map_or_else(SizeHint::default, |body| body.size_hint()),
        }
    }
}

impl<B> fmt::Debug for Held<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain { .. } => "Held::Plain",
            Self::Watched { .. } => "Held::Watched",
        })
    }
}
