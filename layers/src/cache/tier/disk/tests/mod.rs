mod damage;
mod faults;
mod kill;

use std::{
    fs, io,
    sync::{
        Condvar,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use rustix::io::Errno;
use tempfile::TempDir;

use super::{outside::Operation, *};
use crate::{
    body::Recording,
    cache::Lifetime,
    types::{Owner, ScopeDigest},
};

/// A disk that fails or hangs when it is told to, and a clock that jumps.
#[derive(Debug, Default)]
struct Faulty {
    fails: Mutex<Option<(Vec<Operation>, Errno)>>,
    hangs: AtomicBool,
    lock: Mutex<()>,
    released: Condvar,
    clock_millis: AtomicI64,
    // How many operations are left, plus one; zero if there is no end to them.
    life: AtomicI64,
}

impl Faulty {
    /// Lets so many operations go on, and then none, as if the process were killed there.
    fn die_after(&self, operations: i64) {
        self.life.store(operations + 1, Relaxed);
    }

    fn is_dead(&self) -> bool {
        self.life.load(Relaxed) == 1
    }

    fn lives(&self) -> bool {
        let less = |life| (life > 1).then_some(life - 1);
        let before = self.life.fetch_update(Relaxed, Relaxed, less);
        before.is_ok() || !self.is_dead()
    }

    fn fail(&self, operations: &[Operation], errno: Errno) {
        *self.fails.lock().unwrap() = Some((operations.to_vec(), errno));
    }

    fn heal(&self) {
        *self.fails.lock().unwrap() = None;
        self.life.store(0, Relaxed);
        self.hangs.store(false, Relaxed);
        let _lock = self.lock.lock().unwrap();
        self.released.notify_all();
    }

    fn jump(&self, seconds: i64) {
        self.clock_millis.fetch_add(seconds * 1000, Relaxed);
    }
}

impl Outside for Faulty {
    fn before(&self, operation: Operation) -> io::Result<()> {
        if self.hangs.load(Relaxed) && operation == Operation::Read {
            let lock = self.lock.lock().unwrap();
            let hangs = |(): &mut ()| self.hangs.load(Relaxed);
            drop(self.released.wait_while(lock, hangs).unwrap());
        }
        if !self.lives() {
            return Err(Errno::IO.into());
        }
        match &*self.fails.lock().unwrap() {
            Some((operations, errno)) if operations.contains(&operation) => Err((*errno).into()),
            _ => Ok(()),
        }
    }

    fn now(&self) -> SystemTime {
        let jumped = self.clock_millis.load(Relaxed);
        let by = Duration::from_millis(jumped.unsigned_abs());
        let now = SystemTime::now();
        if jumped < 0 { now - by } else { now + by }
    }
}

struct World {
    root: TempDir,
    outside: Arc<Faulty>,
    options: Options,
}

impl World {
    fn new() -> Self {
        // In memory where there is such a place: each commit is synced. The tests of processes are on disk.
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        Self {
            root: root.unwrap(),
            outside: Arc::default(),
            options: Options {
                first_wait: Duration::from_millis(2),
                ..Options::default()
            },
        }
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    fn open(&self) -> DiskTier {
        let builder = DiskTierBuilder {
            path: self.path(),
            options: self.options,
        };
        builder.open_in(self.outside.clone()).unwrap()
    }
}

fn key(number: u32) -> CacheKey {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    // Spread over the shards.
    bytes[0] ^= bytes[1];
    CacheKey::new(bytes)
}

fn body(number: u32, bytes: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(2_654_435_761) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    // A length that fits into no block, so that no two blocks are alike.
    let some: Vec<_> = (0..bytes.min(997)).map(|_| byte()).collect();
    let mut body = some.repeat(bytes.div_ceil(997));
    body.truncate(bytes);
    body
}

fn entry(number: u32, bytes: usize) -> Entry {
    let mut recording = Recording::default();
    recording.push(body(number, bytes).into());
    let scope = ScopeDigest::of(Owner::Header(b"sk_secret"));
    Entry::new(key(number), scope, now())
        .recording(Arc::new(recording))
        .lifetime(Lifetime::new(Duration::from_secs(3600)))
        .tag("tag")
}

fn put(tier: &DiskTier, number: u32, bytes: usize) -> bool {
    tier.put(Arc::new(entry(number, bytes)))
}

/// Looks an entry up, and checks that it is what was put, if it is there.
async fn get(tier: &DiskTier, number: u32, bytes: usize) -> Found {
    let found = tier.get(&key(number)).found().await;
    if let Some(entry) = found.clone().into_entry() {
        assert_eq!(entry.key(), &key(number));
        assert_eq!(entry.body().frames(), [body(number, bytes)]);
    }
    found
}

async fn hit(tier: &DiskTier, number: u32, bytes: usize) -> bool {
    matches!(get(tier, number, bytes).await, Found::Hit(_))
}

/// Whether an entry is there, asked again while the tier is too busy to say.
async fn is_there(tier: &DiskTier, number: u32, bytes: usize) -> bool {
    loop {
        match get(tier, number, bytes).await {
            Found::Busy => tokio::time::sleep(Duration::from_millis(1)).await,
            found => return matches!(found, Found::Hit(_)),
        }
    }
}

/// Tries again while the disk comes back.
async fn hit_at_last(tier: &DiskTier, number: u32, bytes: usize) -> bool {
    for _ in 0..200 {
        if put(tier, number, bytes) && tier.flush().await.is_ok() && hit(tier, number, bytes).await
        {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

/// All files below a directory.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

const SMALL: usize = 1000;
const LARGE: usize = 40_000;

#[tokio::test]
async fn what_was_put_is_there_at_once_and_after_a_restart() {
    let world = World::new();
    let tier = world.open();
    assert!(put(&tier, 1, SMALL) && put(&tier, 2, LARGE));
    assert!(hit(&tier, 1, SMALL).await && hit(&tier, 2, LARGE).await);
    drop(tier);

    let tier = world.open();
    assert_eq!((tier.stats().found, tier.stats().entries), (2, 2));
    assert!(hit(&tier, 1, SMALL).await && hit(&tier, 2, LARGE).await);
    assert!(matches!(tier.get_blocking(&key(1)), Found::Hit(_)));
    assert!(matches!(tier.get_blocking(&key(3)), Found::Miss));
    let found = tier.get(&key(1)).found().await.into_entry().unwrap();
    assert_eq!(found.tags().collect::<Vec<_>>(), ["tag"]);
}

#[tokio::test]
async fn the_last_one_dropped_waits_for_what_was_put() {
    let world = World::new();
    for number in 0..5 {
        let tier = world.open();
        let clone = tier.clone();
        put(&tier, number, SMALL);
        drop(tier);
        drop(clone);
        // Not locked any more, and all there.
        let tier = world.open();
        for before in 0..=number {
            assert!(hit(&tier, before, SMALL).await);
        }
    }
}

#[tokio::test]
async fn removed_and_replaced_entries_do_not_come_back_nor_do_their_files() {
    let world = World::new();
    let tier = world.open();
    for number in 0..4 {
        put(&tier, number, LARGE);
    }
    tier.flush().await.unwrap();
    tier.remove(&key(0));
    assert!(matches!(get(&tier, 0, LARGE).await, Found::Miss));
    put(&tier, 1, SMALL);
    put(&tier, 2, LARGE + 1);
    tier.flush().await.unwrap();

    assert!(matches!(get(&tier, 0, LARGE).await, Found::Miss));
    assert!(
        hit(&tier, 1, SMALL).await && hit(&tier, 2, LARGE + 1).await && hit(&tier, 3, LARGE).await
    );
    let stats = tier.stats();
    assert_eq!(
        (stats.entries, stats.evicted.removed, stats.evicted.replaced),
        (3, 1, 2)
    );
    assert_eq!(files(&world.path().join("files-2")).len(), 2);
}

#[tokio::test]
async fn invalidations_survive_a_restart() {
    let world = World::new();
    let tier = world.open();
    put(&tier, 1, SMALL);
    tier.flush().await.unwrap();
    let now = tier.invalidate(&Invalidation::Tag("tag".into()), tier.generation());
    assert!(matches!(get(&tier, 1, SMALL).await, Found::Miss));
    tier.flush().await.unwrap();
    drop(tier);

    let tier = world.open();
    assert_eq!(tier.generation(), now);
    assert!(matches!(get(&tier, 1, SMALL).await, Found::Miss));
    assert!(!put(&tier, 1, SMALL));
    assert!(tier.put(Arc::new(entry(1, SMALL).generation(now))));
}

#[tokio::test]
async fn clearing_empties_the_disk() {
    let world = World::new();
    let tier = world.open();
    for number in 0..20 {
        put(&tier, number, if number % 2 == 0 { SMALL } else { LARGE });
    }
    tier.flush().await.unwrap();

    let now = tier.invalidate(&Invalidation::All, tier.generation());
    let after = Arc::new(entry(7, SMALL).generation(now));
    assert!(tier.put(after));
    tier.flush().await.unwrap();

    assert!(matches!(get(&tier, 1, LARGE).await, Found::Miss));
    assert!(hit(&tier, 7, SMALL).await);
    assert_eq!(
        (tier.stats().entries, tier.stats().evicted.removed),
        (1, 20)
    );
}

#[tokio::test]
async fn a15_time_to_live_goes_by_the_wall_clock_bounded_both_ways() {
    let mut world = World::new();
    world.options.max_time_to_live = Duration::from_secs(7200);
    let tier = world.open();
    let for_ever = entry(1, SMALL).lifetime(Lifetime::new(Duration::MAX));
    tier.put(Arc::new(for_ever));
    put(&tier, 2, SMALL);
    tier.flush().await.unwrap();
    drop(tier);

    // Back by a minute: as young as it was. Back by an hour: from the future.
    let tier = world.open();
    world.outside.jump(-60);
    assert!(hit(&tier, 2, SMALL).await);
    world.outside.jump(-3600);
    assert!(matches!(get(&tier, 2, SMALL).await, Found::Miss));
    // Ahead by an hour: it has expired, and what should never does not.
    world.outside.jump(2 * 3600 + 60);
    assert!(hit(&tier, 1, SMALL).await);
    let aged = tier.get(&key(1)).found().await.into_entry().unwrap();
    assert!(aged.age(now()) >= Duration::from_secs(3600));
    // Ahead by a year: nothing is immortal.
    world.outside.jump(365 * 24 * 3600);
    assert!(matches!(get(&tier, 1, SMALL).await, Found::Miss));
    tier.flush().await.unwrap();
    assert_eq!(tier.stats().entries, 0);
}

#[tokio::test]
async fn expired_entries_are_reclaimed_while_others_are_written() {
    let world = World::new();
    let tier = world.open();
    for number in 0..10 {
        put(&tier, number, SMALL);
    }
    tier.flush().await.unwrap();
    world.outside.jump(3601);

    put(&tier, 100, SMALL);
    tier.flush().await.unwrap();

    let stats = tier.stats();
    assert_eq!((stats.entries, stats.evicted.expired), (1, 10));
}

#[tokio::test]
async fn c7_p12_bytes_and_files_are_bounded_and_eviction_keeps_up() {
    let mut world = World::new();
    world.options.max_bytes = 4 << 20;
    world.options.max_files = 10;
    let tier = world.open();
    for number in 0..1500 {
        put(&tier, number, if number % 50 == 0 { LARGE } else { SMALL });
        if number % 200 == 0 {
            tier.flush().await.unwrap();
        }
    }
    tier.flush().await.unwrap();

    let stats = tier.stats();
    assert!(stats.weight_bytes <= 4 << 20, "{stats:?}");
    assert!(stats.evicted.size > 0);
    assert_eq!(stats.stored - stats.evicted.total(), stats.entries);
    let files = files(&world.path());
    let large = files
        .iter()
        .filter(|path| path.starts_with(world.path().join("files-2")));
    assert!(large.count() <= 10);
    let bytes: u64 = files
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    // The index begins with what it needs for itself.
    assert!(bytes <= (4 << 20) + (2 << 20), "{bytes}");
    assert!(hit(&tier, 1499, SMALL).await);
}

#[tokio::test]
async fn an_entry_larger_than_all_is_refused_and_what_it_was_to_replace_is_gone() {
    let mut world = World::new();
    world.options.max_bytes = 100_000;
    let tier = world.open();
    put(&tier, 1, SMALL);

    assert!(!put(&tier, 1, 200_000));

    assert!(matches!(get(&tier, 1, SMALL).await, Found::Miss));
    tier.flush().await.unwrap();
    assert!(matches!(get(&tier, 1, SMALL).await, Found::Miss));
    assert_eq!(tier.stats().refused, 1);
}

#[tokio::test]
async fn c4_the_second_to_open_it_is_told_so() {
    let world = World::new();
    let tier = world.open();

    let second = DiskTier::open(world.path()).unwrap_err();
    assert_eq!(second.kind(), DiskErrorKind::Locked);
    assert!(second.to_string().contains("cache"));
    drop(tier);
    DiskTier::open(world.path()).unwrap();
}

#[tokio::test]
async fn c5_a_directory_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    fs::create_dir(world.path()).unwrap();
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o777)).unwrap();

    let refused = DiskTier::open(world.path()).unwrap_err();

    assert_eq!(refused.kind(), DiskErrorKind::Refused);
    assert!(refused.to_string().contains("chmod 700"));
}

#[tokio::test]
async fn c6_other_formats_are_left_alone_and_what_is_no_index_is_made_anew() {
    let world = World::new();
    drop(world.open());
    fs::write(world.path().join("index-3"), "of a later version").unwrap();
    for garbage in [
        &b""[..],
        b"x",
        &[7; 100_000],
        b"redb\x1a\x0a\xa9\x0d\x0a garbage",
    ] {
        fs::write(world.path().join("index-2"), garbage).unwrap();

        let tier = world.open();
        assert!(matches!(get(&tier, 1, SMALL).await, Found::Miss));
        put(&tier, 1, SMALL);
        tier.flush().await.unwrap();
        drop(tier);
        assert!(hit(&world.open(), 1, SMALL).await);
    }
    let other = fs::read(world.path().join("index-3")).unwrap();
    assert_eq!(other, b"of a later version");
}

#[tokio::test]
async fn c9_a5_there_is_no_credential_in_the_directory() {
    let world = World::new();
    let tier = world.open();
    put(&tier, 1, SMALL);
    put(&tier, 2, LARGE);
    tier.flush().await.unwrap();
    drop(tier);

    for path in files(&world.path()) {
        let content = fs::read(&path).unwrap();
        assert!(!content.windows(9).any(|window| window == b"sk_secret"));
        assert!(!path.to_string_lossy().contains("sk_secret"));
    }
}

#[tokio::test]
async fn a2_a_key_that_collides_is_a_miss() {
    let world = World::new();
    let tier = world.open();
    put(&tier, 1, SMALL);
    tier.flush().await.unwrap();

    let other = key(1).with_check([9; 16]);
    assert!(matches!(tier.get(&other).found().await, Found::Miss));
}
