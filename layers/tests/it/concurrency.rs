//! What the limit on calls at once holds, from the request to the end of the body.
#![expect(
    clippy::disallowed_methods,
    reason = "callers of one limit are tasks of their own"
)]

use std::{future::Future, pin::Pin, task::Context, time::Duration};

use blossom_layers::{
    BoxError,
    body::ReqBody,
    cause_ref,
    limit::concurrency::{ConcurrencyLimitLayer, DeadlinePassed, Overloaded},
    test_util::{ScriptedBody, ScriptedService, Step},
    types::{Deadline, PartitionKey, Refusal, RefusalKind},
};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt};

use crate::storm::{self, Through};

const SLOT: Duration = Duration::from_millis(100);

fn request() -> Request<ReqBody> {
    Request::new(ReqBody::empty())
}

fn of(tenant: &str) -> Request<ReqBody> {
    Request::get(format!("/{tenant}"))
        .body(ReqBody::empty())
        .unwrap()
}

/// The tenant is the path; the root belongs to none.
fn tenant(request: &Request<ReqBody>) -> Option<PartitionKey> {
    let name = request.uri().path().trim_start_matches('/');
    (!name.is_empty()).then(|| PartitionKey::new(name))
}

/// Answers that are open until they are read or dropped.
fn streams(count: usize) -> ScriptedService {
    ScriptedService::new((0..count).map(|_| stream()))
}

fn stream() -> Step {
    Step::Respond(Response::new(ScriptedBody::new().data("a").data("b")))
}

/// An answer whose body takes one slot.
fn slot() -> Step {
    Step::Respond(Response::new(ScriptedBody::new().wait(SLOT)))
}

/// How many of ten streams are open at once through `service`, if none is read.
async fn open_at_once<S, B>(service: S) -> usize
where
    S: Service<Request<ReqBody>, Response = Response<B>> + Clone,
{
    let mut open = Vec::new();
    for _ in 0..10 {
        let call = service.clone().oneshot(request());
        match tokio::time::timeout(SLOT, call).await {
            Ok(Ok(response)) => open.push(response),
            Ok(Err(_)) => panic!("nothing fails here"),
            Err(_) => break,
        }
    }
    open.len()
}

#[tokio::test(start_paused = true)]
async fn e1_at_a_limit_of_one_towers_has_ten_streams_open_and_ours_has_one() {
    let tower = tower::limit::ConcurrencyLimitLayer::new(1).layer(streams(10));
    assert_eq!(open_at_once(tower).await, 10);

    let ours = ConcurrencyLimitLayer::new(1).layer(streams(10));
    assert_eq!(open_at_once(ours).await, 1);
}

#[tokio::test]
async fn e1_each_of_the_four_endings_of_a_body_gives_the_permit_back_once() {
    let layer = ConcurrencyLimitLayer::new(2);
    let limits = layer.handle();
    let bodies: [fn() -> ScriptedBody; 4] = [
        || ScriptedBody::new().data("a").sized(),
        || ScriptedBody::new().data("a"),
        || ScriptedBody::new().error("cut"),
        || ScriptedBody::new().data("a").stall(),
    ];
    for body in bodies {
        // Another call is under way, which must not be taken for this one.
        let inner = ScriptedService::new([stream(), Step::Respond(Response::new(body()))]);
        let service = layer.layer(inner);
        let other = service.clone().oneshot(request()).await.unwrap();
        let response = service.oneshot(request()).await.unwrap();
        assert_eq!(limits.in_flight(), 2);

        let mut body = Box::pin(response.into_body());
        while !body.is_end_stream() {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            match body.as_mut().poll_frame(&mut cx) {
                std::task::Poll::Ready(Some(Ok(_))) => {}
                _ => break,
            }
        }
        drop(body);
        assert_eq!(limits.in_flight(), 1);
        drop(other);
        assert_eq!(limits.in_flight(), 0);
    }
}

#[tokio::test]
async fn the_permit_goes_back_with_the_last_frame_and_not_with_the_drop() {
    let layer = ConcurrencyLimitLayer::new(1);
    let body = ScriptedBody::new().data("a").sized();
    let response = layer
        .layer(ScriptedService::once(body))
        .oneshot(request())
        .await
        .unwrap();

    let mut body = Box::pin(response.into_body());
    body.frame().await.unwrap().unwrap();
    assert_eq!(layer.handle().in_flight(), 0);
}

#[tokio::test]
async fn an_answer_without_a_body_holds_nothing() {
    let layer = ConcurrencyLimitLayer::new(1);
    let body = ScriptedBody::new().sized();
    let response = layer
        .layer(ScriptedService::once(body))
        .oneshot(request())
        .await;

    assert!(response.is_ok());
    assert_eq!(layer.handle().in_flight(), 0);
}

#[tokio::test]
async fn an_error_gives_the_permit_back_before_its_future_is_dropped() {
    let layer = ConcurrencyLimitLayer::new(1);
    for step in [Step::Fail("no"), Step::NotReady("no")] {
        let service = layer.layer(ScriptedService::new([step]));
        let mut call = task::spawn(service.oneshot(request()));
        assert!(assert_ready!(call.poll()).is_err());
        assert_eq!(layer.handle().in_flight(), 0);
    }
}

#[tokio::test]
async fn a_panic_of_the_inner_service_gives_the_permit_back() {
    let layer = ConcurrencyLimitLayer::new(1);
    let service = layer.layer(tower::service_fn(|_: Request<ReqBody>| async {
        // Silent: the hook prints nothing.
        std::panic::resume_unwind(Box::new("gone"));
        #[expect(unreachable_code, reason = "the type of the answer")]
        Ok::<_, BoxError>(Response::new(ReqBody::empty()))
    }));

    let call = tokio::spawn(service.oneshot(request()));

    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(layer.handle().in_flight(), 0);
}

#[tokio::test]
async fn it_is_always_ready_and_what_is_readied_holds_nothing() {
    let layer = ConcurrencyLimitLayer::new(1);
    let service = layer.layer(ScriptedService::default());
    let mut readied: Vec<_> = (0..10).map(|_| service.clone()).collect();
    for service in &mut readied {
        ServiceExt::<Request<ReqBody>>::ready(service)
            .await
            .unwrap();
    }
    assert_eq!(layer.handle().in_flight(), 0);

    // A future that nobody polls holds nothing either.
    let unpolled = readied.pop().unwrap().call(request());
    assert_eq!(layer.handle().in_flight(), 0);
    assert!(service.oneshot(request()).await.is_ok());
    drop(unpolled);
}

#[tokio::test]
async fn e2_a_call_that_is_dropped_at_any_point_leaves_its_place_to_the_next() {
    let layer = ConcurrencyLimitLayer::new(1);
    let limits = layer.handle();
    let service = layer.layer(streams(9));
    let call = || task::spawn(service.clone().oneshot(request()));

    let first = service.clone().oneshot(request()).await.unwrap();
    let (mut second, mut third, mut fourth) = (call(), call(), call());
    for waiting in [&mut second, &mut third, &mut fourth] {
        assert_pending!(waiting.poll());
    }
    assert_eq!((limits.in_flight(), limits.waiting()), (1, 3));

    // In the queue.
    drop(third);
    assert_eq!(limits.waiting(), 2);
    // Granted, and not polled since.
    drop(first);
    assert!(second.is_woken());
    assert_eq!((limits.in_flight(), limits.waiting()), (1, 1));
    drop(second);
    assert!(fourth.is_woken());
    assert!(assert_ready!(fourth.poll()).is_ok());
    drop(fourth);
    assert_eq!((limits.in_flight(), limits.waiting()), (0, 0));
}

#[test]
fn e2_random_cancellations_leave_nothing_behind() {
    storm::cancel(Through::Limits, 10_000);
}

#[test]
fn e2_p9_random_cancellations_of_a_whole_stack_leave_nothing_behind() {
    storm::cancel(Through::Everything, 10_000);
}

#[tokio::test(start_paused = true)]
async fn e3_a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let layer = ConcurrencyLimitLayer::new(1).max_waiting(2);
    let service = layer.layer(ScriptedService::new((0..99).map(|_| slot())));
    let call = || {
        let service = service.clone();
        tokio::spawn(async move {
            let response = service.oneshot(request()).await?;
            drop(response.into_body().collect().await);
            Ok::<_, BoxError>(())
        })
    };
    let refused = || {
        let mut call = task::spawn(service.clone().oneshot(request()));
        let error = assert_ready!(call.poll()).unwrap_err();
        let refusal = *cause_ref::<Refusal>(&*error).unwrap();
        assert_eq!(refusal.kind(), RefusalKind::Overloaded);
        let after = error.downcast_ref::<Overloaded>().unwrap().retry_after();
        assert_eq!(refusal.wait(), Some(after));
        after
    };

    let calls: Vec<_> = (0..3).map(|_| call()).collect();
    tokio::task::yield_now().await;
    // Nothing has been seen yet.
    assert_eq!(refused(), Duration::from_secs(1));
    for call in calls {
        call.await.unwrap().unwrap();
    }

    let calls: Vec<_> = (0..3).map(|_| call()).collect();
    tokio::task::yield_now().await;
    // Three slots until those two and this one would have gone.
    assert_eq!(refused(), SLOT * 3);
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn e3_without_a_queue_the_limit_refuses() {
    let layer = ConcurrencyLimitLayer::new(1).max_waiting(0);
    let service = layer.layer(streams(2));

    let open = service.clone().oneshot(request()).await.unwrap();
    let error = service.clone().oneshot(request()).await.unwrap_err();
    assert!(error.is::<Overloaded>());
    drop(open);
    assert!(service.oneshot(request()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn e4_those_whose_deadline_passes_while_they_wait_are_never_seen_by_the_upstream() {
    let layer = ConcurrencyLimitLayer::new(1);
    let inner = streams(1001);
    let service = layer.layer(inner.clone());
    let open = service.clone().oneshot(request()).await.unwrap();

    let until = Deadline::after(Instant::now().into_std(), SLOT).unwrap();
    let waiting: Vec<_> = (0..1_000)
        .map(|_| {
            let mut request = request();
            request.extensions_mut().insert(until);
            tokio::spawn(service.clone().oneshot(request))
        })
        .collect();
    tokio::time::sleep(SLOT / 2).await;
    assert_eq!(layer.handle().waiting(), 1_000);
    for call in waiting {
        let error = call.await.unwrap().unwrap_err();
        let passed = error.downcast_ref::<DeadlinePassed>().unwrap();
        assert_eq!(passed.waited(), SLOT);
        let refusal = cause_ref::<Refusal>(&*error).unwrap();
        assert_eq!(refusal.kind(), RefusalKind::Timeout);
        assert!(refusal.is_unsent());
    }

    assert_eq!(layer.handle().waiting(), 0);
    assert_eq!(inner.calls(), 1);
    drop(open);
    assert_eq!(layer.handle().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn e4_a_permit_that_comes_too_late_goes_to_the_next() {
    let layer = ConcurrencyLimitLayer::new(1);
    let inner = streams(3);
    let service = layer.layer(inner.clone());
    let open = service.clone().oneshot(request()).await.unwrap();

    let mut late = request();
    let until = Deadline::after(Instant::now().into_std(), SLOT).unwrap();
    late.extensions_mut().insert(until);
    let mut late = task::spawn(service.clone().oneshot(late));
    let mut next = task::spawn(service.clone().oneshot(request()));
    assert_pending!(late.poll());
    assert_pending!(next.poll());
    tokio::time::advance(SLOT).await;
    drop(open);

    assert!(
        assert_ready!(late.poll())
            .unwrap_err()
            .is::<DeadlinePassed>()
    );
    assert!(assert_ready!(next.poll()).is_ok());
    assert_eq!(inner.calls(), 2);
}

#[tokio::test]
async fn p8_the_deadline_goes_on_as_it_came() {
    let inner = ScriptedService::default();
    let service = ConcurrencyLimitLayer::new(1).layer(inner.clone());
    let deadline = Deadline::at(Instant::now().into_std());
    let mut request = request();
    request.extensions_mut().insert(deadline);

    assert!(service.oneshot(request).await.is_ok());

    assert_eq!(inner.seen()[0].extensions.get(), Some(&deadline));
}

/// Calls once, reads the body, and says how long it had to wait for the head.
async fn waited<S, B>(service: S, request: Request<ReqBody>) -> Duration
where
    S: Service<Request<ReqBody>, Response = Response<B>, Error = BoxError>,
    B: Body,
{
    let start = Instant::now();
    let response = service.oneshot(request).await.unwrap();
    let waited = start.elapsed();
    drop(response.into_body().collect().await);
    waited
}

#[tokio::test(start_paused = true)]
async fn e5_a_flood_of_one_tenant_delays_another_by_one_slot_at_most() {
    for limit in [1, 4] {
        let layer = ConcurrencyLimitLayer::new(limit).per_partition(usize::MAX, tenant);
        let service = layer.layer(ScriptedService::new((0..2_000).map(|_| slot())));
        let flood: Vec<_> = (0..1_000)
            .map(|_| tokio::spawn(waited(service.clone(), of("flood"))))
            .collect();
        tokio::time::sleep(SLOT / 10).await;
        assert_eq!(layer.handle().waiting(), 1_000 - limit);

        let mut worst = Duration::ZERO;
        for pause in 0..50 {
            tokio::time::sleep(SLOT / 7 * pause).await;
            worst = worst.max(waited(service.clone(), of("other")).await);
        }

        assert!(worst <= SLOT, "limit {limit}: {worst:?}");
        flood.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test(start_paused = true)]
async fn e5_parts_take_turns_and_within_one_the_first_is_first() {
    let layer = ConcurrencyLimitLayer::new(1).per_partition(usize::MAX, tenant);
    let inner = ScriptedService::new((0..9).map(|_| slot()));
    let service = layer.layer(inner.clone());
    let mut calls = Vec::new();
    for path in ["a/1", "a/2", "a/3", "a/4", "b/1", "b/2", "b/3"] {
        let service = ConcurrencyLimitLayer::clone(&layer)
            .per_partition(usize::MAX, |request: &Request<ReqBody>| {
                request.uri().path().get(..2).map(PartitionKey::new)
            })
            .layer(inner.clone());
        calls.push(tokio::spawn(waited(service, of(path))));
        tokio::task::yield_now().await;
    }
    for call in calls {
        call.await.unwrap();
    }
    drop(service);

    let seen = inner.seen();
    let order: Vec<_> = seen.iter().map(|head| head.uri.path()).collect();
    assert_eq!(
        order,
        ["/a/1", "/b/1", "/a/2", "/b/2", "/a/3", "/b/3", "/a/4"]
    );
}

#[tokio::test]
async fn e5_in_a_full_queue_the_longest_line_makes_room_for_who_has_fewer() {
    let layer = ConcurrencyLimitLayer::new(1)
        .per_partition(usize::MAX, tenant)
        .max_waiting(4);
    let service = layer.layer(streams(9));
    let call = |name| task::spawn(service.clone().oneshot(of(name)));
    let open = service.clone().oneshot(of("flood")).await.unwrap();
    let mut flood: Vec<_> = (0..4).map(|_| call("flood")).collect();
    for call in &mut flood {
        assert_pending!(call.poll());
    }

    let mut others = [call("a"), call("b"), call("a")];
    assert_pending!(others[0].poll());
    assert_pending!(others[1].poll());
    // Two, one and one: nobody has more than one more than it.
    assert!(assert_ready!(others[2].poll()).is_err());
    assert!(assert_ready!(call("flood").poll()).is_err());

    // The last of the flood have lost their places, and hear of it.
    for call in flood.drain(2..) {
        let mut call = call;
        assert!(call.is_woken());
        assert!(assert_ready!(call.poll()).unwrap_err().is::<Overloaded>());
    }
    assert_eq!(layer.handle().waiting(), 4);
    drop((open, flood, others));
    assert_eq!(
        (layer.handle().in_flight(), layer.handle().waiting()),
        (0, 0)
    );
    assert!(layer.handle().partitions().is_empty());
}

#[tokio::test]
async fn a_limit_of_each_part_holds_beside_the_limit_of_all() {
    let layer = ConcurrencyLimitLayer::new(3).per_partition(2, tenant);
    let limits = layer.handle();
    let service = layer.layer(streams(99));
    let call = |name| task::spawn(service.clone().oneshot(of(name)));
    let mut a = [call("a"), call("a"), call("a")];
    let first = assert_ready!(a[0].poll()).unwrap();
    let second = assert_ready!(a[1].poll()).unwrap();
    assert_pending!(a[2].poll());
    // It passes the one of `a` that waits for its own part.
    let other = service.clone().oneshot(of("b")).await.unwrap();
    drop(first);
    assert!(a[2].is_woken());
    let third = assert_ready!(a[2].poll()).unwrap();

    let kept = [second, other, third];
    let mut root = call("");
    assert_pending!(root.poll());
    assert_eq!((limits.in_flight(), limits.waiting()), (3, 1));
    limits.set_limit(4);
    assert!(root.is_woken());
    drop((kept, root));
    assert_eq!(limits.in_flight(), 0);
    assert!(limits.partitions().is_empty(), "idle parts are forgotten");
}

#[tokio::test]
async fn the_limit_can_be_lowered_below_what_is_in_flight_and_raised_again() {
    let layer = ConcurrencyLimitLayer::new(3);
    let limits = layer.handle();
    let service = layer.layer(streams(9));
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(service.clone().oneshot(request()).await.unwrap());
    }
    limits.set_limit(1);
    assert_eq!((limits.limit(), limits.in_flight()), (1, 3));

    let mut waiting: Vec<_> = (0..3)
        .map(|_| task::spawn(service.clone().oneshot(request())))
        .collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    open.truncate(1);
    assert!(!waiting[0].is_woken(), "still at the new limit");
    open.clear();
    assert!(waiting[0].is_woken() && !waiting[1].is_woken());
    limits.set_limit(3);
    for call in &mut waiting {
        assert!(call.is_woken());
        assert!(assert_ready!(call.poll()).is_ok());
    }
    limits.set_limit(0);
    assert_pending!(task::spawn(service.oneshot(request())).poll());
}

#[tokio::test]
async fn e8_clones_of_a_layer_share_its_limit_and_two_layers_share_nothing() {
    let layer = ConcurrencyLimitLayer::new(1);
    let first = layer.layer(streams(1));
    let second = layer.clone().layer(streams(1));
    let stranger = ConcurrencyLimitLayer::new(1).layer(streams(1));

    let open = first.clone().oneshot(request()).await.unwrap();
    assert_pending!(task::spawn(second.clone().oneshot(request())).poll());
    assert!(stranger.oneshot(request()).await.is_ok());
    drop(open);
    // A clone for each request, each readied by itself.
    assert!(second.oneshot(request()).await.is_ok());
}

/// How long each of `holds` was waited for, in the order of the upstream.
async fn order<S, B>(service: S, holds: &[u64], inner: &ScriptedService) -> (Vec<String>, usize)
where
    S: Service<Request<ReqBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + std::fmt::Debug,
    B: Send + 'static,
{
    let mut calls = Vec::new();
    for number in 0..holds.len() {
        calls.push(tokio::spawn(
            service.clone().oneshot(of(&number.to_string())),
        ));
        tokio::task::yield_now().await;
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let seen = inner
        .seen()
        .iter()
        .map(|head| head.uri.path().to_owned())
        .collect();
    (seen, inner.max_in_flight())
}

#[tokio::test(start_paused = true)]
async fn without_bodies_it_does_what_towers_does() {
    let holds: Vec<u64> = (0..200).map(|number| number * 7919 % 50 + 1).collect();
    let script = || {
        ScriptedService::new(holds.iter().map(|millis| {
            let empty = Response::new(ScriptedBody::new().sized());
            Step::RespondAfter(Duration::from_millis(*millis), empty)
        }))
    };
    for limit in [1, 3, 17, 500] {
        let (ours, towers) = (script(), script());
        let our_layer = ConcurrencyLimitLayer::new(limit);
        let tower_layer = tower::limit::ConcurrencyLimitLayer::new(limit);

        let start = Instant::now();
        let our_order = order(our_layer.layer(ours.clone()), &holds, &ours).await;
        let our_time = start.elapsed();
        let start = Instant::now();
        let tower_order = order(tower_layer.layer(towers.clone()), &holds, &towers).await;

        assert_eq!(our_order, tower_order);
        assert_eq!(our_time, start.elapsed());
        assert_eq!(our_order.1, limit.min(holds.len()));
    }
}

/// A step of the property below.
#[derive(Debug, Clone)]
enum Op {
    Call(u8),
    Poll(u8),
    Drop(u8),
    Limit(usize),
    PartLimit(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        5 => (0..4_u8).prop_map(Op::Call),
        6 => any::<u8>().prop_map(Op::Poll),
        4 => any::<u8>().prop_map(Op::Drop),
        1 => (0..6_usize).prop_map(Op::Limit),
        1 => (0..4_usize).prop_map(Op::PartLimit),
    ];
    proptest::collection::vec(op, 0..120)
}

type Call = Pin<Box<dyn Future<Output = Result<Response<()>, BoxError>>>>;

proptest! {
    #[test]
    fn p1_permits_add_up_and_nobody_waits_who_could_go(ops in ops(), max_waiting in 0..12_usize) {
        let layer = ConcurrencyLimitLayer::new(3)
            .per_partition(2, tenant)
            .max_waiting(max_waiting);
        let limits = layer.handle();
        // Calls that never end: each holds its permit until it is dropped.
        let service = layer.layer(tower::service_fn(|_: Request<ReqBody>| {
            std::future::pending::<Result<Response<ReqBody>, BoxError>>()
        }));
        let mut calls: Vec<Call> = Vec::new();
        let (mut limit, mut part_limit) = (3, 2);

        for op in ops {
            match op {
                Op::Call(part) => {
                    let path = if part == 0 { String::new() } else { part.to_string() };
                    let call = service.clone().oneshot(of(&path));
                    calls.push(Box::pin(async { call.await.map(|response| response.map(drop)) }));
                }
                Op::Poll(at) if !calls.is_empty() => {
                    let at = usize::from(at) % calls.len();
                    let mut cx = Context::from_waker(std::task::Waker::noop());
                    if calls[at].as_mut().poll(&mut cx).is_ready() {
                        drop(calls.remove(at));
                    }
                }
                Op::Drop(at) if !calls.is_empty() => {
                    drop(calls.remove(usize::from(at) % calls.len()));
                }
                Op::Limit(new) => {
                    limit = new;
                    limits.set_limit(new);
                }
                Op::PartLimit(new) => {
                    part_limit = new;
                    limits.set_partition_limit(new);
                }
                Op::Poll(_) | Op::Drop(_) => {}
            }
            let parts = limits.partitions();
            prop_assert!(limits.waiting() <= max_waiting);
            prop_assert_eq!(parts.iter().map(|part| part.waiting).sum::<usize>(), limits.waiting());
            let keyed: usize = parts.iter().map(|part| part.in_flight).sum();
            prop_assert!(keyed <= limits.in_flight());
            for part in &parts {
                prop_assert!(part.waiting > 0 || part.in_flight > 0, "an idle part is kept");
                let could = part.key.is_none() || part.in_flight < part_limit;
                prop_assert!(
                    part.waiting == 0 || limits.in_flight() >= limit || !could,
                    "{:?} waits and could go", part
                );
            }
        }

        calls.clear();
        prop_assert_eq!((limits.in_flight(), limits.waiting()), (0, 0));
        prop_assert!(limits.partitions().is_empty());
    }
}
