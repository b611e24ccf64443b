//! An observer on a thread of its own, so that it cannot stall what it observes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::Progress;
use crate::layers::task;

/// How long the end of a batch waits for an observer to see the last state.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is told how far a batch is.
pub(super) type Callback = Box<dyn FnMut(Progress) + Send>;

/// Tells a callback the newest state.
pub(super) struct Observer {
    shared: Arc<Shared>,
    watched: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What the callback has not seen yet.
    news: Option<Progress>,
    /// Whether it runs.
    busy: bool,
    closed: bool,
    waker: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer {
    /// Without a thread to be had there is no observer.
    pub(super) fn start(mut callback: Callback) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let work = move || {
            while let Some(news) = theirs.next() {
                let call = catch_unwind(AssertUnwindSafe(|| callback(news)));
                let mut state = theirs.lock();
                state.busy = false;
                state.closed |= call.is_err();
            }
        };
        if task::thread("blossom-progress", work).is_err() {
            shared.lock().closed = true;
        }
        Self {
            shared,
            watched: false,
        }
    }

    pub(super) fn tell(&self, progress: Progress) {
        let mut state = self.shared.lock();
        if !state.closed {
            state.news = Some(progress);
            drop(state);
            self.shared.changed.notify_all();
        }
    }

    /// Waits until the callback has seen the last state, for a second at most.
    pub(super) fn poll_caught_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        if state.closed || state.news.is_none() && !state.busy {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        drop(state);
        if !std::mem::replace(&mut self.watched, true) {
            // The clock of a callback that hangs is the machine's, whatever the runtime's says.
            let shared = self.shared.clone();
            let watch = move || shared.give_up_after(PATIENCE);
            if task::thread("blossom-progress", watch).is_err() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Shared {
    /// The next state to show; `None` when there will be none.
    fn next(&self) -> Option<Progress> {
        let mut state = self.lock();
        loop {
            if !state.closed
                && let Some(news) = state.news.take()
            {
                state.busy = true;
                return Some(news);
            }
            self.changed.notify_all();
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
            if state.closed {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_up_after(&self, patience: Duration) {
        let behind = |state: &mut State| !state.closed && (state.busy || state.news.is_some());
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, patience, behind);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}
