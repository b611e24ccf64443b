//! What the performance guide promises, a test each. Ratios of time are printed by
//! `examples/bench.rs`; what is counted is held here.

use std::{
    convert::Infallible,
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blossom::{
    Blossom, Body, cached,
    layers::{
        buffer::BufferLayer,
        cache::{CacheLayer, tier::MemoryTier},
        observe::ObserveLayer,
        types::{CacheStatus, Scope},
    },
    policy::{KeepAnswers, KeyRequest, ObserveReply, Prices},
    protocol::Dialect,
    sandbox::Sandbox,
};
use futures_util::future::join_all;
use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, service_fn};

const HOUR: Duration = Duration::from_secs(3600);
const LATENCY: Duration = Duration::from_secs(2);

/// A client with a cache over an upstream that takes two seconds, on a clock that can be paused.
fn slow_upstream() -> (Blossom, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let upstream = service_fn(move |request: Request<Body>| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            sleep(LATENCY).await;
            let answer = format!("answer to {}", request.uri().path());
            // Without its length a body that was cut would look whole, and would not be kept.
            let response = Response::builder()
                .header("content-type", "text/plain")
                .header("content-length", answer.len());
            Ok::<_, Infallible>(response.body(Body::from(answer)).unwrap())
        }
    });
    let cache = CacheLayer::new(
        MemoryTier::new(1 << 20),
        KeyRequest::new(Dialect::Gen),
        Scope::fixed("test"),
    );
    let stack = ServiceBuilder::new()
        .layer(BufferLayer::new())
        .layer(cache.policy(KeepAnswers::new(HOUR)))
        .layer(ObserveLayer::new(ObserveReply))
        .service(upstream);
    (Blossom::from_service(stack).build(), calls)
}

fn over(sandbox: &Sandbox) -> Blossom {
    Blossom::builder()
        .base_url(sandbox.base_url())
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_hit_makes_no_call_and_takes_no_time() {
    let (client, calls) = slow_upstream();
    let start = Instant::now();
    let first = client.text().generate("What is Python?").await.unwrap();
    assert_eq!(start.elapsed(), LATENCY);

    let second = client.text().generate("What is Python?").await.unwrap();

    assert_eq!(start.elapsed(), LATENCY);
    assert_eq!(second.content(), first.content());
    assert_eq!(second.cache_status(), Some(CacheStatus::Hit));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn three_calls_at_once_take_the_time_of_one() {
    let (client, calls) = slow_upstream();
    let start = Instant::now();

    let answers = join_all((0..3).map(|n| {
        client
            .text()
            .generate(format!("Question {n}"))
            .into_future()
    }))
    .await;

    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(start.elapsed(), LATENCY);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_first_words_of_a_stream_come_long_before_its_last() {
    let sandbox = Sandbox::builder()
        .event(Duration::from_millis(10))
        .start()
        .unwrap();
    let client = over(&sandbox);

    let mut stream = client
        .text()
        .generate("Write a story")
        .stream()
        .await
        .unwrap();
    stream.next().await.unwrap().unwrap();

    // The sandbox is still writing: its reply ends when its body ends.
    assert_eq!(sandbox.in_flight(), 1);
    let first = stream.content().len();
    let whole = stream.finish().await.unwrap();
    assert!(whole.content().len() > first * 4);
}

#[tokio::test]
async fn a_hundred_prompts_are_never_more_than_five_at_once() {
    let sandbox = Sandbox::start().unwrap();
    let client = over(&sandbox);

    let prompts = (0..100).map(|n| format!("Prompt {n}"));
    let results = client.batch(prompts).concurrency(5).run().await;

    assert!(results.iter().all(Result::is_ok));
    assert_eq!(sandbox.count(), 100);
    assert!(sandbox.max_in_flight() <= 5);
}

#[tokio::test]
async fn a_hundred_equal_calls_make_one_and_the_numbers_say_so() {
    let sandbox = Sandbox::start().unwrap();
    let client = over(&sandbox);
    let ask = {
        let client = client.clone();
        cached(HOUR, move |prompt: String| {
            let client = client.clone();
            async move { client.text().generate(prompt).await }
        })
    };

    for _ in 0..100 {
        ask.call("Same question".to_owned()).await.unwrap();
    }
    assert_eq!(sandbox.count(), 1);
    assert_eq!(ask.stats().calls_saved(), 99);
    assert!((ask.stats().hit_rate() - 99.0).abs() < 1e-9);

    // The client's own cache says the same of plain calls.
    for _ in 0..100 {
        client.text().generate("Another question").await.unwrap();
    }
    assert_eq!(sandbox.count(), 2);
    assert_eq!(client.cache().stats().hits, 99);
}

#[tokio::test]
async fn after_a_restart_the_disk_still_answers() {
    let sandbox = Sandbox::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Blossom::builder()
            .base_url(sandbox.base_url())
            .cache_dir(folder.path().join("cache"))
            .build()
    };
    let client = start().unwrap();
    let first = client.text().generate("What is AI?").await.unwrap();
    client.cache().flush().await.unwrap();
    drop(client);

    // Its folder is free again a moment later.
    let client = loop {
        match start() {
            Ok(client) => break client,
            Err(error) => assert!(error.to_string().contains("cache_dir"), "{error}"),
        }
        sleep(Duration::from_millis(5)).await;
    };
    let second = client.text().generate("What is AI?").await.unwrap();

    assert_eq!(second.content(), first.content());
    assert_eq!(second.cache_status(), Some(CacheStatus::Hit));
    assert_eq!(sandbox.count(), 1);
}

#[tokio::test]
async fn ten_calls_on_one_client_open_no_more_connections_than_are_under_way() {
    let sandbox = Sandbox::start().unwrap();
    let client = over(&sandbox);
    for n in 0..10 {
        client
            .text()
            .generate(format!("In turn {n}"))
            .await
            .unwrap();
    }
    assert_eq!(sandbox.connections(), 1);

    let prompts = (0..30).map(|n| format!("At once {n}"));
    client.batch(prompts).concurrency(3).run().await;
    assert!(sandbox.connections() <= 1 + 3, "{}", sandbox.connections());
}

#[tokio::test]
async fn eighty_percent_of_repeats_cost_half_at_most() {
    let sandbox = Sandbox::start().unwrap();
    let models = over(&sandbox).models().await.unwrap();
    let cost = async |cache: bool| {
        let client = Blossom::builder()
            .base_url(sandbox.base_url())
            .prices(Prices::from_models(&models))
            .cache(cache)
            .build()
            .unwrap();
        let prompts = (0..100).map(|n| format!("Question {}", n % 20));
        for prompt in prompts {
            client
                .text()
                .chat([prompt.as_str()])
                .model("openai")
                .await
                .unwrap();
        }
        client.spend().unwrap().totals().spent.0
    };

    let (without, with) = (cost(false).await, cost(true).await);

    assert!(without > 0);
    assert!(with * 2 <= without, "{with} of {without}");
}
