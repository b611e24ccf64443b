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
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     body::Guarded,
///     limit::concurrency::{ConcurrencyLimitLayer, Permit},
///     test_util::{ScriptedBody, ScriptedService},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let layer = ConcurrencyLimitLayer::new(8);
/// let service = layer.layer(ScriptedService::once(ScriptedBody::new()));
/// let response = service.oneshot(Request::new(())).await?;
/// let body: Guarded<ScriptedBody, Permit> = response.into_body();
/// assert!(body.guard().is_some());
/// drop(body);
/// assert_eq!(layer.handle().in_flight(), 0);
/// # Ok(())
/// # }
/// ```
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
    // Here and below: what every call goes through is worth inlining into its future, because the
    // compiler then sees that nobody else looks into the request.
    #[inline]
    pub(super) const fn new(queue: Arc<Queue>, key: Option<PartitionKey>) -> Self {
        Self {
            queue,
            key,
            standing: Standing::Outside,
        }
    }

    #[inline]
    pub(super) fn is_held(&self) -> bool {
        self.standing == Standing::Inside
    }

    /// Asks once; whether there was room.
    #[inline]
    pub(super) fn try_take(&mut self) -> bool {
        let taken = self.standing == Standing::Outside && self.queue.try_take(&self.key);
        if taken {
            self.standing = Standing::Inside;
        }
        taken
    }

    /// Asks, or asks again; waits in the queue if there is no room.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Overloaded>> {
        let verdict = match self.standing {
            Standing::Outside => self.queue.ask(&self.key, cx.waker()),
            Standing::Waiting(ticket) => self.queue.check(&self.key, ticket, cx.waker()),
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
    #[inline]
    fn drop(&mut self) {
        match self.standing {
            Standing::Outside => {}
            Standing::Waiting(ticket) => self.queue.leave(&self.key.take(), ticket),
            Standing::Inside => self.queue.give_back(self.key.take()),
        }
    }
}

impl Guard for Permit {
    #[inline]
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
