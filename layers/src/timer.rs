//! A timer that costs one pointer until somebody waits.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Made at the first wait, and used again for later ones.
///
/// Boxed, because it is larger than all the rest of a body, and most bodies are moved through a
/// whole stack without ever waiting for it.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Waits until `at`, or goes on to.
    pub(crate) fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }

    /// Lets go of the timer.
    #[cfg(feature = "timeout")]
    pub(crate) fn stop(&mut self) {
        self.0 = None;
    }
}
