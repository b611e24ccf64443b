use rustix::io::Errno;

use super::*;

#[tokio::test]
async fn c3_a_disk_that_fails_costs_no_request_and_comes_back_by_itself() {
    use Operation::{Open, Read, Sync, Write};
    for (operations, errno) in [
        (&[Write][..], Errno::NOSPC),
        (&[Sync], Errno::IO),
        (&[Read], Errno::IO),
        (&[Open, Write, Sync], Errno::ROFS),
        (&[Open], Errno::MFILE),
    ] {
        let world = World::new();
        let tier = world.open();
        put(&tier, 1, SMALL);
        put(&tier, 2, LARGE);
        tier.flush().await.unwrap();

        world.outside.fail(operations, errno);
        for number in 3..30 {
            put(&tier, number, if number % 2 == 0 { SMALL } else { LARGE });
        }
        tier.flush().await.ok();
        for _ in 0..10 {
            for number in 1..30 {
                // Whatever it says: it is there or it is not, and never wrong.
                let bytes = if number == 1 || (number > 2 && number % 2 == 0) {
                    SMALL
                } else {
                    LARGE
                };
                get(&tier, number, bytes).await;
            }
        }
        let stats = tier.stats();
        assert!(stats.failures > 0, "{errno:?} on {operations:?}: {stats:?}");
        assert!(tier.last_failure().is_some());

        world.outside.heal();
        assert!(
            hit_at_last(&tier, 50, SMALL).await,
            "{errno:?} on {operations:?}"
        );
        assert!(
            hit_at_last(&tier, 51, LARGE).await,
            "{errno:?} on {operations:?}"
        );
    }
}

#[tokio::test]
async fn c3_the_breaker_opens_and_then_nobody_waits() {
    let mut world = World::new();
    world.options.first_wait = Duration::from_secs(60);
    let tier = world.open();
    put(&tier, 1, SMALL);
    tier.flush().await.unwrap();

    world.outside.fail(&[Operation::Read], Errno::IO);
    for _ in 0..5 {
        assert!(matches!(get(&tier, 1, SMALL).await, Found::Busy));
    }
    let failures = tier.stats().failures;
    assert!(matches!(tier.get(&key(1)), Lookup::Ready(Found::Busy)));
    assert_eq!((failures, tier.stats().failures), (5, 5));
}

#[tokio::test]
async fn c10_a_lookup_that_hangs_is_busy_after_50_ms_and_then_at_once() {
    let mut world = World::new();
    world.options.first_wait = Duration::from_millis(20);
    let tier = world.open();
    put(&tier, 1, SMALL);
    tier.flush().await.unwrap();

    world.outside.hangs.store(true, Relaxed);
    let start = tokio::time::Instant::now();
    let hanging = (0..20).map(|_| get(&tier, 1, SMALL));
    let found = futures_util::future::join_all(hanging).await;
    assert!(found.iter().all(|found| matches!(found, Found::Busy)));
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert!(matches!(tier.get(&key(1)), Lookup::Ready(Found::Busy)));
    // What is put is there all the same: it does not come from the disk.
    put(&tier, 2, SMALL);
    assert!(matches!(tier.get(&key(2)), Lookup::Ready(Found::Hit(_))));

    world.outside.heal();
    assert!(hit_at_last(&tier, 1, SMALL).await);
}

#[tokio::test]
async fn a_full_queue_is_busy() {
    let world = World::new();
    let tier = world.open();
    put(&tier, 1, SMALL);
    tier.flush().await.unwrap();

    world.outside.hangs.store(true, Relaxed);
    let lookups: Vec<_> = (0..MAX_JOBS + READERS + 1)
        .map(|_| tier.get(&key(1)))
        .collect();
    let full = lookups
        .iter()
        .filter(|lookup| matches!(lookup, Lookup::Ready(Found::Busy)));
    assert!(full.count() > 0);
    world.outside.heal();
}

#[tokio::test]
async fn c8_a_directory_that_was_deleted_is_made_again() {
    for everything in [true, false] {
        let world = World::new();
        let tier = world.open();
        put(&tier, 1, SMALL);
        tier.flush().await.unwrap();

        fs::remove_dir_all(world.path()).unwrap();
        if !everything {
            // Emptied rather than deleted.
            drop(Directory::open(&world.path()).unwrap());
        }

        assert!(hit_at_last(&tier, 2, SMALL).await);
        assert!(hit_at_last(&tier, 3, LARGE).await);
        assert!(matches!(get(&tier, 1, SMALL).await, Found::Miss));
        drop(tier);
        assert!(hit(&world.open(), 2, SMALL).await);
    }
}

#[tokio::test]
async fn c8_files_that_nobody_knows_are_swept() {
    let world = World::new();
    let tier = world.open();
    put(&tier, 1, LARGE);
    tier.flush().await.unwrap();
    drop(tier);
    let shards = world.path().join("files-2");
    let known = files(&shards);
    let shard = known[0].parent().unwrap();
    let orphan = key(1).to_string() + "00000000000000ff";
    for name in [orphan.as_str(), &format!("{orphan}.new"), "else"] {
        fs::write(shard.join(name), "left behind").unwrap();
    }

    let tier = world.open();
    for _ in 0..200 {
        if files(&shards) == known {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    assert_eq!(files(&shards), known);
    assert!(hit(&tier, 1, LARGE).await);
}
