//! Writing requests: paths, queries, bodies.

use std::{borrow::Cow, fmt::Display};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{ACCEPT, CONTENT_TYPE},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;

use super::Invalid;

/// The longest URL that is sent, in bytes; longer prompts belong in a body.
pub(super) const MAX_URL: usize = 2048;

/// The longest JSON body that the service takes, in bytes.
pub(super) const MAX_BODY: usize = 20 * 1024 * 1024;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
pub(super) const TEXT: HeaderValue =
    HeaderValue::from_static("text/plain, application/json;q=0.9, audio/*;q=0.8");
/// Everything but the unreserved characters of RFC 3986 section 2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Names that are lists of models wherever a prompt may stand.
pub(super) const LIST: &[&str] = &["models"];

/// The first segments that are routes of their own, on the text host of the v1 dialect or on a server
/// that speaks all dialects at one address.
pub(super) const V1_ROUTES: &[&str] = &[
    "3d",
    "__sandbox",
    "account",
    "api",
    "audio",
    "crossdomain.xml",
    "embeddings",
    "favicon.ico",
    "feed",
    "generate",
    "image",
    "models",
    "openai",
    "prompt",
    "realtime",
    "robots.txt",
    "text",
    "v1",
    "video",
];

/// Whether a prompt survives in a path.
///
/// Normalisation removes `.` and `..`, also encoded; an empty segment is another route, and so are
/// the names in `taken`.
pub(super) fn fits_path(prompt: &str, taken: &[&str]) -> bool {
    !matches!(prompt, "" | "." | "..") && !taken.contains(&prompt)
}

/// Decodes one path segment; `None` when it is not UTF-8.
pub(super) fn decode_segment(segment: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(segment).decode_utf8().ok()
}

/// Whether every percent sign is followed by two hexadecimal digits.
pub(super) fn is_percent_encoded(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        if byte == b'%' && !(hex() && hex()) {
            return false;
        }
    }
    true
}

/// A URL in the making: base, path, then query pairs.
#[derive(Debug)]
pub(super) struct Url {
    text: String,
    has_query: bool,
}

impl Url {
    pub(super) fn new(base: &str, path: &str) -> Self {
        let mut text = String::with_capacity(base.len() + path.len() + 64);
        text.push_str(base);
        text.push_str(path);
        Self {
            text,
            has_query: false,
        }
    }

    /// Appends `text` as one encoded path segment.
    pub(super) fn segment(mut self, text: &str) -> Self {
        self.push(text);
        self
    }

    /// Appends `text` as one path segment for a route that decodes it twice, so that a percent sign
    /// comes out as itself.
    pub(super) fn segment_decoded_twice(self, text: &str) -> Self {
        self.segment(&text.replace('%', "%25"))
    }

    /// Appends a query pair when there is a value.
    pub(super) fn pair<T: Display>(&mut self, name: &str, value: Option<T>) {
        let Some(value) = value else { return };
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(name);
        self.text.push('=');
        self.push(&value.to_string());
    }

    /// Appends a boolean when it is true; the service takes absence as false.
    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.pair(name, value.then_some("true"));
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.text.len() > MAX_URL
    }

    pub(super) fn build(self) -> Result<Uri, Invalid> {
        Uri::from_maybe_shared(self.text)
            .map_err(|error| Invalid::new("url", format!("cannot be written: {error}")))
    }

    fn push(&mut self, text: &str) {
        self.text.extend(utf8_percent_encode(text, ESCAPED));
    }
}

/// A GET request.
pub(super) fn get(uri: Uri, accept: HeaderValue) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri;
    request.headers_mut().insert(ACCEPT, accept);
    request
}

/// A POST request with a JSON body, written in one pass.
pub(super) fn post<T: Serialize>(
    uri: Uri,
    accept: HeaderValue,
    body: &T,
) -> Result<Request<Bytes>, Invalid> {
    let mut bytes = Vec::with_capacity(512);
    serde_json::to_writer(&mut bytes, body)
        .map_err(|error| Invalid::new("body", format!("cannot be written as JSON: {error}")))?;
    if bytes.len() > MAX_BODY {
        return Err(Invalid::new(
            "body",
            format!(
                "must have at most {MAX_BODY} bytes of JSON, not {}",
                bytes.len()
            ),
        ));
    }
    let mut request = Request::new(Bytes::from(bytes));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    request.headers_mut().insert(ACCEPT, accept);
    request.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(request)
}
