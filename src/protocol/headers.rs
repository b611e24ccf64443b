//! The headers of a reply that are worth reading.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

// Made once: a name that is given as text is parsed at each look-up.
const REQUEST_IDS: [HeaderName; 3] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("cf-ray"),
];
const MODEL_USED: HeaderName = HeaderName::from_static("x-model-used");

/// The upstream's name for the request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    REQUEST_IDS.iter().find_map(|name| text(headers, name))
}

/// The model that answered.
pub(crate) fn model_used(headers: &HeaderMap) -> Option<&str> {
    text(headers, &MODEL_USED)
}

/// The media type without parameters; empty if there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let value = value(headers, &CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let name = value.get(..end).unwrap_or_default().trim_ascii();
    std::str::from_utf8(name).unwrap_or_default()
}

/// Whether the reply says that it must not be kept.
pub(crate) fn no_store(headers: &HeaderMap) -> bool {
    headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-store"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let text = value(headers, name)?.to_str().ok()?;
    Some(text).filter(|text| !text.is_empty())
}

/// As `get`. Of a few headers all are looked at sooner than one is looked up.
pub(crate) fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    if headers.keys_len() > FEW {
        return headers.get(name);
    }
    let (_, value) = headers.iter().find(|(own, _)| *own == name)?;
    Some(value)
}

const FEW: usize = 8;
