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
    // `None` if requests are all that is counted: a small claim is moved at little cost.
    estimated: Option<Box<Estimated>>,
    standing: Standing,
}

/// What a request takes beside being one.
#[derive(Debug)]
pub(super) struct Estimated {
    pub(super) units: Units,
    // Says of a request that was sent whether it waits in a queue further in.
    pub(super) held: Held,
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
    #[inline]
    pub(super) const fn new(
        limiter: Arc<Limiter>,
        whose: Whose,
        estimated: Option<Box<Estimated>>,
    ) -> Self {
        Self {
            limiter,
            whose,
            estimated,
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

    #[inline]
    pub(super) fn units(&self) -> Units {
        self.estimated
            .as_ref()
            .map_or(Units::ONE, |estimated| estimated.units)
    }

    fn is_held_back(&self) -> bool {
        let estimated = self.estimated.as_ref();
        estimated.is_some_and(|estimated| estimated.held.is_held())
    }

    /// Asks once; whether it is granted.
    // Values go in and out, and what every call goes through is inlined: the compiler then sees that
    // nobody else looks into the request on its way.
    #[inline]
    pub(super) fn try_grant(&mut self) -> bool {
        let units = self.units();
        let granted = match self.whose.take() {
            None => self.limiter.try_take(units),
            whose => {
                let (granted, whose) = self.limiter.try_take_of(whose, units);
                self.whose = whose;
                granted
            }
        };
        if let Some(at) = granted {
            self.standing = Standing::Granted(at);
        }
        granted.is_some()
    }

    /// Asks until it is granted or refused; waits until `deadline` at most, which may move.
    pub(super) fn poll(
        &mut self,
        deadline: impl Fn() -> Option<Instant>,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>> {
        loop {
            let (units, waker, deadline) = (self.units(), cx.waker(), deadline());
            let verdict = match self.standing {
                Standing::Outside => self.limiter.ask(&mut self.whose, units, deadline, waker),
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
    #[inline]
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
            let taken = self.units();
            if used != taken {
                self.limiter.settle(&self.whose, taken, used, at);
            }
        }
    }

    fn leave(&mut self) {
        match self.standing {
            Standing::Sent(_) if self.is_held_back() => self.settle(Units::default()),
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
    #[inline]
    fn drop(&mut self) {
        // What was sent and only counted leaves nothing behind.
        if self.estimated.is_some() || !matches!(self.standing, Standing::Sent(_)) {
            self.leave();
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("whose", &self.whose)
            .field("estimated", &self.estimated)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}
