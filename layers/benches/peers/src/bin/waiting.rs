//! What a cache costs beside its replies: the time of those who wait for one, and the memory.
//!
//! 1. 1,000 callers wait ten seconds, by a real clock, on one flight: all of their CPU, from the first
//!    call to the last byte, through `coalesce` and through `cache`.
//! 2. A million random entries are put into a memory tier that holds a part of them, in a process of
//!    their own: its resident memory beside what the tier may take.
//! 3. A body far over the cap of an entry passes through the cache: the most that is held at once.

use std::{
    convert::Infallible,
    pin::Pin,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use blossom_layers::{
    BoxError,
    body::{Recording, ReqBody},
    cache::{CacheLayer, Entry, Lifetime, Tier as _, tier::MemoryTier},
    coalesce::CoalesceLayer,
    types::{CacheKey, Owner, Scope, ScopeDigest},
};
use bytes::Bytes;
use http::{Request, Response, header::CACHE_CONTROL};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use peers::{Report, live_bytes, peak_bytes, restart_peak};
use rustix::time::{ClockId, clock_gettime};
use tokio::{runtime::Builder, task::JoinSet};
use tower::{Layer, Service, ServiceExt as _, service_fn};

#[global_allocator]
static ALLOCATOR: peers::Counting = peers::Counting;

const WAITERS: usize = 1000;
const WAIT: Duration = Duration::from_secs(10);
const ENTRIES: u64 = 1_000_000;
const MIB: u64 = 1 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [kind, bytes] = &arguments[..] {
        return fill(kind, bytes.parse().expect("a number"));
    }
    let mut report = Report::new();
    waiters(&mut report);
    memory(&mut report);
    passing(&mut report);
    report.finish()
}

fn waiters(report: &mut Report) {
    println!("{WAITERS} callers who wait {WAIT:?} for one reply");
    let coalesce = CoalesceLayer::new(key_of as Policy, Scope::fixed("a"));
    wait("coalesce", coalesce, report);
    let cache = CacheLayer::new(MemoryTier::new(MIB), key_of as Policy, Scope::fixed("a"));
    wait("cache", cache, report);
}

type Policy = fn(&Request<ReqBody>) -> Option<CacheKey>;
type Calls = Arc<AtomicUsize>;

fn key_of(_: &Request<ReqBody>) -> Option<CacheKey> {
    Some(CacheKey::new([1; 32]))
}

fn upstream(
    calls: Calls,
) -> impl Service<Request<ReqBody>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(move |_: Request<ReqBody>| {
        calls.fetch_add(1, Relaxed);
        async {
            tokio::time::sleep(WAIT).await;
            Ok(Response::new(Full::new(Bytes::from_static(b"at last"))))
        }
    })
}

fn wait<L, S, B>(name: &str, layer: L, report: &mut Report)
where
    L: Layer<Upstream, Service = S>,
    S: Service<Request<ReqBody>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    S::Error: std::fmt::Debug + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug + Send,
{
    let calls = Calls::default();
    let service = layer.layer(tower::util::BoxCloneSyncService::new(upstream(
        calls.clone(),
    )));
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let served = runtime.block_on(async {
        let before = cpu();
        let mut waiters = JoinSet::new();
        for _ in 0..WAITERS {
            let call = service.clone().oneshot(Request::new(ReqBody::empty()));
            waiters.spawn(async move {
                let body = call.await.expect("a reply").into_body();
                body.collect().await.expect("a body").to_bytes() == "at last"
            });
        }
        let served = waiters.join_all().await;
        (
            served.into_iter().filter(|served| *served).count(),
            cpu() - before,
        )
    });
    let (served, spent) = served;
    report.at_most(&format!("{name}: CPU, milliseconds"), spent * 1000.0, 50.0);
    report.at_most(
        &format!("{name}: calls of the upstream"),
        calls.load(Relaxed) as f64,
        1.0,
    );
    report.at_least(
        &format!("{name}: callers who were served"),
        served as f64,
        WAITERS as f64,
    );
}

type Upstream =
    tower::util::BoxCloneSyncService<Request<ReqBody>, Response<Full<Bytes>>, Infallible>;

/// Of all threads of this process, in seconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn memory(report: &mut Report) {
    println!("{ENTRIES} random entries in a tier that holds a part of them");
    let program = std::env::current_exe().expect("a name");
    for (kind, mebibytes) in [("mixed", 256), ("tiny", 64), ("large", 256)] {
        let bytes = mebibytes * MIB;
        let output = Command::new(&program)
            .args([kind, &bytes.to_string()])
            .output()
            .expect("it can be started");
        assert!(output.status.success(), "{output:?}");
        let taken: f64 = String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .expect("a number");
        report.at_most(
            &format!("{kind}: resident memory / what it may take"),
            taken / bytes as f64,
            1.25,
        );
    }
}

/// Fills a tier of so many bytes, and prints by how much the memory of the process has grown.
fn fill(kind: &str, bytes: u64) -> ExitCode {
    let before = resident();
    let tier = MemoryTier::new(bytes);
    for number in 0..ENTRIES {
        let chance = mixed(number);
        let len = match kind {
            "tiny" => 1,
            "large" => 16_384 + chance % 65_536,
            // Mostly small, now and then large.
            _ if chance.is_multiple_of(100) => chance / 100 % 65_536,
            _ => chance % 2048,
        };
        tier.put(Arc::new(entry(number, len as usize)));
    }
    let stats = tier.stats();
    assert!(stats.weight_bytes <= bytes && stats.weight_bytes > bytes / 10 * 9);
    println!("{}", resident() - before);
    ExitCode::SUCCESS
}

fn entry(number: u64, len: usize) -> Entry {
    let mut key = [0; 32];
    for (place, word) in key.chunks_mut(8).zip(1_u64..) {
        place.copy_from_slice(&mixed(number * 4 + word).to_le_bytes());
    }
    let mut recording = Recording::default();
    recording.push(vec![number as u8; len].into());
    let now = tokio::time::Instant::now().into_std();
    Entry::new(CacheKey::new(key), ScopeDigest::of(Owner::Shared), now)
        .recording(Arc::new(recording))
        .lifetime(Lifetime::new(Duration::from_secs(3600)))
}

/// A number that looks like chance.
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .expect("a number");
    kib.parse::<f64>().expect("a number") * 1024.0
}

const CAP: usize = 256 << 10;
const FRAME: usize = 16 << 10;
const FRAMES: usize = 4096;

/// A body of 64 MiB, of frames that are made when they are read.
struct Long(usize);

impl Body for Long {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0 += 1;
        let more = self.0 <= FRAMES;
        Poll::Ready(more.then(|| Ok(Frame::data(vec![self.0 as u8; FRAME].into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn passing(report: &mut Report) {
    println!("a body of 64 MiB through a cache that keeps entries of 256 KiB");
    let inner = service_fn(|_: Request<ReqBody>| async {
        let mut response = Response::new(Long(0));
        let directives = "max-age=60".parse().expect("legal");
        response.headers_mut().insert(CACHE_CONTROL, directives);
        Ok::<_, Infallible>(response)
    });
    let layer = CacheLayer::new(
        MemoryTier::new(64 * MIB),
        key_of as Policy,
        Scope::fixed("a"),
    );
    let layer = layer.max_entry_bytes(CAP);
    let service = layer.layer(inner);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let (read, held) = runtime.block_on(async {
        let before = live_bytes();
        restart_peak();
        let response = service.oneshot(Request::new(ReqBody::empty())).await;
        let mut body = Box::pin(response.expect("a reply").into_body());
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            read += frame.expect("a frame").into_data().expect("data").len();
        }
        (read, peak_bytes() - before)
    });
    assert_eq!(read, FRAME * FRAMES);
    assert_eq!(layer.handle().stats().stored, 0);
    report.at_most(
        "the most that was held, KiB (cap, one frame, 16 KiB for the rest)",
        held as f64 / 1024.0,
        ((CAP + FRAME) >> 10) as f64 + 16.0,
    );
}
