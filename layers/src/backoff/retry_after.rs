use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, HeaderName,
    header::{AsHeaderName, RETRY_AFTER},
};

/// Milliseconds, finer than the field of RFC 9110; as the services in the manner of `OpenAI` send it.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// How long the upstream asks to wait, by `retry-after-ms`, else by `Retry-After` in seconds or as a
/// date ([RFC 9110, section 10.2.3]).
///
/// What is no length of time is as if it were absent: a negative number, `NaN`, a number past the end
/// of time, a list. A date that has passed is zero. The answer is not capped: how long is too long is
/// for the caller to say.
///
/// `now` is the time by which a date is read.
///
/// [RFC 9110, section 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use blossom_layers::backoff::retry_after;
/// use http::{HeaderMap, header::RETRY_AFTER, HeaderValue};
///
/// let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("7"))]);
/// assert_eq!(retry_after(&headers, SystemTime::now()), Some(Duration::from_secs(7)));
/// ```
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let millis = text(headers, RETRY_AFTER_MS).and_then(|value| value.parse::<f64>().ok());
    if let Some(wait) = millis.and_then(|millis| seconds(millis / 1000.0)) {
        return Some(wait);
    }
    let value = text(headers, RETRY_AFTER)?;
    if let Ok(number) = value.parse() {
        return seconds(number);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// A wait of so many seconds, or `None` if that is no length of time.
///
/// For waits that stand elsewhere than in a header, such as in the body of an error.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::backoff::seconds;
///
/// assert_eq!(seconds(1.5), Some(Duration::from_millis(1500)));
/// assert_eq!(seconds(-1.0), None);
/// ```
#[must_use]
pub fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770)
    }

    fn wait(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        retry_after(&headers, now())
    }

    #[test]
    fn a_wait_comes_in_seconds_milliseconds_or_as_a_date() {
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("retry-after", "0"), Some(Duration::ZERO));
        assert_eq!(
            wait("retry-after-ms", " 250 "),
            Some(Duration::from_millis(250))
        );
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(wait("retry-after", date), Some(Duration::from_secs(7)));
    }

    #[test]
    fn h6_a_date_that_has_passed_is_no_wait_and_a_huge_number_is_one() {
        let past = "Sun, 06 Nov 1983 08:49:37 GMT";
        assert_eq!(wait("retry-after", past), Some(Duration::ZERO));
        assert_eq!(
            wait("retry-after", "9999999"),
            Some(Duration::from_secs(9_999_999))
        );
    }

    #[test]
    fn milliseconds_go_before_seconds_if_they_make_sense() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        for (millis, wait) in [("250", 250), ("-1", 7000)] {
            headers.insert("retry-after-ms", millis.parse().unwrap());
            assert_eq!(
                retry_after(&headers, now()),
                Some(Duration::from_millis(wait))
            );
        }
    }

    #[test]
    fn f5_a_wait_that_makes_no_sense_is_absent() {
        for odd in [
            "",
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

    proptest! {
        #[test]
        fn f5_no_value_is_a_panic(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(value) = http::HeaderValue::from_bytes(&value) {
                let headers: HeaderMap = ["retry-after", "retry-after-ms"]
                    .map(|name| (HeaderName::from_static(name), value.clone()))
                    .into_iter()
                    .collect();
                let wait = retry_after(&headers, now());
                prop_assert!(wait.is_none() || value.to_str().is_ok());
            }
        }
    }
}
