//! What the quotas hold, in any window of their period.
#![expect(
    clippy::disallowed_methods,
    reason = "callers of one limit are tasks of their own"
)]

use std::time::Duration;

use blossom_layers::{
    BoxError,
    body::{End, ReqBody},
    cause_ref,
    limit::{
        concurrency::ConcurrencyLimitLayer,
        rate::{LargerThanQuota, Quota, RateLimitLayer, RateLimited},
    },
    observe::ObserveLayer,
    spend::SpendLayer,
    test_util::{ScriptedBody, ScriptedService, Step},
    types::{
        Deadline, Deferred, Nanos, PartitionKey, Quote, Record, Refusal, RefusalKind,
        TokenEstimate, Usage, Watch,
    },
};
use bytes::Bytes;
use http::{Request, Response, response::Parts};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn request() -> Request<ReqBody> {
    Request::new(ReqBody::empty())
}

fn of(tenant: &str) -> Request<ReqBody> {
    Request::get(format!("/{tenant}"))
        .body(ReqBody::empty())
        .unwrap()
}

fn tenant(request: &Request<ReqBody>) -> Option<PartitionKey> {
    let name = request.uri().path().trim_start_matches('/');
    (!name.is_empty()).then(|| PartitionKey::new(name))
}

fn estimated(tokens: u64) -> Request<ReqBody> {
    let mut request = request();
    request.extensions_mut().insert(TokenEstimate::new(tokens));
    request
}

fn within(mut request: Request<ReqBody>, patience: Duration) -> Request<ReqBody> {
    let now = Instant::now().into_std();
    request
        .extensions_mut()
        .insert(Deadline::after(now, patience).unwrap());
    request
}

/// Reports the usage that a header of the reply foretells, when the body ends well.
struct Foretold(Option<u64>);

impl Watch for Foretold {
    fn data(&mut self, _: &Bytes, _: &mut Record) -> bool {
        true
    }

    fn end(&mut self, end: End, record: &mut Record) -> Option<Deferred> {
        if end == End::Complete {
            record.usage = self.0.map(|tokens| Usage::new(tokens, 0));
        }
        None
    }
}

fn foretold(head: &Parts) -> Option<Foretold> {
    let tokens = head.headers.get("tokens");
    Some(Foretold(
        tokens.map(|tokens| tokens.to_str().unwrap().parse().unwrap()),
    ))
}

/// An answer that says at its end that it took so many tokens.
fn used(tokens: u64) -> Step {
    let mut response = Response::new(ScriptedBody::new().data("a"));
    response
        .headers_mut()
        .insert("tokens", tokens.to_string().parse().unwrap());
    Step::Respond(response)
}

fn refused(status: u16, name: &'static str, value: &str) -> Step {
    let mut response = Response::new(ScriptedBody::new());
    *response.status_mut() = status.try_into().unwrap();
    response.headers_mut().insert(name, value.parse().unwrap());
    Step::Respond(response)
}

fn limited(error: &BoxError) -> &RateLimited {
    let refusal = cause_ref::<Refusal>(&**error).unwrap();
    assert_eq!(refusal.kind(), RefusalKind::RateLimited);
    let limited: &RateLimited = error.downcast_ref().unwrap();
    assert_eq!(refusal.wait(), Some(limited.retry_after()));
    limited
}

/// When each of `count` requests, all made at once, got through.
async fn admissions<S, B>(service: S, count: usize) -> Vec<Duration>
where
    S: Service<Request<ReqBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + std::fmt::Debug,
    B: Send + 'static,
{
    let start = Instant::now();
    let calls: Vec<_> = (0..count)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                service.oneshot(request()).await.unwrap();
                start.elapsed()
            })
        })
        .collect();
    let mut times = Vec::new();
    for call in calls {
        times.push(call.await.unwrap());
    }
    times
}

#[tokio::test(start_paused = true)]
async fn f1_a_burst_around_the_edge_of_a_window_stays_within_the_limit() {
    // The seconds that a hundred take: 10 per second, but 6 with the half of it as a burst.
    for (quota, seconds) in [
        (Quota::requests(10, SECOND), 10),
        (Quota::requests(10, SECOND).burst(5), 16),
        (Quota::requests(10, SECOND).exact(), 9),
    ] {
        let service = RateLimitLayer::new([quota]).layer(ScriptedService::default());
        tokio::time::sleep(SECOND * 9 / 10).await;
        let times = admissions(service, 100).await;
        for (index, time) in times.iter().enumerate() {
            let window = times[index..]
                .iter()
                .filter(|other| **other < *time + SECOND);
            assert!(window.count() <= 10, "{quota:?}");
        }
        assert!(times[99] <= SECOND * seconds, "{quota:?}: {:?}", times[99]);
    }
}

/// For services that cannot be cloned.
async fn call_in_turn(service: &mut impl Service<Request<ReqBody>, Error = BoxError>) {
    let ready = service.ready().await.unwrap();
    assert!(ready.call(request()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn from_the_start_of_a_window_the_log_does_what_towers_does_and_later_it_does_not() {
    let ours = || RateLimitLayer::new([Quota::requests(10, SECOND).exact()]);
    let times = admissions(ours().layer(ScriptedService::default()), 35).await;
    let mut tower = tower::limit::RateLimitLayer::new(10, SECOND).layer(ScriptedService::default());
    let mut towers = Vec::new();
    let start = Instant::now();
    for _ in 0..35 {
        call_in_turn(&mut tower).await;
        towers.push(start.elapsed());
    }
    let rounded =
        |times: &[Duration]| -> Vec<_> { times.iter().map(|time| time.as_millis() / 10).collect() };
    assert_eq!(rounded(&times), rounded(&towers));

    // One at the beginning of a window, the others at its end and after: twenty within 0.1 s.
    let mut tower = tower::limit::RateLimitLayer::new(10, SECOND).layer(ScriptedService::default());
    let service = ours().layer(ScriptedService::default());
    call_in_turn(&mut tower).await;
    service.clone().oneshot(request()).await.unwrap();
    tokio::time::sleep(SECOND * 95 / 100).await;
    let start = Instant::now();
    for _ in 0..19 {
        call_in_turn(&mut tower).await;
    }
    assert!(start.elapsed() < SECOND / 10);
    let times = admissions(service, 19).await;
    assert!(times[18] >= SECOND * 9 / 10, "{:?}", times[18]);
}

#[tokio::test(start_paused = true)]
async fn f2_after_a_long_sleep_there_is_one_burst_and_no_more() {
    let layer = RateLimitLayer::new([Quota::requests(60, MINUTE)]);
    let service = layer.layer(ScriptedService::default());
    assert_eq!(admissions(service.clone(), 3).await, [Duration::ZERO; 3]);
    // The machine was suspended.
    tokio::time::advance(MINUTE * 60 * 24 * 365).await;

    let times = admissions(service, 5).await;
    assert_eq!(times[..3], [Duration::ZERO; 3]);
    assert!(times[3] > SECOND && times[4] > SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn f3_an_estimate_that_is_ten_times_too_low_is_a_debt_for_the_next() {
    for quota in [
        Quota::tokens(600, MINUTE),
        Quota::tokens(600, MINUTE).exact(),
    ] {
        let layer = RateLimitLayer::new([quota]);
        let inner = ScriptedService::new([used(600), used(30), used(9_999_999), used(30)]);
        let service = layer.layer(ObserveLayer::new(foretold).layer(inner));
        let call = async || {
            let response = service.clone().oneshot(estimated(30)).await.unwrap();
            response.into_body().collect().await.unwrap();
        };
        let start = Instant::now();
        call().await;
        assert_eq!(layer.handle().available(None), [0]);
        call().await;
        let waited = start.elapsed();
        assert!(
            waited > MINUTE * 9 / 10 && waited < MINUTE * 11 / 10,
            "{waited:?}"
        );

        // No debt is longer than a limit.
        call().await;
        let start = Instant::now();
        call().await;
        assert!(start.elapsed() < MINUTE * 5 / 4, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn f4_what_was_not_sent_comes_back_and_what_was_sent_does_not() {
    let layer = RateLimitLayer::new([
        Quota::tokens(600, MINUTE).exact(),
        Quota::requests(60, MINUTE).exact(),
    ]);
    let left = || layer.handle().available(None);
    let never_ready = tower::service_fn(|_: Request<ReqBody>| async {
        Ok::<_, BoxError>(Response::new(ReqBody::empty()))
    });
    let closed = tower::limit::ConcurrencyLimit::new(never_ready, 0);

    // Before: the inner service is not ready yet.
    let mut call = task::spawn(layer.layer(closed).oneshot(estimated(100)));
    assert_pending!(call.poll());
    assert_eq!(left(), [500, 59]);
    drop(call);
    assert_eq!(left(), [600, 60]);
    // It never becomes ready.
    let broken = layer.layer(ScriptedService::new([Step::NotReady("closed")]));
    assert!(broken.oneshot(estimated(100)).await.is_err());
    assert_eq!(left(), [600, 60]);
    // It is refused further in, or waits there.
    let full = ConcurrencyLimitLayer::new(0).max_waiting(0);
    let refused = layer.layer(full.layer(ScriptedService::default()));
    assert!(refused.oneshot(estimated(100)).await.is_err());
    let queue = ConcurrencyLimitLayer::new(0);
    let service = layer.layer(queue.layer(ScriptedService::default()));
    let mut call = task::spawn(service.clone().oneshot(estimated(100)));
    assert_pending!(call.poll());
    assert_eq!((left(), queue.handle().waiting()), (vec![500, 59], 1));
    drop(call);
    assert_eq!(left(), [600, 60]);

    // After: nobody knows what the upstream has done with it.
    queue.handle().set_limit(9);
    let mut call = task::spawn(service.oneshot(estimated(100)));
    assert!(assert_ready!(call.poll()).is_ok());
    drop(call);
    assert_eq!(left(), [500, 59]);
    let mut call = task::spawn(
        layer
            .layer(ScriptedService::new([Step::Hang]))
            .oneshot(estimated(100)),
    );
    assert_pending!(call.poll());
    drop(call);
    let failed = layer.layer(ScriptedService::new([Step::Fail("reset")]));
    assert!(failed.oneshot(estimated(100)).await.is_err());
    assert_eq!(left(), [300, 57]);
}

#[tokio::test(start_paused = true)]
async fn f4_who_leaves_a_queue_of_either_limit_has_spent_nothing() {
    let price = |_: &Quote, _: &Record| Some(Nanos(7));
    let spend =
        SpendLayer::new(price).quote(|_: &Request<ReqBody>| Some(Quote::new().most(Nanos(7))));
    let books = spend.handle();
    let rate = RateLimitLayer::new([Quota::requests(1, MINUTE)]);
    let limit = ConcurrencyLimitLayer::new(0);
    let inner = ScriptedService::new([Step::Hang]);
    let service = spend.layer(rate.layer(limit.layer(inner.clone())));

    // The first waits for a permit, the second for the quota.
    let mut first = task::spawn(service.clone().oneshot(request()));
    assert_pending!(first.poll());
    let mut second = task::spawn(service.clone().oneshot(request()));
    assert_pending!(second.poll());
    assert_eq!(limit.handle().waiting() + rate.handle().waiting(), 2);
    drop((first, second));
    let balance = books.balance();
    assert_eq!(
        (balance.settled, balance.refunded, balance.open),
        (0, 14, 0)
    );

    // One that has waited for both and was sent is paid for.
    let mut third = task::spawn(service.oneshot(request()));
    assert_pending!(third.poll());
    tokio::time::advance(MINUTE * 2).await;
    assert_pending!(third.poll());
    limit.handle().set_limit(1);
    assert_pending!(third.poll());
    assert_eq!(inner.calls(), 1);
    drop(third);
    assert_eq!(books.balance().settled, 7);
}

#[tokio::test(start_paused = true)]
async fn f4_the_reservation_is_settled_at_the_end_of_the_body_and_stays_if_nobody_knows() {
    let layer = RateLimitLayer::new([Quota::tokens(600, MINUTE).exact()]);
    let left = || layer.handle().available(None);
    let inner = ScriptedService::new([used(20), used(20), used(500)]);
    let service = layer.layer(ObserveLayer::new(foretold).layer(inner));

    let response = service.clone().oneshot(estimated(100)).await.unwrap();
    assert_eq!(left(), [500]);
    response.into_body().collect().await.unwrap();
    assert_eq!(left(), [580]);
    // Dropped in the middle.
    drop(service.clone().oneshot(estimated(100)).await.unwrap());
    assert_eq!(left(), [480]);
    let response = service.clone().oneshot(estimated(100)).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(left(), [0]);
}

#[tokio::test(start_paused = true)]
async fn tokens_cannot_be_had_by_asking_at_the_same_time() {
    let layer = RateLimitLayer::new([Quota::tokens(1_000, MINUTE).exact()]).max_waiting(0);
    let service = layer.layer(ScriptedService::new((0..5).map(|_| Step::Hang)));
    let mut calls: Vec<_> = (0..5)
        .map(|_| task::spawn(service.clone().oneshot(estimated(400))))
        .collect();

    let open = calls.iter_mut().filter_map(|call| {
        let polled = call.poll();
        polled.is_pending().then_some(())
    });
    assert_eq!(open.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_of_all_quotas_or_of_none() {
    let minute = |limit| Quota::requests(limit, MINUTE).exact();
    let layer = RateLimitLayer::new([
        minute(9),
        Quota::tokens(100, MINUTE).exact(),
        Quota::cost(Nanos(1_000), MINUTE).exact(),
    ])
    .price(|_: &Quote, record: &Record| Some(Nanos(record.usage?.total_tokens * 5)))
    .max_waiting(0);
    let left = || layer.handle().available(None);
    let service = layer.layer(ScriptedService::default());

    service.clone().oneshot(estimated(60)).await.unwrap();
    assert_eq!(left(), [8, 40, 700]);
    let error = service.clone().oneshot(estimated(41)).await.unwrap_err();
    assert_eq!(limited(&error).quota(), Some(layer.handle().quotas()[1]));
    assert_eq!(limited(&error).retry_after(), MINUTE);
    assert_eq!(left(), [8, 40, 700]);
    service.clone().oneshot(request()).await.unwrap();
    assert_eq!(left(), [7, 40, 700]);

    let error = service.oneshot(estimated(101)).await.unwrap_err();
    let larger: &LargerThanQuota = error.downcast_ref().unwrap();
    assert_eq!((larger.amount(), larger.quota().limit()), (101, 100));
    let refusal = cause_ref::<Refusal>(&*error).unwrap();
    assert_eq!(refusal.kind(), RefusalKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn who_came_first_goes_first_also_past_smaller_ones() {
    let layer = RateLimitLayer::new([Quota::tokens(100, MINUTE).exact()]);
    let inner = ScriptedService::default();
    let service = layer.layer(inner.clone());
    service.clone().oneshot(estimated(60)).await.unwrap();
    let order = ["large", "small", "last"].map(|name| {
        let mut request = of(name);
        let tokens = if name == "large" { 90 } else { 5 };
        request.extensions_mut().insert(TokenEstimate::new(tokens));
        request
    });
    let mut calls = Vec::new();
    for request in order {
        calls.push(tokio::spawn(service.clone().oneshot(request)));
        tokio::task::yield_now().await;
    }
    assert_eq!(layer.handle().waiting(), 3);
    for call in calls {
        call.await.unwrap().unwrap();
    }

    let seen = inner.seen();
    let order: Vec<_> = seen.iter().map(|head| head.uri.path()).collect();
    assert_eq!(order, ["/", "/large", "/small", "/last"]);
    assert_eq!(layer.handle().waiting(), 0);
    assert_eq!(layer.handle().waits(), 3, "the first had no need to");
}

#[tokio::test(start_paused = true)]
async fn a_place_in_the_queue_that_is_given_up_lets_the_next_go_sooner() {
    let layer = RateLimitLayer::new([Quota::tokens(100, MINUTE).exact()]);
    let service = layer.layer(ScriptedService::default());
    service.clone().oneshot(estimated(60)).await.unwrap();
    let mut large = task::spawn(service.clone().oneshot(estimated(90)));
    let mut small = task::spawn(service.clone().oneshot(estimated(5)));
    assert_pending!(large.poll());
    assert_pending!(small.poll());

    drop(large);
    assert!(small.is_woken());
    assert!(assert_ready!(small.poll()).is_ok());
    assert_eq!(layer.handle().waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_lets_those_go_who_wait() {
    let layer = RateLimitLayer::new([Quota::tokens(100, MINUTE).exact()]);
    let inner = ScriptedService::new([used(10)]);
    let service = layer.layer(ObserveLayer::new(foretold).layer(inner));
    let response = service.clone().oneshot(estimated(100)).await.unwrap();
    let mut next = task::spawn(service.oneshot(estimated(90)));
    assert_pending!(next.poll());

    response.into_body().collect().await.unwrap();
    assert!(next.is_woken());
    assert!(assert_ready!(next.poll()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_end_before_the_deadline_is_refused_at_once() {
    let layer = RateLimitLayer::new([Quota::requests(1, SECOND)]);
    let inner = ScriptedService::default();
    let service = layer.layer(inner.clone());
    service.clone().oneshot(request()).await.unwrap();

    let start = Instant::now();
    let error = service
        .clone()
        .oneshot(within(request(), SECOND / 2))
        .await
        .unwrap_err();
    assert_eq!(limited(&error).retry_after(), SECOND);
    // The third in line would wait for three seconds.
    let mut line: Vec<_> = (0..2)
        .map(|_| task::spawn(service.clone().oneshot(request())))
        .collect();
    for call in &mut line {
        assert_pending!(call.poll());
    }
    let late = service.clone().oneshot(within(request(), SECOND * 2));
    assert_eq!(limited(&late.await.unwrap_err()).retry_after(), SECOND * 3);
    assert_eq!(start.elapsed(), Duration::ZERO);
    drop(line);

    let in_time = service.oneshot(within(request(), SECOND * 2));
    assert!(in_time.await.is_ok());
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn e4_who_waits_longer_than_was_foreseen_leaves_at_its_deadline() {
    let layer = RateLimitLayer::new([Quota::requests(1, SECOND)]);
    let inner = ScriptedService::default();
    let service = layer.layer(inner.clone());
    service.clone().oneshot(request()).await.unwrap();
    let first = tokio::spawn(service.clone().oneshot(within(request(), SECOND * 2)));
    let second = tokio::spawn(service.oneshot(within(request(), SECOND * 3)));
    tokio::task::yield_now().await;
    layer.handle().pause(None, MINUTE);

    for call in [first, second] {
        let error = call.await.unwrap().unwrap_err();
        assert!(limited(&error).retry_after() > MINUTE / 2);
    }
    assert_eq!((inner.calls(), layer.handle().waiting()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn e3_a_full_queue_refuses_and_says_when_it_could_go() {
    let layer = RateLimitLayer::new([Quota::requests(1, SECOND)]).max_waiting(2);
    let service = layer.layer(ScriptedService::default());
    service.clone().oneshot(request()).await.unwrap();
    let mut line: Vec<_> = (0..2)
        .map(|_| task::spawn(service.clone().oneshot(request())))
        .collect();
    for call in &mut line {
        assert_pending!(call.poll());
    }

    let error = service.oneshot(request()).await.unwrap_err();
    assert_eq!(limited(&error).retry_after(), SECOND * 3);
    assert_eq!(layer.handle().waiting(), 2);
}

#[tokio::test(start_paused = true)]
async fn f7_many_parts_take_bounded_memory_and_none_gets_more_than_its_quota() {
    let layer = RateLimitLayer::new([Quota::requests(2, MINUTE).exact()])
        .per_partition(tenant)
        .max_partitions(2_000)
        .max_waiting(0);
    let service = layer.layer(ScriptedService::default());
    let mut admitted = 0;
    for number in 0..10_000 {
        let call = service.clone().oneshot(of(&format!("tenant-{number}")));
        admitted += usize::from(call.await.is_ok());
    }
    assert_eq!(layer.handle().partitions(), 2_000);
    // Those for which there was no room share one quota.
    assert_eq!(admitted, 2_002);
    // Those that are known still have theirs.
    assert!(service.clone().oneshot(of("tenant-7")).await.is_ok());
    assert!(service.clone().oneshot(of("tenant-7")).await.is_err());

    // At rest all are forgotten, and there is room again.
    tokio::time::advance(MINUTE).await;
    for number in 0..10 {
        let call = service.clone().oneshot(of(&format!("new-{number}")));
        assert!(call.await.is_ok());
    }
    assert_eq!(layer.handle().partitions(), 10);
}

#[tokio::test(start_paused = true)]
async fn f7_parts_that_are_at_rest_are_forgotten_as_others_come() {
    let layer = RateLimitLayer::new([Quota::requests(60, MINUTE)]).per_partition(tenant);
    let service = layer.layer(ScriptedService::default());
    for number in 0..10_000 {
        let call = service.clone().oneshot(of(&format!("tenant-{number}")));
        assert!(call.await.is_ok());
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    assert!(layer.handle().partitions() <= 2_048);
}

#[tokio::test(start_paused = true)]
async fn f8_only_the_part_that_was_told_to_wait_waits() {
    let layer = RateLimitLayer::new([])
        .per_partition(tenant)
        .learn()
        .max_waiting(0);
    let limits = layer.handle();
    let told = |name, value: &str| {
        let service = layer.layer(ScriptedService::new([refused(429, name, value)]));
        service.oneshot(of("told"))
    };
    let (mine, others) = (PartitionKey::new("told"), PartitionKey::new("other"));
    assert!(told("retry-after", "7").await.is_ok());
    assert_eq!(limits.paused(Some(&mine)), Some(SECOND * 7));
    assert_eq!(limits.paused(Some(&others)), None);

    let service = layer.layer(ScriptedService::default());
    let error = service.clone().oneshot(of("told")).await.unwrap_err();
    assert_eq!(limited(&error).retry_after(), SECOND * 7);
    assert_eq!(limited(&error).quota(), None);
    assert!(service.clone().oneshot(of("other")).await.is_ok());

    tokio::time::advance(SECOND * 7).await;
    assert!(service.oneshot(of("told")).await.is_ok());
    for odd in ["NaN", "-1", "1e309", "1, 2"] {
        assert!(told("retry-after", odd).await.is_ok());
        assert_eq!(limits.paused(Some(&mine)), None, "{odd}");
    }
    assert!(told("retry-after", "99999999").await.is_ok());
    assert_eq!(limits.paused(Some(&mine)), Some(SECOND * 120));
}

#[tokio::test(start_paused = true)]
async fn what_a_reply_says_is_not_heeded_unless_it_is_asked_for() {
    let layer = RateLimitLayer::new([Quota::requests(60, MINUTE)]);
    let inner = ScriptedService::new([refused(429, "retry-after", "7")]);
    assert!(layer.layer(inner).oneshot(request()).await.is_ok());
    assert_eq!(layer.handle().paused(None), None);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_part_is_not_limited() {
    let layer = RateLimitLayer::new([Quota::requests(0, MINUTE)]).per_partition(tenant);
    let service = layer.layer(ScriptedService::default());
    assert!(service.clone().oneshot(of("")).await.is_ok());
    assert!(service.oneshot(of("a")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_estimate_is_what_the_request_states_or_else_what_the_policy_says() {
    let layer = RateLimitLayer::new([Quota::tokens(100, MINUTE).exact()]).estimate(
        |request: &Request<ReqBody>| {
            (request.uri().path() == "/").then(|| TokenEstimate::new(10).completion_tokens(20))
        },
    );
    let service = layer.layer(ScriptedService::default());
    let left = || layer.handle().available(None);
    service.clone().oneshot(request()).await.unwrap();
    assert_eq!(left(), [70]);
    service.clone().oneshot(estimated(5)).await.unwrap();
    assert_eq!(left(), [65]);
    service.oneshot(of("models")).await.unwrap();
    assert_eq!(left(), [65]);
}

#[tokio::test(start_paused = true)]
async fn e8_clones_share_their_quotas_and_two_layers_share_nothing() {
    let new = || RateLimitLayer::new([Quota::requests(1, MINUTE)]).max_waiting(0);
    let layer = new();
    let first = layer.layer(ScriptedService::default());
    let second = layer.clone().layer(ScriptedService::default());
    assert!(first.oneshot(request()).await.is_ok());
    assert!(second.oneshot(request()).await.is_err());
    assert!(
        new()
            .layer(ScriptedService::default())
            .oneshot(request())
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn without_quotas_it_needs_neither_lock_nor_clock() {
    let layer = RateLimitLayer::new([]);
    let service = layer.layer(ScriptedService::default());
    assert!(service.oneshot(request()).await.is_ok());
    assert!(layer.handle().available(None).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn p11_no_window_of_any_quota_admits_more_than_its_limit(
        limits in proptest::collection::vec((1..20_u64, 1..4_000_u64, any::<bool>()), 1..4),
        gaps in proptest::collection::vec(prop_oneof![Just(0), 0..900_u64], 1..60),
    ) {
        let quotas: Vec<_> = limits
            .iter()
            .map(|(limit, millis, exact)| {
                let quota = Quota::requests(*limit, Duration::from_millis(*millis));
                if *exact { quota.exact() } else { quota }
            })
            .collect();
        let times = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(async {
                let service =
                    RateLimitLayer::new(quotas.iter().copied()).layer(ScriptedService::default());
                let start = Instant::now();
                let mut calls = Vec::new();
                for gap in gaps {
                    tokio::time::sleep(Duration::from_millis(gap)).await;
                    let service = service.clone();
                    calls.push(tokio::spawn(async move {
                        service.oneshot(request()).await.unwrap();
                        start.elapsed()
                    }));
                }
                let mut times = Vec::new();
                for call in calls {
                    times.push(call.await.unwrap());
                }
                times
            });
        prop_assert!(times.is_sorted(), "first come, first served");
        for quota in quotas {
            for (index, time) in times.iter().enumerate() {
                let inside = times[index..].iter().filter(|other| **other < *time + quota.period());
                prop_assert!(inside.count() as u64 <= quota.limit(), "{quota}: {times:?}");
            }
        }
    }
}
