//! Callers who come and go as chance has it.

use super::*;

/// What one of several callers does.
#[derive(Debug, Clone)]
struct Caller {
    comes: u64,
    stays: u64,
    pauses: u64,
}

fn caller() -> impl Strategy<Value = Caller> {
    (0..3000_u64, 0..6000_u64, 0..400_u64).prop_map(|(comes, stays, pauses)| Caller {
        comes,
        stays,
        pauses,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// P2: while a call is under way there is no other, and who stays gets all of it in order.
    #[test]
    fn p2_there_is_one_call_at_a_time_whoever_comes_and_goes(
        callers in proptest::collection::vec(caller(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async move {
            let inner = ScriptedService::default();
            let body = || (0..10).fold(ScriptedBody::new(), |body, n| {
                body.data(format!("{n}")).wait(Duration::from_millis(200))
            });
            inner.push((0..20).map(|_| slow(body())));
            let layer = layer();
            let ask = stack(&layer, inner.clone());
            let calls = callers.iter().map(|caller| {
                let ask = &ask;
                async move {
                    sleep(Duration::from_millis(caller.comes)).await;
                    let reads = async {
                        let mut body = Box::pin(ask().await.unwrap().into_body());
                        let mut all = String::new();
                        while let Some(frame) = next(&mut body).await {
                            all.push_str(std::str::from_utf8(&frame.unwrap()).unwrap());
                            sleep(Duration::from_millis(caller.pauses)).await;
                        }
                        all
                    };
                    timeout(Duration::from_millis(caller.stays), reads).await.ok()
                }
            });
            for got in join_all(calls).await.into_iter().flatten() {
                assert_eq!(got, "0123456789");
            }
            assert!(inner.max_in_flight() <= 1);
            assert_eq!((inner.in_flight(), layer.in_flight()), (0, 0));
        });
    }
}
