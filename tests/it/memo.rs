//! Values of one's own, and functions whose values are kept.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blossom::{CacheManager, Error, ErrorKind, cached, memo::Cached};
use futures_util::future::{join_all, select};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recipe {
    name: String,
    grams: BTreeMap<String, f64>,
}

/// A function that counts its calls and takes two seconds; prompts with "fail" fail.
fn slow() -> (Arc<AtomicUsize>, impl AsyncAnswer) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let function = move |prompt: String| {
        let counter = counter.clone();
        async move {
            counter.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_secs(2)).await;
            match prompt.contains("fail") {
                true => Err(format!("no answer to {prompt}")),
                false => Ok(format!("answer to {prompt}")),
            }
        }
    };
    (calls, function)
}

trait AsyncAnswer: Fn(String) -> Self::Future {
    type Future: Future<Output = Result<String, String>>;
}

impl<F, Fut> AsyncAnswer for F
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<String, String>>,
{
    type Future = Fut;
}

fn count(calls: &AtomicUsize) -> usize {
    calls.load(Ordering::SeqCst)
}

fn manager() -> CacheManager {
    CacheManager::builder().build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_equal_calls_are_one_and_99_are_saved() {
    let (calls, function) = slow();
    let ask = cached(HOUR, function);

    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(ask.call("AI".into()).await.unwrap(), "answer to AI");
    }

    assert_eq!(
        start.elapsed(),
        Duration::from_secs(2),
        "a hit takes no time"
    );
    let stats = ask.stats();
    assert_eq!((count(&calls), stats.calls_saved()), (1, 99));
    assert!((stats.hit_rate() - 99.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_equal_calls_at_once_are_one() {
    let (calls, function) = slow();
    let ask = cached(HOUR, function);

    let answers = join_all((0..100).map(|_| ask.call("AI".into()))).await;

    assert!(
        answers
            .iter()
            .all(|answer| answer.as_deref() == Ok("answer to AI"))
    );
    let stats = ask.stats();
    assert_eq!((count(&calls), stats.misses, stats.coalesced), (1, 1, 99));
    assert!((stats.hit_rate() - 99.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn the_caller_that_makes_the_value_may_leave() {
    let (calls, function) = slow();
    let ask = cached(HOUR, function);

    let mut others = join_all((0..10).map(|_| ask.call("AI".into())));
    {
        let leader = Box::pin(ask.call("AI".into()));
        let leaves = Box::pin(sleep(Duration::from_secs(1)));
        drop(select(leader, leaves).await);
    }
    let answers = (&mut others).await;

    assert!(answers.iter().all(Result::is_ok));
    assert!(count(&calls) <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_and_not_kept() {
    let (calls, function) = slow();
    let ask = cached(HOUR, function);

    let answers = join_all((0..10).map(|_| ask.call("fail".into()))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_deref() == Err(&"no answer to fail".into()))
    );
    assert_eq!(count(&calls), 1);

    ask.call("fail".into()).await.unwrap_err();
    assert_eq!(count(&calls), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_call_and_the_key_is_free_again() {
    let manager = manager();
    let first = manager.clone();
    #[expect(clippy::disallowed_methods, reason = "a panic is caught by its task")]
    let panicked = tokio::task::spawn(async move {
        let make = || async { panic!("as asked") };
        first
            .get_or_insert_with::<u8, Infallible, _, _>("k", HOUR, make)
            .await
    });
    assert!(panicked.await.unwrap_err().is_panic());

    let made = manager.get_or_insert_with("k", HOUR, || async { Ok::<_, Infallible>(7_u8) });
    assert_eq!(made.await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn each_value_has_a_time_to_live_of_its_own() {
    let cache = manager();
    cache.set("short", "a", Duration::from_secs(1)).await;
    cache.set("long", "b", HOUR).await;
    cache.set("ever", "c", Duration::MAX).await;
    assert!(!cache.set("never", "d", Duration::ZERO).await);

    // One that is read all the time dies all the same.
    for _ in 0..9 {
        assert!(cache.exists("short").await);
        sleep(Duration::from_millis(110)).await;
    }
    sleep(Duration::from_millis(10)).await;

    assert!(!cache.exists("short").await && !cache.exists("never").await);
    assert_eq!(cache.get::<String>("long").await.as_deref(), Some("b"));
    sleep(HOUR * 1000).await;
    assert!(!cache.exists("long").await && cache.exists("ever").await);
}

#[tokio::test(start_paused = true)]
async fn values_are_of_any_type_and_another_type_is_no_value() {
    let cache = manager();
    let recipe = Recipe {
        name: "Brot".into(),
        grams: [("Mehl".to_owned(), 500.5)].into(),
    };
    assert!(cache.set("recipe", &recipe, HOUR).await);
    assert!(cache.set("list", &vec![1, 2, 3], HOUR).await);
    assert!(cache.set("nothing", &(), HOUR).await);

    assert_eq!(cache.get::<Recipe>("recipe").await, Some(recipe));
    assert_eq!(cache.get::<Vec<u8>>("list").await, Some(vec![1, 2, 3]));
    assert_eq!(cache.get::<()>("nothing").await, Some(()));
    assert_eq!(cache.get::<u64>("recipe").await, None);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (3, 1));

    cache.remove("recipe").await;
    assert!(!cache.exists("recipe").await);
    cache.clear().await;
    assert!(!cache.exists("list").await && !cache.exists("nothing").await);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_asked_for_before_a_clear_is_not_kept_after_it() {
    let (calls, function) = slow();
    let cache = manager();
    let ask = cache.cached("ask", HOUR, function);

    let clear = async {
        sleep(Duration::from_secs(1)).await;
        cache.clear().await;
    };
    let (answer, ()) = tokio::join!(ask.call("AI".into()), clear);
    answer.unwrap();
    ask.call("AI".into()).await.unwrap();

    assert_eq!(count(&calls), 2);
}

#[tokio::test(start_paused = true)]
async fn functions_of_one_manager_share_it_and_their_names_tell_them_apart() {
    let cache = manager();
    let twice: Cached<u32, _> =
        cache.cached(
            "twice",
            HOUR,
            |n: u32| async move { Ok::<_, Infallible>(n * 2) },
        );
    let square = cache.cached("square", HOUR, |n: u32| async move {
        Ok::<_, Infallible>(n * n)
    });
    let add = cache.cached("add", HOUR, |(a, b): (u32, u32)| async move {
        Ok::<_, Infallible>(a + b)
    });
    let none = cache.cached("none", HOUR, |()| async { Ok::<_, Infallible>(1) });

    for _ in 0..2 {
        assert_eq!(twice.call(5).await, Ok(10));
        assert_eq!(square.call(5).await, Ok(25));
        assert_eq!(add.call((1, 2)).await, Ok(3));
        assert_eq!(add.call((12, 0)).await, Ok(12));
        assert_eq!(none.call(()).await, Ok(1));
    }

    let stats = cache.stats();
    assert_eq!((stats.misses, stats.hits), (5, 5));
    assert_eq!(stats, twice.stats());
}

#[tokio::test(start_paused = true)]
async fn the_most_items_hold() {
    let cache = CacheManager::builder()
        .max_memory_items(10)
        .build()
        .unwrap();
    for n in 0..1000 {
        cache.set(&n.to_string(), &n, HOUR).await;
    }
    let mut there = 0;
    for n in 0..1000 {
        there += usize::from(cache.exists(&n.to_string()).await);
    }

    assert!((1..=10).contains(&there), "{there}");
}

#[test]
fn a_cache_that_keeps_nothing_is_refused() {
    let error: Error = CacheManager::builder()
        .max_memory_items(0)
        .build()
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Builder);
    assert!(error.to_string().contains("max_memory_items of 0"));
}
