//! Who shares, and what is left.

use super::*;

#[tokio::test(start_paused = true)]
async fn b10_what_must_not_share_does_not() {
    let inner = ScriptedService::default();
    let service = CoalesceLayer::new(by_path, Scope::tenant()).layer(inner.clone());
    let hold = |request: Request<ReqBody>| {
        inner.push([Step::Hang]);
        let mut call = spawn(service.clone().oneshot(request));
        assert!(call.poll().is_pending());
        call
    };
    let of = |tenant: &str, method: Method| {
        let mut request = request();
        request.extensions_mut().insert(Tenant::new(tenant));
        *request.method_mut() = method;
        request
    };

    let held = [
        hold(of("a", Method::GET)),
        // Another tenant, a method that is not idempotent (twice), nobody (twice).
        hold(of("b", Method::GET)),
        hold(of("a", Method::POST)),
        hold(of("a", Method::POST)),
        hold(request()),
        hold(request()),
    ];
    assert_eq!(inner.calls(), held.len());
    // And what may share does.
    let _held = (held, hold(of("a", Method::GET)));
    assert_eq!(inner.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn b10_what_is_private_is_not_given_to_strangers() {
    for (name, value) in [("cache-control", "private"), ("set-cookie", "id=1")] {
        let reply = || {
            let mut response = Response::new(ScriptedBody::new().data("a"));
            response.headers_mut().insert(name, value.parse().unwrap());
            Step::RespondAfter(SECOND, response)
        };
        let inner = ScriptedService::new([reply(), reply(), reply()]);
        let strangers = CoalesceLayer::new(by_path as Policy, Scope::shared());
        let ask = stack(&strangers, inner.clone());
        assert!(
            join_all((0..3).map(|_| ask()))
                .await
                .iter()
                .all(Result::is_ok)
        );
        assert_eq!(inner.calls(), 3, "{name}");

        let inner = ScriptedService::new([reply()]);
        let ask = stack(&layer(), inner.clone());
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!(inner.calls(), 1, "{name}");
        assert!(first.unwrap().headers().contains_key(name));
        assert!(!second.unwrap().headers().contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn b11_after_many_keys_nothing_is_left() {
    let layer = layer();
    let service = layer.layer(ScriptedService::default());
    let mut held = Vec::new();
    for number in 0..10_000 {
        let request = Request::get(format!("/{number}"))
            .body(ReqBody::empty())
            .unwrap();
        let mut call = service.clone().call(request);
        if number % 2 == 0 {
            text((&mut call).await.unwrap()).await.unwrap();
        }
        held.push(call);
    }
    assert_eq!(layer.in_flight(), 5_000);
    drop(held);

    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test]
async fn two_clones_of_a_layer_share_and_two_layers_do_not() {
    let inner = ScriptedService::new([Step::Hang, Step::Hang]);
    let one = layer();
    let mut calls = [
        spawn(one.layer(inner.clone()).oneshot(request())),
        spawn(one.clone().layer(inner.clone()).oneshot(request())),
        spawn(layer().layer(inner.clone()).oneshot(request())),
    ];

    assert!(calls.iter_mut().all(|call| call.poll().is_pending()));
    assert_eq!(inner.calls(), 2);
}

#[tokio::test]
async fn joining_does_not_wait_for_a_saturated_service() {
    let body = ScriptedBody::new().data("a").stall();
    let inner = ServiceBuilder::new()
        .concurrency_limit(1)
        .service(ScriptedService::once(body));
    let service = layer().layer(inner);
    let mut first = spawn(service.clone().oneshot(request()));
    let mut body = match first.poll() {
        Poll::Ready(response) => Box::pin(response.unwrap().into_body()),
        Poll::Pending => panic!("it is ready"),
    };
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "a");

    let late = service.oneshot(request()).await.unwrap();
    assert_eq!(
        next(&mut Box::pin(late.into_body()))
            .await
            .unwrap()
            .unwrap(),
        "a"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_on_two_threads_all_get_all_of_it() {
    for _ in 0..50 {
        let body = (0..20).fold(ScriptedBody::new(), |body, n| {
            let body = body.data(format!("{n:02}"));
            if n % 5 == 0 {
                body.wait(Duration::from_micros(300))
            } else {
                body
            }
        });
        let inner = ScriptedService::new([Step::RespondAfter(MOMENT, Response::new(body))]);
        let ask = stack(&layer(), inner.clone());
        // All are aboard before the threads begin, however late these do.
        let mut calls = Vec::new();
        for _ in 0..8 {
            let mut call = Box::pin(maybe_done(ask()));
            std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
            calls.push(call);
        }
        let readers: Vec<_> = (0..8)
            .zip(calls)
            .map(|(n, mut call)| {
                start(async move {
                    if n == 0 {
                        // The first goes away somewhere in the middle.
                        drop(timeout(MOMENT, call).await);
                        return None;
                    }
                    call.as_mut().await;
                    let reply = call.as_mut().take_output().unwrap();
                    Some(text(reply.unwrap()).await.unwrap())
                })
            })
            .collect();
        for reader in readers {
            let got = timeout(SECOND * 5, reader)
                .await
                .expect("nobody is stuck")
                .unwrap();
            assert!(got.is_none_or(|got| got.len() == 40));
        }
        assert_eq!(inner.calls(), 1);
    }
}
