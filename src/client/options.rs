//! What a caller sets for one call beside its request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::time::Instant;

use super::failure;
use crate::{
    Error, ErrorKind, Result,
    layers::{body::ReqBody, types::Deadline},
    protocol::Invalid,
};

#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    headers: HeaderMap,
    illegal: Option<String>,
    pub(super) timeout: Option<Duration>,
}

impl Options {
    pub(super) fn header(&mut self, name: &str, value: &str) {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            // Never the value: it may be a secret.
            (Ok(name), Err(_)) => {
                self.illegal = Some(format!("the value of header {name} has illegal characters"));
            }
            (Err(_), _) => {
                self.illegal = Some(format!("{} is not a header name", name.escape_debug()));
            }
        }
    }

    /// The request as it is sent.
    pub(super) fn finish(
        self,
        encoded: std::result::Result<Request<Bytes>, Invalid>,
    ) -> Result<Request<ReqBody>> {
        let mut request = encoded
            .map_err(|invalid| failure::invalid(&invalid))?
            .map(ReqBody::full);
        if let Some(illegal) = self.illegal {
            return Err(
                Error::new(ErrorKind::InvalidRequest, illegal).with_suggestion(
                    "header names and values are printable ASCII, without line ends",
                ),
            );
        }
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        if let Some(timeout) = self.timeout
            && let Some(deadline) = Deadline::after(Instant::now().into_std(), timeout)
        {
            request.extensions_mut().insert(deadline);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k4_a_header_that_is_not_legal_is_refused_and_not_shown() {
        for value in ["a\r\nx-evil: 1", "a\0b", "a\nb"] {
            let mut options = Options::default();
            options.header("x-note", value);
            let error = options.finish(Ok(Request::default())).unwrap_err();

            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.to_string().contains("x-note"));
            assert!(!format!("{error}{error:?}").contains("evil"));
        }
    }

    #[test]
    fn a_name_that_is_not_legal_is_refused() {
        let mut options = Options::default();
        options.header("not a name", "1");

        assert!(options.finish(Ok(Request::default())).is_err());
    }
}
