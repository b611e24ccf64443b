//! What every tier has to do: one suite, run on each.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use blossom_layers::{
    body::Recording,
    cache::{
        Entry, Found, Generation, Invalidation, Lifetime, Tier,
        tier::{DiskTier, MemoryTier, TierStack},
    },
    types::{CacheKey, Owner, ScopeDigest},
};
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

/// A tier to be tried out, and what has to live as long.
struct Tried {
    tier: Arc<dyn Tier>,
    _root: Option<tempfile::TempDir>,
}

fn memory() -> Tried {
    Tried {
        tier: Arc::new(MemoryTier::new(1 << 20)),
        _root: None,
    }
}

fn disk() -> Tried {
    let root = tempfile::tempdir().unwrap();
    let tier = DiskTier::open(root.path().join("cache")).unwrap();
    Tried {
        tier: Arc::new(tier),
        _root: Some(root),
    }
}

/// Memory with room for a few entries only, above a disk.
fn stack() -> Tried {
    let Tried { tier, _root } = disk();
    let upper = MemoryTier::with_max_entries(1 << 20, 2);
    Tried {
        tier: Arc::new(TierStack::new(Arc::new(upper), tier)),
        _root,
    }
}

fn key(number: u8) -> CacheKey {
    CacheKey::new([number; 32]).with_check([number; 16])
}

fn scope(number: u8) -> ScopeDigest {
    ScopeDigest::of(Owner::Tenant(&number.to_string()))
}

fn entry(number: u8, value: &str) -> Entry {
    let mut recording = Recording::default();
    let (first, second) = value.split_at(value.len() / 2);
    recording.push(first.to_owned().into());
    recording.push(second.to_owned().into());
    recording.set_trailers(HeaderMap::from_iter([(
        http::header::ETAG,
        u16::from(number).into(),
    )]));
    let now = tokio::time::Instant::now().into_std();
    Entry::new(key(number), scope(number % 2), now)
        .head(
            StatusCode::CREATED,
            HeaderMap::from_iter([(http::header::AGE, 1.into())]),
        )
        .recording(Arc::new(recording))
        .lifetime(Lifetime::new(Duration::from_secs(3600)))
        .tag(&format!("tag-{}", number % 3))
}

fn value(entry: &Entry) -> String {
    let frames = entry.body().frames();
    String::from_utf8(frames.concat()).unwrap()
}

/// Looks an entry up, again where the tier had no time: the machine may be busy with other tests.
async fn get(tier: &dyn Tier, number: u8) -> Found {
    loop {
        match tier.get(&key(number)).found().await {
            Found::Busy => tokio::time::sleep(Duration::from_millis(1)).await,
            found => return found,
        }
    }
}

async fn gives_what_was_put(tried: Tried) {
    let tier = &*tried.tier;
    let put = entry(1, "hello");
    assert!(tier.put(Arc::new(put.clone())));

    for _ in 0..2 {
        let Found::Hit(found) = get(tier, 1).await else {
            panic!("it was put");
        };
        assert_eq!(found.status(), put.status());
        assert_eq!(found.headers(), put.headers());
        assert_eq!(found.body(), put.body());
        assert_eq!(found.scope(), put.scope());
        assert_eq!(found.learnt().record(), put.learnt().record());
        assert!(found.tags().eq(put.tags()));
        tier.flush().await.unwrap();
    }
    assert!(matches!(get(tier, 2).await, Found::Miss));
}

async fn gives_the_last_that_was_put_and_nothing_that_was_removed(tried: Tried) {
    let tier = &*tried.tier;
    for value in ["one", "two"] {
        tier.put(Arc::new(entry(1, value)));
        tier.flush().await.unwrap();
    }
    assert_eq!(value(&get(tier, 1).await.into_entry().unwrap()), "two");

    tier.remove(&key(1));
    assert!(matches!(get(tier, 1).await, Found::Miss));
    tier.flush().await.unwrap();
    assert!(matches!(get(tier, 1).await, Found::Miss));
}

async fn tells_fresh_from_stale_from_dead(tried: Tried) {
    let tier = &*tried.tier;
    let lifetime = Lifetime::new(Duration::from_secs(10)).stale_for(Duration::from_secs(10));
    for (number, age) in [(1, 5), (2, 15), (3, 20), (4, u64::MAX)] {
        let age = Duration::from_secs(age);
        tier.put(Arc::new(
            entry(number, "v").lifetime(lifetime).age_then(age),
        ));
    }
    for _ in 0..2 {
        assert!(matches!(get(tier, 1).await, Found::Hit(_)));
        assert!(matches!(get(tier, 2).await, Found::Stale(_)));
        assert!(matches!(get(tier, 3).await, Found::Miss));
        assert!(matches!(get(tier, 4).await, Found::Miss));
        tier.flush().await.unwrap();
    }
}

async fn a16_lives_as_long_as_told_however_long_that_is(tried: Tried) {
    let tier = &*tried.tier;
    tier.put(Arc::new(
        entry(1, "v").lifetime(Lifetime::new(Duration::MAX)),
    ));
    tier.put(Arc::new(
        entry(2, "v").lifetime(Lifetime::new(Duration::ZERO)),
    ));
    tier.put(Arc::new(
        entry(3, "v").lifetime(Lifetime::new(Duration::from_secs(u64::MAX))),
    ));
    tier.flush().await.unwrap();

    assert!(matches!(get(tier, 1).await, Found::Hit(_)));
    assert!(matches!(get(tier, 2).await, Found::Miss));
    assert!(matches!(get(tier, 3).await, Found::Hit(_)));
}

async fn a18_forgets_by_scope_tag_and_all_what_was_asked_for_before(tried: Tried) {
    let tier = &*tried.tier;
    let fill = async || {
        for number in 1..=6 {
            let generation = tier.generation();
            tier.put(Arc::new(entry(number, "v").generation(generation)));
        }
        tier.flush().await.unwrap();
    };
    let there = async || {
        let mut there = HashSet::new();
        for number in 1..=6 {
            if get(tier, number).await.into_entry().is_some() {
                there.insert(number);
            }
        }
        there
    };
    fill().await;
    let begun = tier.generation();
    tier.invalidate(&Invalidation::Scope(scope(1)), begun);
    assert_eq!(there().await, [2, 4, 6].into());

    fill().await;
    tier.invalidate(&Invalidation::Tag("tag-0".into()), tier.generation());
    assert_eq!(there().await, [1, 2, 4, 5].into());

    tier.invalidate(&Invalidation::All, tier.generation());
    assert_eq!(there().await, [].into());
    // A reply that was asked for before does not come back after.
    tier.put(Arc::new(entry(1, "v").generation(begun)));
    tier.flush().await.unwrap();
    assert_eq!(there().await, [].into());
    fill().await;
    assert_eq!(there().await.len(), 6);
}

async fn a_later_generation_is_never_covered(tried: Tried) {
    let tier = &*tried.tier;
    let now = tier.invalidate(&Invalidation::All, Generation::new(100));
    assert!(now > Generation::new(100));
    assert_eq!(tier.generation(), now);
    assert!(tier.put(Arc::new(entry(1, "v").generation(now))));
    assert!(matches!(get(tier, 1).await, Found::Hit(_)));
}

async fn counts_every_lookup(tried: Tried) {
    let tier = &*tried.tier;
    tier.put(Arc::new(entry(1, "v")));
    for number in [1, 1, 2, 1, 3] {
        get(tier, number).await;
    }
    let stats = tier.stats();
    assert_eq!((stats.hits, stats.misses), (3, 2));
    assert_eq!(stats.hits + stats.stale + stats.misses + stats.busy, 5);
    tier.flush().await.unwrap();
    let stats = tier.stats();
    assert_eq!(
        stats.found + stats.stored - stats.evicted.total(),
        stats.entries
    );
    assert!(stats.weight_bytes > 0);
}

async fn is_shared_by_tasks(tried: Tried) {
    let tier = &tried.tier;
    let tasks = (0..8_u8).map(|task| {
        let tier = tier.clone();
        async move {
            for round in 0..20_u8 {
                let number = task * 4 + round % 4;
                tier.put(Arc::new(entry(number, &number.to_string())));
                if let Some(found) = get(&*tier, number).await.into_entry() {
                    assert_eq!(value(&found), number.to_string());
                }
                tokio::task::yield_now().await;
            }
        }
    });
    futures_util::future::join_all(tasks).await;
}

macro_rules! suite {
    ($($tier:ident: $($test:ident),* $(,)?;)*) => {$(
        mod $tier {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(super::$tier()).await;
                }
            )*

            proptest::proptest! {
                #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

                #[test]
                fn p3_p4_behaves_as_a_map_that_forgets(steps in super::steps()) {
                    super::behaves_as_a_map(&super::$tier(), steps);
                }
            }
        }
    )*};
}

macro_rules! on_each {
    ($($tier:ident),*) => {
        suite! {$(
            $tier:
                gives_what_was_put,
                gives_the_last_that_was_put_and_nothing_that_was_removed,
                tells_fresh_from_stale_from_dead,
                a16_lives_as_long_as_told_however_long_that_is,
                a18_forgets_by_scope_tag_and_all_what_was_asked_for_before,
                a_later_generation_is_never_covered,
                counts_every_lookup,
                is_shared_by_tasks;
        )*}
    };
}

on_each!(memory, disk, stack);

#[derive(Debug, Clone)]
enum Step {
    Put(u8, String),
    /// A large one, which a disk keeps in a file of its own.
    PutLarge(u8),
    Get(u8),
    Remove(u8),
    ForgetTag(u8),
    ForgetScope(u8),
    ForgetAll,
    Flush,
    /// A reply that was asked for before the last invalidation.
    PutLate(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..6_u8;
    let step = prop_oneof![
        4 => (key.clone(), "[a-z]{0,8}").prop_map(|(key, value)| Step::Put(key, value)),
        1 => key.clone().prop_map(Step::PutLarge),
        6 => key.clone().prop_map(Step::Get),
        1 => key.clone().prop_map(Step::Remove),
        1 => (0..3_u8).prop_map(Step::ForgetTag),
        1 => (0..2_u8).prop_map(Step::ForgetScope),
        1 => Just(Step::ForgetAll),
        2 => Just(Step::Flush),
        1 => key.prop_map(Step::PutLate),
    ];
    prop::collection::vec(step, 0..40)
}

/// What a tier gives is what the map has, or nothing.
fn behaves_as_a_map(tried: &Tried, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tier = &*tried.tier;
        let mut map = HashMap::<u8, String>::new();
        let mut before = tier.generation();
        let mut found = 0;
        for step in steps {
            let generation = tier.generation();
            let mut forget = |what: Invalidation, gone: &dyn Fn(u8) -> bool| {
                before = generation;
                tier.invalidate(&what, generation);
                map.retain(|key, _| !gone(*key));
            };
            match step {
                Step::Put(key, value) => {
                    tier.put(Arc::new(entry(key, &value).generation(generation)));
                    map.insert(key, value);
                }
                Step::PutLarge(key) => {
                    let value = key.to_string().repeat(40_000);
                    tier.put(Arc::new(entry(key, &value).generation(generation)));
                    map.insert(key, value);
                }
                Step::Remove(key) => {
                    tier.remove(&key_of(key));
                    map.remove(&key);
                }
                Step::ForgetTag(tag) => {
                    let what = Invalidation::Tag(format!("tag-{tag}").into());
                    forget(what, &|key| key % 3 == tag);
                }
                Step::ForgetScope(number) => {
                    forget(Invalidation::Scope(scope(number)), &|key| key % 2 == number);
                }
                Step::ForgetAll => forget(Invalidation::All, &|_| true),
                Step::Flush => tier.flush().await.unwrap(),
                Step::PutLate(key) => {
                    // Whether it is covered depends on what was forgotten since. If it is not, it is
                    // what was put last.
                    tier.put(Arc::new(entry(key, "late").generation(before)));
                    map.insert(key, "late".to_owned());
                }
                Step::Get(key) => {
                    if let Some(entry) = get(tier, key).await.into_entry() {
                        found += 1;
                        assert_eq!(Some(&value(&entry)), map.get(&key));
                        assert_eq!(entry.scope(), &scope(key % 2));
                    }
                }
            }
        }
        // It forgets, but not for the pleasure of it: what is put now is there.
        tier.put(Arc::new(entry(9, "last").generation(tier.generation())));
        assert!(get(tier, 9).await.into_entry().is_some());
        let stats = tier.stats();
        assert_eq!(stats.hits, found + 1);
    });
}

fn key_of(number: u8) -> CacheKey {
    key(number)
}
