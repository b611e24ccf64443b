use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;

/// A body whose bytes may be known whole.
///
/// Layers that need the request's bytes ask this of its body: a cache to identify it, a retry to
/// send it again.
///
/// ```
/// use blossom_layers::body::{Known, ReqBody};
///
/// /// The bytes to sign, if they are known.
/// fn to_sign(body: &impl Known) -> Option<&[u8]> {
///     body.bytes().map(|bytes| &bytes[..])
/// }
///
/// assert_eq!(to_sign(&ReqBody::from("hello")), Some(&b"hello"[..]));
/// ```
pub trait Known: Sized {
    /// The bytes of the whole body, if they are in memory and none has been read yet.
    ///
    /// ```
    /// # use blossom_layers::body::{Known, ReqBody};
    /// # use http_body_util::Full;
    /// assert!(ReqBody::from("hello").bytes().is_some_and(|bytes| bytes == "hello"));
    /// assert!(ReqBody::stream(Full::from("hello")).bytes().is_none());
    /// ```
    fn bytes(&self) -> Option<&Bytes>;

    /// A body that will send the same bytes, if they are in memory. Copies nothing.
    ///
    /// ```
    /// # use blossom_layers::body::{Known, ReqBody};
    /// # use http_body_util::Full;
    /// assert!(ReqBody::from("hello").try_clone().is_some());
    /// assert!(ReqBody::stream(Full::from("hello")).try_clone().is_none());
    /// ```
    fn try_clone(&self) -> Option<Self>;

    /// Whether whoever wrote the body says that it is JSON in canonical form, as
    /// `cache::key::canonical_json` writes it. A key policy then takes the
    /// bytes as they are, which saves reading them as JSON: the key is the same as without.
    ///
    /// Default: no. A body of which it is said wrongly gets a key of its own, and is not found again:
    /// never another's.
    ///
    /// ```
    /// # use blossom_layers::body::{Known, ReqBody};
    /// let text = r#"{"model":"small"}"#;
    /// assert!(ReqBody::canonical_json(text.into()).is_canonical_json());
    /// assert!(!ReqBody::from(text).is_canonical_json());
    /// ```
    fn is_canonical_json(&self) -> bool {
        false
    }
}

/// A request body: empty, whole in memory, or a stream.
///
/// The first two are [`Known`]: they can be looked at and sent again. A stream can be sent once.
///
/// ```
/// use blossom_layers::body::{Known, ReqBody};
///
/// let body = ReqBody::from("hello");
/// assert_eq!(body.bytes().unwrap(), "hello");
/// assert!(body.try_clone().is_some());
/// ```
pub struct ReqBody(Kind);

enum Kind {
    // Empty once it has been read, with the `bool` set.
    Full {
        bytes: Bytes,
        read: bool,
        canonical: bool,
    },
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl ReqBody {
    /// The bytes of a body that is in memory, or the body as it was if it is not. None are left of one
    /// that has been read.
    ///
    /// ```
    /// use blossom_layers::body::ReqBody;
    ///
    /// assert_eq!(ReqBody::from("hello").try_into_bytes().unwrap(), "hello");
    /// ```
    ///
    /// # Errors
    ///
    /// The body itself, if it is a stream.
    pub fn try_into_bytes(self) -> Result<Bytes, Self> {
        match self.0 {
            Kind::Full { bytes, .. } => Ok(bytes),
            Kind::Stream(_) => Err(self),
        }
    }

    /// A body without bytes.
    ///
    /// ```
    /// # use blossom_layers::body::{Known, ReqBody};
    /// assert!(ReqBody::empty().bytes().is_some_and(|bytes| bytes.is_empty()));
    /// ```
    #[must_use]
    pub const fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// A body of all of `bytes`.
    ///
    /// ```
    /// # use blossom_layers::body::{Known, ReqBody};
    /// # use bytes::Bytes;
    /// let body = ReqBody::full(Bytes::from_static(b"hello"));
    /// assert!(body.bytes().is_some_and(|bytes| bytes == "hello"));
    /// ```
    #[must_use]
    pub const fn full(bytes: Bytes) -> Self {
        Self(Kind::Full {
            bytes,
            read: false,
            canonical: false,
        })
    }

    /// A body of all of `bytes`, which are JSON in canonical form: see
    /// [`is_canonical_json`](Known::is_canonical_json).
    ///
    /// ```
    /// # use blossom_layers::body::{Known, ReqBody};
    /// let body = ReqBody::canonical_json(r#"{"messages":[],"model":"small"}"#.into());
    /// assert!(body.try_clone().is_some_and(|clone| clone.is_canonical_json()));
    /// ```
    #[must_use]
    pub const fn canonical_json(bytes: Bytes) -> Self {
        Self(Kind::Full {
            bytes,
            read: false,
            canonical: true,
        })
    }

    /// A body that is read from `body` as it is sent, and can be sent only once.
    ///
    /// ```
    /// # use blossom_layers::body::{Known, ReqBody};
    /// # use http_body_util::Full;
    /// let body = ReqBody::stream(Full::from("hello"));
    /// assert!(body.try_clone().is_none(), "it can be sent but once");
    /// ```
    #[must_use]
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Kind::Stream(Box::pin(Unify { inner: body })))
    }
}

impl Known for ReqBody {
    fn bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Full {
                bytes, read: false, ..
            } => Some(bytes),
            Kind::Full { .. } | Kind::Stream(_) => None,
        }
    }

    fn try_clone(&self) -> Option<Self> {
        let bytes = self.bytes()?.clone();
        Some(if self.is_canonical_json() {
            Self::canonical_json(bytes)
        } else {
            Self::full(bytes)
        })
    }

    fn is_canonical_json(&self) -> bool {
        matches!(
            self.0,
            Kind::Full {
                canonical: true,
                ..
            }
        )
    }
}

impl Body for ReqBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Kind::Full { bytes, read, .. } => {
                *read = true;
                let all = std::mem::take(bytes);
                Poll::Ready((!all.is_empty()).then(|| Ok(Frame::data(all))))
            }
            Kind::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full { bytes, .. } => bytes.is_empty(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

impl Default for ReqBody {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<()> for ReqBody {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Bytes> for ReqBody {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl From<Vec<u8>> for ReqBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::full(bytes.into())
    }
}

impl From<String> for ReqBody {
    fn from(text: String) -> Self {
        Self::full(text.into())
    }
}

impl From<&'static str> for ReqBody {
    fn from(text: &'static str) -> Self {
        Self::full(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for ReqBody {
    // Never the bytes: they are the prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Full { bytes, .. } => write!(f, "ReqBody({} bytes)", bytes.len()),
            Kind::Stream(_) => f.write_str("ReqBody(stream)"),
        }
    }
}

pin_project! {
    struct Unify<B> {
        #[pin]
        inner: B,
    }
}

impl<B> Body for Unify<B>
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
        self.project()
            .inner
            .poll_frame(cx)
            .map(|frame| frame.map(|result| result.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::test_util::ScriptedBody;

    #[tokio::test]
    async fn a_known_body_can_be_sent_again() {
        let body = ReqBody::from("hello");
        let again = body.try_clone().unwrap();

        assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
        assert_eq!(again.collect().await.unwrap().to_bytes(), "hello");
    }

    #[tokio::test]
    async fn a_body_that_was_read_is_not_known_any_more() {
        let mut body = ReqBody::from("hello");
        body.frame().await.unwrap().unwrap();

        assert!(body.is_end_stream());
        assert!(body.bytes().is_none());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_stream_is_sent_as_it_comes_and_is_not_known() {
        let body = ReqBody::stream(ScriptedBody::new().data("a").data("b"));

        assert!(body.bytes().is_none());
        assert!(body.try_clone().is_none());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");
    }

    #[test]
    fn an_empty_body_is_known_and_at_its_end() {
        assert!(ReqBody::empty().is_end_stream());
        assert!(ReqBody::empty().bytes().unwrap().is_empty());
    }

    #[test]
    fn debug_does_not_show_the_bytes() {
        assert_eq!(format!("{:?}", ReqBody::from("secret")), "ReqBody(6 bytes)");
    }
}
