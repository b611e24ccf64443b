//! Entries that can be told from their numbers, and processes that write them.

use std::{io::Write as _, path::Path, process::ExitCode, sync::Arc, time::Duration};

use blossom_layers::{
    body::Recording,
    cache::{Entry, Found, Lifetime, Tier as _, tier::DiskTier},
    types::{CacheKey, Owner, ScopeDigest},
};
use tokio::runtime::{Builder, Runtime};

pub fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

/// A number that looks like chance.
pub fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

pub fn key(number: u64) -> CacheKey {
    let mut bytes = [0; 32];
    for (place, word) in bytes.chunks_mut(8).zip(1_u64..) {
        place.copy_from_slice(&mixed(number * 4 + word).to_le_bytes());
    }
    CacheKey::new(bytes)
}

/// Bytes that cannot be compressed.
pub fn body(number: u64, len: usize) -> Vec<u8> {
    let words =
        (0..len.div_ceil(8) as u64).flat_map(|word| mixed(number << 20 | word).to_le_bytes());
    words.take(len).collect()
}

pub fn entry(number: u64, len: usize) -> Entry {
    let mut recording = Recording::default();
    recording.push(body(number, len).into());
    let now = tokio::time::Instant::now().into_std();
    Entry::new(key(number), ScopeDigest::of(Owner::Shared), now)
        .recording(Arc::new(recording))
        .lifetime(Lifetime::new(Duration::from_secs(24 * 3600)))
}

/// Small ones, and now and then one with a file of its own.
pub fn len(number: u64) -> usize {
    match number % 10 {
        0 => 40_000,
        other => 200 * other as usize,
    }
}

/// Whether an entry is there; whether it is right if it is.
pub fn there(found: Found, number: u64, len: usize) -> Result<bool, ()> {
    match found.into_entry() {
        None => Ok(false),
        Some(found) if found.body().frames() == [body(number, len)] => Ok(true),
        Some(_) => Err(()),
    }
}

pub fn open(path: impl AsRef<Path>) -> DiskTier {
    DiskTier::open(path).expect("the directory can be used")
}

/// Writes entries for ever, or so many, and says which are committed.
pub fn write(path: &str, count: &str) -> ExitCode {
    runtime().block_on(async {
        let tier = open(path);
        for number in 0..count.parse::<u64>().expect("a number") {
            tier.put(Arc::new(entry(number, len(number))));
            if number % 16 == 15 {
                tier.flush().await.expect("the disk works");
                println!("{number}");
                std::io::stdout().flush().expect("somebody listens");
            }
        }
    });
    ExitCode::SUCCESS
}

/// Writes entries of 1 KiB, and then others until it is killed.
pub fn fill(path: &str, count: &str) -> ExitCode {
    let count = count.parse::<u64>().expect("a number");
    runtime().block_on(async {
        let tier = open(path);
        for number in 0.. {
            tier.put(Arc::new(entry(number, 1024)));
            if number % 1024 == 1023 {
                tier.flush().await.expect("the disk works");
            }
            if number == count {
                tier.flush().await.expect("the disk works");
                println!("full");
                std::io::stdout().flush().expect("somebody listens");
            }
        }
    });
    ExitCode::SUCCESS
}
