//! The header fields of a cache: which are kept, and which it writes.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AGE, CACHE_STATUS, CONNECTION, CONTENT_LENGTH, Entry, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, RETRY_AFTER, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

use crate::{directives::seconds, types::CacheStatus};

/// Of one connection or one moment: never kept.
fn is_never_kept(name: &HeaderName) -> bool {
    matches!(
        *name,
        CONNECTION
            | PROXY_AUTHENTICATE
            | PROXY_AUTHORIZATION
            | TE
            | TRAILER
            | TRANSFER_ENCODING
            | UPGRADE
            | SET_COOKIE
            | RETRY_AFTER
            | AGE
            | CACHE_STATUS
    ) || matches!(
        name.as_str(),
        "keep-alive" | "proxy-connection" | "proxy-authentication-info"
    )
}

fn is_named_by_connection(name: &HeaderName, headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|part| {
            part.trim_ascii()
                .eq_ignore_ascii_case(name.as_str().as_bytes())
        })
    })
}

/// The headers of a reply as they are kept, with places for those that each hit writes.
pub(super) fn kept(headers: &HeaderMap) -> HeaderMap {
    let connection = headers.contains_key(CONNECTION);
    // One of the places is taken by what was written when it arrived, which is not kept.
    let mut kept = HeaderMap::with_capacity(headers.len() + PLACES - 1);
    // First, where each hit looks for them.
    kept.insert(AGE, HeaderValue::from_static("0"));
    kept.insert(CACHE_STATUS, value_of(CacheStatus::Hit));
    // Values are parts of the buffer that they were read into, of some kibibytes, which they keep alive:
    // copied into one of their own.
    let mut buffer = Vec::with_capacity(headers.values().map(HeaderValue::len).sum());
    for (name, value) in headers {
        let named = connection && is_named_by_connection(name, headers);
        if named || is_never_kept(name) || is_rate_limit(name) {
            continue;
        }
        buffer.extend_from_slice(value.as_bytes());
        kept.append(name, value.clone());
    }
    let mut buffer = Bytes::from(buffer);
    // In the order in which they were appended: both maps go name by name.
    for value in kept.values_mut().skip(PLACES) {
        // It is the same text, so it is a value again.
        if let Ok(mut own) = HeaderValue::from_maybe_shared(buffer.split_to(value.len())) {
            own.set_sensitive(value.is_sensitive());
            *value = own;
        }
    }
    kept
}

/// Of the age and of the status.
const PLACES: usize = 2;

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
    let status = value_of(status);
    let mut first = headers.iter_mut();
    // As `kept` has put them; each value of one name comes after the other.
    if let (Some((&AGE, own_age)), Some((&CACHE_STATUS, own_status))) = (first.next(), first.next())
        && first.next().is_none_or(|(name, _)| *name != CACHE_STATUS)
    {
        *own_age = age;
        *own_status = status;
        return;
    }
    headers.insert(AGE, age);
    headers.insert(CACHE_STATUS, status);
}

/// Adds how a reply of the upstream came here.
pub(super) fn write_forwarded(headers: &mut HeaderMap, status: CacheStatus) {
    headers.append(CACHE_STATUS, value_of(status));
}

/// Writes it over what was added last.
pub(super) fn rewrite_forwarded(headers: &mut HeaderMap, status: CacheStatus) {
    if let Entry::Occupied(mut values) = headers.entry(CACHE_STATUS)
        && let Some(last) = values.iter_mut().next_back()
    {
        *last = value_of(status);
    }
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
    fn what_is_kept_does_not_keep_the_buffer_that_it_came_in() {
        let buffer = Bytes::from(vec![b'v'; 8192]);
        let value = |range| HeaderValue::from_maybe_shared(buffer.slice(range)).unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-one", value(10..20));
        headers.append("x-two", value(20..20));
        headers.append("x-one", value(30..90));

        let kept = kept(&headers);

        let values: Vec<_> = kept.get_all("x-one").iter().collect();
        assert_eq!((values[0].len(), values[1].len()), (10, 60));
        assert_eq!(kept["x-two"], "");
        let inside = buffer.as_ptr_range();
        let mut all = kept.values();
        assert!(all.all(|value| !inside.contains(&value.as_bytes().as_ptr())));
    }

    #[test]
    fn a_status_is_written_over_the_last_and_over_no_other() {
        let mut headers = HeaderMap::new();
        headers.append(CACHE_STATUS, HeaderValue::from_static("cdn; hit"));
        write_forwarded(&mut headers, CacheStatus::Miss);

        rewrite_forwarded(&mut headers, CacheStatus::Coalesced);

        let values: Vec<_> = headers.get_all(CACHE_STATUS).iter().collect();
        assert_eq!(values, ["cdn; hit", "blossom; fwd=uri-miss; collapsed"]);
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
    fn one_of_each_is_written_wherever_they_stood() {
        let one = |name: &'static str| (HeaderName::from_static(name), "3".parse().unwrap());
        let (age, status, other) = (one("age"), one("cache-status"), one("x-other"));
        for before in [
            vec![],
            vec![&other],
            vec![&age, &status],
            vec![&age, &status, &other],
            vec![&other, &age, &status],
            vec![&age, &age, &status],
            vec![&age, &status, &status],
            vec![&status, &age],
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in &before {
                headers.append(name, HeaderValue::clone(value));
            }
            let others = headers.get_all("x-other").iter().count();

            write_stored(&mut headers, CacheStatus::Stale, Duration::from_secs(1));

            assert_eq!(headers.len(), others + 2, "{before:?}");
            assert_eq!(headers[AGE], "1");
            assert_eq!(headers[CACHE_STATUS], "blossom; hit; detail=stale");
        }
    }
}
