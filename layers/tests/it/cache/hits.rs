//! Hits and misses as they pass, and who shares them.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_hit_is_what_was_stored_head_frames_and_trailers() {
    let body = ScriptedBody::new()
        .data("a")
        .data("")
        .data("bc")
        .trailer("grpc-status", "0");
    let mut first = Response::new(body);
    first
        .headers_mut()
        .insert("x-kept", HeaderValue::from_static("1"));
    *first.status_mut() = StatusCode::NON_AUTHORITATIVE_INFORMATION;
    let stack = Stack::new(layer()).replies([first]);
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    sleep(SECOND * 12).await;

    let hit = stack.send(request()).await.unwrap();

    assert_eq!(hit.status(), StatusCode::NON_AUTHORITATIVE_INFORMATION);
    assert_eq!(hit.headers()["x-kept"], "1");
    assert_eq!(hit.headers()["age"], "12");
    assert_eq!(hit.headers()["cache-status"], "blossom; hit");
    let mut body = hit.into_body();
    for data in ["a", "", "bc"] {
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            data
        );
    }
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    assert!(body.frame().await.is_none());
    assert_eq!(stack.inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_says_how_it_came_here() {
    let stack = Stack::new(layer()).replies([reply(&[]), reply(&[])]);
    let (miss, joined) = tokio::join!(stack.send(request()), stack.send(request()));
    let bypassed = stack
        .send(with(CacheOptions::new().no_store()))
        .await
        .unwrap();

    assert_eq!(
        miss.unwrap().headers()["cache-status"],
        "blossom; fwd=uri-miss"
    );
    let joined = joined.unwrap();
    assert_eq!(status(&joined), CacheStatus::Coalesced);
    assert_eq!(
        joined.headers()["cache-status"],
        "blossom; fwd=uri-miss; collapsed"
    );
    assert_eq!(status(&bypassed), CacheStatus::Bypass);
    assert_eq!(bypassed.headers()["cache-status"], "blossom; fwd=bypass");
}

#[tokio::test(start_paused = true)]
async fn a_hit_does_not_wait_for_a_saturated_upstream() {
    let body = ScriptedBody::new().data("held").stall();
    let inner = ServiceBuilder::new()
        .concurrency_limit(1)
        .service(ScriptedService::new([
            Step::Respond(reply(&[])),
            Step::RespondAfter(MINUTE * 60, Response::new(body)),
        ]));
    let mut service = layer().layer(inner);
    text(
        service
            .ready()
            .await
            .unwrap()
            .call(request())
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    let other = Request::get("/other").body(ReqBody::empty()).unwrap();
    let mut held = spawn(service.clone().oneshot(other));
    assert!(held.poll().is_pending());
    let start = Instant::now();

    let hit = service
        .ready()
        .await
        .unwrap()
        .call(request())
        .await
        .unwrap();

    assert_eq!(status(&hit), CacheStatus::Hit);
    assert_eq!(text(hit).await.unwrap(), "a");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[test]
fn a_hit_is_ready_in_its_first_poll_and_needs_no_runtime() {
    let stack = Stack::new(layer()).replies([reply(&[])]);
    let mut miss = spawn(stack.ask(request()));
    assert_eq!(miss.poll(), Poll::Ready(CacheStatus::Miss));

    let mut hit = spawn(stack.ask(request()));
    assert_eq!(hit.poll(), Poll::Ready(CacheStatus::Hit));
}

#[tokio::test]
async fn the_first_frame_of_a_miss_passes_in_the_poll_in_which_it_came() {
    let body = ScriptedBody::new().data("a").stall();
    let stack = Stack::new(layer()).replies([Response::new(body)]);
    let mut call = spawn(stack.send(request()));
    let Poll::Ready(Ok(response)) = call.poll() else {
        panic!("the head is there");
    };
    let mut body = response.into_body();

    let mut frame = spawn(body.frame());
    let Poll::Ready(Some(Ok(frame))) = frame.poll() else {
        panic!("the frame is there");
    };
    assert_eq!(frame.into_data().unwrap(), "a");
}

#[tokio::test]
async fn a1_two_tenants_never_share_and_a_shared_scope_is_a_choice() {
    let of = |tenant| {
        let mut request = request();
        request.extensions_mut().insert(Tenant::new(tenant));
        request
    };
    let tier = MemoryTier::new(1 << 20);
    let tenants = CacheLayer::new(tier.clone(), ByPath, Scope::tenant()).time_to_live(MINUTE);
    let stack = Stack::new(tenants).replies((0..5).map(|_| reply(&[])));

    assert_eq!(stack.ask(of("a")).await, CacheStatus::Miss);
    assert_eq!(stack.ask(of("b")).await, CacheStatus::Miss);
    assert_eq!(stack.ask(of("a")).await, CacheStatus::Hit);
    // Nobody's reply is not kept, and counted.
    assert_eq!(stack.ask(request()).await, CacheStatus::Bypass);
    assert_eq!(stack.handle().stats().bypassed.no_owner, 1);

    let shared = CacheLayer::new(tier, ByPath, Scope::shared()).time_to_live(MINUTE);
    let stack = Stack::new(shared).replies([reply(&[])]);
    assert_eq!(stack.ask(of("a")).await, CacheStatus::Miss);
    assert_eq!(stack.ask(of("b")).await, CacheStatus::Hit);
}

#[tokio::test]
async fn a2_an_entry_of_another_request_or_owner_is_a_miss_never_a_wrong_body() {
    let tier = Double::default();
    let cache = |scope| CacheLayer::new(tier.clone(), ByPath, scope).time_to_live(MINUTE);
    let replies = || (0..3).map(|_| reply(&[]));
    let stack = Stack::new(cache(Scope::fixed("a"))).replies(replies());
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    assert_eq!(stack.ask(request()).await, CacheStatus::Hit);

    let other = Request::get("/other").body(ReqBody::empty()).unwrap();
    assert_eq!(stack.ask(other).await, CacheStatus::Miss);
    assert_eq!(stack.handle().stats().mismatched, 1);
    let stack = Stack::new(cache(Scope::fixed("b"))).replies(replies());
    let other = Request::get("/other").body(ReqBody::empty()).unwrap();
    assert_eq!(stack.ask(other).await, CacheStatus::Miss);
}

#[tokio::test]
async fn a5_a_key_that_rotates_keeps_the_hits_of_its_tenant() {
    let tenants = CacheLayer::new(MemoryTier::new(1 << 20), ByPath, Scope::tenant());
    let stack = Stack::new(tenants.time_to_live(MINUTE)).replies([reply(&[]), reply(&[])]);
    let ask = |tenant, key| {
        let mut request = asking("authorization", key);
        request.extensions_mut().insert(Tenant::new(tenant));
        stack.ask(request)
    };

    assert_eq!(ask("a", "Bearer old").await, CacheStatus::Miss);
    assert_eq!(ask("a", "Bearer new").await, CacheStatus::Hit);
    assert_eq!(ask("b", "Bearer new").await, CacheStatus::Miss);
    assert!(!format!("{:?}", stack.layer).contains("Bearer"));
}
