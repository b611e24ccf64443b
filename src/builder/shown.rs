//! A client as text: its stack in order, with every value and no secret.

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "cache-memory")]
use super::cache::Caching;
use super::{ApiKeySource, Builder, Settings, connection::Connection, limits::MAX_IN_FLIGHT};

/// What a client was built with beside its settings.
pub(super) struct Origin {
    connection: Connection,
    #[cfg(feature = "cache-memory")]
    caching: Caching,
    /// Where its calls get a key from.
    key: String,
}

impl Builder {
    pub(super) fn origin(&self) -> Arc<Origin> {
        let key = self.api_key.as_ref();
        Arc::new(Origin {
            connection: self.connection.clone(),
            #[cfg(feature = "cache-memory")]
            caching: self.caching.clone(),
            key: key.map_or_else(none, |key| format!("{key:?}")),
        })
    }
}

impl fmt::Debug for ApiKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "hidden",
            Self::Caller => "the caller's",
        })
    }
}

/// Settings, by the names that they have in the builder.
pub(super) type Values = Vec<(&'static str, String)>;

/// Writes settings as the fields of a struct.
pub(super) fn shown(f: &mut fmt::Formatter<'_>, name: &str, values: &Values) -> fmt::Result {
    let mut all = f.debug_struct(name);
    for (name, value) in values {
        all.field(name, &format_args!("{value}"));
    }
    all.finish()
}

/// One layer, and its settings.
struct Layer(&'static str, Values);

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(f, self.0, &self.1)
    }
}

/// For [`Blossom`](crate::Blossom): where calls go, and the stack, outermost first.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Settings");
        all.field("endpoint", &self.endpoint);
        if self.preset {
            all.field("stack", &self.layers());
        } else {
            all.field("stack", &format_args!("your own"));
        }
        all.field("max_response_bytes", &self.max_response_bytes)
            .finish()
    }
}

impl Settings {
    /// In the order of the table in `preset`; a test compares them.
    fn layers(&self) -> Vec<Layer> {
        let mut layers = self.of_the_caller();
        layers.extend(self.of_each_attempt());
        layers
    }

    fn of_the_caller(&self) -> Vec<Layer> {
        let mut layers = vec![
            Layer(
                "trace::call",
                vec![
                    ("propagate_trace", format!("{:?}", self.propagation)),
                    ("trace_content", format!("{:?}", self.show_content)),
                    ("request_ids", self.request_ids.to_string()),
                ],
            ),
            Layer("metrics", Vec::new()),
            Layer(
                "timeout::total",
                vec![("total_timeout", time(self.total_timeout))],
            ),
            Layer(
                "buffer",
                vec![("max_request_bytes", self.max_request_bytes.to_string())],
            ),
            Layer(
                "estimate::clamp",
                vec![("clamp_max_tokens", count(self.clamp_max_tokens))],
            ),
        ];
        if self.prices.is_some() {
            layers.push(Layer("spend::savings", Values::new()));
        }
        #[cfg(feature = "cache-memory")]
        if let Some(origin) = &self.origin {
            layers.push(Layer("cache", origin.caching.values()));
        }
        layers
    }

    fn of_each_attempt(&self) -> Vec<Layer> {
        let mut layers = vec![
            Layer(
                "estimate",
                vec![
                    ("warn_prompt_tokens", count(self.warn_prompt_tokens)),
                    ("max_prompt_tokens", count(self.max_prompt_tokens)),
                ],
            ),
            Layer(
                "retry",
                vec![
                    ("max_attempts", self.max_attempts.to_string()),
                    (
                        "retry_budget",
                        format!("{:?}", self.retry_budget.clone().unwrap_or_default()),
                    ),
                    ("backoff", format!("{:?}", self.backoff)),
                ],
            ),
            Layer("trace::attempt", Vec::new()),
            Layer("spend", self.spending()),
            Layer("breaker", vec![("breaker", format!("{:?}", self.breaker))]),
            Layer("limit::rate", self.rates()),
            Layer("limit::concurrency", self.places()),
            Layer(
                "timeout::head",
                vec![
                    ("head_timeout", time(self.head_timeout)),
                    ("unary_timeout", time(self.unary_timeout)),
                ],
            ),
            Layer(
                "timeout::first_event",
                vec![("first_event_timeout", time(self.first_event_timeout))],
            ),
            Layer(
                "timeout::idle",
                vec![
                    ("idle_timeout", time(self.idle_timeout)),
                    ("max_unread", time(self.max_unread)),
                ],
            ),
            Layer("observe", Vec::new()),
        ];
        #[cfg(feature = "decompression")]
        layers.push(Layer(
            "decompression",
            vec![("decompression", self.decompression.to_string())],
        ));
        if let Some(origin) = &self.origin {
            layers.push(Layer("credentials", vec![("api_key", origin.key.clone())]));
            layers.push(Layer("transport", origin.connection.values()));
        }
        layers
    }

    fn spending(&self) -> Values {
        let prices = self.prices.as_ref();
        vec![
            (
                "prices",
                prices.map_or_else(none, |prices| format!("{prices:?}")),
            ),
            ("unknown_prices", format!("{:?}", self.unknown_prices)),
            ("spend_limit", format!("{:?}", self.budgets)),
        ]
    }

    fn rates(&self) -> Values {
        let limits = &self.limits;
        let rate = |rate: Option<u64>| rate.map_or_else(none, |rate| rate.to_string());
        vec![
            ("requests_per_minute", rate(limits.requests_per_minute)),
            ("tokens_per_minute", rate(limits.tokens_per_minute)),
            ("quotas", format!("{:?}", limits.quotas)),
            ("max_waiting", limits.max_waiting.to_string()),
        ]
    }

    /// As they are now: the limit can be changed while the client is in use.
    fn places(&self) -> Values {
        let limits = &self.limits;
        let set = limits.max_in_flight.or(limits.quotas.in_flight());
        let live = self.live.as_ref().map(|live| live.limits().concurrency());
        let limit = live.map_or(set.unwrap_or(MAX_IN_FLIGHT), |live| live.limit());
        vec![
            ("max_in_flight", limit.to_string()),
            ("max_waiting", limits.max_waiting.to_string()),
        ]
    }
}

pub(super) fn none() -> String {
    "none".to_owned()
}

pub(super) fn time(time: Duration) -> String {
    match time {
        Duration::MAX => none(),
        time => format!("{time:?}"),
    }
}

fn count(count: u64) -> String {
    match count {
        u64::MAX => none(),
        count => count.to_string(),
    }
}
