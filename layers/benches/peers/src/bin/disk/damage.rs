//! Files that are changed behind the tier's back, while nobody has them open.

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

use blossom_layers::cache::{Found, Tier as _, tier::DiskTier};
use peers::Report;

use crate::entries::{entry, key, len, mixed, open, runtime, there};

const ENTRIES: u64 = 60;
/// Put after the damage, to see that the tier goes on.
const NEW: u64 = 1000;
const BLOCK: usize = 4096;

pub fn rounds(changes: u64, report: &mut Report) {
    // In memory where there is such a place: what is written here is never cut by the machine.
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let root = root.expect("a directory");
    let path = root.path().join("cache");
    let states = states(&path);
    let panics = Arc::new(AtomicU32::new(0));
    let counted = panics.clone();
    panic::set_hook(Box::new(move |_| {
        counted.fetch_add(1, Relaxed);
    }));
    let mut tally = Tally::default();
    let (mut done, mut openings) = (0, 0_u64);
    while done < changes {
        let state = &states[openings as usize % states.len()];
        restore(&path, &state.files);
        let mut chance = Chance::new(openings);
        for _ in 0..=chance.below(4).min((changes - done - 1) as usize) {
            change(state, &mut chance);
            done += 1;
        }
        look(&path, openings, &mut tally);
        openings += 1;
    }
    drop(panic::take_hook());
    println!(
        "{done} changes before {openings} openings, {} hits, {} misses",
        tally.hits, tally.misses
    );
    report.at_most("entries with a wrong byte", f64::from(tally.wrong), 0.0);
    report.at_most("panics", f64::from(panics.load(Relaxed)), 0.0);
    report.at_most(
        "entries not taken after the damage",
        f64::from(tally.stuck),
        0.0,
    );
    report.note("hits after the damage", tally.hits as f64);
    report.note(
        "openings after which the index was made anew",
        tally.anew as f64,
    );
}

#[derive(Default)]
struct Tally {
    hits: u64,
    misses: u64,
    wrong: u32,
    stuck: u32,
    anew: u64,
}

/// Opens what is left, looks at all of it, and every fourth time goes on with it.
fn look(path: &Path, opening: u64, tally: &mut Tally) {
    let tier = open(path);
    runtime().block_on(async {
        for number in 0..ENTRIES {
            // On this thread, and on that of a reader.
            let found = if opening.is_multiple_of(2) {
                tier.get_blocking(&key(number))
            } else {
                tier.get(&key(number)).found().await
            };
            match there(found, number, len(number)) {
                Ok(true) => tally.hits += 1,
                Ok(false) => tally.misses += 1,
                Err(()) => tally.wrong += 1,
            }
        }
        if opening.is_multiple_of(4) {
            for number in (NEW..NEW + 20).chain([0, 1]) {
                tier.put(Arc::new(entry(number, len(number))));
            }
            tally.stuck += u32::from(!taken(&tier).await);
        }
    });
    tally.anew += u64::from(tier.stats().corrupt > 0);
}

/// Whether what was put is there in the end. The first commit may be the one that finds the damage.
async fn taken(tier: &DiskTier) -> bool {
    for _ in 0..3 {
        tier.flush().await.ok();
    }
    for number in (NEW..NEW + 20).chain([0, 1]) {
        let mut found = Found::Busy;
        while matches!(found, Found::Busy) {
            found = tier.get(&key(number)).found().await;
        }
        if there(found, number, len(number)) != Ok(true) {
            return false;
        }
    }
    true
}

/// A directory as some process left it.
struct State {
    files: Files,
    /// An index of the same directory from before.
    older: Vec<u8>,
}

/// One that was closed, and one whose process was killed.
fn states(path: &Path) -> [State; 2] {
    let put = |tier: &DiskTier, numbers: std::ops::Range<u64>| {
        for number in numbers {
            tier.put(Arc::new(entry(number, len(number))));
        }
        runtime().block_on(tier.flush()).expect("the disk works");
    };
    let tier = open(path);
    put(&tier, 0..ENTRIES / 2);
    drop(tier);
    let older = fs::read(path.join(INDEX)).expect("an index");
    let tier = open(path);
    put(&tier, ENTRIES / 2..ENTRIES);
    // What the files hold now is what they would hold if the process were killed.
    let killed = files(path);
    drop(tier);
    let closed = files(path);
    [killed, closed].map(|files| State {
        files,
        older: older.clone(),
    })
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

struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(seed << 20)
    }

    fn below(&mut self, below: usize) -> usize {
        self.0 += 1;
        mixed(self.0) as usize % below.max(1)
    }

    /// Where to change something: anywhere, or where there is something.
    fn place(&mut self, content: &[u8]) -> usize {
        let mut at = self.below(content.len());
        for _ in 0..self.below(20) {
            if content[at] > 0 {
                break;
            }
            at = self.below(content.len());
        }
        at
    }

    /// Up to 64 KiB, and mostly little.
    fn length(&mut self) -> usize {
        let bits = self.below(17);
        1 + self.below(1 << bits)
    }
}

/// Changes one file in one of the ways in which disks and people do.
fn change(state: &State, chance: &mut Chance) {
    let files = &state.files;
    let index = files.iter().position(|(path, _)| path.ends_with(INDEX));
    // The index as often as all others together.
    let which = match (chance.below(2), index) {
        (0, Some(index)) => index,
        _ => chance.below(files.len()),
    };
    let (path, _) = &files[which];
    let Ok(mut content) = fs::read(path) else {
        return;
    };
    let at = if content.is_empty() {
        0
    } else {
        chance.place(&content)
    };
    let end = (at + chance.length()).min(content.len());
    match chance.below(12) {
        0..=2 if at < content.len() => content[at] ^= 1 << chance.below(8),
        3 => content[at..end].fill(0),
        4 => {
            let start = at / BLOCK * BLOCK;
            let end = (start + BLOCK).min(content.len());
            content[start..end].fill(0);
        }
        5 => content[at..end].fill_with(|| chance.below(256) as u8),
        6 => content.truncate(at),
        7 => {
            let length = chance.length();
            content.extend((0..length).map(|_| chance.below(256) as u8));
        }
        8 | 9 if content.len() >= 2 * BLOCK => {
            // Two pages in each other's place, or one in the place of the other.
            let (one, other) = (at / BLOCK, chance.place(&content) / BLOCK);
            let pages = content.len() / BLOCK;
            let (one, other) = (one.min(pages - 1) * BLOCK, other.min(pages - 1) * BLOCK);
            let first = content[one..one + BLOCK].to_vec();
            content.copy_within(other..other + BLOCK, one);
            if chance.below(2) == 0 {
                content[other..other + BLOCK].copy_from_slice(&first);
            }
        }
        10 => content.clone_from(&files[chance.below(files.len())].1),
        11 if Some(which) == index => content.clone_from(&state.older),
        _ => {
            fs::remove_file(path).expect("it was there");
            return;
        }
    }
    fs::write(path, content).expect("it can be written");
}

fn restore(path: &Path, files: &Files) {
    fs::remove_dir_all(path).ok();
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true).mode(0o700);
    for (path, content) in files {
        directory
            .create(path.parent().expect("a parent"))
            .expect("a directory");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(path).expect("a file");
        file.write_all(content).expect("room");
    }
}

const INDEX: &str = "index-2";
