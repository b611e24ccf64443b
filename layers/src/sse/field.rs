use bytes::{Buf, Bytes};
use memchr::memchr;

/// What one line of a stream says; a blank line says nothing and is not given to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field {
    Comment,
    Data(Bytes),
    Event(Bytes),
    Id(Bytes),
    /// In milliseconds.
    Retry(u64),
    /// A name that the standard does not know, or a value that it tells us to pass over.
    Ignored,
}

impl Field {
    /// Reads `line`, which has no line end.
    pub(super) fn parse(mut line: Bytes) -> Self {
        let (name, value) = split(&line);
        let field = match name {
            b"" => return Self::Comment,
            b"data" => Self::Data,
            b"event" => Self::Event,
            b"id" if memchr(0, value).is_none() => Self::Id,
            b"retry" => return millis(value).map_or(Self::Ignored, Self::Retry),
            _ => return Self::Ignored,
        };
        line.advance(line.len() - value.len());
        field(line)
    }
}

/// The name and the value, less one space; a line without a colon is all name.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = memchr(b':', line).unwrap_or(line.len());
    let (name, value) = line.split_at_checked(colon).unwrap_or((line, b""));
    let value = value.strip_prefix(b":").unwrap_or(value);
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

/// Reads ASCII digits; a number that is too great is the greatest.
fn millis(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        digit.is_ascii_digit().then(|| {
            sum.saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &'static [u8]) -> Field {
        Field::parse(Bytes::from_static(line))
    }

    #[test]
    fn takes_one_space_off_the_value() {
        let value = |value: &'static str| Field::Data(Bytes::from_static(value.as_bytes()));

        assert_eq!(parse(b"data:x"), value("x"));
        assert_eq!(parse(b"data: x"), value("x"));
        assert_eq!(parse(b"data:  x"), value(" x"));
        assert_eq!(parse(b"data: "), value(""));
        assert_eq!(parse(b"data:"), value(""));
        assert_eq!(parse(b"data"), value(""));
        assert_eq!(parse(b"data::"), value(":"));
    }

    #[test]
    fn passes_over_names_it_does_not_know() {
        assert_eq!(parse(b"date: x"), Field::Ignored);
        assert_eq!(parse(b"DATA: x"), Field::Ignored);
        assert_eq!(parse(b" data: x"), Field::Ignored);
        assert_eq!(parse(b"dataset"), Field::Ignored);
    }

    #[test]
    fn tells_a_comment_by_its_first_byte() {
        assert_eq!(parse(b":"), Field::Comment);
        assert_eq!(parse(b": data: x"), Field::Comment);
    }

    #[test]
    fn passes_over_an_id_with_a_nul() {
        assert_eq!(parse(b"id: 7"), Field::Id(Bytes::from_static(b"7")));
        assert_eq!(parse(b"id"), Field::Id(Bytes::new()));
        assert_eq!(parse(b"id: 7\0"), Field::Ignored);
    }

    #[test]
    fn reads_a_retry_of_digits_only() {
        assert_eq!(parse(b"retry: 1500"), Field::Retry(1500));
        assert_eq!(
            parse(b"retry: 99999999999999999999"),
            Field::Retry(u64::MAX)
        );
        for line in [
            &b"retry"[..],
            b"retry: ",
            b"retry: 1s",
            b"retry: -1",
            b"retry: +1",
        ] {
            assert_eq!(Field::parse(Bytes::from_static(line)), Field::Ignored);
        }
    }
}
