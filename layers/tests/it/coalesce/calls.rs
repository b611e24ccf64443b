//! One call for all, whoever leaves, waits or panics.

use super::*;

#[tokio::test(start_paused = true)]
async fn ten_thousand_equal_callers_make_one_call_also_when_the_first_is_cancelled() {
    const CALLERS: usize = 10_000;
    let body = ScriptedBody::new().data("hel").wait(SECOND).data("lo");
    let inner = ScriptedService::new([slow(body)]);
    let ask = stack(&layer(), inner.clone());
    let first = start(ask());
    let others: Vec<_> = (1..CALLERS)
        .map(|_| {
            start({
                let call = ask();
                async move { text(call.await.unwrap()).await.unwrap() }
            })
        })
        .collect();
    sleep(MOMENT).await;

    first.abort();

    for other in others {
        assert_eq!(other.await.unwrap(), "hello");
    }
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_get_the_same_head_frames_and_trailers_and_know_whose_call_it_was() {
    let body = ScriptedBody::new()
        .data("a")
        .data("b")
        .trailer("grpc-status", "0");
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert("x-kept", "1".parse().unwrap());
    let inner = ScriptedService::new([Step::RespondAfter(SECOND, response)]);
    let ask = stack(&layer(), inner.clone());

    let all = join_all((0..3).map(|_| ask())).await;

    for (position, response) in all.into_iter().enumerate() {
        let response = response.unwrap();
        assert_eq!(response.headers()["x-kept"], "1");
        let status = (position > 0).then_some(&CacheStatus::Coalesced);
        assert_eq!(response.extensions().get(), status);
        let mut body = Box::pin(response.into_body());
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "a");
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "b");
        let trailers = body.frame().await.unwrap().unwrap();
        assert_eq!(trailers.trailers_ref().unwrap()["grpc-status"], "0");
        assert!(body.frame().await.is_none());
    }
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn b1_whenever_the_first_is_cancelled_the_others_get_all_of_it() {
    // Before the head, before the first frame, between two, before the end.
    for millis in [500, 1500, 2500, 3500] {
        let body = ScriptedBody::new()
            .wait(SECOND)
            .data("a")
            .wait(SECOND)
            .data("b")
            .wait(SECOND);
        let log = body.log();
        let inner = ScriptedService::new([slow(body)]);
        let ask = stack(&layer(), inner.clone());
        let leader = async { text(ask().await?).await };
        let follower = async {
            sleep(MOMENT).await;
            text(ask().await?).await
        };

        let cancelled = timeout(Duration::from_millis(millis), leader);
        let (cancelled, got) = tokio::join!(cancelled, follower);

        assert!(cancelled.is_err());
        assert_eq!(got.unwrap(), "ab", "cancelled at {millis}");
        assert_eq!(inner.calls(), 1);
        assert!(log.dropped());
    }
}

#[tokio::test(start_paused = true)]
async fn b2_waiters_are_polled_only_when_the_flight_wakes_them() {
    const WAITERS: usize = 1000;
    let body = ScriptedBody::new().wait(SECOND * 10).data("a").sized();
    let inner = ScriptedService::new([slow(body)]);
    let ask = stack(&layer(), inner);
    let mut waiters: Vec<_> = (0..WAITERS)
        .map(|_| spawn(async { text(ask().await.unwrap()).await.unwrap() }))
        .collect();
    for waiter in &mut waiters {
        assert!(waiter.poll().is_pending());
    }

    let mut polls = 0;
    let mut done = 0;
    let start = Instant::now();
    while start.elapsed() < SECOND * 12 {
        for waiter in waiters.iter_mut().filter(|waiter| waiter.is_woken()) {
            polls += 1;
            done += usize::from(waiter.poll().is_ready());
        }
        tokio::time::advance(Duration::from_millis(10)).await;
    }

    assert_eq!(done, WAITERS);
    // Once for the head and once for the end, and now and then for a wake that came twice.
    assert!(polls <= 3 * WAITERS, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn b2_the_inner_service_is_polled_once_for_a_wake_however_many_wait() {
    let body = ScriptedBody::new()
        .wait(SECOND)
        .data("a")
        .wait(SECOND)
        .data("b")
        .sized();
    let log = body.log();
    let ask = stack(&layer(), ScriptedService::once(body));

    let all = join_all((0..100).map(|_| async { text(ask().await?).await })).await;

    assert!(all.into_iter().all(|got| got.unwrap() == "ab"));
    assert!(log.polls() <= 5, "{} polls", log.polls());
}

#[tokio::test(start_paused = true)]
async fn b3_a_call_that_panics_is_a_typed_error_for_all_and_the_key_is_free() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let inner = service_fn(move |_: Request<ReqBody>| {
        let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            sleep(SECOND).await;
            assert!(!first, "the first call panics");
            Ok::<_, Infallible>(Response::new(ReqBody::from("hello")))
        }
    });
    let layer = layer();
    let ask = stack(&layer, inner);

    for error in join_all((0..3).map(|_| ask())).await {
        assert!(cause_ref::<Panicked>(&*error.unwrap_err()).is_some());
    }
    assert_eq!(layer.in_flight(), 0);

    assert_eq!(text(ask().await.unwrap()).await.unwrap(), "hello");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

/// A service of which every other clone panics.
#[derive(Debug)]
struct Fragile(Arc<AtomicUsize>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(
            self.0.fetch_add(1, Ordering::SeqCst) % 2 == 1,
            "this clone panics"
        );
        Self(self.0.clone())
    }
}

impl Service<Request<ReqBody>> for Fragile {
    type Response = Response<ReqBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<ReqBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<ReqBody>) -> Self::Future {
        std::future::ready(Ok(Response::new(ReqBody::from("hello"))))
    }
}

#[tokio::test]
async fn b3_a_policy_or_a_clone_that_panics_is_one_callers_error_alone() {
    let mut service = layer().layer(Fragile(Arc::default()));
    let error = service.call(request()).await.unwrap_err();
    assert!(error.is::<Panicked>());
    assert_eq!(
        text(service.call(request()).await.unwrap()).await.unwrap(),
        "hello"
    );

    let inner = ScriptedService::default();
    let panics = |request: &Request<ReqBody>| {
        assert!(request.uri().path() != "/panic", "this key panics");
        by_path(request)
    };
    let service = CoalesceLayer::new(panics, Scope::fixed("a")).layer(inner);
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
}

#[tokio::test(start_paused = true)]
async fn b4_a_first_caller_that_is_never_polled_holds_nobody_up() {
    let inner = ScriptedService::new([slow(ScriptedBody::new().data("a"))]);
    let mut service = layer().layer(inner.clone());
    let never_polled = service.call(request());
    let polled_once = {
        let mut future = spawn(service.call(request()));
        assert!(future.poll().is_pending());
        future
    };

    let got = text(service.call(request()).await.unwrap()).await.unwrap();

    assert_eq!(got, "a");
    assert_eq!(inner.calls(), 1);
    drop((never_polled, polled_once));
}

#[tokio::test(start_paused = true)]
async fn b4_one_that_loses_a_race_after_it_was_woken_holds_nobody_up() {
    let body = ScriptedBody::new()
        .wait(SECOND)
        .data("a")
        .wait(SECOND)
        .data("b")
        .sized();
    let ask = stack(&layer(), ScriptedService::new([slow(body)]));
    // Each is dropped in the very poll in which it was woken.
    let quitter = |after| {
        let call = Box::pin(async { text(ask().await?).await });
        select(call, Box::pin(sleep(after)))
    };

    let stays = async { text(ask().await?).await };
    let (_, _, _, got) = tokio::join!(
        quitter(SECOND),
        quitter(SECOND * 2),
        quitter(SECOND * 3),
        stays
    );

    assert_eq!(got.unwrap(), "ab");
}
