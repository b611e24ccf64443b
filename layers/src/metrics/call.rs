//! One call, from its start to the end of its body.

use std::{
    error::Error,
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Frame;
use metrics::{Gauge, Histogram, Recorder, SharedString};
use tokio::time::Instant;

use super::{
    Publisher, names,
    recorder::{self, Identity},
    series::{AllSeries, Series},
};
use crate::{
    body::{End, Guard},
    boxed_ref,
    sync::Arc,
    types::{Attempt, CacheStatus, Describe, Ended, ErrorType, Outcome, quietly},
};

/// What all services of a layer share.
#[derive(Debug)]
pub(super) struct Shared {
    max_series: NonZeroUsize,
    series: AllSeries,
    // The recorder that was told last what the figures are.
    described: AtomicUsize,
    levels: Option<Publisher>,
}

impl Shared {
    pub(super) fn new(max_series: NonZeroUsize, levels: Option<Publisher>) -> Self {
        Self {
            max_series,
            series: AllSeries::new(max_series.get()),
            described: AtomicUsize::new(0),
            levels,
        }
    }

    pub(super) const fn max_series(&self) -> NonZeroUsize {
        self.max_series
    }

    pub(super) const fn levels(&self) -> Option<&Publisher> {
        self.levels.as_ref()
    }

    fn publish(&self) {
        if let Some(levels) = &self.levels {
            levels.publish();
        }
    }
}

/// Publishes the levels once more when a body is gone that was dropped before its end. Stands behind the
/// body, and so goes after what hung on it.
#[derive(Debug, Default)]
pub(super) struct Gone(Option<Arc<Shared>>);

impl Gone {
    pub(super) fn settled(&mut self) {
        self.0 = None;
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.publish();
        }
    }
}

/// A call that is measured, or one that is not. Ends exactly once, at the latest when it is dropped.
pub(super) struct Call<E: ErrorType>(Option<Box<Active<E>>>);

struct Active<E> {
    recorder: Identity,
    shared: Arc<Shared>,
    series: Arc<Series>,
    errors: E,
    started: Instant,
    in_flight: Gauge,
    status: Option<StatusCode>,
    outcome: Option<Outcome>,
    cache: Option<CacheStatus>,
    attempt: Attempt,
    error: Option<SharedString>,
    chunks: Option<Chunks>,
    // Whether the levels were told since it has to wait.
    waits: bool,
}

/// The frames of an event stream.
struct Chunks {
    last: Option<Instant>,
    per_chunk: Histogram,
}

impl<E: ErrorType + Clone> Call<E> {
    /// Begins to measure, if somebody records.
    #[inline]
    pub(super) fn start<B, D: Describe<B>>(
        shared: &Arc<Shared>,
        describe: &D,
        errors: &E,
        request: &Request<B>,
    ) -> Self {
        let Some(recorder) = recorder::installed() else {
            return Self(None);
        };
        Self(Active::start(recorder, shared, describe, errors, request))
    }
}

impl<E: ErrorType> Call<E> {
    /// Sees that there is no head yet.
    pub(super) fn pending(&mut self) {
        if let Some(active) = &mut self.0
            && !active.waits
        {
            active.waits = true;
            active.shared.publish();
        }
    }

    /// Sees the head.
    pub(super) fn head<R>(&mut self, response: &Response<R>) {
        if let Some(active) = &mut self.0 {
            active.head(response);
        }
    }

    /// What is to stand behind the body.
    pub(super) fn gone(&self) -> Gone {
        let active = self.0.as_ref();
        let shared = active.filter(|active| active.shared.levels.is_some());
        Gone(shared.map(|active| active.shared.clone()))
    }

    /// Sees the error that the call or its body ends in.
    pub(super) fn failed<T: 'static>(&mut self, error: &T) {
        if let Some(active) = &mut self.0 {
            active.name_error(End::Failed, boxed_ref(error));
        }
    }

    /// What is measured moves on to the body.
    pub(super) const fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    fn finish(&mut self, end: End) {
        if let Some(mut active) = self.0.take() {
            recorder::with_same(active.recorder, |recorder| active.record(recorder, end));
            quietly(|| active.in_flight.decrement(1.0));
            active.shared.publish();
        }
    }
}

impl<E: ErrorType> Guard for Call<E> {
    fn frame(&mut self, frame: &Frame<Bytes>) {
        if let Some(active) = &mut self.0
            && active.chunks.is_some()
            && frame.data_ref().is_some_and(|data| !data.is_empty())
        {
            active.chunk();
        }
    }

    fn end(mut self, end: End) {
        self.finish(end);
    }
}

impl<E: ErrorType> Drop for Call<E> {
    fn drop(&mut self) {
        self.finish(End::Dropped);
    }
}

impl<E: ErrorType> Active<E> {
    fn start<B, D: Describe<B>>(
        identity: Identity,
        shared: &Arc<Shared>,
        describe: &D,
        errors: &E,
        request: &Request<B>,
    ) -> Option<Box<Self>>
    where
        E: Clone,
    {
        let series = quietly(|| {
            let description = describe.describe(request)?;
            Some(shared.series.of(&description))
        })??;
        let errors = quietly(|| errors.clone())?;
        if shared.described.swap(identity.0, Ordering::Relaxed) != identity.0 {
            names::describe();
        }
        let mut in_flight = Gauge::noop();
        recorder::with_same(identity, |recorder| {
            recorder::count(recorder, &series.started);
            let gauge = recorder::gauge(recorder, &series.in_flight);
            gauge.increment(1.0);
            in_flight = gauge;
        });
        Some(Box::new(Self {
            recorder: identity,
            shared: shared.clone(),
            series,
            errors,
            started: Instant::now(),
            in_flight,
            status: None,
            outcome: None,
            cache: None,
            attempt: Attempt::FIRST,
            error: None,
            chunks: None,
            waits: false,
        }))
    }

    fn head<R>(&mut self, response: &Response<R>) {
        let extensions = response.extensions();
        self.status = Some(response.status());
        self.outcome = extensions.get().cloned();
        self.cache = extensions.get().copied();
        // One that was made again says so.
        self.attempt = extensions.get().copied().unwrap_or(Attempt::FIRST);
        self.shared.publish();
        let events = response.headers().get(CONTENT_TYPE).is_some_and(|kind| {
            kind.as_bytes()
                .get(..EVENT_STREAM.len())
                .is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM))
        });
        if events {
            self.chunks = Some(Chunks {
                last: None,
                per_chunk: Histogram::noop(),
            });
        }
    }

    fn chunk(&mut self) {
        let Some(chunks) = &mut self.chunks else {
            return;
        };
        let now = Instant::now();
        if let Some(last) = chunks.last.replace(now) {
            let took = now.duration_since(last);
            quietly(|| chunks.per_chunk.record(took));
            return;
        }
        // Comments before the answer are no part of it.
        if self
            .outcome
            .as_ref()
            .is_some_and(|outcome| outcome.timing().first_event.is_none())
        {
            chunks.last = None;
            return;
        }
        let took = now.duration_since(self.started);
        recorder::with_same(self.recorder, |recorder| {
            recorder::histogram(recorder, &self.series.time_to_first_chunk).record(took);
            chunks.per_chunk = recorder::histogram(recorder, &self.series.time_per_output_chunk);
        });
    }

    /// Keeps the word for the error that is just seen: its error is gone when the call ends.
    fn name_error(&mut self, end: End, error: Option<&(dyn Error + 'static)>) {
        let mut ended = Ended::new(end);
        ended.error = error;
        ended.status = self.status;
        ended.outcome = self.outcome.as_ref();
        let word = quietly(|| self.errors.error_type(&ended)).flatten();
        self.error = word.map(|word| self.shared.series.error(&word));
    }

    fn record(&mut self, recorder: &dyn Recorder, end: End) {
        if self.error.is_none() {
            self.name_error(end, None);
        }
        let took = self.started.elapsed();
        let ended = match (end, &self.error) {
            (End::Dropped, _) => &self.series.canceled,
            (_, Some(_)) => &self.series.failed,
            (_, None) => &self.series.ok,
        };
        recorder::count(recorder, ended);
        self.record_duration(recorder, took);
        if let Some(cache) = self.cache {
            recorder::count(recorder, &self.series.cache_result(cache));
        }
        if self.is_upstreams() {
            self.record_upstream(recorder);
        }
    }

    fn record_duration(&mut self, recorder: &dyn Recorder, took: Duration) {
        let error = self.error.take();
        if error.is_none() && self.cache.is_none() {
            recorder::histogram(recorder, &self.series.duration).record(took);
        } else {
            let key = self.series.duration_of(error, self.cache);
            recorder::histogram(recorder, &key).record(took);
        }
    }

    /// Whether the reply is the upstream's own, and not one that was paid for before or by another.
    const fn is_upstreams(&self) -> bool {
        matches!(
            self.cache,
            None | Some(CacheStatus::Miss | CacheStatus::Bypass)
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "the facade knows no integers")]
    fn record_upstream(&self, recorder: &dyn Recorder) {
        if self.status.is_some() {
            let attempts = f64::from(self.attempt.number());
            recorder::histogram(recorder, &self.series.attempts).record(attempts);
        }
        let Some(outcome) = &self.outcome else {
            return;
        };
        let (usage, timing) = outcome.read(|record| (record.usage, record.timing));
        if let Some(usage) = usage {
            let tokens = [
                (&self.series.input_tokens, usage.prompt_tokens),
                (&self.series.output_tokens, usage.completion_tokens),
            ];
            for (key, tokens) in tokens {
                recorder::histogram(recorder, key).record(tokens as f64);
            }
        }
        if let Some(queued) = timing.since(self.started.into_std()).queue {
            recorder::histogram(recorder, &self.series.queue).record(queued);
        }
    }
}

const EVENT_STREAM: &[u8] = b"text/event-stream";
