//! The keys of a file, and the settings that they are.

use super::value::{Given, Problem};
use crate::{
    Builder, Dialect, Endpoint,
    layers::{
        backoff::Backoff,
        breaker::Rules,
        retry::Budget as RetryBudget,
        spend::{Budget, Unknown},
        trace::W3c,
    },
    policy::{Prices, Quotas},
};

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
    ("max_in_flight", |b, v| Ok(b.max_in_flight(v.count()?))),
    ("max_waiting", |b, v| Ok(b.max_waiting(v.count()?))),
    ("requests_per_minute", |b, v| {
        Ok(b.requests_per_minute(v.count()?))
    }),
    ("tokens_per_minute", |b, v| {
        Ok(b.tokens_per_minute(v.count()?))
    }),
    ("quotas", quotas),
    ("max_attempts", |b, v| Ok(b.max_attempts(v.count()?))),
    ("retry_budget", |b, v| {
        let member = |name| v.member(name, &["percent", "floor"])?.count();
        Ok(b.retry_budget(RetryBudget::new(member("percent")?, member("floor")?)))
    }),
    ("backoff", |b, v| {
        let member = |name| v.member(name, &["first", "max"])?.duration();
        Ok(b.backoff(Backoff::new(member("first")?, member("max")?)))
    }),
    ("breaker", |b, v| {
        Ok(b.breaker(if v.flag()? {
            Rules::new()
        } else {
            Rules::never()
        }))
    }),
    ("warn_prompt_tokens", |b, v| {
        Ok(b.warn_prompt_tokens(v.count()?))
    }),
    ("max_prompt_tokens", |b, v| {
        Ok(b.max_prompt_tokens(v.count()?))
    }),
    (
        "clamp_max_tokens",
        |b, v| Ok(b.clamp_max_tokens(v.count()?)),
    ),
    ("prices", |b, v| {
        let prices = Prices::from_file(v.beside()?).map_err(|error| error.to_string())?;
        Ok(b.prices(prices))
    }),
    ("unknown_prices", unknown_prices),
    ("spend_limit", |b, v| {
        let members = ["limit", "period"];
        let limit = v.member("limit", &members)?.text()?.parse();
        let limit = limit.map_err(|_| "must have a limit such as \"5.0\"".to_owned())?;
        Ok(b.spend_limit(Budget::new(
            limit,
            v.member("period", &members)?.duration()?,
        )))
    }),
    #[cfg(feature = "cache-memory")]
    ("cache", |b, v| Ok(b.cache(v.flag()?))),
    #[cfg(feature = "cache-memory")]
    ("cache_bytes", |b, v| Ok(b.cache_bytes(v.bytes()? as u64))),
    #[cfg(feature = "cache-memory")]
    ("cache_ttl", |b, v| Ok(b.cache_ttl(v.duration()?))),
    #[cfg(feature = "cache-memory")]
    ("tenant_id", |b, v| Ok(b.tenant_id(v.text()?))),
    #[cfg(feature = "cache-disk")]
    (
        "cache_dir",
        |b, v| Ok(b.cache_dir(v.folder.join(v.text()?))),
    ),
    ("propagate_trace", |b, v| {
        Ok(if v.flag()? {
            b.propagate_trace(W3c::default())
        } else {
            b
        })
    }),
    ("trace_content", |b, v| Ok(b.trace_content(v.flag()?))),
    ("request_ids", |b, v| Ok(b.request_ids(v.flag()?))),
    ("proxy", |b, v| Ok(b.proxy(v.text()?))),
    ("proxy_bypass", |b, v| {
        Ok(b.proxy_bypass(v.texts()?.join(",")))
    }),
    ("proxy_from_env", |b, v| Ok(b.proxy_from_env(v.flag()?))),
    ("allow_plain_http", |b, v| {
        Ok(v.texts()?.into_iter().fold(b, Builder::allow_plain_http))
    }),
    #[cfg(feature = "_tls")]
    ("root_certificate_pem", |b, v| {
        Ok(b.root_certificate_pem(v.file()?))
    }),
    #[cfg(all(feature = "native-roots", feature = "_tls"))]
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

fn quotas(builder: Builder, given: &Given<'_>) -> Result<Builder, Problem> {
    match given.text()? {
        "publishable" => Ok(builder.quotas(Quotas::publishable())),
        "unpaid" => Ok(builder.quotas(Quotas::unpaid())),
        other => Err(format!(
            "must be \"publishable\" or \"unpaid\", not {other:?}"
        )),
    }
}

fn unknown_prices(builder: Builder, given: &Given<'_>) -> Result<Builder, Problem> {
    match given.text()? {
        "allow" => Ok(builder.unknown_prices(Unknown::Allow)),
        "refuse" => Ok(builder.unknown_prices(Unknown::Refuse)),
        other => Err(format!("must be \"allow\" or \"refuse\", not {other:?}")),
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
