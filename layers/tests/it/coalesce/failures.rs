//! Failures, deadlines, and calls that nobody wants any more.

use super::*;

#[tokio::test(start_paused = true)]
async fn b5_a_failure_is_shared_with_its_source_and_the_next_caller_begins_anew() {
    let inner = ScriptedService::default();
    let failing = service_fn({
        let inner = inner.clone();
        move |request: Request<ReqBody>| {
            let call = inner.clone().oneshot(request);
            async move {
                sleep(SECOND).await;
                call.await
            }
        }
    });
    inner.push([Step::Fail("the cause")]);
    let ask = stack(&layer(), failing);

    for error in join_all((0..3).map(|_| ask())).await {
        let error = error.unwrap_err();
        let shared = error.downcast_ref::<Shared>().unwrap();
        assert_eq!(shared.source().unwrap().to_string(), "the cause");
    }
    assert_eq!(inner.calls(), 1);
    assert!(ask().await.is_ok());
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn b5_a_body_that_fails_fails_for_all_and_a_sole_reader_gets_the_error_itself() {
    let cut = || ScriptedBody::new().data("a").wait(SECOND).error("cut");
    let inner = ScriptedService::new([slow(cut()), slow(cut())]);
    let ask = stack(&layer(), inner.clone());

    for response in join_all((0..3).map(|_| ask())).await {
        let mut body = Box::pin(response.unwrap().into_body());
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "a");
        let error = next(&mut body).await.unwrap().unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "cut");
        assert!(next(&mut body).await.is_none());
    }
    assert_eq!(inner.calls(), 1);

    let error = text(ask().await.unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "cut");
}

#[tokio::test(start_paused = true)]
async fn b6_a_caller_whose_time_is_up_goes_alone() {
    let inner = ScriptedService::new([slow(ScriptedBody::new().wait(SECOND).data("a"))]);
    let coalesced = layer().layer(inner.clone());
    let patient = coalesced.clone().oneshot(request());
    let hasty = TotalTimeoutLayer::new(SECOND / 2)
        .layer(coalesced)
        .oneshot(request());

    let (hasty, patient) = tokio::join!(hasty, async { text(patient.await?).await });

    assert!(cause_ref::<Elapsed>(&*hasty.err().unwrap()).is_some());
    assert_eq!(patient.unwrap(), "a");
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn b6_the_inner_service_sees_the_latest_deadline_of_those_who_wait() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let inner = service_fn({
        let seen = seen.clone();
        move |request: Request<ReqBody>| {
            let seen = seen.clone();
            async move {
                for _ in 0..4 {
                    let at = Deadline::of(request.extensions());
                    let left = at.map(|at| at.remaining(Instant::now().into_std()));
                    seen.lock()
                        .unwrap()
                        .push(left.map(|left| left.as_millis().div_ceil(1000)));
                    sleep(SECOND).await;
                }
                Ok::<_, Infallible>(Response::new(ReqBody::empty()))
            }
        }
    });
    let coalesced = layer().layer(inner);
    let within = |seconds: u64, wait: u64| {
        let total = TotalTimeoutLayer::new(SECOND * u32::try_from(seconds).unwrap());
        let call = total.layer(coalesced.clone()).oneshot(request());
        async move { timeout(SECOND * u32::try_from(wait).unwrap() + SECOND / 2, call).await }
    };

    let first = within(10, 9);
    let later = async {
        sleep(SECOND / 4).await;
        // It leaves after a second and a half.
        within(100, 1).await
    };
    drop(tokio::join!(first, later));

    assert_eq!(
        *seen.lock().unwrap(),
        [Some(10), Some(100), Some(8), Some(7)]
    );
}

#[tokio::test(start_paused = true)]
async fn b7_a_call_that_is_too_old_is_not_joined_and_serves_those_it_has() {
    let body = |text: &'static str| slow(ScriptedBody::new().wait(SECOND * 9).data(text));
    let inner = ScriptedService::new([body("old"), body("new")]);
    let layer = layer().max_age(SECOND * 5);
    let ask = stack(&layer, inner.clone());

    let old = async { text(ask().await?).await };
    let new = || async {
        sleep(SECOND * 6).await;
        text(ask().await?).await
    };
    let (old, new, newer) = tokio::join!(old, new(), new());

    assert_eq!(old.unwrap(), "old");
    assert_eq!((new.unwrap(), newer.unwrap()), ("new".into(), "new".into()));
    assert_eq!(inner.calls(), 2);
    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn b8_when_all_have_gone_the_call_is_cancelled_at_once() {
    let body = ScriptedBody::new().data("a").stall();
    let log = body.log();
    let inner = ScriptedService::new([Step::Hang, Step::Respond(Response::new(body))]);
    let layer = layer();
    let ask = stack(&layer, inner.clone());

    let mut waiting = [spawn(ask()), spawn(ask())];
    assert!(waiting.iter_mut().all(|call| call.poll().is_pending()));
    assert_eq!(inner.in_flight(), 1);
    drop(waiting);
    assert_eq!((inner.in_flight(), layer.in_flight()), (0, 0));

    let (first, second) = (ask().await.unwrap(), ask().await.unwrap());
    drop(first);
    assert!(!log.dropped());
    drop(second);
    assert!(log.dropped());
    assert_eq!(layer.in_flight(), 0);
}
