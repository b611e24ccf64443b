use std::cmp::Ordering::{self, Greater, Less};

use super::*;

/// What happens in a directory that has `BEFORE` already.
struct Scene {
    puts: std::ops::Range<u32>,
    bytes: usize,
    removes: std::ops::Range<u32>,
    /// What becomes of the length of the index, if that is what it is about.
    length: Option<Ordering>,
}

/// Puts and removes in a process that dies at its operation number `at` on a file. Returns whether it
/// lived.
async fn dies(world: &World, scene: &Scene, at: i64) -> bool {
    let length = || fs::metadata(world.path().join("index-2")).unwrap().len();
    let tier = world.open();
    for number in BEFORE {
        put(&tier, number, INLINE);
    }
    put(&tier, 1000, LARGE);
    tier.flush().await.unwrap();

    let before = length();
    world.outside.die_after(at);
    for number in scene.puts.clone() {
        put(&tier, number, scene.bytes);
    }
    for number in scene.removes.clone() {
        tier.remove(&key(number));
    }
    let lived = tier.flush().await.is_ok();
    // What it does from here on does not reach the files either.
    drop(tier);
    let lived = lived && !world.outside.is_dead();
    world.outside.heal();
    if let (true, Some(expected)) = (lived, scene.length) {
        assert_eq!(length().cmp(&before), expected);
    }
    lived
}

async fn nothing_is_lost(scene: Scene) {
    for at in 0.. {
        let world = World::new();
        let lived = dies(&world, &scene, at).await;

        let tier = world.open();
        assert_eq!(tier.stats().corrupt, 0, "{at}: {:?}", tier.last_failure());
        for number in BEFORE {
            let there = is_there(&tier, number, INLINE).await;
            let removed = scene.removes.contains(&number);
            assert!(there || removed, "{number} of {at}");
            assert!(!(there && removed && lived), "{number} of {at}");
        }
        assert!(is_there(&tier, 1000, LARGE).await, "{at}");
        // The last batch: all of it or nothing, and nothing wrong.
        let mut there = 0;
        for number in scene.puts.clone() {
            there += usize::from(is_there(&tier, number, scene.bytes).await);
        }
        assert!(!lived || there == scene.puts.len(), "{there} of {at}");
        assert!(hit_at_last(&tier, 2000, SMALL).await, "{at}");
        if lived {
            assert!(at > 10, "there are more operations than {at}");
            return;
        }
    }
}

#[tokio::test]
async fn c1_a_process_that_dies_at_any_operation_of_a_commit_loses_nothing() {
    nothing_is_lost(Scene {
        puts: 100..102,
        bytes: LARGE,
        removes: 0..1,
        length: None,
    })
    .await;
}

#[tokio::test]
async fn c1_a_process_that_dies_while_the_index_grows_loses_nothing() {
    nothing_is_lost(Scene {
        puts: 100..120,
        bytes: INLINE,
        removes: 0..0,
        length: Some(Greater),
    })
    .await;
}

#[tokio::test]
async fn c1_a_process_that_dies_while_the_index_shrinks_loses_nothing() {
    nothing_is_lost(Scene {
        puts: 0..0,
        bytes: SMALL,
        removes: 2..BEFORE.end,
        length: Some(Less),
    })
    .await;
}

#[tokio::test]
async fn c8_nothing_grows_over_a_hundred_crashes() {
    let world = World::new();
    let mut most = 0;
    for cycle in 0..100 {
        let tier = world.open();
        world.outside.die_after(cycle);
        for number in 0..4 {
            put(&tier, number, LARGE);
        }
        put(&tier, 4, INLINE);
        tier.flush().await.ok();
        drop(tier);
        world.outside.heal();
        if cycle < 50 {
            most = most.max(files(&world.path()).len());
        }
    }
    assert!(files(&world.path()).len() <= most, "{most}");

    let tier = world.open();
    for number in 0..4 {
        assert!(is_there(&tier, number, LARGE).await);
    }
    // The four, the index and the lock.
    for _ in 0..200 {
        if files(&world.path()).len() == 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(files(&world.path()).len(), 6);
    let index = fs::metadata(world.path().join("index-2")).unwrap();
    assert!(index.len() < 4 << 20, "{}", index.len());
}

// Large, and yet without a file of its own: so many fill a mebibyte.
const INLINE: usize = 30_000;
const BEFORE: std::ops::Range<u32> = 0..16;
