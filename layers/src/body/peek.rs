use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;

pin_project! {
    /// A body whose first frames can be seen before they are passed on.
    ///
    /// [`poll_peek`](Self::poll_peek) takes one more frame from the inner body and keeps it. Read as
    /// a body it gives the kept frames first, as they came, then the rest. An error met while
    /// peeking is kept in its place.
    ///
    /// ```
    /// use std::{future::poll_fn, pin::Pin};
    ///
    /// use blossom_layers::body::{Peek, ReqBody};
    /// use http_body_util::BodyExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut body = Peek::new(ReqBody::from("hello"));
    /// poll_fn(|cx| Pin::new(&mut body).poll_peek(cx).map(|_| ())).await;
    /// assert_eq!(body.text(), &b"hello"[..]);
    /// assert_eq!(body.collect().await?.to_bytes(), "hello", "nothing is lost");
    /// # Ok(())
    /// # }
    /// ```
    pub struct Peek<B> {
        #[pin]
        inner: B,
        kept: VecDeque<Result<Frame<Bytes>, BoxError>>,
        kept_bytes: usize,
        // The inner body gave `None` or an error: it must not be polled again.
        done: bool,
    }
}

impl<B> Peek<B> {
    /// A body of which nothing has been seen yet.
    ///
    /// ```
    /// # use blossom_layers::body::{Peek, ReqBody};
    /// let body = Peek::new(ReqBody::from("hello"));
    /// assert_eq!(body.kept().count(), 0);
    /// ```
    pub const fn new(inner: B) -> Self {
        Self {
            inner,
            kept: VecDeque::new(),
            kept_bytes: 0,
            done: false,
        }
    }

    /// The inner body, without what was kept.
    ///
    /// ```
    /// # use blossom_layers::body::{Peek, ReqBody};
    /// let body = Peek::new(ReqBody::from("hello")).into_inner();
    /// assert!(body.try_into_bytes().is_ok_and(|bytes| bytes == "hello"));
    /// ```
    pub fn into_inner(self) -> B {
        self.inner
    }

    /// The bytes of data that are kept.
    ///
    /// ```
    /// # use std::{future::poll_fn, pin::Pin};
    /// # use blossom_layers::body::{Peek, ReqBody};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut body = Peek::new(ReqBody::from("hello"));
    /// poll_fn(|cx| Pin::new(&mut body).poll_peek(cx).map(|_| ())).await;
    /// assert_eq!(body.kept_bytes(), 5);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// The frames that are kept, in order.
    ///
    /// ```
    /// # use std::{future::poll_fn, pin::Pin};
    /// # use blossom_layers::body::{Peek, ReqBody};
    /// # use http_body::Frame;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut body = Peek::new(ReqBody::from("hello"));
    /// poll_fn(|cx| Pin::new(&mut body).poll_peek(cx).map(|_| ())).await;
    /// let data: Vec<_> = body.kept().filter_map(Frame::data_ref).collect();
    /// assert_eq!(data, ["hello"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn kept(&self) -> impl Iterator<Item = &Frame<Bytes>> {
        self.kept.iter().filter_map(|frame| frame.as_ref().ok())
    }

    /// The data that is kept, in one piece; copied where it came in several frames.
    ///
    /// ```
    /// # use std::{future::poll_fn, pin::Pin};
    /// # use blossom_layers::body::{Peek, Recording, Replay};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut two_frames = Recording::default();
    /// # two_frames.push("hel".into());
    /// # two_frames.push("lo".into());
    /// let mut body = Peek::new(Replay::new(two_frames.into()));
    /// for _ in 0..2 {
    ///     poll_fn(|cx| Pin::new(&mut body).poll_peek(cx).map(|_| ())).await;
    /// }
    /// assert_eq!(body.text(), &b"hello"[..]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn text(&self) -> Cow<'_, [u8]> {
        let mut pieces = self.kept().filter_map(Frame::data_ref);
        let first = pieces.next().map_or(&[][..], |data| data);
        match pieces.next() {
            None => Cow::Borrowed(first),
            Some(second) => {
                let mut all = Vec::with_capacity(self.kept_bytes);
                all.extend_from_slice(first);
                all.extend_from_slice(second);
                pieces.for_each(|data| all.extend_from_slice(data));
                Cow::Owned(all)
            }
        }
    }

    /// The error that is kept, if the body failed while it was peeked into.
    ///
    /// ```
    /// # use std::{future::poll_fn, pin::Pin};
    /// # use blossom_layers::body::{Peek, ReqBody};
    /// # use http_body_util::Limited;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut body = Peek::new(Limited::new(ReqBody::from("hello"), 4));
    /// poll_fn(|cx| Pin::new(&mut body).poll_peek(cx).map(|_| ())).await;
    /// assert_eq!(body.error().ok_or("it has failed")?.to_string(), "length limit exceeded");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let last = self.kept.back()?.as_ref().err()?;
        Some(&**last)
    }
}

impl<B> Peek<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    /// Takes one more frame and shows it, or `None` at the end of the body.
    ///
    /// An error ends the body; it is shown once and given again to the reader. Cancel safe: a frame
    /// that was taken is kept.
    ///
    /// ```
    /// # use std::{future::poll_fn, pin::Pin};
    /// # use blossom_layers::body::{Peek, ReqBody};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut body = Peek::new(ReqBody::from("hello"));
    /// let length = poll_fn(|cx| {
    ///     let frame = Pin::new(&mut body).poll_peek(cx);
    ///     frame.map(|frame| Some(frame?.ok()?.data_ref()?.len()))
    /// });
    /// assert_eq!(length.await, Some(5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_peek<'a>(
        self: Pin<&'a mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<&'a Frame<Bytes>, &'a BoxError>>> {
        let this = self.project();
        if *this.done || this.inner.is_end_stream() {
            return Poll::Ready(None);
        }
        let Some(frame) = ready!(this.inner.poll_frame(cx)) else {
            *this.done = true;
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Into::into);
        match &frame {
            Ok(frame) => *this.kept_bytes += frame.data_ref().map_or(0, Bytes::len),
            Err(_) => *this.done = true,
        }
        this.kept.push_back(frame);
        Poll::Ready(this.kept.back().map(Result::as_ref))
    }
}

impl<B> Body for Peek<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if let Some(frame) = this.kept.pop_front() {
            if let Ok(frame) = &frame {
                *this.kept_bytes -= frame.data_ref().map_or(0, Bytes::len);
            }
            if this.kept.is_empty() {
                // The rest of the body may take minutes.
                *this.kept = VecDeque::new();
            }
            return Poll::Ready(Some(frame));
        }
        if *this.done {
            return Poll::Ready(None);
        }
        this.inner
            .poll_frame(cx)
            .map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.kept.is_empty() && (self.done || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let kept = self.kept_bytes as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(kept));
        if let Some(upper) = inner.upper().and_then(|upper| upper.checked_add(kept)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B: fmt::Debug> fmt::Debug for Peek<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek")
            .field("inner", &self.inner)
            .field("kept_bytes", &self.kept_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use http_body_util::BodyExt;

    use super::*;
    use crate::test_util::ScriptedBody;

    #[tokio::test]
    async fn gives_what_was_peeked_as_it_came() {
        let mut body = pin!(Peek::new(ScriptedBody::new().data("ab").data("c").sized()));

        let first = poll_fn(|cx| {
            body.as_mut()
                .poll_peek(cx)
                .map(|f| f.unwrap().unwrap().data_ref().cloned())
        })
        .await;
        assert_eq!(first.unwrap(), "ab");
        assert_eq!(body.kept_bytes(), 2);
        assert_eq!(body.size_hint().exact(), Some(3));

        let rest = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(rest, "ab");
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "c"
        );
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn keeps_an_error_in_its_place() {
        let mut body = pin!(Peek::new(ScriptedBody::new().data("ab").error("cut")));
        poll_fn(|cx| {
            body.as_mut()
                .poll_peek(cx)
                .map(|f| assert!(f.unwrap().is_ok()))
        })
        .await;
        poll_fn(|cx| {
            body.as_mut()
                .poll_peek(cx)
                .map(|f| assert!(f.unwrap().is_err()))
        })
        .await;
        poll_fn(|cx| body.as_mut().poll_peek(cx).map(|f| assert!(f.is_none()))).await;

        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "cut");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn shows_what_is_kept_in_one_piece_with_its_error() {
        let mut body = pin!(Peek::new(
            ScriptedBody::new().data("ab").data("c").error("cut")
        ));
        for text in ["ab", "abc", "abc"] {
            poll_fn(|cx| body.as_mut().poll_peek(cx).map(|_| ())).await;
            assert_eq!(body.text(), text.as_bytes());
        }

        assert_eq!(body.error().unwrap().to_string(), "cut");
    }

    #[tokio::test]
    async fn a_body_that_ended_while_peeked_is_not_at_its_end_until_read() {
        let mut body = pin!(Peek::new(ScriptedBody::new().data("ab").sized()));
        poll_fn(|cx| body.as_mut().poll_peek(cx).map(|f| assert!(f.is_some()))).await;

        assert!(!body.is_end_stream());
        body.frame().await.unwrap().unwrap();
        assert!(body.is_end_stream());
    }
}
