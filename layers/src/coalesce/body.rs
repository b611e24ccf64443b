use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::landing::Courtesy;
use crate::{BoxError, flight::Ride};

pin_project! {
    /// Response body of [`Coalesce`](super::Coalesce).
    ///
    /// ```
    /// use blossom_layers::coalesce::{CoalesceLayer, ResponseBody};
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, test_util::*, types::Scope};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let inner = ScriptedService::once(ScriptedBody::new().data("hello"));
    /// let service = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a")).layer(inner);
    /// let response = service.oneshot(Request::new(ReqBody::empty())).await?;
    /// let body: ResponseBody<ScriptedBody> = response.into_body();
    /// assert_eq!(body.collect().await?.to_bytes(), "hello");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct ResponseBody<R> {
        #[pin]
        ride: Ride<R, Courtesy>,
    }
}

impl<R> ResponseBody<R> {
    pub(super) const fn new(ride: Ride<R, Courtesy>) -> Self {
        Self { ride }
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
        self.project().ride.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.ride.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.ride.size_hint()
    }
}
