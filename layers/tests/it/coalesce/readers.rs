//! Those who read one body: late, slow, and past the limit.

use super::*;

#[tokio::test(start_paused = true)]
async fn b9_a_late_joiner_gets_the_beginning_and_what_comes() {
    let body = ScriptedBody::new()
        .data("a")
        .data("b")
        .wait(SECOND)
        .data("c");
    let inner = ScriptedService::once(body);
    let ask = stack(&layer(), inner.clone());

    let mut early = Box::pin(ask().await.unwrap().into_body());
    assert_eq!(next(&mut early).await.unwrap().unwrap(), "a");
    assert_eq!(next(&mut early).await.unwrap().unwrap(), "b");
    let late = async { text(ask().await?).await };
    let (late, live) = tokio::join!(late, next(&mut early));

    assert_eq!(late.unwrap(), "abc");
    assert_eq!(live.unwrap().unwrap(), "c");
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn b9_past_the_limit_nobody_joins() {
    let body = || {
        ScriptedBody::new()
            .data("abc")
            .data("def")
            .wait(SECOND)
            .data("g")
    };
    let inner = ScriptedService::new([body(), body()].map(|b| Step::Respond(Response::new(b))));
    let layer = layer().max_bytes(5);
    let ask = stack(&layer, inner.clone());

    let mut early = Box::pin(ask().await.unwrap().into_body());
    next(&mut early).await.unwrap().unwrap();
    assert_eq!(layer.in_flight(), 1);
    next(&mut early).await.unwrap().unwrap();
    assert_eq!(layer.in_flight(), 0);
    assert_eq!(text(ask().await.unwrap()).await.unwrap(), "abcdefg");

    assert_eq!(inner.calls(), 2);
    assert_eq!(next(&mut early).await.unwrap().unwrap(), "g");
}

/// A body of so many frames of ten bytes.
fn frames(count: usize) -> ScriptedBody {
    (0..count).fold(ScriptedBody::new(), |body, n| body.data(format!("{n:010}")))
}

#[tokio::test(start_paused = true)]
async fn b9_the_fast_reader_waits_for_the_slow_one_no_longer_than_the_grace() {
    let ask = stack(&layer().max_bytes(50), ScriptedService::once(frames(100)));
    let (fast, slow) = (ask().await.unwrap(), ask().await.unwrap());
    let mut slow = Box::pin(slow.into_body());
    assert_eq!(next(&mut slow).await.unwrap().unwrap(), "0000000000");
    let start = Instant::now();

    let all = text(fast).await.unwrap();

    assert_eq!(all.len(), 1000);
    let waited = start.elapsed();
    assert!(
        waited >= SECOND && waited < SECOND + SECOND / 10,
        "{waited:?}"
    );
    let error = next(&mut slow).await.unwrap().unwrap_err();
    let lagged = error.downcast_ref::<Lagged>().unwrap();
    assert_eq!(lagged.after(), SECOND);
    assert!(next(&mut slow).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn b9_a_reader_that_keeps_up_loses_nothing_and_no_more_than_the_limit_is_held() {
    let body = frames(1000);
    let log = body.log();
    let ask = stack(&layer().max_bytes(50), ScriptedService::once(body));
    let (fast, slow) = (ask().await.unwrap(), ask().await.unwrap());
    let mut slow = Box::pin(slow.into_body());

    let fast = start(async move { text(fast).await.unwrap().len() });
    let mut read = 0;
    while let Some(frame) = next(&mut slow).await {
        assert_eq!(frame.unwrap(), format!("{read:010}"));
        read += 1;
        // Five frames are the limit, and one more may be under way.
        assert!(
            log.frames() <= read + 7,
            "{} read ahead of {read}",
            log.frames()
        );
        sleep(MOMENT).await;
    }

    assert_eq!(read, 1000);
    assert_eq!(fast.await.unwrap(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn b9_only_one_that_has_received_nothing_calls_for_itself() {
    let inner =
        ScriptedService::new([frames(100), frames(100)].map(|b| Step::Respond(Response::new(b))));
    let mut service = layer().max_bytes(50).layer(inner.clone());
    let fast = service.call(request());
    let untouched = service.call(request());

    assert_eq!(text(fast.await.unwrap()).await.unwrap().len(), 1000);
    assert_eq!(inner.calls(), 1);
    let response = untouched.await.unwrap();
    assert_eq!(response.extensions().get::<CacheStatus>(), None);
    assert_eq!(text(response).await.unwrap().len(), 1000);
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn those_who_were_left_behind_do_not_keep_the_call_alive() {
    let body = frames(100).stall();
    let log = body.log();
    let ask = stack(&layer().max_bytes(50), ScriptedService::once(body));
    let (fast, slow) = (ask().await.unwrap(), ask().await.unwrap());
    let mut fast = Box::pin(fast.into_body());
    for _ in 0..100 {
        next(&mut fast).await.unwrap().unwrap();
    }

    drop(fast);

    assert!(log.dropped());
    drop(slow);
}
