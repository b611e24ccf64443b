//! All that a client has around its limits.

use std::time::Duration;

use blossom_layers::{
    backoff::Backoff,
    body::{End, ReqBody},
    breaker::{BreakerLayer, Rules},
    buffer::BufferLayer,
    coalesce::CoalesceLayer,
    metrics::MetricsLayer,
    observe::ObserveLayer,
    retry::{Budget, RetryLayer, Standard},
    spend::SpendLayer,
    timeout::{FirstEventTimeoutLayer, HeadTimeoutLayer, IdleTimeoutLayer, TotalTimeoutLayer},
    types::{CacheKey, Deferred, Nanos, Quote, Record, Scope, Usage, Watch},
};
use bytes::Bytes;
use http::{Request, response::Parts};
use tower::ServiceBuilder;

use super::{Target, caller, layers, moody::Moody};

/// A stack as that of a client. Its clocks are short, so that they fire as well.
pub(super) fn everything(moody: Moody) -> Target {
    let (rate, limit) = layers();
    let millis = Duration::from_millis;
    let one = |_: &Quote, _: &Record| Some(Nanos(1));
    let spend = SpendLayer::new(one).quote(|_: &Request<ReqBody>| Some(Quote::new()));
    let coalesce = CoalesceLayer::new(
        |request: &Request<ReqBody>| match request.uri().path() {
            "/b" => Some(CacheKey::new([1; 32])),
            "/c" => Some(CacheKey::new([2; 32])),
            _ => None,
        },
        Scope::fixed("all"),
    );
    let retries = Standard::new()
        .backoff(Backoff::new(millis(5), millis(20)))
        .budget(Budget::new(100, 100));
    let (limits, quotas, books) = (limit.handle(), rate.handle(), spend.handle());
    let joined = coalesce.clone();
    let service = ServiceBuilder::new()
        .layer(MetricsLayer::new())
        .layer(TotalTimeoutLayer::new(millis(300)))
        .layer(BufferLayer::new())
        .layer(coalesce)
        .layer(RetryLayer::new(retries))
        .layer(spend)
        .layer(BreakerLayer::new().rules(Rules::new().open(millis(20))))
        .layer(rate)
        .layer(limit)
        .layer(HeadTimeoutLayer::new(millis(50)))
        .layer(FirstEventTimeoutLayer::new(millis(50)))
        .layer(IdleTimeoutLayer::new(millis(50)).max_unread(millis(80)))
        .layer(ObserveLayer::new(watch))
        .service(moody);
    Target {
        call: caller(service),
        limits,
        quotas,
        books: Some(books),
        joined: Box::new(move || joined.in_flight()),
    }
}

/// Counts a token for each reply.
#[derive(Debug)]
struct Counts;

impl Watch for Counts {
    fn data(&mut self, _: &Bytes, record: &mut Record) -> bool {
        record.usage = Some(Usage::new(1, 0));
        true
    }

    fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> {
        None
    }
}

fn watch(_: &Parts) -> Option<Counts> {
    Some(Counts)
}
