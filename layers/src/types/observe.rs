use std::fmt;

use bytes::Bytes;
use http::response::Parts;

use super::Record;
use crate::body::End;

/// What there is to learn from the body of a reply.
///
/// The observe layer asks once for each reply, at its head; the [`Watch`] that is given back sees
/// every frame of data as it passes, and the end. Nobody else decodes the body.
///
/// Implemented for closures that take the head.
pub trait Observe {
    /// Follows one body.
    type Watch: Watch;

    /// Begins to follow the reply whose head is `head`, or `None` if there is nothing to learn.
    fn observe(&self, head: &Parts) -> Option<Self::Watch>;
}

impl<W: Watch, F: Fn(&Parts) -> Option<W>> Observe for F {
    type Watch = W;

    fn observe(&self, head: &Parts) -> Option<W> {
        self(head)
    }
}

/// Follows one response body. See [`Observe`].
///
/// Both methods run inside `poll_frame` or `drop`: they must not block, and must not panic.
pub trait Watch {
    /// Sees a frame of data. Returns whether it held the beginning of the answer itself, which is
    /// what the *first event* clock waits for; comments and keep-alives are not.
    fn data(&mut self, data: &Bytes, record: &mut Record) -> bool;

    /// Sees the end of the body, and says in [`Record::complete`] whether the reply is whole.
    ///
    /// It starts as the transport's word: true when the body came to its end, false when it failed
    /// or was dropped.
    ///
    /// What takes time, such as parsing a whole body, can be given back to be done when somebody
    /// first asks the [`Outcome`](super::Outcome), which may be never.
    fn end(&mut self, end: End, record: &mut Record) -> Option<Deferred>;
}

/// Work on a [`Record`] that waits until somebody asks for it.
///
/// It runs once, under the lock of the outcome: it must not block, and must not panic.
///
/// ```
/// use blossom_layers::types::{Deferred, Outcome};
/// use bytes::Bytes;
///
/// let outcome = Outcome::new();
/// outcome.defer(Deferred::reading(Bytes::from_static(b"done."), |data, record| {
///     record.complete = data.ends_with(b".");
/// }));
/// assert!(outcome.is_deferred());
/// assert!(outcome.complete());
/// assert!(!outcome.is_deferred());
/// ```
pub struct Deferred(Work);

enum Work {
    Reading(Bytes, fn(&Bytes, &mut Record)),
    Any(Box<dyn FnOnce(&mut Record) + Send>),
}

impl Deferred {
    /// Work of any kind.
    pub fn new(work: impl FnOnce(&mut Record) + Send + 'static) -> Self {
        Self(Work::Any(Box::new(work)))
    }

    /// Work on bytes that were kept, without an allocation.
    #[must_use]
    pub const fn reading(data: Bytes, work: fn(&Bytes, &mut Record)) -> Self {
        Self(Work::Reading(data, work))
    }

    /// Does it.
    pub fn run(self, record: &mut Record) {
        match self.0 {
            Work::Reading(data, work) => work(&data, record),
            Work::Any(work) => work(record),
        }
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}
