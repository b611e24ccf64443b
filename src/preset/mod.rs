//! The ready-made stack.
//!
//! Outermost first, and why each layer stands where it does:
//!
//! | layer | why here |
//! | --- | --- |
//! | `trace::call` | outermost: its span covers all that the caller sees |
//! | `metrics` | measures what the caller sees, refusals of all within included |
//! | `timeout::total` | covers everything within, to the end of the body |
//! | `buffer` | the one place that buffers a request |
//! | `estimate::clamp` (where a limit is set) | changes the request, so all that looks at it stands within |
//! | `spend::savings` (where prices are known) | sees what a cache within has answered |
//! | `cache` | outside all that costs: a hit takes no connection, and equal requests share one |
//! | `estimate` | counts a prompt once, however often it is sent |
//! | `retry` | outside all that belongs to one attempt, so that it holds nothing while it waits |
//! | `trace::attempt` | a span for each request that is sent |
//! | `spend` (where prices are known) | each attempt is paid, to the end of its body |
//! | `breaker` | inside retries, so that each attempt counts and an open circuit ends them; it costs no quota |
//! | `limit::rate` | who waits for quota holds no place below |
//! | `limit::concurrency` | each place is held to the end of its body |
//! | `timeout::head`, `first_event`, `idle` | clocks of one attempt |
//! | `observe` | sees what the wire gave, decompressed |
//! | decompression (feature) | inside all that reads bodies |
//! | credentials | innermost: nobody further out ever holds the key |
//! | transport | connections |
//!
//! Where no limit on tokens, no quota and no price is set, the layers for them are not there at all. Inside
//! `retry` stands one reference count, `shared`: all within is cloned once for each attempt.

mod maybe;
mod shared;

use std::num::NonZeroU32;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::ServiceBuilder;
use tower_service::Service;

use self::{maybe::Maybe, shared::SharedLayer};
#[cfg(feature = "cache-memory")]
use crate::builder::PresetCache;
#[cfg(feature = "decompression")]
use crate::transport::decompress::DecompressLayer;
use crate::{
    builder::{Limiting, Settings},
    client::Stack,
    layers::{
        BoxError,
        body::ReqBody,
        buffer::BufferLayer,
        estimate::{EstimateLayer, clamp::ClampLayer},
        limit::concurrency::ConcurrencyLimitLayer,
        metrics::MetricsLayer,
        observe::ObserveLayer,
        retry::{RetryLayer, Standard},
        spend::SpendLayer,
        timeout::{FirstEventTimeoutLayer, HeadTimeoutLayer, IdleTimeoutLayer, TotalTimeoutLayer},
        trace::TraceLayer,
    },
    policy::{
        ClampMaxTokens, ClassifyReply, CountReply, DescribeRequest, EstimatePrompt, HeadAfter,
        NameError, Prices, RepeatSafely,
    },
    transport::Transport,
};
use tower_layer::Layer as _;

/// What attempts are paid by, where prices are known.
type Spend = Option<SpendLayer<Prices, Prices>>;

/// The stack of [`Blossom::builder`](crate::Blossom::builder), without a cache.
pub(crate) fn standard(
    settings: &Settings,
    spend: &Spend,
    limiting: Limiting,
    transport: Transport,
) -> Stack {
    if is_plain(settings, spend, &limiting) {
        outer(settings, inner(settings, limiting, transport))
    } else {
        outer_with_all(
            settings,
            spend,
            inner_with_all(settings, spend, limiting, transport),
        )
    }
}

/// The same with one.
#[cfg(feature = "cache-memory")]
pub(crate) fn cached(
    settings: &Settings,
    spend: &Spend,
    limiting: Limiting,
    cache: &PresetCache,
    transport: Transport,
) -> Stack {
    if is_plain(settings, spend, &limiting) {
        outer(settings, cache.layer(inner(settings, limiting, transport)))
    } else {
        let inner = inner_with_all(settings, spend, limiting, transport);
        outer_with_all(settings, spend, cache.layer(inner))
    }
}

/// Whether nothing is set that has a layer of its own. Most set nothing of that kind, and a layer that may
/// be there or not costs each call and each frame something also where it is not.
fn is_plain(settings: &Settings, spend: &Spend, limiting: &Limiting) -> bool {
    settings.clamp_max_tokens == u64::MAX
        && spend.is_none()
        && limiting.heeded.is_none()
        && limiting.rate.handle().quotas().is_empty()
}

/// A service that can be part of the stack.
trait Part:
    Service<
        Request<ReqBody>,
        Response = Response<<Self as Part>::Body>,
        Error = BoxError,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, R> Part for S
where
    S: Service<Request<ReqBody>, Response = Response<R>, Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = R;
}

/// What each caller has for itself.
fn outer(settings: &Settings, inner: impl Part) -> Stack {
    Stack::new(
        ServiceBuilder::new()
            .layer(
                TraceLayer::call()
                    .describe(DescribeRequest)
                    .error_type(NameError)
                    .propagate(settings.propagation.clone())
                    .content(settings.show_content),
            )
            .layer(
                metrics(settings)
                    .describe(DescribeRequest)
                    .error_type(NameError),
            )
            .layer(TotalTimeoutLayer::new(settings.total_timeout))
            .layer(BufferLayer::new().max_request_bytes(settings.max_request_bytes))
            .service(inner),
    )
}

fn outer_with_all(settings: &Settings, spend: &Spend, inner: impl Part) -> Stack {
    let clamp = ClampMaxTokens::new(settings.clamp_max_tokens);
    let inner = ServiceBuilder::new()
        .layer(ClampLayer::new(clamp))
        .layer(Maybe(spend.as_ref().map(SpendLayer::savings)))
        .service(inner);
    outer(settings, inner)
}

/// What a call has that reaches the upstream.
fn inner(settings: &Settings, limiting: Limiting, transport: Transport) -> impl Part + use<> {
    let Limiting {
        breaker,
        concurrency,
        ..
    } = limiting;
    let attempt = attempt(settings, concurrency, transport, false);
    repeated(settings, false, breaker.layer(attempt))
}

fn inner_with_all(
    settings: &Settings,
    spend: &Spend,
    limiting: Limiting,
    transport: Transport,
) -> impl Part + use<> {
    let counts = spend.is_some();
    let Limiting {
        breaker,
        heeded,
        rate,
        concurrency,
    } = limiting;
    let paid = ServiceBuilder::new()
        .layer(Maybe(spend.clone()))
        .layer(breaker)
        // Of the parts, so outside that of all.
        .layer(Maybe(heeded))
        .layer(rate)
        .service(attempt(settings, concurrency, transport, counts));
    repeated(settings, counts, paid)
}

/// What is sent, as often as it takes.
fn repeated<S: Part>(settings: &Settings, counts: bool, attempt: S) -> impl Part + use<S> {
    ServiceBuilder::new()
        .layer(
            EstimateLayer::new(EstimatePrompt::new())
                .warn_above(settings.warn_prompt_tokens)
                .refuse_above(settings.max_prompt_tokens)
                // Nobody else wants to know how long a short prompt is.
                .only_large(!counts),
        )
        .layer(RetryLayer::new(retries(settings)))
        .layer(SharedLayer)
        .layer(
            TraceLayer::attempt()
                .describe(DescribeRequest)
                .error_type(NameError)
                .propagate(settings.propagation.clone()),
        )
        .service(attempt)
}

/// One attempt, from its place in the queues on.
fn attempt(
    settings: &Settings,
    concurrency: ConcurrencyLimitLayer,
    transport: Transport,
    counts: bool,
) -> impl Part + use<> {
    #[cfg(feature = "decompression")]
    let transport = DecompressLayer::new()
        .enabled(settings.decompression)
        .layer(transport);
    ServiceBuilder::new()
        .layer(concurrency)
        .layer(HeadTimeoutLayer::new(HeadAfter::new(
            settings.head_timeout,
            settings.unary_timeout,
        )))
        // The head has a clock of its own; where that is the longer one, this one must watch it too.
        .layer(
            FirstEventTimeoutLayer::new(settings.first_event_timeout).only_body(
                settings.first_event_timeout >= settings.head_timeout.max(settings.unary_timeout),
            ),
        )
        .layer(IdleTimeoutLayer::new(settings.idle_timeout).max_unread(settings.max_unread))
        // Only who pays wants to know what a reply that broke off had produced.
        .layer(ObserveLayer::new(CountReply::new(counts)))
        .service(transport)
}

/// Calls, and with them how full the stack is.
fn metrics(settings: &Settings) -> MetricsLayer {
    let metrics = MetricsLayer::new();
    match &settings.live {
        Some(live) => metrics.levels(live.publisher().clone()),
        None => metrics,
    }
}

fn retries(settings: &Settings) -> Standard<ClassifyReply, RepeatSafely> {
    let repeat = RepeatSafely::new().joins(settings.endpoint.joins_equal_requests());
    Standard::new()
        .classify(ClassifyReply)
        .repeat(repeat)
        // Zero is refused by the builder.
        .max_attempts(NonZeroU32::new(settings.max_attempts).unwrap_or(NonZeroU32::MIN))
        .backoff(settings.backoff.clone())
        .budget(settings.retry_budget.clone().unwrap_or_default())
        .max_replay_bytes(settings.max_request_bytes)
}
