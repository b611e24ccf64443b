//! What a recorder sees, for tests of figures.

use std::collections::BTreeMap;

use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder, Snapshotter},
};

/// A recorder for this thread, while it lives.
pub(crate) struct Figures {
    snapshotter: Snapshotter,
    // The recorder is leaked: the guard borrows it for as long as it lives.
    _installed: metrics::LocalRecorderGuard<'static>,
}

/// One figure: its labels without the operation's, and its values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    pub(crate) kind: MetricKind,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) values: Vec<f64>,
}

impl Figures {
    pub(crate) fn install() -> Self {
        let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
        Self {
            snapshotter: recorder.snapshotter(),
            _installed: metrics::set_default_local_recorder(recorder),
        }
    }

    /// All figures of a name. Counters and histograms are taken.
    pub(crate) fn all(&self) -> Vec<(String, Figure)> {
        let seen = self.snapshotter.snapshot().into_vec();
        let figures = seen.into_iter().map(|(key, _, _, value)| {
            let labels = key.key().labels();
            let labels = labels.map(|label| (label.key().to_owned(), label.value().to_owned()));
            let figure = Figure {
                kind: key.kind(),
                labels: labels.collect(),
                values: match value {
                    DebugValue::Counter(count) => vec![f64::from(u32::try_from(count).unwrap())],
                    DebugValue::Gauge(value) => vec![value.into_inner()],
                    DebugValue::Histogram(values) => {
                        values.into_iter().map(|value| value.into_inner()).collect()
                    }
                },
            };
            (key.key().name().to_owned(), figure)
        });
        figures.collect()
    }

    /// The figures of a name.
    pub(crate) fn named(&self, name: &str) -> Vec<Figure> {
        let all = self.all().into_iter();
        all.filter(|(known, _)| known == name)
            .map(|(_, figure)| figure)
            .collect()
    }
}

/// The sum of a name over all its labels.
pub(crate) fn sum(figures: &[(String, Figure)], name: &str) -> f64 {
    let of_name = figures.iter().filter(|(known, _)| known == name);
    of_name.flat_map(|(_, figure)| &figure.values).sum()
}
