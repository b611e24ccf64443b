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
    spare: (&mut Vec<u8>, &mut Vec<Pair>),
    out: &mut Vec<u8>,
) {
    let uri = request.uri();
    field(request.method().as_str().as_bytes(), out);
    field(uri.scheme_str().unwrap_or_default().as_bytes(), out);
    append_authority(uri, out);
    field(uri.path().as_bytes(), out);
    append_query(uri.query().unwrap_or_default(), ignored, spare, out);
    append_headers(request.headers(), headers, out);
}

/// The host without regard to case; what may stand around it as it is.
fn append_authority(uri: &Uri, out: &mut Vec<u8>) {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    field(authority.as_bytes(), out);
    let host = authority.rsplit('@').next().unwrap_or(authority).len();
    let start = out.len() - host;
    if let Some(host) = out.get_mut(start..) {
        host.make_ascii_lowercase();
    }
}

/// One pair of a query, by its places in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    start: usize,
    name_end: usize,
    end: usize,
}

impl Pair {
    fn name(self, text: &[u8]) -> &[u8] {
        text.get(self.start..self.name_end).unwrap_or_default()
    }
}

/// Appends the pairs of a query in the order of their names, those of one name as they came.
///
/// Works behind what stands in the spare text, which is as it was afterwards.
fn append_query(
    query: &str,
    ignored: &[Box<str>],
    (text, pairs): (&mut Vec<u8>, &mut Vec<Pair>),
    out: &mut Vec<u8>,
) {
    let before = text.len();
    pairs.clear();
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let start = text.len();
        unescape(pair, text);
        let end = text.len();
        let written = text.get(start..).unwrap_or_default();
        let name = written.iter().position(|byte| *byte == b'=');
        let pair = Pair {
            start,
            name_end: name.map_or(end, |name| start + name),
            end,
        };
        if !ignored
            .iter()
            .any(|ignored| ignored.as_bytes() == pair.name(text))
        {
            pairs.push(pair);
        }
    }
    // By place within one name: what a stable sort does, without its memory.
    pairs.sort_unstable_by(|one, other| {
        let names = one.name(text).cmp(other.name(text));
        names.then(one.start.cmp(&other.start))
    });
    number(pairs.len(), out);
    for pair in pairs {
        field(text.get(pair.start..pair.end).unwrap_or_default(), out);
    }
    text.truncate(before);
}

/// Appends a pair with escapes only where they must be, their digits in upper case (RFC 3986, section
/// 6.2.2).
fn unescape(pair: &str, out: &mut Vec<u8>) {
    let mut rest = pair.as_bytes();
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
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

fn append_headers(map: &HeaderMap, names: &[HeaderName], out: &mut Vec<u8>) {
    // Of a few headers all are looked at sooner than one is looked up.
    let few = map.keys_len() <= 8;
    for name in names {
        if few && !map.keys().any(|key| key == name) {
            number(0, out);
            continue;
        }
        // Names are not written: they are the policy's, in its order.
        let values = map.get_all(name);
        number(values.iter().count(), out);
        for value in values {
            field(value.as_bytes(), out);
        }
    }
}

/// Appends a part so that where it ends cannot be mistaken.
pub(super) fn field(bytes: &[u8], out: &mut Vec<u8>) {
    number(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Appends a number in as few bytes as it needs, seven bits in each, more to come if the eighth is set.
fn number(mut number: usize, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let ignored = ["key".into(), "no-cache".into()];
        append_query(
            text,
            &ignored,
            (&mut b"before".to_vec(), &mut Vec::new()),
            &mut out,
        );
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
