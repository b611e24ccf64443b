use std::{error, fmt};

use crate::BoxError;

/// The request's body failed while it was read; the inner service was not called.
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
