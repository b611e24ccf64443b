//! The one type erasure of the client.

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{self, Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use crate::layers::{BoxError, body::ReqBody};

/// A stack of any type, boxed once. Cloning it costs a reference count.
///
/// A call costs two allocations over the static stack: its future, which holds the clone of the
/// stack that it readies and calls, and the body of its response.
#[derive(Clone)]
pub(crate) struct Stack(Arc<dyn Erased>);

impl Stack {
    pub(crate) fn new<S, R>(service: S) -> Self
    where
        S: Service<Request<ReqBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        Self(Arc::new(service))
    }

    pub(crate) fn call(&self, request: Request<ReqBody>) -> ResponseFuture {
        ResponseFuture(self.0.call_clone(request))
    }
}

trait Erased: Send + Sync {
    // Not `call`: that name is the service's own.
    fn call_clone(&self, request: Request<ReqBody>) -> Boxed;
}

type Boxed = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, BoxError>> + Send>>;

impl<S, R> Erased for S
where
    S: Service<Request<ReqBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    fn call_clone(&self, request: Request<ReqBody>) -> Boxed {
        let mut service = self.clone();
        // Nearly always it is ready: then the request need not be stored beside the service first.
        // If not, it is asked again with a waker that is heard.
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Box::pin(Erase {
                inner: service.call(request),
            }),
            Poll::Ready(Err(error)) => Box::pin(ready(Err(error.into()))),
            Poll::Pending => Box::pin(Erase {
                inner: Oneshot::new(service, request),
            }),
        }
    }
}

pin_project! {
    struct Erase<F> {
        #[pin]
        inner: F,
    }
}

impl<F, R, E> Future for Erase<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Spelled out: each `map` on the way would move the whole response once more.
        match task::ready!(self.project().inner.poll(cx)) {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Poll::Ready(Ok(Response::from_parts(head, ResponseBody::new(body))))
            }
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

/// Response future of [`Blossom`](crate::Blossom) as a `tower::Service`.
///
/// Dropping it cancels the call.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::{Body, client::ResponseFuture};
/// use tower::Service as _;
///
/// let request = http::Request::get(format!("{}/v1/models", sandbox.base_url()));
/// let answering: ResponseFuture = client.clone().call(request.body(Body::empty())?);
/// assert_eq!(answering.await?.status(), 200);
/// # Ok(())
/// # }
/// ```
pub struct ResponseFuture(Boxed);

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Response body of [`Blossom`](crate::Blossom) as a `tower::Service`.
///
/// Dropping it before its end closes the upstream's stream.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::{Body, client::ResponseBody};
/// use http_body_util::BodyExt as _;
/// use tower::Service as _;
///
/// let request = http::Request::get(format!("{}/v1/models", sandbox.base_url()));
/// let body: ResponseBody = client.clone().call(request.body(Body::empty())?).await?.into_body();
/// assert!(body.collect().await?.to_bytes().starts_with(b"{"));
/// # Ok(())
/// # }
/// ```
pub struct ResponseBody(ReqBody);

impl ResponseBody {
    fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(ReqBody::stream(body))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower::{ServiceBuilder, service_fn};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stack_that_is_not_ready_yet_is_waited_for() {
        // One call at a time: the second is ready when the first has answered.
        let stack = Stack::new(
            ServiceBuilder::new()
                .concurrency_limit(1)
                .service(service_fn(|_: Request<ReqBody>| async {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Ok::<_, BoxError>(Response::new(ReqBody::empty()))
                })),
        );
        let start = tokio::time::Instant::now();

        let call = || stack.call(Request::new(ReqBody::empty()));
        let (first, second) = tokio::join!(call(), call());

        assert!(first.is_ok() && second.is_ok());
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_stack_that_cannot_become_ready_says_why() {
        let broken = blossom_layers::test_util::ScriptedService::new([
            blossom_layers::test_util::Step::NotReady("closed"),
        ]);
        let call = Stack::new(broken).call(Request::new(ReqBody::empty()));

        assert_eq!(call.await.unwrap_err().to_string(), "closed");
    }
}
