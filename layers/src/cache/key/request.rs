//! What of a request goes into its key, as one text that can be read in one way only.

use http::{
    HeaderName, Request, Uri,
    header::{CONTENT_TYPE, HeaderMap},
};

/// How the body goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Form {
    /// As it is.
    Raw = 0,
    /// As canonical JSON.
    Json = 1,
}

impl Form {
    /// The form of the body of a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let json = headers.get(CONTENT_TYPE).is_some_and(|value| {
            let value = value.as_bytes();
            let essence = value.split(|byte| *byte == b';').next().unwrap_or(value);
            let essence = essence.trim_ascii();
            essence.eq_ignore_ascii_case(b"application/json")
                || essence
                    .last_chunk::<5>()
                    .is_some_and(|end| end.eq_ignore_ascii_case(b"+json"))
        });
        if json { Self::Json } else { Self::Raw }
    }
}

/// Appends everything but the body, as it is.
pub(super) fn append_raw<B>(request: &Request<B>, headers: &[HeaderName], out: &mut Vec<u8>) {
    let uri = request.uri();
    field(request.method().as_str().as_bytes(), out);
    field(uri.scheme_str().unwrap_or_default().as_bytes(), out);
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    field(authority.as_bytes(), out);
    field(uri.path().as_bytes(), out);
    field(uri.query().unwrap_or_default().as_bytes(), out);
    append_headers(request.headers(), headers, out);
}

/// Appends everything but the body, in canonical form.
pub(super) fn append_canonical<B>(
    request: &Request<B>,
    headers: &[HeaderName],
    ignored: &[Box<str>],
    out: &mut Vec<u8>,
) {
    let uri = request.uri();
    field(request.method().as_str().as_bytes(), out);
    field(uri.scheme_str().unwrap_or_default().as_bytes(), out);
    append_authority(uri, out);
    field(uri.path().as_bytes(), out);
    append_query(uri.query().unwrap_or_default(), ignored, out);
    append_headers(request.headers(), headers, out);
}

/// The host without regard to case; what may stand around it as it is.
fn append_authority(uri: &Uri, out: &mut Vec<u8>) {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let start = out.len() + LENGTH;
    field(authority.as_bytes(), out);
    let user = authority.rfind('@').map_or(0, |at| at + 1);
    if let Some(host) = out.get_mut(start + user..) {
        host.make_ascii_lowercase();
    }
}

/// Pairs in the order of their names, those of one name as they came.
fn append_query(query: &str, ignored: &[Box<str>], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    if !query.is_empty() {
        let mut pairs: Vec<Vec<u8>> = query.split('&').map(unescaped).collect();
        pairs.retain(|pair| {
            !ignored
                .iter()
                .any(|ignored| ignored.as_bytes() == name(pair))
        });
        pairs.sort_by(|one, other| name(one).cmp(name(other)));
        for pair in pairs {
            field(&pair, out);
        }
    }
    let length = (out.len() - start - LENGTH) as u64;
    if let Some(place) = out.get_mut(start..start + LENGTH) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

fn name(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or(pair)
}

/// The pair with escapes only where they must be, their digits in upper case (RFC 3986, section 6.2.2).
fn unescaped(pair: &str) -> Vec<u8> {
    let mut rest = pair.as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let escape = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let Some((high, low)) = escape else {
            out.push(*byte);
            continue;
        };
        rest = after.get(2..).unwrap_or_default();
        let byte = high << 4 | low;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            let digits = b"0123456789ABCDEF";
            let digit = |value: u8| digits.get(usize::from(value)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'%', digit(high), digit(low)]);
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

fn append_headers(map: &HeaderMap, names: &[HeaderName], out: &mut Vec<u8>) {
    for name in names {
        let mut values = 0_u64;
        for value in map.get_all(name) {
            values += 1;
            field(value.as_bytes(), out);
        }
        // Names are not written: they are the policy's, in its order, and part of its beginning.
        out.extend_from_slice(&values.to_le_bytes());
    }
}

/// Appends a part so that where it ends cannot be mistaken.
pub(super) fn field(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

const LENGTH: usize = size_of::<u64>();

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        append_query(text, &["key".into(), "no-cache".into()], &mut out);
        out
    }

    #[test]
    fn a_query_is_a_list_of_pairs_by_name() {
        assert_eq!(query("b=2&a=1"), query("a=1&b=2"));
        assert_eq!(query("a=%7Ex%2f"), query("a=~x%2F"));
        assert_eq!(query("a=1&key=secret&no%2Dcache="), query("a=1"));
        assert_eq!(query("key=secret"), query(""));
    }

    #[test]
    fn queries_that_may_mean_something_else_stay_apart() {
        for (one, other) in [
            ("a=1&a=2", "a=2&a=1"),
            ("a=1", "a=1&a=1"),
            ("a", "a="),
            ("a=b%26c=d", "a=b&c=d"),
            ("a=x+y", "a=x%20y"),
            ("a=1", "A=1"),
            ("keys=1", ""),
            ("a=%zz", "a=zz"),
        ] {
            assert_ne!(query(one), query(other), "{one} and {other}");
        }
    }

    #[test]
    fn a_body_is_json_if_its_type_says_so() {
        for (value, form) in [
            ("application/json", Form::Json),
            ("Application/JSON ; charset=utf-8", Form::Json),
            ("application/problem+json", Form::Json),
            ("application/jsonl", Form::Raw),
            ("text/plain; x=application/json", Form::Raw),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(Form::of(&headers), form, "{value}");
        }
        assert_eq!(Form::of(&HeaderMap::new()), Form::Raw);
    }
}
