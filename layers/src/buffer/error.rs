use std::{error, fmt};

use crate::BoxError;

/// The request's body failed while it was read; the inner service was not called.
///
/// ```
/// use blossom_layers::{buffer::{BufferLayer, RequestBodyFailed}, test_util::*};
/// # use http::Request;
/// # use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let inner = ScriptedService::default();
/// let request = Request::new(ScriptedBody::new().error("the line is cut"));
/// let error = BufferLayer::new().layer(inner.clone()).oneshot(request).await.unwrap_err();
/// assert!(error.is::<RequestBodyFailed>());
/// assert_eq!(inner.calls(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RequestBodyFailed {
    source: BoxError,
}

impl RequestBodyFailed {
    pub(super) const fn new(source: BoxError) -> Self {
        Self { source }
    }
}

impl fmt::Display for RequestBodyFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of the request could not be read")
    }
}

impl error::Error for RequestBodyFailed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}
