use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response, header::SET_COOKIE};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{ResponseBody, landing::Courtesy};
use crate::{
    BoxError,
    flight::{By, Call},
    types::CacheStatus,
};

pin_project! {
    /// Response future of [`Coalesce`](super::Coalesce).
    ///
    /// ```
    /// use blossom_layers::coalesce::{CoalesceLayer, ResponseFuture};
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, test_util::*, types::Scope};
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    ///
    /// /// What equal requests to a service `S` wait for.
    /// type Answer<S> = ResponseFuture<S, ReqBody, <S as Service<Request<ReqBody>>>::Future>;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"));
    /// let mut service = layer.layer(ScriptedService::default());
    /// let answer: Answer<ScriptedService> = service.call(Request::new(ReqBody::empty()));
    /// assert_eq!(answer.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        call: Call<S, B, F, Courtesy>,
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    pub(super) const fn new(call: Call<S, B, F, Courtesy>) -> Self {
        Self { call }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut caught = ready!(self.project().call.poll(cx))?;
        if caught.by == By::Follower {
            caught.head.headers.remove(SET_COOKIE);
            caught.head.extensions.insert(CacheStatus::Coalesced);
        }
        let body = ResponseBody::new(caught.body);
        Poll::Ready(Ok(Response::from_parts(caught.head, body)))
    }
}

impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseFuture").field(&self.call).finish()
    }
}
