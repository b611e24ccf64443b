//! From the `metrics` facade to the instruments of OpenTelemetry.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use crate::layers::metrics::{LEVELS, METRICS, Metric};

/// Records figures of the `metrics` facade as instruments of OpenTelemetry. See
/// [`Otel::recorder`](super::Otel::recorder).
///
/// Figures of this crate have the units and buckets that the conventions advise; those of others the
/// unit that they are described with.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom::{otel::{Otel, OtelRecorder}, sandbox::Sandbox};
///
/// let sandbox = Sandbox::start()?;
/// let otel = Otel::builder().endpoint(sandbox.base_url()).build()?;
/// let recorder: OtelRecorder = otel.recorder();
/// metrics::with_local_recorder(&recorder, || metrics::counter!("sold").increment(1));
/// assert!(otel.flush().is_err(), "the sandbox is no collector");
/// assert_eq!(sandbox.requests()[0].path(), "/v1/metrics");
/// # Ok(())
/// # }
/// ```
pub struct OtelRecorder {
    meter: Meter,
    units: Mutex<HashMap<KeyName, Unit>>,
    counters: Mutex<HashMap<Key, Counter>>,
    gauges: Mutex<HashMap<Key, Gauge>>,
    histograms: Mutex<HashMap<Key, Histogram>>,
}

impl OtelRecorder {
    pub(super) fn new(meters: &SdkMeterProvider) -> Self {
        Self {
            meter: meters.meter("blossom"),
            units: Mutex::default(),
            counters: Mutex::default(),
            gauges: Mutex::default(),
            histograms: Mutex::default(),
        }
    }

    fn unit(&self, key: &Key) -> &'static str {
        known(key).map_or_else(
            || {
                let units = lock(&self.units);
                units.get(key.name()).map_or("", Unit::as_canonical_label)
            },
            |metric| metric.unit,
        )
    }

    fn described(&self, name: KeyName, unit: Option<Unit>) {
        if let Some(unit) = unit {
            lock(&self.units).insert(name, unit);
        }
    }
}

impl Recorder for OtelRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.described(name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.described(name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.described(name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        once(&self.counters, key, || {
            let builder = self.meter.u64_counter(key.name().to_owned());
            Counter::from_arc(Arc::new(Adding {
                instrument: builder.with_unit(self.unit(key)).build(),
                attributes: attributes(key),
                last: Mutex::new(0),
            }))
        })
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        once(&self.gauges, key, || {
            let builder = self.meter.f64_gauge(key.name().to_owned());
            Gauge::from_arc(Arc::new(Level {
                instrument: builder.with_unit(self.unit(key)).build(),
                attributes: attributes(key),
                value: Mutex::new(0.0),
            }))
        })
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        once(&self.histograms, key, || {
            let mut builder = self.meter.f64_histogram(key.name().to_owned());
            if let Some(metric) = known(key).filter(|metric| !metric.buckets.is_empty()) {
                builder = builder.with_boundaries(metric.buckets.to_vec());
            }
            Histogram::from_arc(Arc::new(Distribution {
                instrument: builder.with_unit(self.unit(key)).build(),
                attributes: attributes(key),
            }))
        })
    }
}

struct Adding {
    instrument: opentelemetry::metrics::Counter<u64>,
    attributes: Vec<KeyValue>,
    // What it was set to: the instrument only adds.
    last: Mutex<u64>,
}

impl CounterFn for Adding {
    fn increment(&self, value: u64) {
        self.instrument.add(value, &self.attributes);
    }

    fn absolute(&self, value: u64) {
        let mut last = lock(&self.last);
        self.instrument
            .add(value.saturating_sub(*last), &self.attributes);
        *last = value.max(*last);
    }
}

struct Level {
    instrument: opentelemetry::metrics::Gauge<f64>,
    attributes: Vec<KeyValue>,
    // Held while it is recorded, so that the last change is the last record.
    value: Mutex<f64>,
}

impl Level {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut value = lock(&self.value);
        *value = change(*value);
        self.instrument.record(*value, &self.attributes);
    }
}

impl GaugeFn for Level {
    fn increment(&self, by: f64) {
        self.change(|value| value + by);
    }

    fn decrement(&self, by: f64) {
        self.change(|value| value - by);
    }

    fn set(&self, to: f64) {
        self.change(|_| to);
    }
}

struct Distribution {
    instrument: opentelemetry::metrics::Histogram<f64>,
    attributes: Vec<KeyValue>,
}

impl HistogramFn for Distribution {
    fn record(&self, value: f64) {
        self.instrument.record(value, &self.attributes);
    }
}

impl fmt::Debug for OtelRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtelRecorder").finish_non_exhaustive()
    }
}

/// A figure of this crate.
fn known(key: &Key) -> Option<&'static Metric> {
    let mut all = METRICS.iter().chain(LEVELS);
    all.find(|metric| metric.name == key.name())
}

fn attributes(key: &Key) -> Vec<KeyValue> {
    let labels = key.labels();
    labels
        .map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned()))
        .collect()
}

fn once<H: Clone>(known: &Mutex<HashMap<Key, H>>, key: &Key, make: impl FnOnce() -> H) -> H
where
    Key: Eq + Hash,
{
    let mut known = lock(known);
    known.entry(key.clone()).or_insert_with(make).clone()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
