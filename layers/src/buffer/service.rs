use std::{
    any::Any,
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use tower_service::Service;

use super::ResponseFuture;
use crate::{
    BoxError,
    body::{Known, ReqBody},
};

/// Turns any request body into a [`ReqBody`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::buffer::{Buffer, BufferLayer};
/// use tower_layer::Layer as _;
///
/// let service: Buffer<&str> = BufferLayer::new().layer("any service");
/// ```
#[derive(Debug, Clone)]
pub struct Buffer<S> {
    inner: S,
    max_request_bytes: usize,
}

impl<S> Buffer<S> {
    /// Wraps `inner`, and keeps bodies of up to `max_request_bytes`.
    ///
    /// ```
    /// # use blossom_layers::{buffer::Buffer, test_util::{ScriptedBody, ScriptedService}};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = Buffer::new(ScriptedService::default(), 64 * 1024);
    /// let request = Request::new(ScriptedBody::new().data("hello"));
    /// assert_eq!(service.oneshot(request).await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S, max_request_bytes: usize) -> Self {
        Self {
            inner,
            max_request_bytes,
        }
    }
}

impl<S, B> Service<Request<B>> for Buffer<S>
where
    S: Service<Request<ReqBody>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, mut body) = request.into_parts();
        if let Some(known) = already_known(&mut body, self.max_request_bytes) {
            let request = Request::from_parts(head, known);
            return ResponseFuture::calling(self.inner.call(request));
        }
        // The readied instance goes into the future; a clone stays.
        let clone = self.inner.clone();
        let readied = mem::replace(&mut self.inner, clone);
        ResponseFuture::reading(readied, head, body, self.max_request_bytes)
    }
}

/// The body as it is, if there is nothing to read.
fn already_known<B: Body + 'static>(body: &mut B, limit: usize) -> Option<ReqBody> {
    if body.is_end_stream() {
        return Some(ReqBody::empty());
    }
    let known = (body as &mut dyn Any).downcast_mut::<ReqBody>()?;
    match known.bytes() {
        Some(bytes) if bytes.len() <= limit => Some(mem::take(known)),
        // Sent as a stream: what needs the bytes must not see them.
        Some(_) => Some(ReqBody::stream(mem::take(known))),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{Ready, ready},
        sync::{Arc, Mutex},
        time::Duration,
    };

    use http::Response;
    use http_body_util::{BodyExt, Full};
    use tower::ServiceExt;

    use super::*;
    use crate::{
        buffer::{BufferLayer, RequestBodyFailed},
        test_util::ScriptedBody,
    };
    use tower_layer::Layer;

    /// Keeps the last body.
    #[derive(Clone, Default)]
    struct Keep(Arc<Mutex<Option<ReqBody>>>);

    impl Service<Request<ReqBody>> for Keep {
        type Response = Response<()>;
        type Error = Infallible;
        type Future = Ready<Result<Response<()>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
            *self.0.lock().unwrap() = Some(request.into_body());
            ready(Ok(Response::new(())))
        }
    }

    async fn buffered<B>(body: B, limit: usize) -> Result<ReqBody, BoxError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let keep = Keep::default();
        let layer = BufferLayer::new().max_request_bytes(limit);
        layer
            .layer(keep.clone())
            .oneshot(Request::new(body))
            .await?;
        Ok(keep.0.lock().unwrap().take().unwrap())
    }

    async fn text(body: ReqBody) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_in_many_frames_becomes_known() {
        let slow = ScriptedBody::new()
            .data("ab")
            .wait(Duration::from_secs(1))
            .data("c");
        let body = buffered(slow, 3).await.unwrap();

        assert_eq!(body.bytes().unwrap(), "abc");
    }

    #[tokio::test]
    async fn a_body_of_one_frame_is_not_copied() {
        let bytes = Bytes::from(vec![b'a'; 100]);
        let body = buffered(Full::new(bytes.clone()), 100).await.unwrap();

        assert_eq!(body.bytes().unwrap().as_ptr(), bytes.as_ptr());
    }

    #[tokio::test]
    async fn a_body_that_is_known_already_passes_without_being_read() {
        let bytes = Bytes::from(vec![b'a'; 100]);
        let body = buffered(ReqBody::full(bytes.clone()), 100).await.unwrap();

        assert_eq!(body.bytes().unwrap().as_ptr(), bytes.as_ptr());
    }

    #[tokio::test]
    async fn a_body_over_the_limit_stays_a_stream_and_loses_nothing() {
        for body in [
            ScriptedBody::new().data("abc").data("d"),
            ScriptedBody::new().data("abcd").sized(),
            ScriptedBody::new().data("ab").data("cd").sized(),
        ] {
            let body = buffered(body, 3).await.unwrap();
            assert!(body.bytes().is_none());
            assert_eq!(text(body).await, "abcd");
        }
        let known = buffered(ReqBody::from("abcd"), 3).await.unwrap();
        assert!(known.bytes().is_none());
        assert_eq!(text(known).await, "abcd");
    }

    #[tokio::test]
    async fn a_body_with_trailers_stays_a_stream_and_keeps_them() {
        let body = ScriptedBody::new().data("ab").trailer("x-sum", "1");
        let body = buffered(body, 9).await.unwrap();

        let whole = body.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap().get("x-sum").unwrap(), "1");
        assert_eq!(whole.to_bytes(), "ab");
    }

    #[tokio::test]
    async fn a_body_that_fails_is_a_typed_error_with_its_source() {
        let error = buffered(ScriptedBody::new().data("ab").error("cut"), 9)
            .await
            .unwrap_err();

        let failed = error.downcast_ref::<RequestBodyFailed>().unwrap();
        assert_eq!(
            std::error::Error::source(failed).unwrap().to_string(),
            "cut"
        );
    }

    #[tokio::test]
    async fn an_empty_body_is_known() {
        let body = buffered(ScriptedBody::new().sized(), 0).await.unwrap();

        assert!(body.bytes().unwrap().is_empty());
    }
}
