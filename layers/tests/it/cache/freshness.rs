//! How long a reply is used.

use super::*;

#[tokio::test(start_paused = true)]
async fn a14_when_a_hot_entry_expires_one_call_is_made() {
    const CALLERS: usize = 10_000;
    let stack = Stack::new(layer());
    stack.inner.push([
        Step::Respond(reply(&[])),
        Step::RespondAfter(SECOND, reply(&[])),
    ]);
    stack.ask(request()).await;
    sleep(MINUTE).await;

    let all = join_all((0..CALLERS).map(|_| stack.ask(request()))).await;

    assert_eq!(stack.inner.calls(), 2);
    let misses = all
        .iter()
        .filter(|status| **status == CacheStatus::Miss)
        .count();
    assert_eq!(misses, 1);
    let stats = stack.handle().stats();
    assert_eq!(stats.coalesced, CALLERS as u64 - 1);
    assert_eq!(stats.requests(), CALLERS as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn a14_a_stale_reply_is_given_at_once_to_all_while_one_call_refreshes_it() {
    let stack = Stack::new(layer().stale_while_revalidate(MINUTE));
    stack.inner.push([
        Step::Respond(reply(&[("x-from", "old")])),
        Step::RespondAfter(SECOND, reply(&[("x-from", "new")])),
    ]);
    stack.ask(request()).await;
    sleep(MINUTE).await;
    let start = Instant::now();

    for response in join_all((0..100).map(|_| stack.send(request()))).await {
        let response = response.unwrap();
        assert_eq!(status(&response), CacheStatus::Stale);
        assert_eq!(response.headers()["x-from"], "old");
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(SECOND * 2).await;

    let fresh = stack.send(request()).await.unwrap();
    assert_eq!(
        (status(&fresh), &fresh.headers()["x-from"]),
        (CacheStatus::Hit, &HeaderValue::from_static("new"))
    );
    assert_eq!(stack.inner.calls(), 2);
    assert_eq!(stack.handle().stats().stale, 100);
}

#[tokio::test(start_paused = true)]
async fn a14_jitter_spreads_what_was_stored_together() {
    let stack = Stack::new(layer().jitter_percent(50)).replies((0..100).map(|_| reply(&[])));
    let ask = |n: usize| {
        let request = Request::get(format!("/{n}"))
            .body(ReqBody::empty())
            .unwrap();
        stack.ask(request)
    };
    for n in 0..100 {
        ask(n).await;
    }
    sleep(SECOND * 29).await;
    for n in 0..100 {
        assert_eq!(ask(n).await, CacheStatus::Hit);
    }
    sleep(SECOND * 16).await;
    let mut hits = 0;
    for n in 0..100 {
        hits += usize::from(ask(n).await == CacheStatus::Hit);
    }
    assert!(
        (20..80).contains(&hits),
        "{hits} of 100 lived for three quarters"
    );
}

#[tokio::test(start_paused = true)]
async fn a15_a_reply_is_fresh_by_a_clock_that_only_goes_forward() {
    let aged = reply(&[("cache-control", "max-age=60"), ("age", "50")]);
    let stack = Stack::new(layer()).replies([aged, reply(&[])]);
    stack.ask(request()).await;
    sleep(SECOND * 9).await;
    let hit = stack.send(request()).await.unwrap();
    assert_eq!(hit.headers()["age"], "59");
    sleep(SECOND).await;
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
}

#[tokio::test(start_paused = true)]
async fn a16_every_time_to_live_is_legal() {
    for (time_to_live, again) in [
        (Duration::ZERO, CacheStatus::Miss),
        (Duration::from_nanos(1), CacheStatus::Hit),
        (Duration::from_secs(u64::MAX), CacheStatus::Hit),
        (Duration::MAX, CacheStatus::Hit),
    ] {
        let cache = layer()
            .time_to_live(time_to_live)
            .time_to_idle(Duration::MAX)
            .stale_while_revalidate(Duration::MAX)
            .stale_if_error(Duration::MAX)
            .jitter_percent(255)
            .max_fill(Duration::MAX)
            .max_age(Duration::MAX)
            .lag_grace(Duration::MAX);
        // A time that chance has shortened to nothing is no time.
        let cache = if time_to_live < SECOND {
            cache.jitter_percent(0)
        } else {
            cache
        };
        let stack = Stack::new(cache).replies([reply(&[]), reply(&[])]);
        stack.ask(request()).await;
        assert_eq!(stack.ask(request()).await, again, "{time_to_live:?}");
        let options = CacheOptions::new().time_to_live(time_to_live).fresh();
        stack.ask(with(options)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn time_to_idle_ends_what_nobody_asks_for() {
    let stack = Stack::new(layer().time_to_idle(SECOND * 10)).replies([reply(&[]), reply(&[])]);
    stack.ask(request()).await;
    for _ in 0..3 {
        sleep(SECOND * 9).await;
        assert_eq!(stack.ask(request()).await, CacheStatus::Hit);
    }
    sleep(SECOND * 10).await;
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
}
