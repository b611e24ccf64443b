//! Files that are changed behind the tier's back.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    panic,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use blossom_layers::cache::Tier as _;
use peers::Report;

use crate::entries::{entry, key, len, mixed, open, runtime, there};

const ENTRIES: u64 = 60;
/// Of changes between two openings.
const CHANGES: u64 = 10;

pub fn rounds(changes: u64, report: &mut Report) {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("cache");
    runtime().block_on(async {
        let tier = open(&path);
        for number in 0..ENTRIES {
            tier.put(Arc::new(entry(number, len(number))));
        }
        tier.flush().await.expect("the disk works");
    });
    let originals = files(&path);
    let panics = Arc::new(AtomicU32::new(0));
    let counted = panics.clone();
    panic::set_hook(Box::new(move |_| {
        counted.fetch_add(1, Relaxed);
    }));
    let (mut hits, mut misses, mut wrong) = (0_u64, 0_u64, 0);
    for round in 0..changes.div_ceil(CHANGES) {
        let mut random = round << 32;
        for _ in 0..CHANGES {
            random += 1;
            change(&originals, random);
        }
        let tier = open(&path);
        for number in 0..ENTRIES {
            match there(tier.get_blocking(&key(number)), number, len(number)) {
                Ok(true) => hits += 1,
                Ok(false) => misses += 1,
                Err(()) => wrong += 1,
            }
        }
        drop(tier);
        restore(&path, &originals);
    }
    drop(panic::take_hook());
    println!("{changes} changes, {hits} hits, {misses} misses");
    report.at_most("entries with a wrong byte", f64::from(wrong), 0.0);
    report.at_least("hits after all that", hits as f64, 1.0);
    // In redb, on a page that is none any more. They end on the thread that reads, as a miss.
    report.note(
        "panics of the engine, caught",
        f64::from(panics.load(Relaxed)),
    );
}

type Files = Vec<(PathBuf, Vec<u8>)>;

fn files(path: &Path) -> Files {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let content = fs::read(&path).expect("a file");
            found.push((path, content));
        }
    }
    found.sort();
    found
}

/// Changes one file: a bit, a page, its length, or its place.
fn change(originals: &Files, random: u64) {
    let chance = |salt: u64, below: usize| mixed(random.wrapping_add(salt << 40)) as usize % below;
    // The index twice as often as all others together.
    let index = originals
        .iter()
        .position(|(path, _)| path.ends_with("index-1.redb"));
    let which = match (chance(1, 3), index) {
        (0 | 1, Some(index)) => index,
        _ => chance(2, originals.len()),
    };
    let (path, _) = &originals[which];
    let mut content = fs::read(path).unwrap_or_default();
    if content.is_empty() {
        return;
    }
    let at = chance(3, content.len());
    match chance(4, 6) {
        0..=2 => content[at] ^= 1 << chance(5, 8),
        3 => {
            let end = (at + 4096).min(content.len());
            content[at..end].fill(0);
        }
        4 => content.truncate(at),
        _ => content.clone_from(&originals[chance(6, originals.len())].1),
    }
    fs::write(path, content).expect("it can be written");
}

fn restore(path: &Path, originals: &Files) {
    fs::remove_dir_all(path).expect("it was there");
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true).mode(0o700);
    for (path, content) in originals {
        directory
            .create(path.parent().expect("a parent"))
            .expect("a directory");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(path).expect("a file");
        file.write_all(content).expect("room");
    }
}
