use std::{any::Any, fmt};

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
///
/// ```
/// use blossom_layers::{body::End, types::{Deferred, Observe, Record, Watch}};
/// use bytes::Bytes;
/// use http::{Response, StatusCode, response::Parts};
///
/// /// Sees no more than how the body ended.
/// struct Whole;
///
/// impl Watch for Whole {
///     fn data(&mut self, _: &Bytes, _: &mut Record) -> bool {
///         true
///     }
///
///     fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> {
///         None
///     }
/// }
/// // There is nothing to learn from an error page.
/// let policy = |head: &Parts| (head.status == StatusCode::OK).then_some(Whole);
/// assert!(policy.observe(&Response::new(()).into_parts().0).is_some());
/// ```
pub trait Observe {
    /// Follows one body.
    type Watch: Watch;

    /// Begins to follow the reply whose head is `head`, or `None` if there is nothing to learn.
    ///
    /// ```
    /// # fn main() -> Result<(), http::Error> {
    /// use blossom_layers::types::Observe;
    /// # use blossom_layers::{body::End, types::{Deferred, Record, Watch}};
    /// # use bytes::Bytes;
    /// use http::{Response, response::Parts};
    /// # struct Events;
    /// # impl Watch for Events {
    /// #     fn data(&mut self, _: &Bytes, _: &mut Record) -> bool { true }
    /// #     fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> { None }
    /// # }
    ///
    /// let policy = |head: &Parts| {
    ///     let kind = head.headers.get("content-type")?;
    ///     (kind == "text/event-stream").then_some(Events)
    /// };
    /// let page = Response::builder().header("content-type", "text/html").body(())?;
    /// assert!(policy.observe(&page.into_parts().0).is_none());
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// use blossom_layers::{body::End, types::{Deferred, Record, Watch}};
/// use bytes::Bytes;
///
/// /// Takes a full stop for the end of an answer.
/// #[derive(Default)]
/// struct Sentence { last: u8 }
///
/// impl Watch for Sentence {
///     fn data(&mut self, data: &Bytes, _: &mut Record) -> bool {
///         self.last = data.last().copied().unwrap_or(self.last);
///         !data.is_empty()
///     }
///
///     fn end(&mut self, _: End, record: &mut Record) -> Option<Deferred> {
///         record.complete &= self.last == b'.';
///         None
///     }
/// }
/// let (mut watch, mut record) = (Sentence::default(), Record::default());
/// assert!(watch.data(&Bytes::from_static(b"A flower is"), &mut record));
/// record.complete = true; // so far as the transport knows
/// watch.end(End::Complete, &mut record);
/// assert!(!record.complete);
/// ```
pub trait Watch {
    /// Sees a frame of data. Returns whether it held the beginning of the answer itself, which is
    /// what the *first event* clock waits for; comments and keep-alives are not.
    ///
    /// ```
    /// use blossom_layers::types::Watch;
    /// # use blossom_layers::{body::End, types::{Deferred, Record}};
    /// use bytes::Bytes;
    ///
    /// struct Lines;
    ///
    /// impl Watch for Lines {
    ///     fn data(&mut self, data: &Bytes, _: &mut Record) -> bool {
    ///         !data.starts_with(b":") // a comment keeps the connection alive
    ///     }
    /// #   fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> { None }
    /// }
    /// # let mut record = Record::default();
    /// assert!(!Lines.data(&Bytes::from_static(b": wait\n"), &mut record));
    /// assert!(Lines.data(&Bytes::from_static(b"data: A\n"), &mut record));
    /// ```
    fn data(&mut self, data: &Bytes, record: &mut Record) -> bool;

    /// Sees the end of the body, and says in [`Record::complete`] whether the reply is whole.
    ///
    /// It starts as the transport's word: true when the body came to its end, false when it failed
    /// or was dropped.
    ///
    /// What takes time, such as parsing a whole body, can be given back to be done when somebody
    /// first asks the [`Outcome`](super::Outcome), which may be never.
    ///
    /// ```
    /// use blossom_layers::{body::End, types::{Deferred, Record, Watch}};
    /// # use bytes::Bytes;
    ///
    /// /// Keeps the body, and reads it when somebody asks.
    /// struct Keep(Bytes);
    ///
    /// impl Watch for Keep {
    /// #   fn data(&mut self, _: &Bytes, _: &mut Record) -> bool { true }
    ///     fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> {
    ///         Some(Deferred::reading(self.0.clone(), |body, record| {
    ///             record.complete = body.ends_with(b"}");
    ///         }))
    ///     }
    /// }
    /// let mut record = Record::default();
    /// let read = Keep(Bytes::from_static(b"{}")).end(End::Complete, &mut record);
    /// assert!(read.is_some() && !record.complete);
    /// ```
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
    Decoding(Bytes, fn(&Bytes, &mut Record) -> Option<Decoded>),
    Any(Box<dyn FnOnce(&mut Record) + Send>),
}

impl Deferred {
    /// Work of any kind.
    ///
    /// ```
    /// use blossom_layers::types::{Deferred, Outcome, Usage};
    ///
    /// let outcome = Outcome::new();
    /// let tokens = 12;
    /// outcome.defer(Deferred::new(move |record| record.usage = Some(Usage::new(0, tokens))));
    /// assert_eq!(outcome.read(|record| record.usage), Some(Usage::new(0, 12)));
    /// ```
    pub fn new(work: impl FnOnce(&mut Record) + Send + 'static) -> Self {
        Self(Work::Any(Box::new(work)))
    }

    /// Work on bytes that were kept, without an allocation.
    ///
    /// ```
    /// use blossom_layers::types::{Deferred, Record};
    /// use bytes::Bytes;
    ///
    /// let mut record = Record::default();
    /// let body = Bytes::from_static(b"small");
    /// Deferred::reading(body, |body, record| {
    ///     record.model = std::str::from_utf8(body).ok().map(Into::into);
    /// })
    /// .run(&mut record);
    /// assert_eq!(record.model.as_deref(), Some("small"));
    /// ```
    #[must_use]
    pub const fn reading(data: Bytes, work: fn(&Bytes, &mut Record)) -> Self {
        Self(Work::Reading(data, work))
    }

    /// The same, where the reading gives the reply in a form that others need as well.
    ///
    /// ```
    /// use blossom_layers::types::{Decoded, Deferred, Outcome};
    /// use bytes::Bytes;
    ///
    /// let outcome = Outcome::new();
    /// outcome.defer(Deferred::decoding(Bytes::from_static(b"12"), |body, record| {
    ///     let number: Option<u32> = std::str::from_utf8(body).ok()?.parse().ok();
    ///     record.complete = number.is_some();
    ///     number.map(Decoded::new)
    /// }));
    /// assert!(outcome.complete());
    /// assert_eq!(outcome.take_decoded(), Some(12_u32), "it need not be read again");
    /// ```
    #[must_use]
    pub const fn decoding(data: Bytes, work: fn(&Bytes, &mut Record) -> Option<Decoded>) -> Self {
        Self(Work::Decoding(data, work))
    }

    /// Does it, and gives the reply's decoded form if that came of it.
    ///
    /// ```
    /// use blossom_layers::types::{Deferred, Record};
    ///
    /// let mut record = Record::default();
    /// let decoded = Deferred::new(|record| record.complete = true).run(&mut record);
    /// assert!(record.complete && decoded.is_none());
    /// ```
    pub fn run(self, record: &mut Record) -> Option<Decoded> {
        match self.0 {
            Work::Reading(data, work) => work(&data, record),
            Work::Decoding(data, work) => return work(&data, record),
            Work::Any(work) => work(record),
        }
        None
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}

/// A reply in the form that an observer has made of it, for whoever would make the same of it.
///
/// Whoever takes it must know that it is of the body that they have: layers further out may have
/// changed that.
///
/// ```
/// use blossom_layers::types::Decoded;
///
/// assert_eq!(Decoded::new("a text").downcast::<&str>().ok(), Some("a text"));
/// assert!(Decoded::new("a text").downcast::<u64>().is_err());
/// ```
pub struct Decoded(Box<dyn Any + Send>);

impl Decoded {
    /// Any value.
    ///
    /// ```
    /// use blossom_layers::types::Decoded;
    ///
    /// assert_eq!(Decoded::new(7_u64).downcast::<u64>().ok(), Some(7));
    /// ```
    pub fn new(value: impl Any + Send) -> Self {
        Self(Box::new(value))
    }

    /// The value, if it is of this type.
    ///
    /// # Errors
    ///
    /// Itself, if it is of another.
    ///
    /// ```
    /// use blossom_layers::types::Decoded;
    ///
    /// let decoded = Decoded::new(7_u64).downcast::<u32>().unwrap_err();
    /// assert_eq!(decoded.downcast::<u64>().ok(), Some(7));
    /// ```
    pub fn downcast<T: Any>(self) -> Result<T, Self> {
        self.0.downcast().map(|value| *value).map_err(Self)
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded").finish_non_exhaustive()
    }
}
