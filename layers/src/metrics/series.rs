//! The label sets, bounded.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use metrics::{Key, Label, SharedString};

use super::names::{
    CACHE_RESULT, ERROR_TYPE, MODEL, OPERATION, PROVIDER, RESULT, TOKEN_TYPE, name,
};
use crate::{
    sync::{Arc, Mutex, lock},
    types::{CacheStatus, Description, word},
};

/// What stands for all that there is no room for.
const OTHER: &str = "other";
const OTHER_ERROR: &str = "_OTHER";

/// How many pairs of operation and provider keep their names when there is no room for more models.
const MAX_PAIRS: usize = 16;
const MAX_ERRORS: usize = 64;

/// All series of a layer.
#[derive(Debug)]
pub(super) struct AllSeries {
    max_series: usize,
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    // By the hash of their words; the words are compared.
    series: HashMap<u64, Vec<Arc<Series>>>,
    full: usize,
    pairs: usize,
    errors: HashSet<Arc<str>>,
}

impl AllSeries {
    pub(super) fn new(max_series: usize) -> Self {
        Self {
            max_series,
            hasher: RandomState::new(),
            known: Mutex::default(),
        }
    }

    /// The series of `description`, or one that stands for all that there is no room for.
    pub(super) fn of(&self, description: &Description<'_>) -> Arc<Series> {
        let operation = word(&description.operation);
        let provider = description.provider.as_deref().map(word);
        let model = description.model.as_deref().map(word);
        let words = Words {
            operation: &operation,
            provider: provider.as_deref(),
            model: model.as_deref(),
        };
        let mut known = lock(&self.known);
        if let Some(series) = self.find(&known, words) {
            return series;
        }
        if known.full < self.max_series {
            known.full += 1;
            return self.add(&mut known, words);
        }
        let pair = Words {
            model: words.model.map(|_| OTHER),
            ..words
        };
        if let Some(series) = self.find(&known, pair) {
            return series;
        }
        if known.pairs < MAX_PAIRS {
            known.pairs += 1;
            return self.add(&mut known, pair);
        }
        let other = Words {
            operation: OTHER,
            provider: Some(OTHER),
            model: Some(OTHER),
        };
        match self.find(&known, other) {
            Some(series) => series,
            None => self.add(&mut known, other),
        }
    }

    /// The label for the error `word`, or for any that there is no room for.
    pub(super) fn error(&self, text: &str) -> SharedString {
        let text = word(text);
        let mut known = lock(&self.known);
        if let Some(known) = known.errors.get(&*text) {
            return shared(known);
        }
        if known.errors.len() >= MAX_ERRORS {
            return SharedString::const_str(OTHER_ERROR);
        }
        let text: Arc<str> = (*text).into();
        known.errors.insert(text.clone());
        shared(&text)
    }

    fn find(&self, known: &Known, words: Words<'_>) -> Option<Arc<Series>> {
        let same = known.series.get(&self.hasher.hash_one(words))?;
        same.iter().find(|series| series.words() == words).cloned()
    }

    fn add(&self, known: &mut Known, words: Words<'_>) -> Arc<Series> {
        let series = Arc::new(Series::new(words));
        let same = known.series.entry(self.hasher.hash_one(words));
        same.or_default().push(series.clone());
        series
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Words<'a> {
    operation: &'a str,
    provider: Option<&'a str>,
    model: Option<&'a str>,
}

/// One label set, and the keys that have no other labels.
#[derive(Debug)]
pub(super) struct Series {
    operation: Arc<str>,
    provider: Option<Arc<str>>,
    model: Option<Arc<str>>,
    labels: Vec<Label>,
    pub(super) duration: Key,
    pub(super) time_to_first_chunk: Key,
    pub(super) time_per_output_chunk: Key,
    pub(super) input_tokens: Key,
    pub(super) output_tokens: Key,
    pub(super) started: Key,
    pub(super) in_flight: Key,
    pub(super) queue: Key,
    pub(super) attempts: Key,
    pub(super) ok: Key,
    pub(super) failed: Key,
    pub(super) canceled: Key,
}

impl Series {
    fn new(words: Words<'_>) -> Self {
        let operation: Arc<str> = words.operation.into();
        let provider: Option<Arc<str>> = words.provider.map(Into::into);
        let model: Option<Arc<str>> = words.model.map(Into::into);
        let mut labels = vec![Label::new(OPERATION, shared(&operation))];
        labels.extend(
            provider
                .as_ref()
                .map(|word| Label::new(PROVIDER, shared(word))),
        );
        labels.extend(model.as_ref().map(|word| Label::new(MODEL, shared(word))));
        let key = |name: &'static str| Key::from_parts(name, labels.clone());
        let tokens = |kind| with(name::TOKEN_USAGE, &labels, [static_label(TOKEN_TYPE, kind)]);
        let ended = |result| with(name::CALLS_ENDED, &labels, [static_label(RESULT, result)]);
        Self {
            ok: ended("ok"),
            failed: ended("error"),
            canceled: ended("canceled"),
            duration: key(name::DURATION),
            time_to_first_chunk: key(name::TIME_TO_FIRST_CHUNK),
            time_per_output_chunk: key(name::TIME_PER_OUTPUT_CHUNK),
            input_tokens: tokens("input"),
            output_tokens: tokens("output"),
            started: key(name::CALLS_STARTED),
            in_flight: key(name::CALLS_IN_FLIGHT),
            queue: key(name::QUEUE_TIME),
            attempts: key(name::ATTEMPTS),
            operation,
            provider,
            model,
            labels,
        }
    }

    fn words(&self) -> Words<'_> {
        Words {
            operation: &self.operation,
            provider: self.provider.as_deref(),
            model: self.model.as_deref(),
        }
    }

    /// The key of the duration of a call that failed, or that a cache has seen.
    pub(super) fn duration_of(
        &self,
        error: Option<SharedString>,
        cache: Option<CacheStatus>,
    ) -> Key {
        let error = error.map(|error| Label::new(ERROR_TYPE, error));
        let cache = cache.map(cache_label);
        with(name::DURATION, &self.labels, error.into_iter().chain(cache))
    }

    pub(super) fn cache_result(&self, cache: CacheStatus) -> Key {
        with(name::CACHE_RESULTS, &self.labels, [cache_label(cache)])
    }
}

fn with(name: &'static str, labels: &[Label], more: impl IntoIterator<Item = Label>) -> Key {
    let labels = labels.iter().cloned().chain(more);
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

const fn static_label(name: &'static str, value: &'static str) -> Label {
    Label::from_static_parts(name, value)
}

const fn cache_label(cache: CacheStatus) -> Label {
    static_label(CACHE_RESULT, cache.as_str())
}

fn shared(word: &Arc<str>) -> SharedString {
    SharedString::from(word.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j4_a_million_models_are_few_series() {
        let all = AllSeries::new(100);
        // A hundredth of them.
        let models = (0..10_000).map(|n| format!("model-{n}"));
        let series: Vec<_> = models
            .map(|model| all.of(&Description::new("chat").model(model)))
            .collect();

        let different: HashSet<_> = series.iter().map(Arc::as_ptr).collect();
        assert_eq!(different.len(), 101);
        assert_eq!(series[99].model.as_deref(), Some("model-99"));
        assert_eq!(series[100].model.as_deref(), Some("other"));
        assert_eq!(&*series[100].operation, "chat");
    }

    #[test]
    fn j4_whatever_is_made_up_the_number_is_bounded() {
        let all = AllSeries::new(10);
        let series = (0..10_000).map(|n| {
            let description = Description::new(format!("operation-{n}"));
            all.of(&description.provider(format!("provider-{n}")).model("m"))
        });

        let different: HashSet<_> = series.map(|series| Arc::as_ptr(&series)).collect();
        assert_eq!(different.len(), 10 + MAX_PAIRS + 1);
        let errors: HashSet<_> = (0..10_000)
            .map(|n| all.error(&format!("error-{n}")).to_string())
            .collect();
        assert_eq!(errors.len(), MAX_ERRORS + 1);
    }

    #[test]
    fn equal_descriptions_have_one_series() {
        let all = AllSeries::new(10);
        let of = |model| Arc::as_ptr(&all.of(&Description::new("chat").model(model)));

        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        let none = all.of(&Description::new("chat"));
        assert_eq!(none.labels.len(), 1);
    }
}
