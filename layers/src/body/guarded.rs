use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// How a body ended.
///
/// ```
/// use std::sync::mpsc;
///
/// use blossom_layers::body::{End, Guarded, ReqBody};
/// use http_body_util::BodyExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let (tell, told) = mpsc::channel();
/// let body = Guarded::new(ReqBody::from("hello"), move |end: End| drop(tell.send(end)));
/// body.collect().await?;
/// assert_eq!(told.recv()?, End::Complete);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// It came to its end: a last frame with `is_end_stream`, or `None`.
    Complete,
    /// It failed.
    Failed,
    /// It was dropped before its end.
    Dropped,
}

/// What hangs on a body until it ends: a permit, a span, a reservation.
///
/// Implemented for closures `FnOnce(End)`.
///
/// [`end`](Self::end) may run inside `drop`: it must not block, and must not panic.
///
/// ```
/// use std::sync::mpsc;
///
/// use blossom_layers::body::{End, Guard, Guarded, ReqBody};
///
/// /// Tells somebody that a body is over.
/// struct Tell(mpsc::Sender<End>);
///
/// impl Guard for Tell {
///     fn end(self, end: End) {
///         let _ = self.0.send(end);
///     }
/// }
///
/// let (tell, told) = mpsc::channel();
/// drop(Guarded::new(ReqBody::from("hello"), Tell(tell)));
/// assert_eq!(told.recv(), Ok(End::Dropped));
/// ```
pub trait Guard {
    /// Sees each frame before it is passed on. Does nothing by default.
    ///
    /// ```
    /// # use blossom_layers::body::{End, Guard};
    /// # use bytes::Bytes;
    /// # use http_body::Frame;
    /// /// Counts the bytes that pass.
    /// struct Count(usize);
    ///
    /// impl Guard for Count {
    ///     fn frame(&mut self, frame: &Frame<Bytes>) {
    ///         self.0 += frame.data_ref().map_or(0, Bytes::len);
    ///     }
    /// #     fn end(self, _: End) {}
    /// }
    ///
    /// let mut count = Count(0);
    /// count.frame(&Frame::data("hello".into()));
    /// assert_eq!(count.0, 5);
    /// ```
    fn frame(&mut self, frame: &Frame<Bytes>) {
        let _ = frame;
    }

    /// Runs a poll of the body. What must be set up while the body works, such as the scope of a
    /// span, is set up here. Only runs it by default.
    ///
    /// ```
    /// # use blossom_layers::body::{End, Guard};
    /// /// Counts the polls.
    /// struct Polls(usize);
    ///
    /// impl Guard for Polls {
    ///     fn around<T>(&mut self, poll: impl FnOnce() -> T) -> T {
    ///         self.0 += 1;
    ///         poll()
    ///     }
    /// #     fn end(self, _: End) {}
    /// }
    ///
    /// let mut polls = Polls(0);
    /// assert_eq!(polls.around(|| "a frame"), "a frame");
    /// assert_eq!(polls.0, 1);
    /// ```
    fn around<T>(&mut self, poll: impl FnOnce() -> T) -> T
    where
        Self: Sized,
    {
        poll()
    }

    /// Called exactly once.
    ///
    /// ```
    /// # use std::cell::Cell;
    /// # use blossom_layers::body::{End, Guard};
    /// let failed = Cell::new(false);
    /// let guard = |end: End| failed.set(end == End::Failed);
    /// guard.end(End::Failed);
    /// assert!(failed.get());
    /// ```
    fn end(self, end: End);
}

impl<F: FnOnce(End)> Guard for F {
    fn end(self, end: End) {
        self(end);
    }
}

pin_project! {
    /// A body with a [`Guard`] that ends exactly once: with the last frame, with `None`, with an
    /// error, or when the body is dropped.
    ///
    /// A body that is at its end when it is made ends its guard in [`new`](Self::new). Everything
    /// else is passed on unchanged: frames, trailers, errors, `size_hint` and `is_end_stream`.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// use blossom_layers::body::{End, Guarded, ReqBody};
    ///
    /// let ended = Arc::new(Mutex::new(None));
    /// let guard = { let ended = ended.clone(); move |end| *ended.lock().unwrap() = Some(end) };
    ///
    /// let body = Guarded::new(ReqBody::from("hello"), guard);
    /// drop(body);
    /// assert_eq!(*ended.lock().unwrap(), Some(End::Dropped));
    /// ```
    pub struct Guarded<B, G: Guard> {
        #[pin]
        inner: B,
        guard: Option<G>,
    }

    impl<B, G: Guard> PinnedDrop for Guarded<B, G> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(guard) = this.project().guard.take() {
                guard.end(End::Dropped);
            }
        }
    }
}

impl<B: Body, G: Guard> Guarded<B, G> {
    /// Hangs `guard` on `inner`.
    ///
    /// ```
    /// # use std::cell::Cell;
    /// # use blossom_layers::body::{End, Guarded, ReqBody};
    /// let ended = Cell::new(None);
    /// let _body = Guarded::new(ReqBody::empty(), |end: End| ended.set(Some(end)));
    /// assert_eq!(ended.get(), Some(End::Complete), "there is nothing to read");
    /// ```
    pub fn new(inner: B, guard: G) -> Self {
        let guard = if inner.is_end_stream() {
            guard.end(End::Complete);
            None
        } else {
            Some(guard)
        };
        Self { inner, guard }
    }
}

impl<B, G: Guard> Guarded<B, G> {
    /// The guard, until it has ended.
    ///
    /// ```
    /// # use blossom_layers::body::{End, Guarded, ReqBody};
    /// let guard = |_: End| {};
    /// assert!(Guarded::new(ReqBody::from("hello"), guard).guard().is_some());
    /// assert!(Guarded::new(ReqBody::empty(), guard).guard().is_none());
    /// ```
    #[must_use]
    pub const fn guard(&self) -> Option<&G> {
        self.guard.as_ref()
    }

    /// The guard, until it has ended.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use blossom_layers::body::{End, Guard, Guarded, ReqBody};
    /// struct Limit(usize);
    /// # impl Guard for Limit {
    /// #     fn end(self, _: End) {}
    /// # }
    ///
    /// let mut body = pin!(Guarded::new(ReqBody::from("hello"), Limit(1)));
    /// if let Some(limit) = body.as_mut().guard_mut() {
    ///     limit.0 = 2;
    /// }
    /// assert_eq!(body.guard().map(|limit| limit.0), Some(2));
    /// ```
    #[must_use]
    pub fn guard_mut(self: Pin<&mut Self>) -> Option<&mut G> {
        self.project().guard.as_mut()
    }
}

impl<B, G> Guarded<B, G>
where
    B: Body<Data = Bytes>,
    G: Guard,
{
    /// As `poll_frame`, for guards that want to know the error that a body ends in: `failed` shows
    /// it to the guard before the guard ends.
    ///
    /// ```
    /// # use std::{future::poll_fn, pin::pin};
    /// # use blossom_layers::body::{End, Guarded, ReqBody};
    /// # use http_body_util::Limited;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let short = Limited::new(ReqBody::from("hello"), 4);
    /// let mut body = pin!(Guarded::new(short, |_: End| {}));
    /// let mut why = String::new();
    /// let frame = poll_fn(|cx| {
    ///     body.as_mut().poll_frame_with(cx, |_guard, error| why = error.to_string())
    /// });
    /// assert!(frame.await.is_some_and(|frame| frame.is_err()));
    /// assert_eq!(why, "length limit exceeded");
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_frame_with(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        failed: impl FnOnce(&mut G, &B::Error),
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let inner = this.inner.as_mut();
        let frame = ready!(match this.guard {
            Some(guard) => guard.around(|| inner.poll_frame(cx)),
            None => inner.poll_frame(cx),
        });
        let end = match &frame {
            Some(Ok(frame)) => {
                if let Some(guard) = this.guard {
                    guard.frame(frame);
                }
                // Nobody polls a body that says it is at its end.
                this.inner.is_end_stream().then_some(End::Complete)
            }
            Some(Err(error)) => {
                if let Some(guard) = this.guard {
                    failed(guard, error);
                }
                Some(End::Failed)
            }
            None => Some(End::Complete),
        };
        if let Some(end) = end
            && let Some(guard) = this.guard.take()
        {
            guard.end(end);
        }
        Poll::Ready(frame)
    }
}

impl<B, G> Body for Guarded<B, G>
where
    B: Body<Data = Bytes>,
    G: Guard,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.poll_frame_with(cx, |_, _| {})
    }

    fn is_end_stream(&self) -> bool {
        // While the guard is there, the end has not been seen. Not asked of what is within: of many
        // bodies in each other each would ask all that are further in.
        self.guard.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug, G: Guard> fmt::Debug for Guarded<B, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("inner", &self.inner)
            .field("ended", &self.guard.is_none())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http_body_util::BodyExt;

    use super::*;
    use crate::{BoxError, test_util::ScriptedBody};

    type Ends = Arc<Mutex<Vec<End>>>;

    fn guarded(body: ScriptedBody) -> (Guarded<ScriptedBody, impl Guard>, Ends) {
        let ends = Ends::default();
        let seen = ends.clone();
        let body = Guarded::new(body, move |end| seen.lock().unwrap().push(end));
        (body, ends)
    }

    fn ends(ends: &Ends) -> Vec<End> {
        ends.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn ends_with_the_last_frame_when_the_length_is_known() {
        let (mut body, seen) = guarded(ScriptedBody::new().data("a").data("b").sized());

        body.frame().await.unwrap().unwrap();
        assert_eq!(ends(&seen), []);
        body.frame().await.unwrap().unwrap();
        assert_eq!(ends(&seen), [End::Complete]);
        assert!(body.frame().await.is_none());
        drop(body);
        assert_eq!(ends(&seen), [End::Complete]);
    }

    #[tokio::test]
    async fn ends_with_none_when_the_length_is_unknown() {
        let (mut body, seen) = guarded(ScriptedBody::new().data("a"));

        body.frame().await.unwrap().unwrap();
        assert_eq!(ends(&seen), []);
        assert!(body.frame().await.is_none());
        assert_eq!(ends(&seen), [End::Complete]);
    }

    #[tokio::test]
    async fn ends_with_an_error() {
        let (mut body, seen) = guarded(ScriptedBody::new().error("cut"));

        let error: BoxError = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "cut");
        drop(body);
        assert_eq!(ends(&seen), [End::Failed]);
    }

    #[tokio::test]
    async fn ends_when_dropped() {
        let (mut body, seen) = guarded(ScriptedBody::new().data("a").data("b"));

        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(ends(&seen), [End::Dropped]);
    }

    #[test]
    fn a_body_that_is_at_its_end_when_made_ends_at_once() {
        let (body, seen) = guarded(ScriptedBody::new().sized());

        assert_eq!(ends(&seen), [End::Complete]);
        drop(body);
        assert_eq!(ends(&seen), [End::Complete]);
    }

    #[tokio::test]
    async fn passes_trailers_and_hints_on() {
        let (mut body, _) = guarded(ScriptedBody::new().data("abc").sized());
        assert_eq!(body.size_hint().exact(), Some(3));
        body.frame().await.unwrap().unwrap();
        assert!(body.is_end_stream());

        let (mut body, seen) = guarded(ScriptedBody::new().trailer("grpc-status", "0"));
        let trailers = body
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_trailers()
            .unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "0");
        assert!(body.frame().await.is_none());
        assert_eq!(ends(&seen), [End::Complete]);
    }
}
