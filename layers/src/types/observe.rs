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
pub type Deferred = Box<dyn FnOnce(&mut Record) + Send>;
