//! The headers of a reply that are worth reading.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, HeaderName,
    header::{AsHeaderName, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};

// Made once: a name that is given as text is parsed at each look-up.
const REQUEST_IDS: [HeaderName; 3] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("cf-ray"),
];
const MODEL_USED: HeaderName = HeaderName::from_static("x-model-used");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The upstream's name for the request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    REQUEST_IDS.iter().find_map(|name| text(headers, name))
}

/// The model that answered.
pub(crate) fn model_used(headers: &HeaderMap) -> Option<&str> {
    text(headers, MODEL_USED)
}

/// The media type without parameters; empty if there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let value = text(headers, CONTENT_TYPE).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
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

/// How long to wait before another try: `retry-after-ms`, or `Retry-After` in seconds or as a date
/// (RFC 9110 section 10.2.3). What makes no sense is as if it were absent; a past date is zero.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let millis = text(headers, RETRY_AFTER_MS).and_then(|value| value.trim().parse::<f64>().ok());
    if let Some(wait) = millis.and_then(|millis| seconds(millis / 1000.0)) {
        return Some(wait);
    }
    let value = text(headers, RETRY_AFTER)?.trim();
    if let Ok(number) = value.parse::<f64>() {
        return seconds(number);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// A wait of `seconds`; none if that is no length of time.
pub(crate) fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        retry_after(
            &headers,
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770),
        )
    }

    #[test]
    fn a_wait_comes_in_seconds_milliseconds_or_as_a_date() {
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("retry-after-ms", "250"),
            Some(Duration::from_millis(250))
        );
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(wait("retry-after", date), Some(Duration::from_secs(7)));
        let past = "Sun, 06 Nov 1983 08:49:37 GMT";
        assert_eq!(wait("retry-after", past), Some(Duration::ZERO));
    }

    #[test]
    fn f5_a_wait_that_makes_no_sense_is_absent() {
        for odd in [
            "NaN",
            "-1",
            "1e309",
            "1, 2",
            "soon",
            "inf",
            "1000000000000000000000000000000",
        ] {
            assert_eq!(wait("retry-after", odd), None, "{odd}");
            assert_eq!(wait("retry-after-ms", odd), None, "{odd}");
        }
    }
}
