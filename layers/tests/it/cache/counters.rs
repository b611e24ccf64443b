//! The counters add up, whatever happens.

use super::*;

/// What one of many requests does.
#[derive(Debug, Clone)]
enum Act {
    Ask { path: u8, gives_up: u64 },
    Panic,
    NoStore,
    Fresh { path: u8 },
    Fail { path: u8 },
    Purge,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..3_u8, 0..300_u64).prop_map(|(path, gives_up)| Act::Ask { path, gives_up }),
        1 => Just(Act::Panic),
        1 => Just(Act::NoStore),
        1 => (0..3_u8).prop_map(|path| Act::Fresh { path }),
        2 => (0..3_u8).prop_map(|path| Act::Fail { path }),
        1 => Just(Act::Purge),
        3 => (0..200_u64).prop_map(Act::Wait),
    ]
}

/// Answers by path after a while, fails or panics where it is told to.
async fn upstream(request: Request<ReqBody>) -> Result<Response<ScriptedBody>, BoxError> {
    sleep(Duration::from_millis(50)).await;
    assert!(
        !request.headers().contains_key("x-panic"),
        "the upstream panics"
    );
    if request.headers().contains_key("x-fail") {
        return Err("failed".into());
    }
    let path = request.uri().path().to_owned();
    let body = ScriptedBody::new()
        .data(path)
        .wait(Duration::from_millis(50))
        .data("!");
    Ok(Response::new(body))
}

fn request_of(act: &Act) -> Request<ReqBody> {
    let (path, header) = match act {
        Act::Ask { path, .. } | Act::Fresh { path } => (*path, None),
        Act::Fail { path } => (*path, Some("x-fail")),
        Act::Panic => (9, Some("x-panic")),
        Act::NoStore | Act::Purge | Act::Wait(_) => (9, None),
    };
    let mut request = Request::get(format!("/{path}"))
        .body(ReqBody::empty())
        .unwrap();
    if let Some(header) = header {
        request
            .headers_mut()
            .insert(header, HeaderValue::from_static("1"));
    }
    let options = match act {
        Act::NoStore => CacheOptions::new().no_store(),
        Act::Fresh { .. } => CacheOptions::new().fresh(),
        _ => CacheOptions::new(),
    };
    request.extensions_mut().insert(options);
    request
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// P3, P9: every request is counted once whatever becomes of it, and who gets a reply gets all
    /// of the right one.
    #[test]
    fn a20_the_counters_always_add_up(acts in proptest::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async move {
            let layer = layer().time_to_live(Duration::from_millis(300)).stale_while_revalidate(Duration::from_millis(100));
            let cache = layer.handle();
            let service = layer.layer(service_fn(upstream));
            let mut tasks = Vec::new();
            let mut sent = 0;
            for act in acts {
                match act {
                    Act::Wait(millis) => sleep(Duration::from_millis(millis)).await,
                    Act::Purge => cache.clear(),
                    act => {
                        let request = request_of(&act);
                        let gives_up = if let Act::Ask { gives_up, .. } = act { gives_up } else { 1000 };
                        let path = request.uri().path().to_owned();
                        let call = service.clone().call(request);
                        sent += 1;
                        tasks.push(Box::pin(timeout(Duration::from_millis(gives_up), async move {
                            let got = text(call.await?).await?;
                            assert_eq!(got, format!("{path}!"));
                            Ok::<_, BoxError>(())
                        })) as Pin<Box<dyn Future<Output = _> + Send>>);
                    }
                }
                assert_eq!(cache.stats().requests(), sent);
            }
            drop(join_all(tasks).await);
            sleep(MINUTE).await;
            let stats = cache.stats();
            assert_eq!(stats.requests(), sent);
            assert_eq!(cache.in_flight(), 0);
            assert_eq!(stats.tier.entries, stats.tier.stored - stats.tier.evicted.total());
        });
    }
}
