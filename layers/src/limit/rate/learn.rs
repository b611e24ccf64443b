//! What a reply says about waiting.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header::DATE};

use crate::backoff::{retry_after, seconds};

/// Nobody is believed who asks for more.
const LONGEST: Duration = Duration::from_secs(120);

/// How long the upstream wants nothing more, if it says so.
///
/// What makes no sense is as if it were absent. Dates are read by the clock of the upstream where it
/// shows it: ours may be wrong, and may be set.
pub(super) fn told(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let now = text(headers, DATE.as_str())
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or_else(SystemTime::now);
    let refused = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let asked = retry_after(headers, now).filter(|_| refused);
    asked
        .into_iter()
        .chain(used_up(headers, now))
        .chain(structured(headers))
        .max()
        .map(|wait| wait.min(LONGEST))
        .filter(|wait| !wait.is_zero())
}

/// What is counted by fields of its own: how much remains, and how long until there is more.
const PAIRS: [(&str, &str); 5] = [
    (
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
];

fn used_up(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let resets = PAIRS.iter().filter_map(|(remaining, reset)| {
        let remaining: f64 = text(headers, remaining)?.parse().ok()?;
        if !is_used_up(remaining) {
            return None;
        }
        wait(text(headers, reset)?, now)
    });
    resets.max()
}

/// Whether less than one remains. A number that makes no sense says nothing.
fn is_used_up(remaining: f64) -> bool {
    (0.0..1.0).contains(&remaining)
}

/// A wait in seconds, as `1h2m3.5s` or `20ms`, or until a time in seconds since 1970.
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    let Ok(number) = text.parse::<f64>() else {
        return spelled(text);
    };
    let wait = seconds(number)?;
    // No wait is forty years long.
    if number < 1e9 {
        return Some(wait);
    }
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(wait.saturating_sub(now))
}

/// A wait in numbers with units, largest first or not.
fn spelled(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        let part = seconds(number.parse::<f64>().ok()? * factor)?;
        total = total.saturating_add(part);
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// The `RateLimit` and `RateLimit-Policy` fields of the [draft], of which there were two forms:
/// `"name";r=0;t=30` for each policy, and `limit=10, remaining=0, reset=30`.
///
/// [draft]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
fn structured(headers: &HeaderMap) -> Option<Duration> {
    let field = text(headers, "ratelimit")?;
    let old = |name| parameter(field, &[',', ';'], name);
    if old("remaining").is_some_and(is_used_up) {
        return seconds(old("reset")?);
    }
    let policies = text(headers, "ratelimit-policy").unwrap_or_default();
    let used_up = field.split(',').filter_map(|item| {
        if !is_used_up(parameter(item, &[';'], "r")?) {
            return None;
        }
        // Without a time, a window of the policy of that name.
        let name = item.split(';').next().map(str::trim);
        let window = || {
            let mut named = policies.split(',');
            let policy = named.find(|policy| policy.split(';').next().map(str::trim) == name)?;
            parameter(policy, &[';'], "w")
        };
        seconds(parameter(item, &[';'], "t").or_else(window)?)
    });
    used_up.max()
}

/// The number of the parameter `name`.
fn parameter(text: &str, between: &[char], name: &str) -> Option<f64> {
    let mut parameters = text.split(between).filter_map(|part| part.split_once('='));
    let (_, value) = parameters.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    value.trim().parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn told_by(status: u16, fields: &[(&str, &str)]) -> Option<u128> {
        let headers = fields
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().unwrap();
                (name, value.parse().unwrap())
            })
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        told(status, &headers).map(|wait| wait.as_millis())
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        assert_eq!(told_by(429, &[("retry-after", "7")]), Some(7_000));
        assert_eq!(told_by(503, &[("retry-after-ms", "250")]), Some(250));
        assert_eq!(told_by(429, &[]), None);
        // On a success it is about this reply, not about the next.
        assert_eq!(told_by(202, &[("retry-after", "7")]), None);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let now = "Sun, 06 Nov 1994 08:49:30 GMT";
        let by_its_clock = [("retry-after", date), ("date", now)];
        assert_eq!(told_by(429, &by_its_clock), Some(7_000));
        assert_eq!(told_by(429, &[("retry-after", date)]), None, "long past");
    }

    #[test]
    fn a_quota_that_is_used_up_says_when_there_is_more() {
        let reset = |remaining: &str, reset: &str| {
            let fields = [
                ("x-ratelimit-remaining-tokens", remaining),
                ("x-ratelimit-reset-tokens", reset),
            ];
            told_by(200, &fields)
        };
        assert_eq!(reset("0", "6m0s"), Some(120_000), "at most two minutes");
        assert_eq!(reset("0", "1m2.5s"), Some(62_500));
        assert_eq!(reset("0", "20ms"), Some(20));
        assert_eq!(reset("0", "30"), Some(30_000));
        assert_eq!(reset("1", "30"), None);
        assert_eq!(reset("0", "soon"), None);

        let later = [
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "1700000010"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ];
        assert_eq!(told_by(200, &later), Some(10_000));
    }

    #[test]
    fn both_forms_of_the_draft_are_read() {
        let one = |field: &str| told_by(200, &[("ratelimit", field)]);
        assert_eq!(one(r#""default";r=0;t=30"#), Some(30_000));
        assert_eq!(one(r#""default";r=1;t=30"#), None);
        assert_eq!(one(r#""a";r=5;t=1, "b";r=0;t=9"#), Some(9_000));
        assert_eq!(one("limit=10, remaining=0, reset=30"), Some(30_000));
        assert_eq!(one("limit=10, remaining=3, reset=30"), None);
        assert_eq!(one(r#""default";r=0"#), None);
        let policy = [
            ("ratelimit", r#""default";r=0"#),
            (
                "ratelimit-policy",
                r#""hourly";q=9;w=3600, "default";q=100;w=60"#,
            ),
        ];
        assert_eq!(told_by(200, &policy), Some(60_000));
    }

    #[test]
    fn f5_what_makes_no_sense_is_absent_and_what_is_long_is_capped() {
        for odd in [
            "NaN", "-1", "1e309", "1, 2", "", "inf", "-inf", "1s1", "ms", "1..s",
        ] {
            let fields = [
                ("retry-after", odd),
                ("retry-after-ms", odd),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", odd),
            ];
            assert_eq!(told_by(429, &fields), None, "{odd}");
            assert_eq!(told_by(429, &[("ratelimit", odd)]), None, "{odd}");
        }
        assert_eq!(told_by(429, &[("retry-after", "9999999")]), Some(120_000));
    }

    proptest! {
        #[test]
        fn f5_no_value_is_a_panic(value in r"[ -~]{0,40}", numbers in r#"["a-z0-9.;=, -]{0,40}"#) {
            for value in [&value, &numbers] {
                let fields = [
                    ("retry-after", &**value),
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", value),
                    ("ratelimit", value),
                    ("ratelimit-policy", value),
                    ("date", value),
                ];
                prop_assert!(told_by(429, &fields).is_none_or(|wait| wait <= 120_000));
            }
        }
    }
}
