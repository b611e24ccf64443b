//! What a cache saves, counted in the books of what was paid.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blossom_layers::{
    body::{End, ReqBody},
    cache::{CacheLayer, tier::MemoryTier},
    observe::ObserveLayer,
    spend::SpendLayer,
    types::{CacheKey, Deferred, Nanos, Quote, Record, Scope, Usage, Watch},
};
use bytes::Bytes;
use http::{Request, Response, response::Parts};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt};

/// Each reply takes 12 tokens.
#[derive(Debug)]
struct Twelve;

impl Watch for Twelve {
    fn data(&mut self, _: &Bytes, _: &mut Record) -> bool {
        true
    }

    fn end(&mut self, _: End, record: &mut Record) -> Option<Deferred> {
        record.usage = Some(Usage::new(5, 7));
        record.model = Some("small".into());
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_equal_calls_cost_one_and_save_the_rest() {
    let paid = Arc::new(AtomicUsize::new(0));
    let upstream = paid.clone();
    let price = |_: &Quote, record: &Record| Some(Nanos(record.usage?.total_tokens * 10));
    let spend = SpendLayer::new(price);
    let books = spend.handle();
    let same = |_: &Request<ReqBody>| Some(CacheKey::new([1; 32]));
    let tier = MemoryTier::new(1 << 20);
    let stack = ServiceBuilder::new()
        .layer(spend.savings())
        .layer(CacheLayer::new(tier, same, Scope::fixed("a")).time_to_live(Duration::from_secs(60)))
        .layer(spend)
        .layer(ObserveLayer::new(|_: &Parts| Some(Twelve)))
        .service_fn(move |_: Request<ReqBody>| {
            upstream.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok::<_, Infallible>(Response::new(ReqBody::from("hello"))))
        });

    for _ in 0..100 {
        let answer = stack.clone().oneshot(Request::default()).await.unwrap();
        assert_eq!(
            answer.into_body().collect().await.unwrap().to_bytes(),
            "hello"
        );
    }

    let totals = books.totals();
    assert_eq!(paid.load(Ordering::SeqCst), 1);
    assert_eq!((totals.calls, totals.spent), (1, Nanos(120)));
    assert_eq!((totals.hits, totals.saved), (99, Nanos(99 * 120)));
    let (model, of_model) = books.models().remove(0);
    assert_eq!((model.as_deref(), of_model), (Some("small"), totals));
}
