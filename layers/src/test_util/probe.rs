use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

/// An inner service that panics when it is called without having been made ready.
///
/// A clone of it starts not ready, as a clone of `tower`'s `ConcurrencyLimit` does.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, Service as _, ServiceExt};
/// use blossom_layers::{test_util::ReadyProbe, timeout::TotalTimeoutLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// // A layer that called a clone of what it made ready would panic here.
/// let mut service = TotalTimeoutLayer::new(std::time::Duration::MAX).layer(ReadyProbe::default());
/// ServiceExt::<Request<()>>::ready(&mut service).await?;
/// assert_eq!(service.call(Request::new(())).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ReadyProbe {
    ready: bool,
}

impl Clone for ReadyProbe {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<B> Service<Request<B>> for ReadyProbe {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without poll_ready");
        ready(Ok(Response::new(req.into_body())))
    }
}
