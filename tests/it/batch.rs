//! Batches: of many calls, none is lost and none costs another.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blossom::{
    Blossom, Body, ErrorKind, Result, Text,
    batch::{BatchInput, BatchOutput, Prepared},
    policy::Prices,
    sandbox::Sandbox,
};
use bytes::Bytes;
use http::{Request, Response};
use tokio::time::Instant;
use tower::service_fn;

/// A client whose upstream counts calls, and answers prompt "Pn" with "An" after `latency`.
fn counted(latency: Duration) -> (Blossom, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let in_flight = Arc::new(AtomicUsize::new(0));
    let (seen, peak) = (calls.clone(), most.clone());
    let upstream = service_fn(move |request: Request<Body>| {
        seen.fetch_add(1, Ordering::SeqCst);
        let now = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        peak.fetch_max(now, Ordering::SeqCst);
        let in_flight = in_flight.clone();
        async move {
            tokio::time::sleep(latency).await;
            in_flight.fetch_sub(1, Ordering::SeqCst);
            let path = request.uri().path();
            assert!(!path.contains("PANIC"), "as asked");
            if path.contains("HANG") {
                std::future::pending::<()>().await;
            }
            let failed = path.contains("FAIL");
            let body = Bytes::from(path.replace("/text/P", "A"));
            let response = Response::builder()
                .status(if failed { 400 } else { 200 })
                .header("content-type", "text/plain; charset=utf-8");
            Ok::<_, std::convert::Infallible>(response.body(Body::full(body)).unwrap())
        }
    });
    (Blossom::from_service(upstream).build(), calls, most)
}

fn text(result: &Result<Text>) -> &str {
    result.as_ref().map_or("failed", |text| text.content())
}

#[tokio::test(start_paused = true)]
async fn l1_of_10000_items_none_is_lost_and_the_order_is_kept() {
    let (client, calls, _) = counted(Duration::from_millis(10));
    let prompt = |n: usize| match n {
        777 => format!("PANIC{n}"),
        n if n % 100 == 50 => format!("PFAIL{n}"),
        n => format!("P{n}"),
    };

    let results = client
        .batch((0..10_000).map(prompt))
        .concurrency(64)
        .run()
        .await;

    assert_eq!(results.len(), 10_000);
    assert_eq!(calls.load(Ordering::SeqCst), 10_000);
    for (n, result) in results.iter().enumerate() {
        match n {
            777 => {
                let error = result.as_ref().unwrap_err();
                assert!(error.to_string().contains("panicked: as asked"), "{error}");
            }
            n if n % 100 == 50 => assert_eq!(
                result.as_ref().unwrap_err().kind(),
                ErrorKind::InvalidRequest
            ),
            n => assert_eq!(text(result), format!("A{n}")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn l2_a_batch_that_is_canceled_keeps_what_is_finished() {
    let (client, calls, _) = counted(Duration::from_secs(1));

    let results = client
        .batch((0..100).map(|n| format!("P{n}")))
        .concurrency(10)
        .cancel_when(tokio::time::sleep(Duration::from_millis(3_700)))
        .run()
        .await;

    assert_eq!(results.len(), 100);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 30);
    let canceled = results.iter().filter_map(|result| result.as_ref().err());
    assert!(
        canceled
            .clone()
            .all(|error| error.kind() == ErrorKind::Canceled)
    );
    assert_eq!(canceled.count(), 70);
    assert_eq!(calls.load(Ordering::SeqCst), 40);
}

#[tokio::test]
async fn l2_what_a_canceled_batch_has_done_is_not_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.jsonl");
    let (client, calls, _) = counted(Duration::from_millis(2));
    let batch = || {
        let prompts = (0..100).map(|n| format!("P{n}"));
        client.batch(prompts).concurrency(10).checkpoint(&path)
    };

    let mut first = batch().start();
    for _ in 0..37 {
        first.next().await.unwrap().result.unwrap();
    }
    first.cancel();
    let mut kept = 37;
    while let Some(item) = first.next().await {
        match item.result {
            Ok(_) => kept += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Canceled),
        }
    }
    drop(first);
    assert!(kept < 100, "it was canceled");
    let results = batch().run().await;

    for (n, result) in results.iter().enumerate() {
        assert_eq!(text(result), format!("A{n}"));
    }
    let repeated = calls.load(Ordering::SeqCst) - 100;
    assert!(repeated <= 10, "{repeated} were asked twice");
}

#[tokio::test(start_paused = true)]
async fn l3_an_endless_input_is_taken_only_as_fast_as_it_is_read() {
    let (client, _, most) = counted(Duration::from_secs(1));
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let endless = (0_u64..).map(move |n| {
        counter.fetch_add(1, Ordering::SeqCst);
        format!("P{n}")
    });

    let mut batch = client.batch(endless).concurrency(5).start();
    for read in 1..=20 {
        batch.next().await.unwrap().result.unwrap();
        assert!(taken.load(Ordering::SeqCst) <= read + 5);
    }
    // Nobody reads: what runs ends, and nothing more begins.
    let before = taken.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(60)).await;

    assert_eq!(taken.load(Ordering::SeqCst), before);
    assert_eq!(most.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn l4_an_observer_that_is_slow_or_panics_stalls_nothing() {
    let (client, _, _) = counted(Duration::from_millis(1));
    let seen = Arc::new(AtomicUsize::new(0));
    let told = seen.clone();
    let results = client
        .batch((0..1_000).map(|n| format!("P{n}")))
        .on_progress(move |progress| {
            told.store(usize::try_from(progress.done).unwrap(), Ordering::SeqCst);
        })
        .run()
        .await;
    assert_eq!(results.len(), 1_000);
    assert_eq!(seen.load(Ordering::SeqCst), 1_000, "it saw the last state");

    let results = client
        .batch((0..100).map(|n| format!("P{n}")))
        .on_progress(|_| panic!("in an observer"))
        .run()
        .await;
    assert!(results.iter().all(Result::is_ok));

    // It hangs until the test is over: the end waits for a second, and no longer.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let results = client
        .batch((0..100).map(|n| format!("P{n}")))
        .on_progress(move |_| {
            assert!(held.recv().is_err(), "nothing is ever sent");
        })
        .run()
        .await;
    assert!(results.iter().all(Result::is_ok));
    drop(release);
}

#[tokio::test(start_paused = true)]
async fn l5_one_tenant_that_fails_or_hangs_does_not_slow_the_others() {
    for bad in ["FAIL", "HANG"] {
        let (client, _, _) = counted(Duration::from_millis(100));
        let tenant = |tenant: usize| {
            let prompts = (0..50).map(move |n| match tenant {
                0 => format!("P{bad}{n}"),
                _ => format!("P{tenant}-{n}"),
            });
            let batch = client.batch(prompts).concurrency(5);
            async move {
                let start = Instant::now();
                // Nobody waits longer for the one that hangs.
                let enough = tokio::time::sleep(Duration::from_secs(60));
                let results = batch.cancel_when(enough).run().await;
                let answered = results.iter().filter(|result| result.is_ok());
                (start.elapsed(), answered.count())
            }
        };

        let mut done = futures_util::future::join_all((0..10).map(tenant)).await;

        assert_eq!(done.remove(0).1, 0, "{bad}");
        let full_rate = (Duration::from_secs(1), 50);
        assert!(
            done.iter().all(|tenant| *tenant == full_rate),
            "{bad}: {done:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn l6_equal_inputs_are_one_call() {
    let (client, calls, _) = counted(Duration::from_millis(10));
    let mut last = None;

    let mut batch = client
        .batch((0..10_000).map(|n| format!("P{}", n % 100)))
        .concurrency(50)
        .start();
    let mut results = HashMap::new();
    while let Some(item) = batch.next().await {
        last = Some(batch.progress());
        results.insert(item.index, item.result.unwrap());
    }

    assert_eq!(calls.load(Ordering::SeqCst), 100);
    assert_eq!(results.len(), 10_000);
    assert!(
        results
            .iter()
            .all(|(n, text)| text.content() == format!("A{}", n % 100))
    );
    let last = last.unwrap();
    assert_eq!(
        (last.done, last.total, last.cached),
        (10_000, Some(10_000), 9_900)
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_by_those_who_wait_and_tried_again_for_later_ones() {
    let (client, calls, _) = counted(Duration::from_secs(1));

    let results = client.batch(["PFAIL"; 12]).concurrency(4).run().await;

    assert!(results.iter().all(Result::is_err));
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_no_longer_than_its_rounds() {
    let (client, _, most) = counted(Duration::from_secs(2));
    let start = Instant::now();

    client
        .batch((0..100).map(|n| format!("P{n}")))
        .concurrency(5)
        .run()
        .await;

    assert!(
        start.elapsed() <= Duration::from_secs(42),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(most.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn zero_at_once_is_refused_with_what_to_use_instead() {
    let (client, calls, _) = counted(Duration::ZERO);

    let results = client.batch(["P1", "P2"]).concurrency(0).run().await;

    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| {
        let error = result.as_ref().unwrap_err();
        error.kind() == ErrorKind::InvalidRequest && error.to_string().contains("use 1 or more")
    }));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_checkpoint_answers_what_was_done_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.jsonl");
    let (client, calls, _) = counted(Duration::ZERO);
    let prompts = |count: usize| (0..count).map(|n| format!("P{n}"));

    client.batch(prompts(30)).checkpoint(&path).run().await;
    let results = client.batch(prompts(50)).checkpoint(&path).run().await;

    assert_eq!(calls.load(Ordering::SeqCst), 50);
    assert!(
        results
            .iter()
            .enumerate()
            .all(|(n, result)| text(result) == format!("A{n}"))
    );
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_used_calls_nothing_and_says_why() {
    let (client, calls, _) = counted(Duration::ZERO);

    let results = client
        .batch(["P1"; 3])
        .checkpoint("/no/such/folder/c")
        .run()
        .await;

    assert_eq!(results.len(), 3);
    assert!(
        results
            .iter()
            .all(|result| result.as_ref().unwrap_err().kind() == ErrorKind::Io)
    );
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[derive(Clone)]
struct Length(usize);

impl BatchOutput for Length {}

struct Word(&'static str);

impl BatchInput for Word {
    type Output = Length;

    fn prepare(self, _: &Blossom) -> Prepared<Length> {
        Prepared::new(async move { Ok(Length(self.0.len())) })
    }
}

#[tokio::test]
async fn an_input_may_be_of_any_kind() {
    let (client, _, _) = counted(Duration::ZERO);

    let results = client.batch(["a", "bcd"].map(Word)).run().await;

    let lengths: Vec<_> = results
        .into_iter()
        .map(|result| result.unwrap().0)
        .collect();
    assert_eq!(lengths, [1, 3]);
}

#[tokio::test]
async fn the_sandbox_counts_no_more_in_flight_than_asked_for() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .build()
        .unwrap();
    let prompts = (0..100).map(|n| format!("Prompt {n}"));

    let results = client.batch(prompts).concurrency(5).run().await;

    assert!(results.iter().all(Result::is_ok));
    assert!(sandbox.max_in_flight() <= 5);
}

#[tokio::test]
async fn progress_tells_tokens_and_spend_and_what_was_cached() {
    let sandbox = Sandbox::start().unwrap();
    let builder = Blossom::builder().base_url(sandbox.base_url());
    let models = builder.clone().build().unwrap().models().await.unwrap();
    let client = builder
        .prices(Prices::from_models(&models))
        .build()
        .unwrap();
    let ask = |n: usize| client.text().chat([format!("Prompt {n}")]).model("openai");
    // One is in the client's cache before, and of the others each comes twice.
    let known = ask(0).await.unwrap();
    let spent = || client.spend().unwrap().totals().spent;
    let before = spent();

    let mut batch = client
        .batch((0..10).map(|n| ask(n % 5)))
        .concurrency(2)
        .start();
    let mut tokens = 0;
    while let Some(item) = batch.next().await {
        tokens += item.result.unwrap().usage().unwrap().total_tokens;
    }

    let progress = batch.progress();
    assert_eq!(
        (progress.done, progress.failed, progress.cached),
        (10, 0, 6)
    );
    assert!(progress.spend.0 > 0);
    assert_eq!(progress.spend, spent().saturating_sub(before));
    let known = known.usage().unwrap().total_tokens;
    assert_eq!(
        progress.tokens,
        tokens / 2 - known,
        "each that was paid, once"
    );
}

#[tokio::test]
async fn images_and_speech_are_batches_too() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .build()
        .unwrap();

    let images = (0..6).map(|n| {
        client
            .image()
            .generate(format!("cat {}", n % 3))
            .size(16, 16)
    });
    let images = images.collect::<Vec<_>>();
    let mut again = client.batch(images.clone()).start();
    let images = client.batch(images).run().await;
    let speech = client.batch([client.audio().speak("Hello")]).run().await;

    assert!(
        images
            .iter()
            .all(|image| !image.as_ref().unwrap().bytes().is_empty())
    );
    assert!(!speech[0].as_ref().unwrap().bytes().is_empty());
    while let Some(item) = again.next().await {
        item.result.unwrap();
    }
    assert_eq!(again.progress().cached, 6, "the client has them all");
    assert_eq!(sandbox.count(), 4);
}
