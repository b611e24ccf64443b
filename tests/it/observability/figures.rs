//! The figures of the preset.

use std::time::Duration;

use blossom::{
    Blossom,
    layers::{
        backoff::Backoff,
        metrics::{LEVELS, METRICS},
    },
    policy::Prices,
    protocol::Message,
    sandbox::Sandbox,
};
use metrics::{SharedString, Unit};
use metrics_util::{
    CompositeKey,
    debugging::{DebugValue, DebuggingRecorder},
};

use super::{capture::Capture, eventually};

/// What the preset tells in a run in which everything happens, one figure a key.
async fn everything() -> Vec<Seen> {
    let sandbox = Sandbox::start().unwrap();
    let plain = Blossom::builder().base_url(sandbox.base_url());
    let models = plain.clone().build().unwrap().models().await.unwrap();
    let client = plain
        .prices(Prices::from_models(&models))
        .requests_per_minute(1200)
        .backoff(Backoff::new(Duration::ZERO, Duration::ZERO))
        .build()
        .unwrap();
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    let snapshotter = recorder.snapshotter();
    let _installed = metrics::set_default_local_recorder(recorder);

    let ask = |text: &str| client.text().generate(text).model("openai");
    // A burst of 60 goes at once; one more waits for 50 ms.
    let many = (0..61).map(|n| ask(&format!("Question {n}")).into_future());
    for answer in futures_util::future::join_all(many).await {
        answer.unwrap();
    }
    ask("Question 0").await.unwrap(); // a hit
    let (one, other) = tokio::join!(ask("A river").into_future(), ask("A river").into_future());
    assert!(one.is_ok() && other.is_ok());
    let chat = client.text().chat([Message::user("Tell me of rivers")]);
    chat.stream().await.unwrap().finish().await.unwrap();
    let failing = ask("Fail").header("x-sandbox-fault", "status;code=429");
    failing.await.unwrap_err();
    client.publish_levels();

    let mut all = Vec::new();
    eventually("every call ends", || {
        all.extend(snapshotter.snapshot().into_vec());
        let ended = all
            .iter()
            .filter(|(key, ..)| key.key().name() == "blossom.calls.ended");
        let ended: u64 = ended.map(|(.., value)| counted(value)).sum();
        ended == 66
    })
    .await;
    all
}

type Seen = (CompositeKey, Option<Unit>, Option<SharedString>, DebugValue);

fn counted(value: &DebugValue) -> u64 {
    match value {
        DebugValue::Counter(count) => *count,
        _ => 0,
    }
}

const COMMON: [&str; 3] = [
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
];

#[tokio::test]
async fn what_the_preset_tells_is_the_list_of_figures_both_ways() {
    let seen = everything().await;
    let listed = || METRICS.iter().chain(LEVELS);

    for metric in listed() {
        let of_name = || {
            seen.iter()
                .filter(|(key, ..)| key.key().name() == metric.name)
        };
        let (key, unit, about, _) = of_name()
            .next()
            .unwrap_or_else(|| panic!("{}", metric.name));
        let kind = format!("{:?}", key.kind()).to_lowercase();
        assert_eq!(kind, metric.kind.as_str(), "{}", metric.name);
        assert_eq!(about.as_deref(), Some(metric.meaning));
        assert_eq!(*unit == Some(Unit::Seconds), metric.unit == "s");
        for label in metric.labels {
            let has =
                of_name().any(|(key, ..)| key.key().labels().any(|known| known.key() == *label));
            assert!(has, "{} never has {label}", metric.name);
        }
    }
    for (key, ..) in &seen {
        let name = key.key().name();
        let metric = listed().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is not listed"));
        let of_calls = METRICS.iter().any(|metric| metric.name == name);
        for label in key.key().labels().map(metrics::Label::key) {
            let known = metric.labels.contains(&label) || (of_calls && COMMON.contains(&label));
            assert!(known, "{name} has {label}");
        }
    }
    let total = |name: &str| -> u64 {
        let of_name = seen.iter().filter(|(key, ..)| key.key().name() == name);
        of_name.map(|(.., value)| counted(value)).sum()
    };
    assert!(total("blossom.rate.waits") > 0);
    assert!(total("blossom.spent") > 0 && total("blossom.saved") > 0);
}

#[tokio::test]
async fn levels_are_those_of_the_moment_and_of_all_clients() {
    let sandbox = Sandbox::start().unwrap();
    let builder = Blossom::builder().base_url(sandbox.base_url()).cache(false);
    let clients = [builder.clone().build().unwrap(), builder.build().unwrap()];
    let seen = Capture::install();
    let mut streams = Vec::new();
    for client in &clients {
        let chat = client.text().chat([Message::user("Tell me of rivers")]);
        streams.push(chat.stream().await.unwrap());
        assert_eq!(client.levels().permits_in_use, Some(1));
    }
    let figures = seen.figures();
    let held = figures
        .lines()
        .find(|line| line.contains("blossom.permits.in_use"));
    assert!(held.unwrap().contains("Gauge(2"), "{figures}");

    drop(streams);
    for client in &clients {
        let breaker = client.breaker().unwrap();
        let (name, _) = breaker.snapshots().remove(0);
        breaker.trip(&name);
        client.publish_levels();
    }
    // The recorder gives what has changed since it was looked at.
    let figures = seen.figures();
    let line = |name: &str| figures.lines().find(|line| line.contains(name)).unwrap();
    assert!(
        line("blossom.permits.in_use").contains("Gauge(-2"),
        "{figures}"
    );
    assert!(
        line("blossom.breakers.open").contains("Gauge(2"),
        "{figures}"
    );
}

#[tokio::test]
async fn a_call_of_the_preset_is_counted_and_measured() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .build()
        .unwrap();
    let seen = Capture::install();

    let chat = client.text().chat([Message::user("Tell me of rivers")]);
    let stream = chat.model("openai").stream().await.unwrap();
    stream.finish().await.unwrap();
    let mut figures = String::new();
    eventually("the call has no end", || {
        figures += &seen.figures();
        figures.contains("operation.duration")
    })
    .await;

    for metric in METRICS {
        assert!(figures.contains(metric.name), "{}: {figures}", metric.name);
    }
    for label in ["chat", "pollinations", "openai", "input", "output"] {
        assert!(
            figures.contains(&format!("{label:?}")),
            "{label}: {figures}"
        );
    }
    assert!(!figures.contains("error.type"), "{figures}");
}

#[tokio::test]
async fn failures_have_words() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .build()
        .unwrap();
    for (fault, word) in [
        ("status;code=429", "429"),
        ("cut;after-events=3", "interrupted"),
        ("mid-error;form=1", "upstream_error"),
    ] {
        let seen = Capture::install();
        let chat = client.text().chat([Message::user("Tell me of rivers")]);
        let call = chat.header("x-sandbox-fault", fault).stream().await;
        if let Ok(stream) = call {
            stream.finish().await.unwrap_err();
        }
        let mut figures = String::new();
        eventually("the call has no end", || {
            figures += &seen.figures();
            figures.contains("operation.duration")
        })
        .await;
        let duration = figures
            .lines()
            .find(|line| line.contains("operation.duration"));
        assert!(duration.unwrap().contains(word), "{fault}: {figures}");
    }
}

#[tokio::test]
async fn an_answer_says_when_its_parts_came() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .build()
        .unwrap();
    let chat = || client.text().chat([Message::user("Tell me of rivers")]);

    let whole = chat().await.unwrap().timing().unwrap();
    let mut stream = chat().stream().await.unwrap();
    let early = stream.timing().unwrap();
    while let Some(delta) = stream.next().await {
        delta.unwrap();
    }
    eventually("the body has no end", || {
        stream.timing().unwrap().end.is_some()
    })
    .await;
    let late = stream.timing().unwrap();
    let finished = stream.finish().await.unwrap().timing().unwrap();

    for timing in [whole, late, finished] {
        assert!(timing.queue.is_some(), "{timing:?}");
        let (head, end) = (timing.head.unwrap(), timing.end.unwrap());
        assert!(head <= end, "{timing:?}");
        if let Some(first) = timing.first_event {
            assert!(head <= first && first <= end, "{timing:?}");
        }
    }
    assert!(late.first_event.is_some());
    assert!(early.head.is_some() && early.end.is_none(), "{early:?}");
}

#[test]
fn the_guides_table_is_the_list_of_figures() {
    let guide = include_str!("../../../src/guide/observability.md");
    let rows: Vec<_> = guide
        .lines()
        .filter(|line| line.starts_with("| `gen_ai.") || line.starts_with("| `blossom."))
        .collect();
    let listed = METRICS.iter().chain(LEVELS).map(|metric| {
        let labels = metric.labels.iter().map(|label| format!("`{label}`"));
        format!(
            "| `{}` | {} | {} | {} | {} |",
            metric.name,
            metric.kind.as_str(),
            metric.unit,
            labels.collect::<Vec<_>>().join(", "),
            metric.meaning
        )
    });
    let listed: Vec<_> = listed.collect();

    assert_eq!(rows, listed);
}
