//! Values in memory and on disk: after a restart they are still there.
//!
//! Memory holds two values, the disk the rest. The "restart" is a second manager over the same
//! directory.

use std::time::Duration;

use blossom::{CacheManager, Result};

const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    // Yours would be a path of your own, such as "./cache".
    let root = tempfile::tempdir()?;
    let open = || -> Result<CacheManager> {
        CacheManager::builder()
            .max_memory_items(2)
            .enable_disk_cache(true)
            .cache_dir(root.path().join("cache"))
            .ttl(HOUR)
            .build()
    };

    let cache = open()?;
    for (city, people) in [
        ("Berlin", 3_900_000),
        ("Paris", 2_100_000),
        ("Rome", 2_700_000),
    ] {
        cache.set(city, &people, HOUR).await;
    }
    println!(
        "Berlin, which fell out of memory: {:?}",
        cache.get::<u64>("Berlin").await
    );

    // Dropping the last one waits until all is written.
    drop(cache);
    let cache = open()?;
    for city in ["Berlin", "Paris", "Rome"] {
        let people = cache.get::<u64>(city).await;
        println!("{city} after the restart: {people:?}");
        assert!(people.is_some());
    }
    println!(
        "{:.0} % of what was asked for was there",
        cache.stats().hit_rate()
    );
    Ok(())
}
