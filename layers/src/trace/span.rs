//! One span, from its start to the end of the body.

use std::{borrow::Cow, error::Error};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode, Uri};
use http_body::Frame;
use tracing::{Span, field::Empty, span::Entered};

use super::{Content, Propagate, TraceContext, TraceLayer, layer::Kind};
use crate::{
    body::{End, Guard},
    boxed_ref,
    types::{Attempt, CacheStatus, Describe, Ended, ErrorType, Outcome, quietly, word},
};

/// A call or an attempt that has a span, or one that has none. Closes it exactly once, at the latest
/// when it is dropped.
pub(super) struct Traced<E: ErrorType>(Option<Box<Active<E>>>);

struct Active<E> {
    span: Closing,
    errors: E,
    status: Option<StatusCode>,
    outcome: Option<Outcome>,
    error: Option<Cow<'static, str>>,
}

/// The span of the call that a request belongs to. A call's layer places it in the extensions of the
/// request, so that attempts have the right parent whoever polls them.
#[derive(Clone)]
struct Parent(Closing);

/// Whether anybody wants the spans of this module.
#[inline]
pub(super) fn is_wanted() -> bool {
    tracing::span_enabled!(tracing::Level::INFO)
}

impl<E: ErrorType + Clone> Traced<E> {
    /// Opens the span that `request` goes out in.
    pub(super) fn open<B, D, P, C>(layer: &TraceLayer<D, E, P, C>, request: &mut Request<B>) -> Self
    where
        D: Describe<B>,
        P: Propagate,
        C: Content<B>,
    {
        let span = quietly(|| new_span(layer, request)).flatten();
        let span = span.filter(|span| !span.is_disabled()).map(Closing::new);
        if layer.propagate.is_on() {
            propagate(&layer.propagate, span.as_ref(), request);
        }
        let errors = quietly(|| layer.errors.clone());
        let (Some(span), Some(errors)) = (span, errors) else {
            return Self::NONE;
        };
        if layer.kind == Kind::Call {
            request.extensions_mut().insert(Parent(span.clone()));
        }
        Self(Some(Box::new(Active {
            span,
            errors,
            status: None,
            outcome: None,
            error: None,
        })))
    }
}

/// One span, by its name, since names are part of the program. What is not known yet has its place.
macro_rules! span {
    ($name:literal, $parent:expr, $name_of_call:expr, $attempt:expr, $seen:expr, $uri:expr, $id:expr) => {
        tracing::info_span!(
            parent: $parent,
            $name,
            otel.name = $name_of_call,
            otel.kind = "client",
            otel.status_code = Empty,
            trace_id = Empty,
            span_id = Empty,
            gen_ai.operation.name = &*word(&$seen.operation),
            gen_ai.provider.name = $seen.provider.as_deref().map(word).as_deref(),
            gen_ai.request.model = $seen.model.as_deref().map(word).as_deref(),
            gen_ai.response.model = Empty,
            gen_ai.response.finish_reasons = Empty,
            gen_ai.response.time_to_first_chunk = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            gen_ai.usage.cache_read.input_tokens = Empty,
            gen_ai.input.messages = Empty,
            server.address = $uri.host(),
            server.port = port($uri),
            http.response.status_code = Empty,
            error.type = Empty,
            blossom.request.id = $id.as_deref(),
            blossom.attempt = $attempt,
            blossom.cache.result = Empty,
        )
    };
}

fn new_span<B, D, E, P, C>(layer: &TraceLayer<D, E, P, C>, request: &Request<B>) -> Option<Span>
where
    D: Describe<B>,
    C: Content<B>,
{
    let seen = layer.describe.describe(request)?;
    let uri = request.uri();
    let id = request.headers().get(&X_REQUEST_ID);
    let id = id.and_then(|id| id.to_str().ok()).map(word);
    let span = match layer.kind {
        Kind::Call => {
            let name = match &seen.model {
                Some(model) => format!("{} {}", word(&seen.operation), word(model)),
                None => word(&seen.operation).into_owned(),
            };
            let (parent, attempt) = (Span::current().id(), None::<u32>);
            span!("call", parent, Some(&*name), attempt, seen, uri, id)
        }
        Kind::Attempt => {
            let extensions = request.extensions();
            let parent = match extensions.get::<Parent>() {
                Some(Parent(span)) => span.get().id(),
                None => Span::current().id(),
            };
            let attempt = extensions.get().copied().unwrap_or(Attempt::FIRST);
            let attempt = Some(attempt.number());
            span!("attempt", parent, None::<&str>, attempt, seen, uri, id)
        }
    };
    if let Some(content) = layer.content.content(request) {
        span.record("gen_ai.input.messages", shown(&content));
    }
    Some(span)
}

fn propagate<B, P: Propagate>(propagate: &P, span: Option<&Closing>, request: &mut Request<B>) {
    let context = quietly(|| {
        let _entered = span.map(|span| span.get().enter());
        propagate.context(TraceContext::of(request.headers()))
    });
    if let Some(context) = context.flatten() {
        context.write(request.headers_mut());
        if let Some(span) = span {
            span.note(context);
        }
    }
}

impl<E: ErrorType> Traced<E> {
    pub(super) const NONE: Self = Self(None);

    /// Sees the head.
    pub(super) fn head<R>(&mut self, response: &Response<R>) {
        let Some(active) = &mut self.0 else {
            return;
        };
        active.status = Some(response.status());
        active.outcome = response.extensions().get().cloned();
        quietly(|| {
            let span = active.span.get();
            span.record("http.response.status_code", response.status().as_u16());
            if let Some(cache) = response.extensions().get::<CacheStatus>() {
                span.record("blossom.cache.result", cache.as_str());
            }
        });
    }

    /// Sees the error that the call or its body ends in.
    pub(super) fn failed<T: 'static>(&mut self, error: &T) {
        if let Some(active) = &mut self.0 {
            active.name_error(End::Failed, boxed_ref(error));
        }
    }

    /// The span moves on to the body.
    pub(super) const fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    fn finish(&mut self, end: End) {
        if let Some(mut active) = self.0.take() {
            if active.error.is_none() {
                active.name_error(end, None);
            }
            quietly(|| active.record());
        }
    }
}

impl<E: ErrorType> Guard for Traced<E> {
    fn frame(&mut self, _frame: &Frame<Bytes>) {}

    #[inline]
    fn around<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        let _scope = self
            .0
            .as_ref()
            .map(|active| Scope::enter(active.span.get()));
        poll()
    }

    fn end(mut self, end: End) {
        self.finish(end);
    }
}

impl<E: ErrorType> Drop for Traced<E> {
    fn drop(&mut self) {
        self.finish(End::Dropped);
    }
}

impl<E: ErrorType> Active<E> {
    fn name_error(&mut self, end: End, error: Option<&(dyn Error + 'static)>) {
        let mut ended = Ended::new(end);
        ended.error = error;
        ended.status = self.status;
        ended.outcome = self.outcome.as_ref();
        self.error = quietly(|| self.errors.error_type(&ended)).flatten();
    }

    fn record(&self) {
        let span = self.span.get();
        if let Some(error) = &self.error {
            span.record("error.type", &*word(error));
            span.record("otel.status_code", "ERROR");
        }
        let Some(outcome) = &self.outcome else {
            return;
        };
        let record = outcome.record();
        if let Some(usage) = record.usage {
            span.record("gen_ai.usage.input_tokens", usage.prompt_tokens);
            span.record("gen_ai.usage.output_tokens", usage.completion_tokens);
            let cached = usage.cached_prompt_tokens;
            if cached > 0 {
                span.record("gen_ai.usage.cache_read.input_tokens", cached);
            }
        }
        if let Some(reason) = &record.finish_reason {
            span.record("gen_ai.response.finish_reasons", &*word(reason.as_str()));
        }
        if let Some(model) = &record.model {
            span.record("gen_ai.response.model", &*word(model));
        }
        if let Some(first) = record.timing.first_event {
            span.record("gen_ai.response.time_to_first_chunk", first.as_secs_f64());
        }
    }
}

/// A span whose subscriber may panic when it is cloned or closed.
struct Closing(Option<Span>);

impl Closing {
    const fn new(span: Span) -> Self {
        Self(Some(span))
    }

    fn get(&self) -> &Span {
        const NONE: &Span = &Span::none();
        self.0.as_ref().unwrap_or(NONE)
    }

    fn note(&self, context: TraceContext) {
        quietly(|| {
            let span = self.get();
            span.record("trace_id", format_args!("{:032x}", context.trace_id()));
            span.record("span_id", format_args!("{:016x}", context.span_id()));
        });
    }
}

impl Clone for Closing {
    fn clone(&self) -> Self {
        Self(quietly(|| self.0.clone()).flatten())
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let span = self.0.take();
        quietly(|| drop(span));
    }
}

/// The time in which a span is entered.
struct Scope<'a>(Option<Entered<'a>>);

impl<'a> Scope<'a> {
    fn enter(span: &'a Span) -> Self {
        Self(quietly(|| span.enter()))
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        let entered = self.0.take();
        quietly(|| drop(entered));
    }
}

/// The port of a server, if it is said or known.
fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    })
}

/// The part of a content that is shown, on one line.
fn shown(content: &str) -> String {
    let mut shown = String::new();
    for char in content.chars() {
        if shown.len() >= MAX_CONTENT_BYTES {
            break;
        }
        shown.extend(char.escape_debug());
    }
    shown
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_CONTENT_BYTES: usize = 8 * 1024;
