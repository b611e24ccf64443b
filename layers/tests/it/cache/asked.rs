//! What a request asks for.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_the_request_says_is_honoured() {
    let replies = (0..9).map(|_| reply(&[]));
    let stack = Stack::new(layer().stale_if_error(MINUTE)).replies(replies);
    let ask = |value| stack.ask(asking("cache-control", value));

    assert_eq!(ask("no-store").await, CacheStatus::Bypass);
    let none = stack
        .send(asking("cache-control", "only-if-cached"))
        .await
        .unwrap();
    assert_eq!(none.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(stack.inner.calls(), 1);

    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    assert_eq!(ask("only-if-cached").await, CacheStatus::Hit);
    assert_eq!(ask("no-cache").await, CacheStatus::Miss);
    assert_eq!(ask("max-age=0").await, CacheStatus::Hit);
    sleep(SECOND * 10).await;
    assert_eq!(ask("max-age=10").await, CacheStatus::Hit);
    assert_eq!(ask("min-fresh=50").await, CacheStatus::Hit);
    assert_eq!(ask("min-fresh=51").await, CacheStatus::Miss);
    sleep(SECOND * 10).await;
    assert_eq!(ask("max-age=9").await, CacheStatus::Miss);
    sleep(MINUTE + SECOND).await;
    assert_eq!(ask("max-stale=5").await, CacheStatus::Stale);
    assert_eq!(ask("max-stale").await, CacheStatus::Stale);
    assert_eq!(ask("max-stale=0").await, CacheStatus::Miss);
}

#[tokio::test]
async fn what_wants_a_part_or_another_protocol_passes_by() {
    let stack = Stack::new(layer()).replies((0..9).map(|_| reply(&[])));
    for name in ["range", "if-none-match", "if-modified-since", "upgrade"] {
        assert_eq!(
            stack.ask(asking(name, "x")).await,
            CacheStatus::Bypass,
            "{name}"
        );
    }
    let post = Request::post("/").body(ReqBody::from("{}")).unwrap();
    assert_eq!(stack.ask(post).await, CacheStatus::Bypass);
    let bypassed = stack.handle().stats().bypassed;
    assert_eq!(
        (bypassed.partial, bypassed.no_key, bypassed.total()),
        (4, 1, 5)
    );
}

#[tokio::test(start_paused = true)]
async fn options_of_one_request() {
    let stack = Stack::new(layer()).replies((0..9).map(|_| reply(&[])));
    let ask = |options| stack.ask(with(options));

    assert_eq!(
        ask(CacheOptions::new().no_store()).await,
        CacheStatus::Bypass
    );
    assert_eq!(
        ask(CacheOptions::new().time_to_live(SECOND * 5)).await,
        CacheStatus::Miss
    );
    assert_eq!(stack.ask(request()).await, CacheStatus::Hit);
    sleep(SECOND * 5).await;
    assert_eq!(
        ask(CacheOptions::new().time_to_live(MINUTE * 2)).await,
        CacheStatus::Miss
    );
    sleep(MINUTE).await;
    assert_eq!(ask(CacheOptions::new()).await, CacheStatus::Hit);
    assert_eq!(ask(CacheOptions::new().fresh()).await, CacheStatus::Miss);
    sleep(MINUTE).await;
    assert_eq!(ask(CacheOptions::new()).await, CacheStatus::Miss);

    // A key of one's own replaces all but the scope, the method too.
    let mut post = Request::post("/else").body(ReqBody::from("{}")).unwrap();
    post.extensions_mut().insert(CacheOptions::new().key("k"));
    assert_eq!(ask(CacheOptions::new().key("k")).await, CacheStatus::Miss);
    assert_eq!(stack.ask(post).await, CacheStatus::Hit);
    let stored = stack.handle().stats().stored;
    assert_eq!(
        ask(CacheOptions::new().key("l").time_to_live(Duration::ZERO)).await,
        CacheStatus::Miss
    );
    assert_eq!(stack.handle().stats().stored, stored);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_request_joins_nobody_and_replaces_what_an_older_one_brings() {
    let slow = |from, wait| {
        let mut response = Response::new(ScriptedBody::new().wait(wait).data("a").sized());
        response
            .headers_mut()
            .insert("x-from", HeaderValue::from_static(from));
        response
    };
    let stack = Stack::new(layer()).replies([slow("old", SECOND * 9), slow("new", SECOND)]);
    let old = stack.send(request()).await.unwrap();
    let new = stack.send(with(CacheOptions::new().fresh())).await.unwrap();
    assert_eq!(
        status(&stack.send(request()).await.unwrap()),
        CacheStatus::Coalesced
    );
    assert!(tokio::join!(text(old), text(new)).0.is_ok());

    assert_eq!(
        stack.send(request()).await.unwrap().headers()["x-from"],
        "new"
    );
    assert_eq!(stack.inner.calls(), 2);
}

#[tokio::test]
async fn buckets_give_so_many_different_answers_and_no_more() {
    let stack = Stack::new(layer().buckets(NonZeroUsize::new(3).unwrap()));
    let replies = (0..100).map(|n| Response::new(ScriptedBody::new().data(format!("{n}")).sized()));
    let stack = stack.replies(replies);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        seen.insert(text(stack.send(request()).await.unwrap()).await.unwrap());
    }
    assert_eq!(seen.len(), 3);
    assert_eq!(stack.inner.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_takes_time_is_made_once_for_all_who_wait() {
    let tier = Double {
        wait: Some(SECOND),
        ..Double::default()
    };
    let slow = CacheLayer::new(tier.clone(), ByPath, Scope::fixed("a")).time_to_live(MINUTE);
    let stack = Stack::new(slow).replies([reply(&[])]);
    let all = join_all((0..100).map(|_| stack.ask(request()))).await;
    assert_eq!(
        all.iter()
            .filter(|status| **status == CacheStatus::Miss)
            .count(),
        1
    );
    assert_eq!(
        (tier.lookups.load(Ordering::SeqCst), stack.inner.calls()),
        (100, 1)
    );

    let all = join_all((0..100).map(|_| stack.send(request()))).await;
    for (n, response) in all.into_iter().enumerate() {
        let response = response.unwrap();
        let expected = if n == 0 {
            CacheStatus::Hit
        } else {
            CacheStatus::Coalesced
        };
        assert_eq!(status(&response), expected);
        assert_eq!(text(response).await.unwrap(), "a");
    }
    let only = || stack.send(asking("cache-control", "only-if-cached"));
    assert_eq!(status(&only().await.unwrap()), CacheStatus::Hit);
    tier.remove(&CacheKey::new([0; 32]));
    assert_eq!(only().await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);

    let given_up = timeout(SECOND / 2, stack.ask(request())).await;
    assert!(given_up.is_err());
    let stats = stack.handle().stats();
    assert_eq!((stats.hits, stats.misses, stats.coalesced), (2, 3, 198));
    assert_eq!((stack.inner.calls(), stats.requests()), (1, 203));
}

#[tokio::test]
async fn b3_a_policy_that_panics_is_a_typed_error_and_is_counted() {
    let panics = |request: &Request<ReqBody>| {
        assert!(request.uri().path() != "/panic", "this key panics");
        Some(CacheKey::new([7; 32]))
    };
    let layer = CacheLayer::new(MemoryTier::new(1 << 20), panics, Scope::fixed("a"));
    let service = layer.layer(ScriptedService::default());
    let bad = Request::get("/panic").body(ReqBody::empty()).unwrap();

    assert!(
        service
            .clone()
            .oneshot(bad)
            .await
            .unwrap_err()
            .is::<Panicked>()
    );
    assert!(service.oneshot(request()).await.is_ok());
    let stats = layer.handle().stats();
    assert_eq!((stats.bypassed.panicked, stats.misses), (1, 1));
}

#[tokio::test]
async fn two_clones_of_a_layer_share_and_two_layers_do_not() {
    let stack = Stack::new(layer()).replies([reply(&[]), reply(&[])]);
    stack.ask(request()).await;
    assert_eq!(stack.clone().ask(request()).await, CacheStatus::Hit);
    let other = Stack {
        layer: layer(),
        inner: stack.inner.clone(),
    };
    assert_eq!(other.ask(request()).await, CacheStatus::Miss);
}
