use metrics::{KeyName, SharedString, Unit};

use super::{LEVELS, recorder};

/// The names, for whoever counts what no layer can see.
///
/// ```
/// use blossom_layers::metrics::{METRICS, name};
///
/// // The unit that a page shows beside the figure.
/// let duration = METRICS.iter().find(|metric| metric.name == name::DURATION);
/// assert_eq!(duration.map(|metric| metric.unit), Some("s"));
/// ```
pub mod name {
    /// How long a call took, to the end of its body.
    pub const DURATION: &str = "gen_ai.client.operation.duration";
    /// When an event stream began.
    pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.client.operation.time_to_first_chunk";
    /// How long each later frame of an event stream took.
    pub const TIME_PER_OUTPUT_CHUNK: &str = "gen_ai.client.operation.time_per_output_chunk";
    /// What a reply of the upstream took of tokens.
    pub const TOKEN_USAGE: &str = "gen_ai.client.token.usage";
    /// Calls that were begun.
    pub const CALLS_STARTED: &str = "blossom.calls.started";
    /// Calls that have ended.
    pub const CALLS_ENDED: &str = "blossom.calls.ended";
    /// Calls whose body has not ended.
    pub const CALLS_IN_FLIGHT: &str = "blossom.calls.in_flight";
    /// What the cache made of calls.
    pub const CACHE_RESULTS: &str = "blossom.cache.results";
    /// How many requests it took to get an answer.
    pub const ATTEMPTS: &str = "blossom.attempts";
    /// How long calls waited before they were sent.
    pub const QUEUE_TIME: &str = "blossom.queue.time";
    /// Permits that are held.
    pub const PERMITS_IN_USE: &str = "blossom.permits.in_use";
    /// Calls that wait for a permit.
    pub const PERMITS_WAITING: &str = "blossom.permits.waiting";
    /// Calls that wait for a quota.
    pub const RATE_WAITING: &str = "blossom.rate.waiting";
    /// Calls that had to wait for a quota.
    pub const RATE_WAITS: &str = "blossom.rate.waits";
    /// Breakers that let nothing through.
    pub const BREAKERS_OPEN: &str = "blossom.breakers.open";
    /// Breakers that let a few calls through, to see.
    pub const BREAKERS_HALF_OPEN: &str = "blossom.breakers.half_open";
    /// What was spent.
    pub const SPENT: &str = "blossom.spent";
    /// What answers from a cache would have cost.
    pub const SAVED: &str = "blossom.saved";
}

/// One figure, as the guide's table has it.
///
/// ```
/// use blossom_layers::metrics::{Kind, METRICS, Metric};
///
/// // Buckets are wanted for what has a distribution, and for nothing else.
/// let fits = |metric: &Metric| (metric.kind == Kind::Histogram) != metric.buckets.is_empty();
/// assert!(METRICS.iter().all(fits));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its unit, by the [UCUM](https://ucum.org).
    pub unit: &'static str,
    /// Its labels beside those that all figures of a call have.
    pub labels: &'static [&'static str],
    /// The bounds of its buckets, for exporters that want some: those that the conventions advise.
    pub buckets: &'static [f64],
    /// What it says.
    pub meaning: &'static str,
}

/// Of durations of calls, in seconds.
const SECONDS: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

/// Of what is faster: frames of a stream, queues.
const FINE_SECONDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

const ATTEMPTS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 6.0, 8.0];

/// What a figure does.
///
/// ```
/// use blossom_layers::metrics::{Kind, LEVELS, name};
///
/// let kind = |name| LEVELS.iter().find(|it| it.name == name).map(|it| it.kind);
/// assert_eq!(kind(name::PERMITS_IN_USE), Some(Kind::Gauge));
/// assert_eq!(kind(name::SPENT), Some(Kind::Counter));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It has a distribution.
    Histogram,
}

impl Kind {
    /// Its name in tables.
    ///
    /// ```
    /// use blossom_layers::metrics::Kind;
    ///
    /// assert_eq!(Kind::Histogram.as_str(), "histogram");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Labels of all figures of a call.
pub(super) const OPERATION: &str = "gen_ai.operation.name";
pub(super) const PROVIDER: &str = "gen_ai.provider.name";
pub(super) const MODEL: &str = "gen_ai.request.model";

pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const TOKEN_TYPE: &str = "gen_ai.token.type";
pub(super) const CACHE_RESULT: &str = "blossom.cache.result";
pub(super) const RESULT: &str = "blossom.result";

/// Every figure of calls. All have the labels `gen_ai.operation.name`, and where they are known
/// `gen_ai.provider.name` and `gen_ai.request.model`.
///
/// ```
/// use blossom_layers::metrics::METRICS;
///
/// // A table for the dashboards.
/// let mut rows = METRICS.iter().map(|it| format!("{} {} {}", it.name, it.kind.as_str(), it.unit));
/// assert_eq!(rows.next().as_deref(), Some("gen_ai.client.operation.duration histogram s"));
/// ```
pub const METRICS: &[Metric] = &[
    Metric {
        name: name::DURATION,
        kind: Kind::Histogram,
        unit: "s",
        labels: &[ERROR_TYPE, CACHE_RESULT],
        buckets: SECONDS,
        meaning: "how long a call took, to the end of its body",
    },
    Metric {
        name: name::TIME_TO_FIRST_CHUNK,
        kind: Kind::Histogram,
        unit: "s",
        labels: &[],
        buckets: SECONDS,
        meaning: "when the first frame with part of the answer came; event streams only",
    },
    Metric {
        name: name::TIME_PER_OUTPUT_CHUNK,
        kind: Kind::Histogram,
        unit: "s",
        labels: &[],
        buckets: FINE_SECONDS,
        meaning: "how long each later frame took; event streams only",
    },
    Metric {
        name: name::TOKEN_USAGE,
        kind: Kind::Histogram,
        unit: "{token}",
        labels: &[TOKEN_TYPE],
        buckets: TOKENS,
        meaning: "the tokens of a reply, `input` and `output`; once for each reply of the upstream",
    },
    Metric {
        name: name::CALLS_STARTED,
        kind: Kind::Counter,
        unit: "{call}",
        labels: &[],
        buckets: &[],
        meaning: "calls that were begun",
    },
    Metric {
        name: name::CALLS_ENDED,
        kind: Kind::Counter,
        unit: "{call}",
        labels: &[RESULT],
        buckets: &[],
        meaning: "calls that have ended: `ok`, `error`, `canceled`; their sum comes to be what was begun",
    },
    Metric {
        name: name::CALLS_IN_FLIGHT,
        kind: Kind::Gauge,
        unit: "{call}",
        labels: &[],
        buckets: &[],
        meaning: "calls whose body has not ended",
    },
    Metric {
        name: name::CACHE_RESULTS,
        kind: Kind::Counter,
        unit: "{call}",
        labels: &[CACHE_RESULT],
        buckets: &[],
        meaning: "what the cache made of calls: `hit`, `stale`, `miss`, `coalesced`, `bypass`",
    },
    Metric {
        name: name::ATTEMPTS,
        kind: Kind::Histogram,
        unit: "{attempt}",
        labels: &[],
        buckets: ATTEMPTS,
        meaning: "how many requests to the upstream it took to get an answer, whatever it says",
    },
    Metric {
        name: name::QUEUE_TIME,
        kind: Kind::Histogram,
        unit: "s",
        labels: &[],
        buckets: FINE_SECONDS,
        meaning: "how long a call waited for permits, quotas and other attempts until it was sent",
    },
];

/// Tells the recorder that is installed what every figure of [`METRICS`] and [`LEVELS`] is: its unit,
/// its meaning.
///
/// The layer does so by itself when it first meets a recorder.
///
/// ```
/// use blossom_layers::metrics::{describe, name};
/// use metrics_util::debugging::DebuggingRecorder;
///
/// let recorder = DebuggingRecorder::new();
/// let figures = recorder.snapshotter();
/// metrics::with_local_recorder(&recorder, || {
///     describe();
///     metrics::counter!(name::SPENT).increment(7);
/// });
/// let seen = figures.snapshot().into_vec();
/// let meaning = seen.first().and_then(|(_, _, meaning, _)| meaning.as_deref());
/// assert!(meaning.is_some_and(|meaning| meaning.starts_with("what was spent")));
/// ```
pub fn describe() {
    recorder::with(|recorder| {
        for metric in METRICS.iter().chain(LEVELS) {
            let name = KeyName::from_const_str(metric.name);
            let unit = match metric.unit {
                "s" => Unit::Seconds,
                _ => Unit::Count,
            };
            let meaning = SharedString::const_str(metric.meaning);
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, Some(unit), meaning),
                Kind::Gauge => recorder.describe_gauge(name, Some(unit), meaning),
                Kind::Histogram => recorder.describe_histogram(name, Some(unit), meaning),
            }
        }
    });
}
