//! What a caller sets for one call beside its request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header::ACCEPT};
use tokio::time::Instant;

use super::failure;
use crate::{
    Error, ErrorKind, Result,
    layers::{
        body::ReqBody,
        types::{CacheOptions, Deadline},
    },
    protocol::Invalid,
};

/// Most calls set none of it, and each setter moves the call: what is set is boxed.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    given: Option<Box<Given>>,
}

#[derive(Debug, Clone, Default)]
struct Given {
    headers: HeaderMap,
    illegal: Option<String>,
    timeout: Option<Duration>,
    cache: Option<CacheOptions>,
    cache_key: Option<String>,
}

impl Options {
    fn given(&mut self) -> &mut Given {
        self.given.get_or_insert_default()
    }

    pub(super) fn header(&mut self, name: &str, value: &str) {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                self.given().headers.append(name, value);
            }
            // Never the value: it may be a secret.
            (Ok(name), Err(_)) => {
                let given = self.given();
                given.illegal = Some(format!("the value of header {name} has illegal characters"));
            }
            (Err(_), _) => {
                let given = self.given();
                given.illegal = Some(format!("{} is not a header name", name.escape_debug()));
            }
        }
    }

    /// Changes what the call wants of the cache.
    pub(super) fn cache(&mut self, change: impl FnOnce(CacheOptions) -> CacheOptions) {
        let given = self.given();
        given.cache = Some(change(given.cache.take().unwrap_or_default()));
    }

    pub(super) fn timeout(&mut self, timeout: Duration) {
        self.given().timeout = Some(timeout);
    }

    pub(super) fn cache_key(&mut self, key: &str) {
        self.given().cache_key = Some(key.to_owned());
    }

    /// How the answer is to be kept, where the call does not say it itself.
    #[cfg(feature = "cache-memory")]
    pub(super) fn keep_as(&mut self, time_to_live: Option<Duration>, tag: Option<&str>) {
        let cache = self.given.as_ref().and_then(|given| given.cache.as_ref());
        let given = cache.and_then(CacheOptions::given_time_to_live);
        if let (None, Some(time_to_live)) = (given, time_to_live) {
            self.cache(|cache| cache.time_to_live(time_to_live));
        }
        if let Some(tag) = tag {
            self.cache(|cache| cache.tag(tag));
        }
    }

    /// The request as it is sent.
    pub(super) fn finish(
        self,
        encoded: std::result::Result<Request<Bytes>, Invalid>,
    ) -> Result<Request<ReqBody>> {
        self.finish_as(encoded, ReqBody::full)
    }

    /// The same with a body that is made of the bytes so.
    pub(super) fn finish_as(
        self,
        encoded: std::result::Result<Request<Bytes>, Invalid>,
        body: fn(Bytes) -> ReqBody,
    ) -> Result<Request<ReqBody>> {
        let mut request = encoded
            .map_err(|invalid| failure::invalid(&invalid))?
            .map(body);
        if let Some(given) = self.given {
            given.place(&mut request)?;
        }
        Ok(request)
    }
}

impl Given {
    /// Puts it where the stack finds it.
    fn place(mut self, request: &mut Request<ReqBody>) -> Result<()> {
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
        if let Some(key) = self.cache_key {
            // A stream is no answer to a call that wants the answer whole.
            let accept = request.headers().get(ACCEPT).map(HeaderValue::as_bytes);
            let streams = accept.is_some_and(|accept| accept.starts_with(b"text/event-stream"));
            let key = if streams { streamed(&key) } else { key };
            let options = self.cache.take().unwrap_or_default();
            self.cache = Some(options.key(&key));
        }
        if let Some(cache) = self.cache {
            request.extensions_mut().insert(cache);
        }
        Ok(())
    }
}

/// The key of the streamed form of an answer.
pub(super) fn streamed(key: &str) -> String {
    format!("{key}\0stream")
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
