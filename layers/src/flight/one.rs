use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::response::Parts;
use http_body::Frame;
use tokio::time::Instant;

use super::{
    Panicked,
    board::{Home, Limits},
    driver::{Arrived, Drive, Event},
    state::State,
    wakers::{SharedWakers, Wakers},
};
use crate::{
    BoxError,
    body::Recording,
    sync::{Arc, Mutex, lock, try_lock},
    types::CacheKey,
};

/// What becomes of a flight beside being read. Both are called at most once, in this order, and not
/// under a lock that readers wait for.
pub(crate) trait Landing: Send + 'static {
    /// Whether replies are kept, and should hold no more memory than their bytes.
    const KEEPS: bool;

    /// What can be told of a flight while it is under way.
    type Note: Send + Sync + 'static;

    /// What a call brings for it beside the reply.
    type Cargo: 'static;

    /// What is to be told of this flight.
    fn note(&self) -> Self::Note;

    /// Sees the head before any reader does, and says who may read the reply.
    fn head(&mut self, head: &mut Parts, cargo: Self::Cargo) -> Share;

    /// Takes the whole reply before any reader sees its end. Not called for one that failed, was too
    /// large to be kept, or whose place a newer flight has taken.
    fn landed(self, head: &Parts, recording: Arc<Recording>);
}

/// Who may read a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// Whoever joins.
    All,
    /// The one who began the flight; the others call for themselves.
    Creator,
}

/// The future or body that is polled, and what is done with what it gives.
pub(super) struct Craft<L: Landing> {
    driver: Pin<Box<dyn Drive<L::Cargo>>>,
    landing: Option<L>,
    waker: Waker,
}

/// One call, and all who wait for it.
pub(super) struct Flight<L: Landing> {
    pub(super) key: CacheKey,
    pub(super) limits: Limits,
    pub(super) born: Instant,
    #[cfg_attr(
        not(feature = "cache"),
        expect(dead_code, reason = "a cache asks for it")
    )]
    pub(super) note: L::Note,
    pub(super) state: Mutex<State>,
    pub(super) wakers: SharedWakers,
    craft: Mutex<Option<Craft<L>>>,
    home: Arc<Home<L>>,
}

impl<L: Landing> Flight<L> {
    pub(super) fn new(
        key: CacheKey,
        limits: Limits,
        home: Arc<Home<L>>,
        state: State,
        driver: Pin<Box<dyn Drive<L::Cargo>>>,
        landing: L,
    ) -> Self {
        let wakers = Wakers::new();
        let note = landing.note();
        let craft = Craft {
            driver,
            landing: Some(landing),
            waker: Waker::from(wakers.clone()),
        };
        Self {
            key,
            limits,
            born: Instant::now(),
            note,
            state: Mutex::new(state),
            wakers,
            craft: Mutex::new(Some(craft)),
            home,
        }
    }

    /// Polls the upstream if it wants to be polled and nobody else does it. Says whether anything
    /// has come.
    pub(super) fn drive(&self, seat: usize) -> bool {
        let Some(mut place) = try_lock(&self.craft) else {
            // Whoever polls has seen a wake that came meanwhile when it is done.
            return false;
        };
        let Some(craft) = place.as_mut() else {
            return false;
        };
        let step = if self.wakers.take_woken() {
            craft.poll()
        } else {
            None
        };
        let Some(step) = step else {
            drop(place);
            // Woken while it was held: those who came and found it so must come again, also if this
            // one never does.
            if self.wakers.is_woken() {
                self.wakers.wake_all();
            }
            return false;
        };
        self.wakers.set_woken();
        let over = self.apply(step, &mut place);
        drop(place);
        self.wakers.wake_others(seat);
        // The upstream is over: what hangs on it is released now, outside all locks.
        drop(over);
        true
    }

    /// Makes what came visible. Gives the craft back when it is of no more use.
    fn apply(&self, step: Step, place: &mut Option<Craft<L>>) -> Option<Craft<L>> {
        match step {
            Step::Head(arrived, share) => {
                let ended = arrived.ended;
                lock(&self.state).arrive(arrived, share == Share::Creator);
                if share == Share::Creator {
                    self.home.remove(self);
                }
                if ended { self.end(Ok(()), place) } else { None }
            }
            Step::Frame(frame, last) => {
                if lock(&self.state).push(frame, self.limits.max_bytes) {
                    self.home.remove(self);
                }
                if last { self.end(Ok(()), place) } else { None }
            }
            Step::End => self.end(Ok(()), place),
            Step::Failed(error) => self.end(Err(error), place),
        }
    }

    fn end(&self, result: Result<(), BoxError>, place: &mut Option<Craft<L>>) -> Option<Craft<L>> {
        let mut craft = place.take()?;
        if let Err(error) = result {
            self.home.remove(self);
            // Dropped when the lock is free.
            let _origin = {
                let mut state = lock(&self.state);
                state.fail(error);
                state.take_origin()
            };
            return Some(craft);
        }
        let mut state = lock(&self.state);
        let recording = state.recording(L::KEEPS);
        let head = state.head();
        let superseded = state.is_superseded();
        drop(state);
        if let (Some(landing), Some(head), Some(recording)) =
            (craft.landing.take(), head, recording)
            && !superseded
        {
            // A store that panics costs the entry, not the reply.
            drop(catch_unwind(AssertUnwindSafe(|| {
                landing.landed(&head.parts, recording);
            })));
        }
        self.home.remove(self);
        // Dropped when the lock is free.
        let _origin = {
            let mut state = lock(&self.state);
            state.complete();
            state.take_origin()
        };
        Some(craft)
    }

    /// A reader goes. The last one takes the upstream with it.
    ///
    /// With `or_finish` the last one of a reply that can still be kept does not leave: `true`.
    pub(super) fn leave(&self, seat: usize, or_finish: bool) -> bool {
        let mut state = lock(&self.state);
        if or_finish && state.is_sole_hope() {
            return true;
        }
        let left = state.leave(seat);
        let ended = state.ended();
        drop(state);
        self.wakers.forget(seat);
        if left.last && !ended {
            self.home.remove(self);
            // Nobody is left to poll it.
            let craft = try_lock(&self.craft).and_then(|mut place| place.take());
            drop(craft);
        } else if left.unblocked {
            self.wakers.wake_all();
        }
        false
    }
}

impl<L: Landing> Craft<L> {
    /// `None` while nothing comes.
    fn poll(&mut self) -> Option<Step> {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut cx = Context::from_waker(&self.waker);
            let Poll::Ready(event) = self.driver.as_mut().poll(&mut cx) else {
                return None;
            };
            Some(match event {
                Event::Head(mut arrived, cargo) => {
                    let share = match &mut self.landing {
                        Some(landing) => landing.head(&mut arrived.head, cargo),
                        None => Share::Creator,
                    };
                    Step::Head(arrived, share)
                }
                Event::Frame(frame, last) => Step::Frame(frame, last),
                Event::End => Step::End,
                Event::Failed(error) => Step::Failed(error),
            })
        }));
        polled.unwrap_or_else(|_| Some(Step::Failed(Panicked::new().into())))
    }
}

/// What came, and who may have it.
enum Step {
    Head(Arrived, Share),
    Frame(Frame<Bytes>, bool),
    End,
    Failed(BoxError),
}
