use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Which span of which trace a request belongs to, as the field `traceparent` says it.
///
/// ```
/// use blossom_layers::trace::TraceContext;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context = TraceContext::parse(text).unwrap();
/// assert!(context.is_sampled());
/// assert_eq!(context.to_string(), text);
/// assert_eq!(TraceContext::parse("00-0-0-0"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace: NonZeroU128,
    span: NonZeroU64,
    sampled: bool,
}

impl TraceContext {
    /// The context of a span.
    ///
    /// ```
    /// use std::num::{NonZeroU64, NonZeroU128};
    ///
    /// use blossom_layers::trace::TraceContext;
    ///
    /// let context = TraceContext::new(NonZeroU128::MIN, NonZeroU64::MIN, false);
    /// let text = "00-00000000000000000000000000000001-0000000000000001-00";
    /// assert_eq!(context.to_string(), text);
    /// ```
    #[must_use]
    pub const fn new(trace: NonZeroU128, span: NonZeroU64, sampled: bool) -> Self {
        Self {
            trace,
            span,
            sampled,
        }
    }

    /// A new trace, with random ids, that is sampled.
    ///
    /// ```
    /// use blossom_layers::trace::TraceContext;
    ///
    /// assert!(TraceContext::random().is_sampled());
    /// assert_ne!(TraceContext::random().trace_id(), TraceContext::random().trace_id());
    /// ```
    #[must_use]
    pub fn random() -> Self {
        let trace = loop {
            if let Some(id) = NonZeroU128::new(fastrand::u128(..)) {
                break id;
            }
        };
        Self::new(trace, random_span(), true)
    }

    /// A new span of the same trace.
    ///
    /// ```
    /// use blossom_layers::trace::TraceContext;
    ///
    /// let parent = TraceContext::random();
    /// let child = parent.child();
    /// assert_eq!(child.trace_id(), parent.trace_id());
    /// assert_ne!(child.span_id(), parent.span_id());
    /// ```
    #[must_use]
    pub fn child(self) -> Self {
        Self {
            span: random_span(),
            ..self
        }
    }

    /// Reads a `traceparent`. A version that is not known yet is read as far as this one goes, as
    /// the recommendation asks.
    ///
    /// ```
    /// use blossom_layers::trace::TraceContext;
    ///
    /// let context = TraceContext::random();
    /// assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
    /// assert_eq!(TraceContext::parse("none"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32)?;
        let span = hex(parts.next()?, 16)?;
        let flags = hex(parts.next()?, 2)?;
        let more = parts.next().is_some();
        if version == 0xff || (version == 0 && more) {
            return None;
        }
        Some(Self {
            trace: NonZeroU128::new(trace)?,
            span: NonZeroU64::new(u64::try_from(span).ok()?)?,
            sampled: flags & 1 == 1,
        })
    }

    /// The id of the trace.
    ///
    /// ```
    /// use blossom_layers::trace::TraceContext;
    ///
    /// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// let trace = TraceContext::parse(text).map(|context| context.trace_id().get());
    /// assert_eq!(trace, Some(0x0af7651916cd43dd8448eb211c80319c));
    /// ```
    #[must_use]
    pub const fn trace_id(self) -> NonZeroU128 {
        self.trace
    }

    /// The id of the span.
    ///
    /// ```
    /// use blossom_layers::trace::TraceContext;
    ///
    /// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// let span = TraceContext::parse(text).map(|context| context.span_id().get());
    /// assert_eq!(span, Some(0xb7ad6b7169203331));
    /// ```
    #[must_use]
    pub const fn span_id(self) -> NonZeroU64 {
        self.span
    }

    /// Whether the trace is recorded by whoever began it.
    ///
    /// ```
    /// use blossom_layers::trace::TraceContext;
    ///
    /// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    /// assert!(TraceContext::parse(text).is_some_and(|context| !context.is_sampled()));
    /// ```
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.sampled
    }

    /// The context that a request bears. One that stands there twice, or is not legal, is none.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        Self::parse(value.to_str().ok()?)
    }

    pub(super) fn write(self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.to_string()) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace, self.span)
    }
}

fn random_span() -> NonZeroU64 {
    loop {
        if let Some(id) = NonZeroU64::new(fastrand::u64(..)) {
            return id;
        }
    }
}

/// A number of exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let legal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.as_bytes().iter().all(legal) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

/// Which trace context a request bears on its way. Called inside the new span.
///
/// Implemented for closures, by which a tracer that has ids of its own gives them.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     test_util::ScriptedService,
///     trace::{TraceContext, TraceLayer},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// // Continues what came in, and begins nothing.
/// let only_continued = |incoming: Option<TraceContext>| incoming.map(TraceContext::child);
/// let upstream = ScriptedService::default();
/// let service = TraceLayer::call().propagate(only_continued).layer(upstream.clone());
/// service.oneshot(Request::new(())).await?;
/// assert!(!upstream.seen()[0].headers.contains_key("traceparent"));
/// # Ok(())
/// # }
/// ```
pub trait Propagate {
    /// The context to send, for the one that came in; `None` sends what came in, if anything did.
    ///
    /// ```
    /// use blossom_layers::trace::{Propagate, TraceContext, W3c};
    ///
    /// let incoming = TraceContext::random();
    /// let sent = W3c::default().context(Some(incoming));
    /// assert_eq!(sent.map(TraceContext::trace_id), Some(incoming.trace_id()));
    /// ```
    fn context(&self, incoming: Option<TraceContext>) -> Option<TraceContext>;

    /// Whether it is ever to be asked.
    ///
    /// ```
    /// use blossom_layers::trace::{NoContext, Propagate, W3c};
    ///
    /// assert!(W3c::default().is_on());
    /// assert!(!NoContext::default().is_on());
    /// ```
    fn is_on(&self) -> bool {
        true
    }
}

impl<F: Fn(Option<TraceContext>) -> Option<TraceContext>> Propagate for F {
    fn context(&self, incoming: Option<TraceContext>) -> Option<TraceContext> {
        self(incoming)
    }
}

/// Continues the trace that came in, or begins one. Needs no tracer: the ids are random, and stand in
/// the span as `trace_id` and `span_id`.
///
/// ```
/// use blossom_layers::trace::{Propagate as _, TraceContext, W3c};
///
/// // Nothing came in: a trace begins, and is recorded.
/// let sent = W3c::default().context(None);
/// assert!(sent.is_some_and(TraceContext::is_sampled));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct W3c;

impl Propagate for W3c {
    fn context(&self, incoming: Option<TraceContext>) -> Option<TraceContext> {
        Some(incoming.map_or_else(TraceContext::random, TraceContext::child))
    }
}

/// Adds no trace context. One that came in passes as it is.
///
/// ```
/// use blossom_layers::trace::{NoContext, Propagate as _, TraceContext};
///
/// assert_eq!(NoContext::default().context(Some(TraceContext::random())), None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoContext;

impl Propagate for NoContext {
    fn context(&self, _incoming: Option<TraceContext>) -> Option<TraceContext> {
        None
    }

    fn is_on(&self) -> bool {
        false
    }
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEGAL: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn what_is_not_legal_is_no_context() {
        assert!(!TraceContext::parse(LEGAL).unwrap().is_sampled());
        for illegal in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(illegal), None, "{illegal}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = LEGAL.replacen("00", "cc", 1) + "-what-comes";
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(LEGAL));
    }

    #[test]
    fn two_fields_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(LEGAL));
        assert!(TraceContext::of(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(LEGAL));
        assert_eq!(TraceContext::of(&headers), None);
    }

    #[test]
    fn a_trace_is_continued_or_begun() {
        let incoming = TraceContext::parse(LEGAL).unwrap();
        let child = W3c.context(Some(incoming)).unwrap();
        assert_eq!(child.trace_id(), incoming.trace_id());
        assert_ne!(child.span_id(), incoming.span_id());
        assert!(!child.is_sampled(), "as it came in");
        assert_ne!(W3c.context(None), W3c.context(None));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_written_is_read(text in "\\PC*") {
            if let Some(context) = TraceContext::parse(&text) {
                prop_assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
            }
            let random = TraceContext::random();
            prop_assert_eq!(TraceContext::parse(&random.to_string()), Some(random));
        }
    }
}
