use tower_layer::Layer;

use super::Buffer;

/// Applies [`Buffer`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::buffer::BufferLayer;
///
/// let layer = BufferLayer::new().max_request_bytes(256 * 1024);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BufferLayer {
    max_request_bytes: usize,
}

impl BufferLayer {
    /// A layer that keeps bodies of up to 1 MiB, which holds any chat without pictures.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use blossom_layers::{body::{Known, ReqBody}, buffer::BufferLayer};
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = BufferLayer::new().layer(service_fn(|request: Request<ReqBody>| async move {
    ///     Ok::<_, Infallible>(Response::new(request.body().bytes().is_some()))
    /// }));
    /// let is_known = service.oneshot(Request::new(Full::from("hello"))).await?.into_body();
    /// assert!(is_known);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_request_bytes: 1024 * 1024,
        }
    }

    /// The largest body that is kept, in bytes. A larger one stays a stream; zero keeps only empty
    /// ones.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use blossom_layers::{body::{Known, ReqBody}, buffer::BufferLayer};
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = BufferLayer::new().max_request_bytes(4);
    /// let service = layer.layer(service_fn(|request: Request<ReqBody>| async move {
    ///     Ok::<_, Infallible>(Response::new(request.body().bytes().is_some()))
    /// }));
    /// let is_known = service.oneshot(Request::new(Full::from("hello"))).await?.into_body();
    /// assert!(!is_known, "five bytes stay a stream");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_request_bytes(mut self, limit: usize) -> Self {
        self.max_request_bytes = limit;
        self
    }
}

impl Default for BufferLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for BufferLayer {
    type Service = Buffer<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Buffer::new(inner, self.max_request_bytes)
    }
}
