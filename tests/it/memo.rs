//! Values that are kept, and functions whose results are.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use blossom::{Blossom, CacheManager, Error, ErrorKind, Text, cached, sandbox::Sandbox};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recipe {
    name: String,
    steps: Vec<String>,
    minutes: Option<f64>,
}

fn recipe() -> Recipe {
    Recipe {
        name: "soup".to_owned(),
        steps: vec!["chop".to_owned(), "boil".to_owned()],
        minutes: Some(20.5),
    }
}

fn manager() -> CacheManager {
    CacheManager::builder().build().unwrap()
}

/// Counts its calls.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn call(&self) -> usize {
        self.0.fetch_add(1, Relaxed) + 1
    }

    fn calls(&self) -> usize {
        self.0.load(Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_any_value_until_its_time_has_come() {
    let cache = manager();
    assert!(
        cache
            .set("recipe", &recipe(), Duration::from_secs(60))
            .await
    );
    assert!(cache.set("number", &7, None).await);
    assert!(cache.set("text", "a &str", HOUR).await);

    assert!(cache.exists("recipe").await && !cache.exists("other").await);
    assert_eq!(cache.get("recipe").await, Some(recipe()));
    assert_eq!(cache.get("number").await, Some(7));
    assert_eq!(cache.get::<String>("text").await.unwrap(), "a &str");
    // A value of another type is none.
    assert_eq!(cache.get::<Recipe>("number").await, None);

    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!cache.exists("recipe").await);
    assert_eq!(cache.get::<Recipe>("recipe").await, None);
    assert_eq!(cache.get("number").await, Some(7));
    tokio::time::advance(HOUR).await;
    assert!(!cache.exists("number").await);
}

#[tokio::test]
async fn forgets_one_value_or_all() {
    let cache = manager();
    for key in ["a", "b", "c"] {
        cache.set(key, &1, HOUR).await;
    }
    cache.remove("a").await;
    assert!(!cache.exists("a").await && cache.exists("b").await);

    cache.clear().await;
    assert!(!cache.exists("b").await);
    cache.set("b", &2, HOUR).await;
    assert_eq!(cache.get("b").await, Some(2));
}

#[tokio::test]
async fn holds_no_more_items_than_it_was_told() {
    let cache = CacheManager::builder()
        .max_memory_items(10)
        .build()
        .unwrap();
    for number in 0..50 {
        cache.set(&number.to_string(), &number, HOUR).await;
    }

    assert_eq!(cache.stats().entries, 10);
    assert_eq!(cache.get("49").await, Some(49));
    assert!(!cache.exists("0").await);
}

#[tokio::test]
async fn what_serde_cannot_write_is_not_kept() {
    let cache = manager();
    cache.set("map", &1, HOUR).await;
    // A list is no name of a member.
    let map = HashMap::from([(vec![1], 2)]);

    assert!(!cache.set("map", &map, HOUR).await);
    assert!(!cache.exists("map").await);
}

#[tokio::test]
async fn a_hundred_equal_calls_are_one() {
    let (cache, counter) = (manager(), Counter::default());
    let calls = (0..100).map(|_| {
        cache.get_or_insert_with("key", HOUR, async || {
            let call = counter.call();
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, Error>(call)
        })
    });

    let values = join_all(calls).await;

    assert!(values.into_iter().all(|value| value.unwrap() == 1));
    let stats = cache.stats();
    assert_eq!(
        (counter.calls(), stats.misses, stats.calls_saved()),
        (1, 1, 99)
    );
    assert!((stats.hit_rate() - 99.0).abs() < 1e-9);
}

#[tokio::test]
async fn one_after_the_other_a_hundred_calls_are_one_as_well() {
    let counter = Counter::default();
    let calls = counter.clone();
    let fast = cached(HOUR, move |text: String| {
        let calls = calls.clone();
        async move {
            calls.call();
            Ok::<_, Error>(text.len())
        }
    });
    for _ in 0..100 {
        assert_eq!(fast.call("hello".to_owned()).await.unwrap(), 5);
    }

    let stats = fast.stats();
    assert_eq!(
        (counter.calls(), stats.hits, stats.calls_saved()),
        (1, 99, 99)
    );
    assert!((stats.hit_rate() - 99.0).abs() < 1e-9);
}

#[tokio::test]
async fn whoever_gives_up_passes_the_turn_on() {
    let (cache, counter) = (manager(), Counter::default());
    let call = async |hangs: bool| {
        let made = cache.get_or_insert_with("key", HOUR, async || {
            counter.call();
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok::<_, Error>(7)
        });
        made.await.unwrap()
    };
    let mut first = Box::pin(call(true));
    let mut second = Box::pin(call(false));
    for call in [&mut first, &mut second] {
        let once = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending()));
        assert!(once.await);
    }

    drop(first);

    assert_eq!((second.await, counter.calls()), (7, 2));
    assert_eq!(cache.stats().entries, 1);
}

#[tokio::test]
async fn an_error_passes_through_is_shared_by_those_who_wait_and_not_kept() {
    let (cache, counter) = (manager(), Counter::default());
    let call = || {
        cache.get_or_insert_with("key", HOUR, async || {
            counter.call();
            tokio::time::sleep(Duration::from_millis(5)).await;
            Err::<i32, _>(Blossom::builder().build().unwrap_err())
        })
    };
    let errors = join_all((0..10).map(|_| call())).await;
    assert!(
        errors
            .iter()
            .all(|error| error.as_ref().unwrap_err().kind() == ErrorKind::Builder)
    );
    assert_eq!(counter.calls(), 1);

    call().await.unwrap_err();
    assert_eq!(counter.calls(), 2);
    assert!(!cache.exists("key").await);
}

#[tokio::test]
async fn an_error_of_any_other_type_is_each_callers_own() {
    let (cache, counter) = (manager(), Counter::default());
    let call = |works: bool| {
        let counter = &counter;
        cache.get_or_insert_with("key", HOUR, async move || {
            let call = counter.call();
            tokio::task::yield_now().await;
            if works {
                Ok(call)
            } else {
                Err(format!("call {call}"))
            }
        })
    };
    let results = join_all([call(false), call(false), call(true), call(false)]).await;

    assert_eq!(results[0], Err("call 1".to_owned()));
    assert_eq!(results[1], Err("call 2".to_owned()));
    // Once somebody has a value the others get it.
    assert_eq!(results[2..], [Ok(3), Ok(3)]);
}

#[tokio::test]
async fn functions_key_by_name_and_arguments_or_as_they_are_told() {
    let (cache, counter) = (manager(), Counter::default());
    let function = |name: &str| {
        let counter = counter.clone();
        cache.cached(name, HOUR, move |(text, number): (String, u32)| {
            let call = counter.call();
            async move { Ok::<_, Error>(format!("{text}{number} by call {call}")) }
        })
    };
    let (one, other) = (function("one"), function("other"));
    let argument = |text: &str, number| (text.to_owned(), number);

    assert_eq!(one.call(argument("a", 1)).await.unwrap(), "a1 by call 1");
    assert_eq!(one.call(argument("a", 1)).await.unwrap(), "a1 by call 1");
    assert_eq!(one.call(argument("a", 2)).await.unwrap(), "a2 by call 2");
    assert_eq!(other.call(argument("a", 1)).await.unwrap(), "a1 by call 3");
    // A function of the same name shares; one with a key of its own shares by that.
    assert_eq!(
        function("one").call(argument("a", 2)).await.unwrap(),
        "a2 by call 2"
    );
    let by_text = function("by text").key(|argument| argument.0.to_lowercase());
    assert_eq!(
        by_text.call(argument("A", 1)).await.unwrap(),
        "A1 by call 4"
    );
    assert_eq!(
        by_text.call(argument("a", 9)).await.unwrap(),
        "A1 by call 4"
    );
    assert_eq!(cache.stats().calls_saved(), 3);
}

#[tokio::test]
async fn maps_are_the_same_argument_in_any_order() {
    let counter = Counter::default();
    let calls = counter.clone();
    let fast = cached(HOUR, move |map: HashMap<String, u32>| {
        calls.call();
        async move { Ok::<_, Error>(map.len()) }
    });
    for _ in 0..20 {
        // Each has an order of its own.
        let map = (0..20).map(|number| (number.to_string(), number)).collect();
        fast.call(map).await.unwrap();
    }
    assert_eq!(counter.calls(), 1);
}

#[tokio::test]
async fn a_function_without_arguments_and_one_whose_result_is_forgotten() {
    let counter = Counter::default();
    let calls = counter.clone();
    let fast = cached(HOUR, move |(): ()| {
        let call = calls.call();
        async move { Ok::<_, Error>(call) }
    });
    assert_eq!(
        (fast.call(()).await.unwrap(), fast.call(()).await.unwrap()),
        (1, 1)
    );

    fast.forget(&()).await;
    assert_eq!(fast.call(()).await.unwrap(), 2);
}

#[tokio::test]
async fn answers_of_the_client_are_kept_as_they_were() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .build()
        .unwrap();
    let fast = cached(HOUR, |prompt: String| {
        let client = client.clone();
        async move { client.text().generate(prompt).await }
    });
    let prompt = || "What is AI?".to_owned();

    let first: Text = fast.call(prompt()).await.unwrap();
    let second = fast.call(prompt()).await.unwrap();

    assert_eq!(first.content(), second.content());
    assert_eq!(first.usage(), second.usage());
    assert_eq!(sandbox.count(), 1);
}

#[cfg(feature = "cache-disk")]
mod disk {
    use super::*;

    #[tokio::test]
    async fn values_on_disk_survive_a_restart_and_those_that_fell_out_of_memory_are_found_there() {
        let root = tempfile::tempdir().unwrap();
        let open = || {
            let builder = CacheManager::builder().max_memory_items(2).ttl(HOUR);
            builder
                .enable_disk_cache(true)
                .cache_dir(root.path().join("cache"))
                .build()
                .unwrap()
        };
        let cache = open();
        for number in 0..10 {
            cache.set(&number.to_string(), &number, None).await;
        }
        cache.flush().await.unwrap();
        drop(cache);

        let cache = open();
        for number in 0..10 {
            assert_eq!(cache.get(&number.to_string()).await, Some(number));
        }
        cache.clear().await;
        drop(cache);
        assert!(!open().exists("1").await);
    }

    #[tokio::test]
    async fn a_disk_that_cannot_be_used_is_said_when_it_is_built() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("cache");
        let first = CacheManager::builder().cache_dir(&path).build().unwrap();

        let error = CacheManager::builder()
            .cache_dir(&path)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Builder);
        assert!(error.to_string().contains("another process"), "{error}");
        drop(first);
        CacheManager::builder().cache_dir(&path).build().unwrap();

        let error = CacheManager::builder()
            .enable_disk_cache(true)
            .build()
            .unwrap_err();
        assert!(error.to_string().contains(".cache_dir(path)"));
        // Without a disk the directory is not touched.
        let off = root.path().join("off");
        CacheManager::builder()
            .cache_dir(&off)
            .enable_disk_cache(false)
            .build()
            .unwrap();
        assert!(!off.exists());
    }
}
