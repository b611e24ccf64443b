//! The `Cache-Control` header field.

use std::time::Duration;

use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, PRAGMA},
};

/// What `Cache-Control` says, of a request or of a response ([RFC 9111] section 5.2).
///
/// Unknown directives are ignored. Where one comes twice with different times the shortest holds; a
/// time that cannot be read is zero.
///
/// [RFC 9111]: https://www.rfc-editor.org/rfc/rfc9111#section-5.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive of its own"
)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    pub(crate) min_fresh: Option<Duration>,
    /// `Duration::MAX` without an argument.
    pub(crate) max_stale: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
}

impl Directives {
    /// Reads all fields of that name. `Pragma: no-cache` counts where there is none, as of old.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        let mut fields = headers.get_all(CACHE_CONTROL).iter().peekable();
        if fields.peek().is_none() {
            directives.no_cache = headers
                .get(PRAGMA)
                .is_some_and(|pragma| pragma.as_bytes().eq_ignore_ascii_case(b"no-cache"));
        }
        fields.for_each(|field| directives.read(field));
        directives
    }

    fn read(&mut self, field: &HeaderValue) {
        let mut rest = field.as_bytes();
        while !rest.is_empty() {
            let (member, after) = split_member(rest);
            rest = after;
            let (name, argument) = match member.iter().position(|byte| *byte == b'=') {
                Some(at) => {
                    let (name, argument) = member.split_at(at);
                    (name, argument.get(1..))
                }
                None => (member, None),
            };
            self.set(name.trim_ascii(), argument.map(unquoted));
        }
    }

    fn set(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let mut lower = [0; LONGEST];
        let Some(lower) = lower.get_mut(..name.len()) else {
            return;
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let seconds = || argument.map_or(Duration::ZERO, seconds);
        match &*lower {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache = true,
            b"private" => self.private = true,
            b"public" => self.public = true,
            b"must-revalidate" | b"proxy-revalidate" => self.must_revalidate = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => shorten(&mut self.max_age, seconds()),
            b"s-maxage" => shorten(&mut self.s_maxage, seconds()),
            b"min-fresh" => self.min_fresh = self.min_fresh.max(Some(seconds())),
            b"max-stale" => shorten(
                &mut self.max_stale,
                argument.map_or(Duration::MAX, self::seconds),
            ),
            b"stale-while-revalidate" => shorten(&mut self.stale_while_revalidate, seconds()),
            b"stale-if-error" => shorten(&mut self.stale_if_error, seconds()),
            _ => {}
        }
    }
}

const LONGEST: usize = "stale-while-revalidate".len();

/// The bytes before the next comma that is not quoted, and those after it.
fn split_member(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                let (member, after) = bytes.split_at(at);
                return (member, after.get(1..).unwrap_or_default());
            }
            _ => {}
        }
    }
    (bytes, &[])
}

fn unquoted(argument: &[u8]) -> &[u8] {
    let trimmed = argument.trim_ascii();
    trimmed
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(trimmed)
}

/// A number of seconds. One that is no number is none; one that is too large stays the largest, as
/// RFC 9111 section 1.2.2 wants.
pub(crate) fn seconds(digits: &[u8]) -> Duration {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let number = digits.iter().fold(0_u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Duration::from_secs(number)
}

fn shorten(time: &mut Option<Duration>, other: Duration) {
    *time = Some(time.map_or(other, |time| time.min(other)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[&'static str]) -> Directives {
        let fields = fields
            .iter()
            .map(|field| (CACHE_CONTROL, HeaderValue::from_static(field)));
        Directives::of(&fields.collect())
    }

    #[test]
    fn a9_directives_count_whatever_their_case_order_and_number_of_fields() {
        let seen = of(&["max-age=60, PRIVATE", "x=\"a, no-store\", No-Store"]);

        assert!(seen.private && seen.no_store && !seen.public);
        assert_eq!(seen.max_age, Some(Duration::from_secs(60)));
        assert!(!of(&["x=\"a\\\", no-store\""]).no_store);
        assert!(of(&["private=\"set-cookie\""]).private);
    }

    #[test]
    fn a16_times_that_are_wrong_or_too_large_do_no_harm() {
        let seconds = |field| of(&[field]).max_age.unwrap();

        assert_eq!(seconds("max-age=\"5\""), Duration::from_secs(5));
        assert_eq!(seconds("max-age=x"), Duration::ZERO);
        assert_eq!(seconds("max-age=-1"), Duration::ZERO);
        assert_eq!(seconds("max-age"), Duration::ZERO);
        assert_eq!(seconds("max-age=9, max-age=3"), Duration::from_secs(3));
        assert_eq!(
            seconds("max-age=99999999999999999999999"),
            Duration::from_secs(u64::MAX)
        );
        assert_eq!(of(&["max-stale"]).max_stale, Some(Duration::MAX));
    }

    #[test]
    fn pragma_counts_only_where_there_is_nothing_newer() {
        let mut headers = HeaderMap::new();
        headers.insert(PRAGMA, HeaderValue::from_static("No-Cache"));
        assert!(Directives::of(&headers).no_cache);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
        assert!(!Directives::of(&headers).no_cache);
    }
}
