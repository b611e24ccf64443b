use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::answer;
use crate::BoxError;

pin_project! {
    /// Response body of [`Respond`](super::Respond): the inner service's, or an answer of its own.
    ///
    /// ```
    /// use blossom_layers::{respond::{RespondLayer, ResponseBody}, test_util::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = RespondLayer::new().layer(ScriptedService::new([Step::Fail("a secret")]));
    /// let body: ResponseBody<ScriptedBody> = service.oneshot(Request::new(())).await?.into_body();
    /// let text = String::from_utf8(body.collect().await?.to_bytes().into())?;
    /// assert!(text.starts_with('{') && !text.contains("a secret"), "an answer of its own");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Inner { #[pin] body: B, grpc: bool, ended: bool },
        Own { bytes: Bytes },
    }
}

impl<B> ResponseBody<B> {
    /// The inner service's body; `grpc` if its errors become trailers.
    pub(super) const fn inner(body: B, grpc: bool) -> Self {
        Self {
            kind: Kind::Inner {
                body,
                grpc,
                ended: false,
            },
        }
    }

    pub(super) const fn full(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Own { bytes },
        }
    }
}

impl<B> Body for ResponseBody<B>
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
        match self.project().kind.project() {
            KindProj::Inner { ended: true, .. } => Poll::Ready(None),
            KindProj::Inner { body, grpc, ended } => {
                Poll::Ready(ready!(body.poll_frame(cx)).map(|frame| {
                    frame.map_err(Into::into).or_else(|error: BoxError| {
                        *ended = true;
                        if *grpc {
                            Ok(Frame::trailers(answer::trailers(&error)))
                        } else {
                            Err(error)
                        }
                    })
                }))
            }
            KindProj::Own { bytes } => {
                let all = std::mem::take(bytes);
                Poll::Ready((!all.is_empty()).then(|| Ok(Frame::data(all))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body, ended, .. } => *ended || body.is_end_stream(),
            Kind::Own { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body, .. } => body.size_hint(),
            Kind::Own { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
