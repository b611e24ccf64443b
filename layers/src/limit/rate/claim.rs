use std::{
    fmt,
    task::{Context, Poll, ready},
};

use tokio::time::Instant;

use super::{
    limiter::{Limiter, Verdict, Whose},
    quota::Units,
};
use crate::{BoxError, sync::Arc, timer::Timer, types::Held};

/// What one request takes of the quotas: first its place in the queue, then what it was granted.
///
/// Dropped before it is [`sent`](Self::sent), it gives back all.
pub(super) struct Claim {
    limiter: Arc<Limiter>,
    whose: Whose,
    units: Units,
    // Says of one that was sent whether it waits in a queue further in.
    held: Option<Held>,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It has not asked yet, or was refused.
    Outside,
    Waiting(u64),
    /// Granted at this time.
    Granted(u64),
    /// It has gone to the upstream, whatever becomes of it.
    Sent(u64),
}

impl Claim {
    pub(super) const fn new(
        limiter: Arc<Limiter>,
        whose: Whose,
        units: Units,
        held: Option<Held>,
    ) -> Self {
        Self {
            limiter,
            whose,
            units,
            held,
            standing: Standing::Outside,
        }
    }

    pub(super) const fn is_granted(&self) -> bool {
        matches!(self.standing, Standing::Granted(_) | Standing::Sent(_))
    }

    pub(super) const fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    pub(super) const fn whose(&self) -> &Whose {
        &self.whose
    }

    pub(super) const fn units(&self) -> Units {
        self.units
    }

    /// Asks until it is granted or refused; waits until `deadline` at most, which may move.
    pub(super) fn poll(
        &mut self,
        deadline: impl Fn() -> Option<Instant>,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>> {
        loop {
            let (waker, deadline) = (cx.waker(), deadline());
            let verdict = match self.standing {
                Standing::Outside => self
                    .limiter
                    .ask(&mut self.whose, self.units, deadline, waker),
                Standing::Waiting(ticket) => {
                    self.limiter.check(&self.whose, ticket, deadline, waker)
                }
                Standing::Granted(_) | Standing::Sent(_) => return Poll::Ready(Ok(())),
            };
            let error: BoxError = match verdict {
                Verdict::Granted(at) => {
                    self.standing = Standing::Granted(at);
                    return Poll::Ready(Ok(()));
                }
                Verdict::Waiting { ticket, until } => {
                    self.standing = Standing::Waiting(ticket);
                    let until = until.map(|until| self.limiter.instant_of(until));
                    let Some(at) = until.into_iter().chain(deadline).min() else {
                        return Poll::Pending;
                    };
                    ready!(timer.poll_until(at, cx));
                    continue;
                }
                Verdict::Limited(limited) => limited.into(),
                Verdict::TooLarge(larger) => larger.into(),
            };
            self.leave();
            return Poll::Ready(Err(error));
        }
    }

    /// The request is on its way: from here on nothing comes back but by [`settle`](Self::settle).
    pub(super) fn sent(&mut self) {
        if let Standing::Granted(at) = self.standing {
            self.standing = Standing::Sent(at);
        }
    }

    /// It turned out that the request never left.
    pub(super) fn unsent(&mut self) {
        if let Standing::Sent(at) = self.standing {
            self.standing = Standing::Granted(at);
        }
        self.leave();
    }

    /// Corrects what it took to what was used.
    pub(super) fn settle(&mut self, used: Units) {
        if let Standing::Granted(at) | Standing::Sent(at) = self.standing {
            self.standing = Standing::Outside;
            if used != self.units {
                self.limiter.settle(&self.whose, self.units, used, at);
            }
        }
    }

    fn leave(&mut self) {
        match self.standing {
            Standing::Sent(_) if self.held.as_ref().is_some_and(Held::is_held) => {
                self.settle(Units::default());
            }
            Standing::Outside | Standing::Sent(_) => {}
            Standing::Waiting(ticket) => {
                self.standing = Standing::Outside;
                self.limiter.leave(&self.whose, ticket);
            }
            Standing::Granted(_) => self.settle(Units::default()),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("whose", &self.whose)
            .field("units", &self.units)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}
