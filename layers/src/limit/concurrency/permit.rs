use std::{
    fmt,
    task::{Context, Poll},
};

use super::queue::{Queue, Verdict};
use crate::{
    body::{End, Guard},
    sync::Arc,
    types::{Overloaded, PartitionKey},
};

/// The right of one call to be under way. It hangs on the response body, and goes back with its end.
pub struct Permit {
    queue: Arc<Queue>,
    key: Option<PartitionKey>,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It has not asked yet, or was refused.
    Outside,
    /// It waits, or was given its permit or lost its place and does not know yet.
    Waiting(u64),
    Inside,
}

impl Permit {
    /// No permit yet; costs nothing until it asks.
    pub(super) const fn new(queue: Arc<Queue>, key: Option<PartitionKey>) -> Self {
        Self {
            queue,
            key,
            standing: Standing::Outside,
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.standing == Standing::Inside
    }

    /// Asks, or asks again; waits in the queue if there is no room.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Overloaded>> {
        let verdict = match self.standing {
            Standing::Outside => self.queue.ask(self.key.as_ref(), cx.waker()),
            Standing::Waiting(ticket) => self.queue.check(self.key.as_ref(), ticket, cx.waker()),
            Standing::Inside => Verdict::Granted,
        };
        match verdict {
            Verdict::Granted => {
                self.standing = Standing::Inside;
                Poll::Ready(Ok(()))
            }
            Verdict::Waiting(ticket) => {
                self.standing = Standing::Waiting(ticket);
                Poll::Pending
            }
            Verdict::Refused(overloaded) => {
                self.standing = Standing::Outside;
                Poll::Ready(Err(overloaded))
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        match self.standing {
            Standing::Outside => {}
            Standing::Waiting(ticket) => self.queue.leave(self.key.as_ref(), ticket),
            Standing::Inside => self.queue.give_back(self.key.as_ref()),
        }
    }
}

impl Guard for Permit {
    fn end(self, _end: End) {
        drop(self);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("key", &self.key)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}
