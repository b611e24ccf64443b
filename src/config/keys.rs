//! The keys of a file, and the settings that they are.

use super::value::{Given, Problem};
use crate::{Builder, Dialect, Endpoint, layers::trace::W3c};

type Set = fn(Builder, &Given<'_>) -> Result<Builder, Problem>;

/// Every key, by the name of the builder's setting.
pub(super) const KEYS: &[(&str, Set)] = &[
    ("api_key", |b, v| Ok(b.api_key(v.key()?))),
    ("api_key_file", |b, v| Ok(b.api_key(v.key_file()?))),
    ("loose_permissions", loose_permissions),
    ("without_api_key", |b, v| {
        Ok(if v.flag()? { b.without_api_key() } else { b })
    }),
    ("base_url", |b, v| Ok(b.base_url(v.text()?))),
    ("endpoint", endpoint),
    ("connect_timeout", |b, v| {
        Ok(b.connect_timeout(v.duration()?))
    }),
    ("head_timeout", |b, v| Ok(b.head_timeout(v.duration()?))),
    ("unary_timeout", |b, v| Ok(b.unary_timeout(v.duration()?))),
    ("first_event_timeout", |b, v| {
        Ok(b.first_event_timeout(v.duration()?))
    }),
    ("idle_timeout", |b, v| Ok(b.idle_timeout(v.duration()?))),
    ("total_timeout", |b, v| Ok(b.total_timeout(v.duration()?))),
    ("max_unread", |b, v| Ok(b.max_unread(v.duration()?))),
    ("max_request_bytes", |b, v| {
        Ok(b.max_request_bytes(v.bytes()?))
    }),
    ("max_response_bytes", |b, v| {
        Ok(b.max_response_bytes(v.bytes()?))
    }),
    ("propagate_trace", |b, v| {
        Ok(if v.flag()? {
            b.propagate_trace(W3c::default())
        } else {
            b
        })
    }),
    ("trace_content", |b, v| Ok(b.trace_content(v.flag()?))),
    ("proxy", |b, v| Ok(b.proxy(v.text()?))),
    ("proxy_bypass", |b, v| {
        Ok(b.proxy_bypass(v.texts()?.join(",")))
    }),
    ("proxy_from_env", |b, v| Ok(b.proxy_from_env(v.flag()?))),
    ("allow_plain_http", |b, v| {
        Ok(v.texts()?.into_iter().fold(b, Builder::allow_plain_http))
    }),
    ("root_certificate_pem", |b, v| {
        Ok(b.root_certificate_pem(v.file()?))
    }),
    #[cfg(feature = "native-roots")]
    ("native_roots", |b, v| Ok(b.native_roots(v.flag()?))),
    #[cfg(feature = "decompression")]
    ("decompression", |b, v| Ok(b.decompression(v.flag()?))),
];

fn loose_permissions(builder: Builder, given: &Given<'_>) -> Result<Builder, Problem> {
    match given.text()? {
        "refuse" | "warn" => Ok(builder),
        other => Err(format!("must be \"refuse\" or \"warn\", not {other:?}")),
    }
}

/// `{ dialect = "enter", base_url = "https://example.com" }`, or `"v1"` for its public hosts.
fn endpoint(builder: Builder, given: &Given<'_>) -> Result<Builder, Problem> {
    let expected = "must be \"v1\" or { dialect = \"gen\", base_url = \"https://..\" }";
    if given.value.as_str() == Some("v1") {
        return Ok(builder.endpoint(Endpoint::v1()));
    }
    let text = |name: &str| {
        given
            .value
            .get(name)
            .and_then(|value| value.get_ref().as_str())
    };
    let only = given.value.as_table().is_some_and(|table| table.len() == 2);
    let (Some(dialect), Some(url), true) = (text("dialect"), text("base_url"), only) else {
        return Err(expected.to_owned());
    };
    let dialect = match dialect {
        "gen" => Dialect::Gen,
        "enter" => Dialect::Enter,
        "v1" => Dialect::V1,
        _ => return Err(expected.to_owned()),
    };
    let endpoint = Endpoint::new(dialect, url).map_err(|error| error.to_string())?;
    Ok(builder.endpoint(endpoint))
}
