//! Tiers as processes use them: killed, ended, and on a machine that has no more of something.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use blossom_layers::{
    body::Recording,
    cache::{
        Entry, Found, Lifetime, Tier,
        tier::{DiskErrorKind, DiskTier, MemoryTier},
    },
    types::{CacheKey, Owner, ScopeDigest},
};

/// Puts entries into a disk tier and says which are committed.
///
/// The tests below run it in a process of its own, in their directory; by itself it takes one that it
/// throws away, and ends.
#[tokio::test]
async fn a_process_that_writes() {
    let root = tempfile::tempdir().unwrap();
    let path = std::env::var_os(DIRECTORY).map_or_else(|| root.path().join("cache"), Into::into);
    let rounds = std::env::var(ENTRIES).map_or(3, |rounds| rounds.parse().unwrap());
    let tier = DiskTier::open(path).unwrap();
    for number in 0..rounds {
        tier.put(Arc::new(numbered(number)));
        // One in eight is not waited for.
        if number % 8 > 0 && rounds > 1 {
            tier.flush().await.unwrap();
            println!("\n{COMMITTED}{number}");
        }
    }
    if rounds > 1 {
        assert!(is_numbered(&tier, 1).await);
    }
}

const WRITES: &str = "a_process_that_writes";
const DIRECTORY: &str = "TIERS_TEST_DIRECTORY";
const ENTRIES: &str = "TIERS_TEST_ENTRIES";
const COMMITTED: &str = "committed ";

fn numbered(number: u32) -> Entry {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_le_bytes());
    let mut recording = Recording::default();
    let bytes = if number.is_multiple_of(7) {
        10_000
    } else {
        300
    };
    recording.push(number.to_le_bytes().repeat(bytes).into());
    let now = tokio::time::Instant::now().into_std();
    Entry::new(CacheKey::new(key), ScopeDigest::of(Owner::Shared), now)
        .recording(Arc::new(recording))
        .lifetime(Lifetime::new(Duration::from_secs(3600)))
}

/// Whether the entry is there. If it is, it is as it was put.
async fn is_numbered(tier: &DiskTier, number: u32) -> bool {
    let expected = numbered(number);
    loop {
        match tier.get(expected.key()).found().await {
            Found::Busy => tokio::time::sleep(Duration::from_millis(1)).await,
            Found::Hit(found) => {
                assert_eq!(found.body(), expected.body());
                return true;
            }
            Found::Stale(_) => panic!("it was put just now"),
            Found::Miss => return false,
        }
    }
}

/// A test of this file in another process.
fn process(test: &str, path: &Path, entries: u32) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    in_process(&mut command, test, path, entries);
    command
}

fn in_process(command: &mut Command, test: &str, path: &Path, entries: u32) {
    command
        .args(["--exact", &format!("processes::{test}"), "--nocapture"])
        .env(DIRECTORY, path)
        .env(ENTRIES, entries.to_string())
        .stdout(std::process::Stdio::piped());
}

#[tokio::test]
async fn c1_nothing_committed_is_lost_when_the_process_is_killed() {
    use std::io::BufRead as _;
    let root = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let path = root.path().join("cache");
        let mut child = process(WRITES, &path, u32::MAX).spawn().unwrap();
        let output = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut last = None;
        for line in output.lines().map_while(Result::ok) {
            if let Some(number) = line.strip_prefix(COMMITTED) {
                last = Some(number.parse::<u32>().unwrap());
            }
            if last >= Some(10 + round * 9) {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let tier = DiskTier::open(&path).unwrap();
        for number in 0..=last.unwrap() {
            assert!(is_numbered(&tier, number).await, "{number} of {last:?}");
        }
        // What was put and not committed is there or not, and never wrong.
        is_numbered(&tier, last.unwrap() + 1).await;
    }
}

#[tokio::test]
async fn what_a_process_put_before_it_ended_is_there_for_the_next() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("cache");

    let output = process(WRITES, &path, 1).output().unwrap();
    assert!(output.status.success());

    let tier = DiskTier::open(&path).unwrap();
    assert!(is_numbered(&tier, 0).await);
}

/// Whether this runs as root, which is needed to mount and to give files away.
#[cfg(target_os = "linux")]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        println!("not run: this needs root");
    }
    is_root
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn c5_with_a_mask_that_allows_everything_others_may_still_do_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("cache");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "umask 0; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    in_process(&mut shell, WRITES, &path, 3);
    assert!(shell.output().unwrap().status.success());

    let mut places = vec![path];
    let mut files = 0;
    while let Some(place) = places.pop() {
        let meta = std::fs::metadata(&place).unwrap();
        assert_eq!(meta.permissions().mode() & 0o077, 0, "{}", place.display());
        if meta.is_dir() {
            places.extend(
                std::fs::read_dir(&place)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            files += 1;
        }
    }
    assert!(files >= 3);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn c5_a_directory_of_somebody_else_is_refused() {
    if !is_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("cache");
    drop(DiskTier::open(&path).unwrap());
    std::os::unix::fs::chown(&path, Some(12_345), Some(12_345)).unwrap();

    let refused = DiskTier::open(&path).unwrap_err();

    assert_eq!(refused.kind(), DiskErrorKind::Refused);
    assert!(refused.to_string().contains("somebody else"), "{refused}");
}

/// Leaves no room and puts, until the tier says that something failed, looks everything up, makes room
/// and waits until the tier works again.
#[cfg(target_os = "linux")]
async fn fails_and_comes_back(tier: &DiskTier, leave_none: impl Fn(), make_room: impl FnOnce()) {
    let mut number = 1;
    while tier.stats().failures == 0 && number < 2000 {
        leave_none();
        tier.put(Arc::new(numbered(number)));
        tier.flush().await.ok();
        number += 1;
    }
    let stats = tier.stats();
    assert!(stats.failures > 0, "{stats:?}");
    for known in 1..number {
        // There or not, and never wrong; not waited for where the tier is busy.
        let expected = numbered(known);
        if let Found::Hit(found) = tier.get(expected.key()).found().await {
            assert_eq!(found.body(), expected.body());
        }
    }
    make_room();
    for _ in 0..1000 {
        tier.put(Arc::new(numbered(7_000)));
        if tier.flush().await.is_ok() && is_numbered(tier, 7_000).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}, {:?}", tier.stats(), tier.last_failure());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn c3_a_disk_that_is_really_full_costs_no_request_and_comes_back() {
    if !is_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"];
    let mounted = Command::new("mount").args(mount).arg(root.path()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("not run: nothing can be mounted here");
        return;
    }
    let ballast = root.path().join("ballast");
    std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let tier = DiskTier::open(root.path().join("cache")).unwrap();

    fails_and_comes_back(&tier, || {}, || std::fs::remove_file(&ballast).unwrap()).await;

    drop(tier);
    let unmounted = Command::new("umount").arg(root.path()).status().unwrap();
    assert!(unmounted.success());
}

/// Takes all descriptors that there are. The test below gives it a process of its own and few of them;
/// by itself it does nothing.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_without_descriptors() {
    let Some(path) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let tier = DiskTier::open(path).unwrap();
    let taken = std::cell::RefCell::new(Vec::new());
    // Each time: the writer, which looks after its files meanwhile, gives back those that it had.
    let take_all = || {
        while let Ok(file) = std::fs::File::open("/dev/null") {
            let mut taken = taken.borrow_mut();
            taken.push(file);
            assert!(taken.len() < 10_000, "there is no end to them");
        }
    };

    fails_and_comes_back(&tier, take_all, || taken.borrow_mut().clear()).await;
    println!("\n{COMMITTED}1");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn c3_a_process_without_descriptors_goes_on_and_the_tier_comes_back() {
    let root = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    let path = root.path().join("cache");
    in_process(&mut shell, "a_process_without_descriptors", &path, 1);

    let output = shell.output().unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains(COMMITTED),
        "{said}"
    );
}

/// Fills a tier in memory, and says by how much that made the process grow.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_that_fills_its_memory() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.unwrap().split_whitespace().next().unwrap();
        kib.parse::<u64>().unwrap() << 10
    };
    let before = resident();
    let tier = MemoryTier::new(MEMORY);
    for number in 0..10_000_u32 {
        let chance = usize::try_from(number.wrapping_mul(2_654_435_761) >> 8).unwrap();
        let bytes = if number.is_multiple_of(2) {
            1
        } else {
            chance % 4096
        };
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        let mut recording = Recording::default();
        recording.push(vec![7; bytes].into());
        let now = tokio::time::Instant::now().into_std();
        let entry = Entry::new(CacheKey::new(key), ScopeDigest::of(Owner::Shared), now);
        tier.put(Arc::new(entry.recording(Arc::new(recording))));
    }
    let weight = tier.stats().weight_bytes;
    assert!(weight <= MEMORY && weight > MEMORY / 10 * 9, "{weight}");
    println!("\n{GREW}{}", resident().saturating_sub(before));
}

#[cfg(target_os = "linux")]
const GREW: &str = "grew by ";
#[cfg(target_os = "linux")]
const MEMORY: u64 = 12 << 20;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a17_random_entries_take_the_memory_that_they_weigh_and_a_quarter_more_at_most() {
    let root = tempfile::tempdir().unwrap();
    let mut process = process("a_process_that_fills_its_memory", root.path(), 0);

    let output = process.output().unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    let grew = said.lines().find_map(|line| line.strip_prefix(GREW));
    let grew: u64 = grew.unwrap().parse().unwrap();
    assert!(grew <= MEMORY / 4 * 5, "{grew} bytes for {MEMORY}");
    assert!(grew > MEMORY / 2, "{grew} bytes for {MEMORY}");
}
