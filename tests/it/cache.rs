//! The client's cache, over real sockets.

use std::time::Duration;

use blossom::{
    Blossom, Body, ErrorKind,
    layers::types::CacheStatus::{self, Coalesced, Hit, Miss},
    protocol::{Message, Tool},
    sandbox::Sandbox,
};
use futures_util::future::join_all;
use http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

const FAULT: &str = "x-sandbox-fault";
const HOUR: Duration = Duration::from_secs(3600);

fn pair() -> (Sandbox, Blossom) {
    let sandbox = Sandbox::start().unwrap();
    let client = client(&sandbox);
    (sandbox, client)
}

fn client(sandbox: &Sandbox) -> Blossom {
    Blossom::builder()
        .base_url(sandbox.base_url())
        .build()
        .unwrap()
}

async fn ask(client: &Blossom, prompt: &str) -> CacheStatus {
    let answer = client.text().generate(prompt).await.unwrap();
    answer.cache_status().unwrap()
}

#[tokio::test]
async fn an_equal_call_is_a_hit_whole_or_streamed_and_costs_no_call() {
    let (sandbox, client) = pair();
    let first = client.text().generate("What is Rust?").await.unwrap();
    let again = client.text().generate("What is Rust?").await.unwrap();
    assert_eq!(
        (first.cache_status(), again.cache_status()),
        (Some(Miss), Some(Hit))
    );
    assert_eq!(first.content(), again.content());
    assert_eq!(first.usage(), again.usage());

    let stream = async || {
        let mut stream = client
            .text()
            .chat(["Tell me a story."])
            .stream()
            .await
            .unwrap();
        let mut deltas = 0;
        while let Some(delta) = stream.next().await {
            delta.unwrap();
            deltas += 1;
        }
        (stream.finish().await.unwrap(), deltas)
    };
    let ((first, frames), (again, replayed)) = (stream().await, stream().await);
    assert_eq!(
        (first.cache_status(), again.cache_status()),
        (Some(Miss), Some(Hit))
    );
    assert_eq!(
        (first.content(), first.usage(), frames),
        (again.content(), again.usage(), replayed)
    );
    assert!(first.usage().is_some());

    assert_eq!(sandbox.generations(), 2);
    let stats = client.cache().stats();
    assert_eq!((stats.hits, stats.misses, stats.requests()), (2, 2, 4));
    assert!(stats.saved_tokens > 0 && stats.saved_bytes > 0);
}

#[tokio::test]
async fn a_chat_that_was_written_elsewhere_has_the_answer_of_the_clients_own() {
    let (sandbox, client) = pair();
    let own = client.text().chat([Message::user("Hi\u{1f} \"you\"")]);
    let own = own.model("openai").temperature(1.0).top_p(0.25);
    own.clone().await.unwrap();
    let elsewhere = r#"{ "model": "openai", "temperature": 1e0, "top_p": 0.250,
        "messages": [{"role": "user", "content": "\u0048i\u001F \"you\""}] }"#;
    let path = sandbox.requests()[0].path().to_owned();
    let request = Request::post(format!("{}{path}", sandbox.base_url()))
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(Body::from(elsewhere))
        .unwrap();

    let reply = client.clone().oneshot(request).await.unwrap();

    assert_eq!(reply.extensions().get(), Some(&Hit));
    assert_eq!(own.await.unwrap().cache_status(), Some(Hit));
}

#[tokio::test]
async fn pictures_and_speech_are_kept_and_lists_are_not() {
    let (sandbox, client) = pair();
    for expected in [Miss, Hit] {
        let image = client.image().generate("a cat").size(64, 64).await.unwrap();
        assert_eq!(image.cache_status(), Some(expected));
        let speech = client.audio().speak("Hello").await.unwrap();
        assert_eq!(speech.cache_status(), Some(expected));
    }
    for _ in 0..2 {
        client.models().await.unwrap();
    }
    assert_eq!(client.cache().stats().bypassed.no_key, 2);
    assert_eq!(sandbox.count(), 4);
}

#[tokio::test]
async fn a_hundred_equal_calls_at_once_are_one_and_each_gets_all_of_it() {
    let sandbox = Sandbox::builder()
        .event(Duration::from_millis(2))
        .start()
        .unwrap();
    let client = client(&sandbox);
    let all = join_all((0..100).map(|_| async {
        let stream = client
            .text()
            .generate("Tell me of a river.")
            .stream()
            .await
            .unwrap();
        stream.finish().await.unwrap()
    }))
    .await;

    assert_eq!(sandbox.generations(), 1);
    assert!(all.iter().all(|text| text.content() == all[0].content()));
    let followers = all
        .iter()
        .filter(|text| text.cache_status() == Some(Coalesced));
    assert_eq!(followers.count(), 99);
}

#[tokio::test]
async fn a7_an_answer_that_is_not_whole_is_not_kept() {
    let (_sandbox, client) = pair();
    for fault in [
        "cut;after-events=4",
        "done-without-finish",
        "mid-error;form=1",
        "mid-error;form=2",
        "mid-error;form=3",
        "form-j",
    ] {
        let call = client.text().generate("Tell me of a river.");
        let opened = call.header(FAULT, fault).stream().await;
        let read = match opened {
            Ok(stream) => stream.finish().await,
            Err(error) => Err(error),
        };
        assert!(read.is_err(), "{fault}");
        assert_eq!(client.cache().stats().stored, 0, "{fault}");
    }
    // An answer that has reached its limit is the answer to that limit.
    for expected in [Miss, Hit] {
        let stream = client
            .text()
            .generate("A long story")
            .max_tokens(2)
            .stream()
            .await
            .unwrap();
        assert_eq!(
            stream.finish().await.unwrap().cache_status(),
            Some(expected)
        );
    }
}

#[tokio::test]
async fn a8_failures_and_notices_are_not_kept() {
    let (sandbox, client) = crate::support::pair();
    for reply in [
        (503, r#"{"error":{"message":"busy"}}"#),
        (429, r#"{"error":{"message":"slow down"}}"#),
        (401, r#"{"error":{"message":"who?"}}"#),
        (200, r#"{"error":{"message":"no"}}"#),
    ] {
        sandbox.script([reply]);
        assert!(client.text().chat([Message::user("Hi")]).await.is_err());
    }
    let answer = client.text().chat([Message::user("Hi")]).await.unwrap();
    assert_eq!(answer.cache_status(), Some(Miss));
    assert_eq!(client.cache().stats().stored, 1);
}

#[tokio::test]
async fn a10_the_preset_keeps_samples_and_a_seed_gets_another_answer() {
    let (sandbox, client) = pair();
    let tool = || Tool::function("now").description("the time");
    for expected in [Miss, Hit] {
        let sampled = client
            .text()
            .chat(["Hi"])
            .temperature(1.5)
            .tools([tool()])
            .await
            .unwrap();
        assert_eq!(sampled.cache_status(), Some(expected));
    }
    let seeded = client
        .text()
        .chat(["Hi"])
        .temperature(1.5)
        .tools([tool()])
        .seed(7)
        .await
        .unwrap();
    assert_eq!(seeded.cache_status(), Some(Miss));
    assert_eq!(sandbox.generations(), 2);
}

#[tokio::test]
async fn what_one_call_says_is_done() {
    let (sandbox, client) = pair();
    let say = |prompt: &'static str| client.text().generate(prompt);
    assert_eq!(
        say("a").no_store().await.unwrap().cache_status(),
        Some(CacheStatus::Bypass)
    );
    assert_eq!(ask(&client, "a").await, Miss);
    assert_eq!(say("a").fresh().await.unwrap().cache_status(), Some(Miss));
    assert_eq!(ask(&client, "a").await, Hit);
    assert_eq!(sandbox.generations(), 3);

    // A key of one's own replaces all but the form.
    assert_eq!(
        say("b").cache_key("k").await.unwrap().cache_status(),
        Some(Miss)
    );
    assert_eq!(
        say("c").cache_key("k").await.unwrap().cache_status(),
        Some(Hit)
    );
    let stream = say("c").cache_key("k").stream().await.unwrap();
    assert_eq!(stream.finish().await.unwrap().cache_status(), Some(Miss));
    client.cache().invalidate_key("k");
    let stream = say("c").cache_key("k").stream().await.unwrap();
    assert_eq!(stream.finish().await.unwrap().cache_status(), Some(Miss));
    assert_eq!(
        say("b").cache_key("k").await.unwrap().cache_status(),
        Some(Miss)
    );

    assert_eq!(
        say("d")
            .cache_tag("faq")
            .cache_ttl(HOUR)
            .await
            .unwrap()
            .cache_status(),
        Some(Miss)
    );
    assert_eq!(ask(&client, "d").await, Hit);
    client.cache().invalidate_tag("faq");
    assert_eq!(ask(&client, "d").await, Miss);
    assert_eq!(ask(&client, "a").await, Hit);
    client.cache().clear();
    assert_eq!(ask(&client, "a").await, Miss);
    client.cache().flush().await.unwrap();
}

#[tokio::test]
async fn the_cache_can_be_turned_off() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .cache(false)
        .build()
        .unwrap();
    for _ in 0..2 {
        let answer = client.text().generate("Hi").await.unwrap();
        assert_eq!(answer.cache_status(), None);
    }
    assert_eq!(sandbox.generations(), 2);
    assert!(!client.cache().is_on());
    assert_eq!(client.cache().stats().requests(), 0);
}

#[tokio::test]
async fn a1_callers_who_bring_their_keys_have_answers_of_their_own() {
    let sandbox = Sandbox::start().unwrap();
    let gateway = Blossom::builder()
        .base_url(sandbox.base_url())
        .without_api_key()
        .build()
        .unwrap();
    let ask = async |key: Option<&str>| {
        let uri = format!("{}/text/hello", sandbox.base_url());
        let mut request = Request::get(uri);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = gateway.clone().oneshot(request).await.unwrap();
        let status = response.extensions().get::<CacheStatus>().copied();
        response.into_body().collect().await.unwrap();
        status.unwrap()
    };
    assert_eq!(ask(Some("a")).await, Miss);
    assert_eq!(ask(Some("a")).await, Hit);
    assert_eq!(ask(Some("b")).await, Miss);
    assert_eq!(ask(None).await, CacheStatus::Bypass);
    assert_eq!(gateway.cache().stats().bypassed.no_owner, 1);
    assert!(!format!("{gateway:?}{:?}", gateway.cache()).contains("Bearer"));
}

#[tokio::test]
async fn warming_says_what_was_there_what_it_filled_and_what_failed() {
    let (sandbox, client) = pair();
    assert_eq!(ask(&client, "one").await, Miss);
    let mut steps = 0;
    let (sender, seen) = std::sync::mpsc::channel();
    let warmed = client
        .warm(["one", "two", "three"])
        .cache_ttl(HOUR)
        .cache_tag("faq")
        .concurrency(1)
        .on_progress(move |progress| sender.send(progress.done).unwrap())
        .await;
    assert_eq!(
        (warmed.already, warmed.filled, warmed.failed.len()),
        (1, 2, 0)
    );
    while let Ok(done) = seen.recv() {
        steps = done;
    }
    assert_eq!(steps, 3);
    assert_eq!(ask(&client, "three").await, Hit);

    client.cache().invalidate_tag("faq");
    sandbox.script([(400, r#"{"error":{"message":"no"}}"#)]);
    let warmed = client.warm(["two", "three"]).concurrency(1).await;
    assert_eq!((warmed.already, warmed.filled), (0, 1));
    assert_eq!(warmed.failed[0].0, 0);
    assert_eq!(warmed.failed[0].1.kind(), ErrorKind::InvalidRequest);
}
