//! The header fields of a cache: which are kept, and which it writes.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AGE, CACHE_STATUS, CONNECTION, CONTENT_LENGTH, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
        RETRY_AFTER, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

use crate::{directives::seconds, types::CacheStatus};

/// Of one connection or one moment: never kept.
const NEVER_KEPT: [HeaderName; 14] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    SET_COOKIE,
    RETRY_AFTER,
    AGE,
    CACHE_STATUS,
];

/// The headers of a reply as they are kept, with places for those that each hit writes.
pub(super) fn kept(headers: &HeaderMap) -> HeaderMap {
    let named_by_connection = |name: &HeaderName| {
        headers.get_all(CONNECTION).iter().any(|value| {
            value.as_bytes().split(|byte| *byte == b',').any(|part| {
                part.trim_ascii()
                    .eq_ignore_ascii_case(name.as_str().as_bytes())
            })
        })
    };
    let is_kept = |name: &HeaderName| {
        !NEVER_KEPT.contains(name) && !is_rate_limit(name) && !named_by_connection(name)
    };
    let mut kept = HeaderMap::with_capacity(headers.len() + 2);
    for (name, value) in headers.iter().filter(|(name, _)| is_kept(name)) {
        kept.append(name, value.clone());
    }
    kept.insert(AGE, HeaderValue::from_static("0"));
    kept.insert(CACHE_STATUS, value_of(CacheStatus::Hit));
    kept
}

/// What was left of a quota then says nothing of now.
fn is_rate_limit(name: &HeaderName) -> bool {
    let name = name.as_str();
    let name = name.strip_prefix("x-").unwrap_or(name);
    name.starts_with("ratelimit") || name.starts_with("rate-limit")
}

/// Writes what a stored reply says of itself.
pub(super) fn write_stored(headers: &mut HeaderMap, status: CacheStatus, age: Duration) {
    // A table for the first seconds saves an allocation of most hits of a burst.
    let age = match SMALL.get(usize::try_from(age.as_secs()).unwrap_or(usize::MAX)) {
        Some(text) => HeaderValue::from_static(text),
        None => HeaderValue::from(age.as_secs()),
    };
    put(headers, AGE, age);
    put(headers, CACHE_STATUS, value_of(status));
}

/// As `insert`. Of a few headers all are looked at sooner than one is looked up.
fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if headers.len() <= FEW {
        let mut there = headers.iter_mut().filter(|(key, _)| **key == name);
        if let (Some((_, one)), None) = (there.next(), there.next()) {
            *one = value;
            return;
        }
    }
    headers.insert(name, value);
}

/// Adds how a reply of the upstream came here.
pub(super) fn write_forwarded(headers: &mut HeaderMap, status: CacheStatus) {
    headers.append(CACHE_STATUS, value_of(status));
}

const fn value_of(status: CacheStatus) -> HeaderValue {
    match status {
        CacheStatus::Hit => const { HeaderValue::from_static("blossom; hit") },
        CacheStatus::Stale => const { HeaderValue::from_static("blossom; hit; detail=stale") },
        CacheStatus::Miss => const { HeaderValue::from_static("blossom; fwd=uri-miss") },
        CacheStatus::Coalesced => {
            const { HeaderValue::from_static("blossom; fwd=uri-miss; collapsed") }
        }
        CacheStatus::Bypass => const { HeaderValue::from_static("blossom; fwd=bypass") },
    }
}

/// How old the reply says it is.
pub(super) fn age(headers: &HeaderMap) -> Duration {
    headers.get(AGE).map_or(Duration::ZERO, |value| {
        seconds(value.as_bytes().trim_ascii())
    })
}

/// What the reply says its length is.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

const FEW: usize = 8;

const SMALL: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a9_what_is_of_one_connection_or_one_moment_is_not_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "text/plain"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("set-cookie", "id=1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("x-ratelimit-remaining", "3"),
            ("ratelimit", "\"a\";r=3"),
            ("retry-after", "3"),
            ("age", "5"),
            ("cache-status", "origin; hit"),
        ] {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }

        let kept = kept(&headers);

        let mut names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["age", "cache-status", "content-type", "date"]);
        assert_eq!(kept["age"], "0");
        assert_eq!(age(&headers), Duration::from_secs(5));
    }

    #[test]
    fn ages_are_written_in_full() {
        let mut headers = HeaderMap::new();
        for (age, text) in [(0, "0"), (9, "9"), (10, "10"), (86_400, "86400")] {
            write_stored(&mut headers, CacheStatus::Hit, Duration::from_secs(age));
            assert_eq!(headers[AGE], text);
        }
    }

    #[test]
    fn one_of_each_is_written_over_few_headers_and_over_many() {
        for others in [0, 1, FEW, 100] {
            let mut headers = HeaderMap::new();
            for number in 0..others {
                let name = HeaderName::try_from(format!("x-{number}")).unwrap();
                headers.append(name, "1".parse().unwrap());
            }
            for age in ["3", "4"] {
                headers.append(AGE, age.parse().unwrap());
            }
            for age in [0, 1] {
                write_stored(&mut headers, CacheStatus::Stale, Duration::from_secs(age));
            }
            assert_eq!(headers.len(), others + 2);
            assert_eq!(headers[AGE], "1");
            assert_eq!(headers[CACHE_STATUS], "blossom; hit; detail=stale");
        }
    }
}
