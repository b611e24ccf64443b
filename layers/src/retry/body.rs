use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{BoxError, body::Peek};

pin_project! {
    /// Response body of [`Retry`](super::Retry): the inner one, as it came.
    ///
    /// ```
    /// # use http::Request;
    /// # use http_body_util::BodyExt as _;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use blossom_layers::{
    ///     body::ReqBody,
    ///     retry::{ResponseBody, RetryLayer},
    ///     test_util::{ScriptedBody, ScriptedService},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::once(ScriptedBody::new().data("hello"));
    /// let service = RetryLayer::default().layer(upstream);
    /// let response = service.oneshot(Request::new(ReqBody::empty())).await?;
    /// let body: ResponseBody<ScriptedBody> = response.into_body();
    /// assert_eq!(body.collect().await?.to_bytes(), "hello");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct ResponseBody<R> {
        #[pin]
        kind: Kind<R>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<R> {
        Passed {
            #[pin]
            body: R,
        },
        // Its head was held.
        Peeked {
            body: Peek<Pin<Box<R>>>,
        },
    }
}

impl<R> ResponseBody<R> {
    pub(super) const fn passed(body: R) -> Self {
        Self {
            kind: Kind::Passed { body },
        }
    }

    pub(super) const fn peeked(body: Peek<Pin<Box<R>>>) -> Self {
        Self {
            kind: Kind::Peeked { body },
        }
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().kind.project() {
            KindProj::Passed { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            KindProj::Peeked { body } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Peeked { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body } => body.size_hint(),
            Kind::Peeked { body } => body.size_hint(),
        }
    }
}
