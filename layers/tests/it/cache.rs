//! The cache: what it keeps, for whom, how long, and what it counts.

use std::{
    convert::Infallible,
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use blossom_layers::{
    BoxError,
    body::{End, Known, ReqBody},
    cache::{
        CacheHandle, CacheLayer, Entry, Found, Generation, Invalidation, Lookup, ResponseBody,
        Tier, TierStats,
        tier::{Flush, MemoryTier},
    },
    flight::Panicked,
    observe::ObserveLayer,
    test_util::{BodyLog, ScriptedBody, ScriptedService, Step},
    types::{
        CacheKey, CacheOptions, CacheStatus, Deferred, FinishReason, KeyPolicy, Outcome, Owner,
        Record, Scope, Tenant, Usage, Watch,
    },
};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, response::Parts};
use http_body::Body as _;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};
use tokio_test::task::spawn;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The path is the key; GET and HEAD only, and what `Accept-Language` says.
#[derive(Debug, Clone)]
struct ByPath;

impl KeyPolicy<ReqBody> for ByPath {
    fn key(&self, request: &Request<ReqBody>) -> Option<CacheKey> {
        let language = request.headers().get("accept-language");
        let language = language.map_or(&[][..], HeaderValue::as_bytes);
        let method = request.method().as_str().bytes();
        let parts = method
            .chain(request.uri().path().bytes())
            .chain(language.iter().copied());
        let mut key = [0; 32];
        key.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        matches!(*request.method(), Method::GET | Method::HEAD).then(|| CacheKey::new(key))
    }

    fn covers(&self, header: &HeaderName) -> bool {
        header == "accept-language"
    }
}

/// Keeps what says nothing for a minute.
fn layer() -> CacheLayer<ByPath> {
    CacheLayer::new(MemoryTier::new(64 << 20), ByPath, Scope::fixed("a")).time_to_live(MINUTE)
}

fn request() -> Request<ReqBody> {
    Request::new(ReqBody::empty())
}

fn with(options: CacheOptions) -> Request<ReqBody> {
    let mut request = request();
    request.extensions_mut().insert(options);
    request
}

fn asking(name: &'static str, value: &'static str) -> Request<ReqBody> {
    let mut request = request();
    request
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    request
}

fn reply(fields: &[(&'static str, &'static str)]) -> Response<ScriptedBody> {
    let mut response = Response::new(ScriptedBody::new().data("a").sized());
    for (name, value) in fields {
        response
            .headers_mut()
            .append(*name, HeaderValue::from_static(value));
    }
    response
}

fn status<R>(response: &Response<R>) -> CacheStatus {
    *response.extensions().get().unwrap()
}

async fn text<B>(response: Response<B>) -> Result<Bytes, B::Error>
where
    B: http_body::Body<Data = Bytes>,
{
    Ok(response.into_body().collect().await?.to_bytes())
}

type Answer = Response<ResponseBody<ScriptedBody>>;

/// A stack of a cache over a script.
#[derive(Clone)]
struct Stack {
    layer: CacheLayer<ByPath>,
    inner: ScriptedService,
}

impl Stack {
    fn new(layer: CacheLayer<ByPath>) -> Self {
        Self {
            layer,
            inner: ScriptedService::default(),
        }
    }

    fn replies(self, replies: impl IntoIterator<Item = Response<ScriptedBody>>) -> Self {
        self.inner.push(replies.into_iter().map(Step::Respond));
        self
    }

    fn send(
        &self,
        request: Request<ReqBody>,
    ) -> impl Future<Output = Result<Answer, BoxError>> + use<> {
        self.layer.layer(self.inner.clone()).oneshot(request)
    }

    /// Sends it, reads the answer and says where it came from.
    async fn ask(&self, request: Request<ReqBody>) -> CacheStatus {
        let response = self.send(request).await.unwrap();
        let status = status(&response);
        text(response).await.unwrap();
        status
    }

    fn handle(&self) -> CacheHandle {
        self.layer.handle()
    }
}

#[tokio::test(start_paused = true)]
async fn a_hit_is_what_was_stored_head_frames_and_trailers() {
    let body = ScriptedBody::new()
        .data("a")
        .data("")
        .data("bc")
        .trailer("grpc-status", "0");
    let mut first = Response::new(body);
    first
        .headers_mut()
        .insert("x-kept", HeaderValue::from_static("1"));
    *first.status_mut() = StatusCode::NON_AUTHORITATIVE_INFORMATION;
    let stack = Stack::new(layer()).replies([first]);
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    sleep(SECOND * 12).await;

    let hit = stack.send(request()).await.unwrap();

    assert_eq!(hit.status(), StatusCode::NON_AUTHORITATIVE_INFORMATION);
    assert_eq!(hit.headers()["x-kept"], "1");
    assert_eq!(hit.headers()["age"], "12");
    assert_eq!(hit.headers()["cache-status"], "blossom; hit");
    let mut body = hit.into_body();
    for data in ["a", "", "bc"] {
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            data
        );
    }
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    assert!(body.frame().await.is_none());
    assert_eq!(stack.inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_says_how_it_came_here() {
    let stack = Stack::new(layer()).replies([reply(&[]), reply(&[])]);
    let (miss, joined) = tokio::join!(stack.send(request()), stack.send(request()));
    let bypassed = stack
        .send(with(CacheOptions::new().no_store()))
        .await
        .unwrap();

    assert_eq!(
        miss.unwrap().headers()["cache-status"],
        "blossom; fwd=uri-miss"
    );
    let joined = joined.unwrap();
    assert_eq!(status(&joined), CacheStatus::Coalesced);
    assert_eq!(
        joined.headers()["cache-status"],
        "blossom; fwd=uri-miss; collapsed"
    );
    assert_eq!(status(&bypassed), CacheStatus::Bypass);
    assert_eq!(bypassed.headers()["cache-status"], "blossom; fwd=bypass");
}

#[tokio::test(start_paused = true)]
async fn a_hit_does_not_wait_for_a_saturated_upstream() {
    let body = ScriptedBody::new().data("held").stall();
    let inner = ServiceBuilder::new()
        .concurrency_limit(1)
        .service(ScriptedService::new([
            Step::Respond(reply(&[])),
            Step::RespondAfter(MINUTE * 60, Response::new(body)),
        ]));
    let mut service = layer().layer(inner);
    text(
        service
            .ready()
            .await
            .unwrap()
            .call(request())
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    let other = Request::get("/other").body(ReqBody::empty()).unwrap();
    let mut held = spawn(service.clone().oneshot(other));
    assert!(held.poll().is_pending());
    let start = Instant::now();

    let hit = service
        .ready()
        .await
        .unwrap()
        .call(request())
        .await
        .unwrap();

    assert_eq!(status(&hit), CacheStatus::Hit);
    assert_eq!(text(hit).await.unwrap(), "a");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[test]
fn a_hit_is_ready_in_its_first_poll_and_needs_no_runtime() {
    let stack = Stack::new(layer()).replies([reply(&[])]);
    let mut miss = spawn(stack.ask(request()));
    assert_eq!(miss.poll(), Poll::Ready(CacheStatus::Miss));

    let mut hit = spawn(stack.ask(request()));
    assert_eq!(hit.poll(), Poll::Ready(CacheStatus::Hit));
}

#[tokio::test]
async fn the_first_frame_of_a_miss_passes_in_the_poll_in_which_it_came() {
    let body = ScriptedBody::new().data("a").stall();
    let stack = Stack::new(layer()).replies([Response::new(body)]);
    let mut call = spawn(stack.send(request()));
    let Poll::Ready(Ok(response)) = call.poll() else {
        panic!("the head is there");
    };
    let mut body = response.into_body();

    let mut frame = spawn(body.frame());
    let Poll::Ready(Some(Ok(frame))) = frame.poll() else {
        panic!("the frame is there");
    };
    assert_eq!(frame.into_data().unwrap(), "a");
}

#[tokio::test]
async fn a1_two_tenants_never_share_and_a_shared_scope_is_a_choice() {
    let of = |tenant| {
        let mut request = request();
        request.extensions_mut().insert(Tenant::new(tenant));
        request
    };
    let tier = MemoryTier::new(1 << 20);
    let tenants = CacheLayer::new(tier.clone(), ByPath, Scope::tenant()).time_to_live(MINUTE);
    let stack = Stack::new(tenants).replies((0..5).map(|_| reply(&[])));

    assert_eq!(stack.ask(of("a")).await, CacheStatus::Miss);
    assert_eq!(stack.ask(of("b")).await, CacheStatus::Miss);
    assert_eq!(stack.ask(of("a")).await, CacheStatus::Hit);
    // Nobody's reply is not kept, and counted.
    assert_eq!(stack.ask(request()).await, CacheStatus::Bypass);
    assert_eq!(stack.handle().stats().bypassed.no_owner, 1);

    let shared = CacheLayer::new(tier, ByPath, Scope::shared()).time_to_live(MINUTE);
    let stack = Stack::new(shared).replies([reply(&[])]);
    assert_eq!(stack.ask(of("a")).await, CacheStatus::Miss);
    assert_eq!(stack.ask(of("b")).await, CacheStatus::Hit);
}

/// A tier that gives what it was told, whatever is asked for.
#[derive(Clone, Default)]
struct Double {
    found: Arc<std::sync::Mutex<Option<Arc<Entry>>>>,
    wait: Option<Duration>,
    lookups: Arc<AtomicUsize>,
}

impl Tier for Double {
    fn get(&self, _: &CacheKey) -> Lookup {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let found = self
            .found
            .lock()
            .unwrap()
            .clone()
            .map_or(Found::Miss, Found::Hit);
        match self.wait {
            Some(wait) => Lookup::Pending(Box::pin(async move {
                sleep(wait).await;
                found
            })),
            None => Lookup::Ready(found),
        }
    }

    fn put(&self, entry: Arc<Entry>) -> bool {
        *self.found.lock().unwrap() = Some(entry);
        true
    }

    fn remove(&self, _: &CacheKey) {
        *self.found.lock().unwrap() = None;
    }

    fn generation(&self) -> Generation {
        Generation::default()
    }

    fn invalidate(&self, _: &Invalidation, after: Generation) -> Generation {
        after
    }

    fn flush(&self) -> Flush {
        Box::pin(std::future::ready(Ok(())))
    }

    fn stats(&self) -> TierStats {
        TierStats::default()
    }
}

#[tokio::test]
async fn a2_an_entry_of_another_request_or_owner_is_a_miss_never_a_wrong_body() {
    let tier = Double::default();
    let cache = |scope| CacheLayer::new(tier.clone(), ByPath, scope).time_to_live(MINUTE);
    let replies = || (0..3).map(|_| reply(&[]));
    let stack = Stack::new(cache(Scope::fixed("a"))).replies(replies());
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    assert_eq!(stack.ask(request()).await, CacheStatus::Hit);

    let other = Request::get("/other").body(ReqBody::empty()).unwrap();
    assert_eq!(stack.ask(other).await, CacheStatus::Miss);
    assert_eq!(stack.handle().stats().mismatched, 1);
    let stack = Stack::new(cache(Scope::fixed("b"))).replies(replies());
    let other = Request::get("/other").body(ReqBody::empty()).unwrap();
    assert_eq!(stack.ask(other).await, CacheStatus::Miss);
}

#[tokio::test]
async fn a5_a_key_that_rotates_keeps_the_hits_of_its_tenant() {
    let tenants = CacheLayer::new(MemoryTier::new(1 << 20), ByPath, Scope::tenant());
    let stack = Stack::new(tenants.time_to_live(MINUTE)).replies([reply(&[]), reply(&[])]);
    let ask = |tenant, key| {
        let mut request = asking("authorization", key);
        request.extensions_mut().insert(Tenant::new(tenant));
        stack.ask(request)
    };

    assert_eq!(ask("a", "Bearer old").await, CacheStatus::Miss);
    assert_eq!(ask("a", "Bearer new").await, CacheStatus::Hit);
    assert_eq!(ask("b", "Bearer new").await, CacheStatus::Miss);
    assert!(!format!("{:?}", stack.layer).contains("Bearer"));
}

#[tokio::test]
async fn a6_a_body_that_is_cut_anywhere_is_not_stored() {
    for at in 0..=4 {
        let body = (0..at).fold(ScriptedBody::new(), |body, n| body.data(format!("{n}")));
        let stack = Stack::new(layer()).replies([Response::new(body.error("cut")), reply(&[])]);
        assert!(text(stack.send(request()).await.unwrap()).await.is_err());
        assert_eq!(stack.ask(request()).await, CacheStatus::Miss, "cut at {at}");
    }
    // A length that lies, and an end that cannot be told from a cut.
    let mut old = reply(&[]);
    *old.version_mut() = http::Version::HTTP_10;
    let lies = reply(&[("content-length", "2")]);
    for unproven in [lies, reply(&[("connection", "close")]), old] {
        let stack = Stack::new(layer()).replies([unproven, reply(&[])]);
        stack.ask(request()).await;
        assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    }
}

/// Takes `stop` for the finish, and no other end for whole.
#[derive(Debug, Default)]
struct Words(bool);

impl Watch for Words {
    fn data(&mut self, data: &Bytes, record: &mut Record) -> bool {
        if data == "stop" {
            record.finish_reason = Some(FinishReason::Stop);
            record.usage = Some(Usage::new(3, 4));
            self.0 = true;
        }
        true
    }

    fn end(&mut self, _: End, record: &mut Record) -> Option<Deferred> {
        record.complete &= self.0;
        None
    }
}

fn words(_: &Parts) -> Option<Words> {
    Some(Words::default())
}

#[tokio::test]
async fn a7_an_event_stream_is_stored_only_if_it_is_proven_whole() {
    let events = |last: &'static str| {
        let mut response = Response::new(ScriptedBody::new().data("word").data(last));
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response.headers_mut().insert("content-type", kind);
        response
    };
    for (last, again) in [("stop", CacheStatus::Hit), ("[DONE]", CacheStatus::Miss)] {
        let layer = layer();
        let inner = ScriptedService::new([events(last), events(last)].map(Step::Respond));
        let service = ServiceBuilder::new()
            .layer(layer.clone())
            .layer(ObserveLayer::new(words))
            .service(inner);
        text(service.clone().oneshot(request()).await.unwrap())
            .await
            .unwrap();
        let second = service.oneshot(request()).await.unwrap();
        assert_eq!(status(&second), again, "{last}");
        let outcome = second.extensions().get::<Outcome>().unwrap().clone();
        text(second).await.unwrap();
        assert_eq!(outcome.complete(), last == "stop");
        let saved = if last == "stop" { (8, 7) } else { (0, 0) };
        let stats = layer.handle().stats();
        assert_eq!((stats.saved_bytes, stats.saved_tokens), saved);
    }
    // Without anybody who watches there is no proof.
    let stack = Stack::new(layer()).replies([events("stop"), events("stop")]);
    stack.ask(request()).await;
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
}

fn failure(code: u16) -> Response<ScriptedBody> {
    let mut response = reply(&[]);
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

#[tokio::test(start_paused = true)]
async fn a8_failures_are_not_stored_unless_asked_for_and_then_five_seconds_at_most() {
    for code in [206, 304, 307, 401, 403, 404, 429, 500, 503] {
        let stack = Stack::new(layer()).replies([failure(code), reply(&[])]);
        stack.ask(request()).await;
        assert_eq!(stack.ask(request()).await, CacheStatus::Miss, "{code}");
    }
    for (code, kept) in [(404, true), (503, true), (401, false), (429, false)] {
        let negative = layer().negative_time_to_live(MINUTE);
        let stack = Stack::new(negative).replies([failure(code), reply(&[])]);
        stack.ask(request()).await;
        let again = if kept {
            CacheStatus::Hit
        } else {
            CacheStatus::Miss
        };
        assert_eq!(stack.ask(request()).await, again, "{code}");
        if kept {
            sleep(SECOND * 5).await;
            assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a8_an_old_reply_stands_in_for_a_failure_and_says_so() {
    let stack = Stack::new(layer().stale_if_error(MINUTE).negative_time_to_live(SECOND));
    stack.inner.push([
        Step::Respond(reply(&[("x-from", "old")])),
        Step::Respond(failure(503)),
        Step::Fail("gone"),
        Step::Respond(failure(400)),
        Step::Respond(reply(&[("x-from", "new")])),
        Step::Fail("gone"),
    ]);
    stack.ask(request()).await;
    sleep(MINUTE + SECOND).await;

    for _ in 0..2 {
        let old = stack.send(request()).await.unwrap();
        assert_eq!(status(&old), CacheStatus::Stale);
        assert_eq!(old.headers()["x-from"], "old");
        assert_eq!(old.headers()["age"], "61");
        assert!(
            old.headers()["cache-status"]
                .to_str()
                .unwrap()
                .contains("stale")
        );
    }
    // The request's own fault is its answer.
    assert_eq!(stack.send(request()).await.unwrap().status(), 400);
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    assert_eq!(stack.ask(request()).await, CacheStatus::Hit);
    sleep(MINUTE * 3).await;
    assert!(stack.send(request()).await.is_err());
    assert_eq!(stack.handle().stats().rescued, 2);
}

#[tokio::test]
async fn a9_what_the_reply_forbids_is_not_stored() {
    let cases: [(&[(&str, &str)], bool); 10] = [
        (&[("cache-control", "no-store")], false),
        (&[("cache-control", "max-age=60, PRIVATE")], false),
        (&[("cache-control", "no-cache")], false),
        (&[("cache-control", "max-age=0")], false),
        (&[("set-cookie", "id=1")], false),
        (&[("vary", "*")], false),
        (&[("vary", "accept-language, Accept-Encoding")], false),
        (
            &[
                ("vary", "Accept-Language"),
                ("vary", "ACCEPT-LANGUAGE, accept-language"),
            ],
            true,
        ),
        (&[("cache-control", "max-age=60")], true),
        (&[], true),
    ];
    for (fields, stored) in cases {
        let stack = Stack::new(layer()).replies([reply(fields), reply(fields)]);
        stack.ask(request()).await;
        let again = if stored {
            CacheStatus::Hit
        } else {
            CacheStatus::Miss
        };
        assert_eq!(stack.ask(request()).await, again, "{fields:?}");
        let stats = stack.handle().stats();
        assert_eq!(
            (stats.stored, stats.not_stored),
            if stored { (1, 0) } else { (0, 2) }
        );
    }
}

#[tokio::test]
async fn a9_among_strangers_what_was_asked_with_a_key_is_for_one_unless_it_says_it_is_public() {
    for (fields, again) in [
        (&[][..], CacheStatus::Miss),
        (
            &[("cache-control", "public, max-age=60")][..],
            CacheStatus::Hit,
        ),
    ] {
        let shared = CacheLayer::new(MemoryTier::new(1 << 20), ByPath, Scope::shared());
        let stack = Stack::new(shared.time_to_live(MINUTE)).replies([reply(fields), reply(fields)]);
        stack.ask(asking("authorization", "Bearer a")).await;
        assert_eq!(stack.ask(asking("authorization", "Bearer b")).await, again);
    }
}

#[tokio::test]
async fn a10_a_policy_of_ones_own_decides_what_is_stored() {
    use blossom_layers::cache::{ByDirectives, CachePolicy, Lifetime, Storage};

    type Any = fn(&Request<ReqBody>) -> Option<CacheKey>;

    #[derive(Debug, Clone)]
    struct Always;

    impl CachePolicy<ReqBody> for Always {
        fn request(&self, _: &Request<ReqBody>) -> bool {
            true
        }

        fn reply(&self, _: &Parts) -> Storage {
            Storage::For(Lifetime::new(MINUTE))
        }
    }

    async fn twice<P>(policy: impl FnOnce(CacheLayer<Any>) -> CacheLayer<Any, P>) -> CacheStatus
    where
        P: CachePolicy<ReqBody> + Clone + Send + Sync + 'static,
    {
        let any: Any = |_| Some(CacheKey::new([7; 32]));
        let layer = CacheLayer::new(MemoryTier::new(1 << 20), any, Scope::fixed("a"));
        let inner = ScriptedService::new([reply(&[]), reply(&[])].map(Step::Respond));
        let service = policy(layer.time_to_live(MINUTE)).layer(inner);
        let post = || Request::post("/").body(ReqBody::from("{}")).unwrap();
        text(service.clone().oneshot(post()).await.unwrap())
            .await
            .unwrap();
        status(&service.oneshot(post()).await.unwrap())
    }

    let one_answer = |request: &Request<ReqBody>| request.body().bytes().is_some();
    assert_eq!(twice(|layer| layer).await, CacheStatus::Miss);
    let known = ByDirectives::new().deterministic(one_answer);
    assert_eq!(twice(|layer| layer.policy(known)).await, CacheStatus::Hit);
    assert_eq!(twice(|layer| layer.policy(Always)).await, CacheStatus::Hit);
}

/// How many bytes of a body are held by anybody.
#[derive(Clone, Default)]
struct Held(Arc<[AtomicUsize; 2]>);

struct Part(Vec<u8>, Held);

impl Held {
    fn part(&self, bytes: usize) -> Bytes {
        let now = self.0[0].fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.0[1].fetch_max(now, Ordering::SeqCst);
        Bytes::from_owner(Part(vec![b'a'; bytes], self.clone()))
    }

    fn most(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }

    /// A body that makes its frames as it is read.
    fn body(
        &self,
        frames: usize,
        bytes: usize,
    ) -> impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static {
        let held = self.clone();
        let frames = (0..frames).map(move |_| Ok(http_body::Frame::data(held.part(bytes))));
        http_body_util::StreamBody::new(futures_util::stream::iter(frames))
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.1.0[0].fetch_sub(self.0.len(), Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a11_a_body_over_the_limit_passes_whole_is_not_stored_and_is_not_held() {
    let held = Held::default();
    let inner = service_fn({
        let held = held.clone();
        move |_: Request<ReqBody>| {
            let body = ReqBody::stream(held.body(1000, 10));
            async move { Ok::<_, Infallible>(Response::new(body)) }
        }
    });
    let layer = layer().max_entry_bytes(100);
    let service = layer.layer(inner);

    let mut body = service
        .clone()
        .oneshot(request())
        .await
        .unwrap()
        .into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().into_data().unwrap().len();
    }

    assert_eq!(read, 10_000);
    assert!(held.most() <= 110, "{} bytes were held", held.most());
    assert_eq!(
        status(&service.oneshot(request()).await.unwrap()),
        CacheStatus::Miss
    );
    assert_eq!(layer.handle().stats().stored, 0);
}

/// A slow body in two halves, and what is done to it.
fn halves() -> (Response<ScriptedBody>, BodyLog) {
    let body = ScriptedBody::new().data("a").wait(SECOND).data("b");
    let log = body.log();
    (Response::new(body), log)
}

#[tokio::test(start_paused = true)]
async fn a12_a_reader_who_leaves_in_the_middle_cancels_or_the_fill_ends_alone() {
    for finishes in [false, true] {
        let (half, log) = halves();
        let stack = Stack::new(layer().finish_fill(finishes)).replies([half, reply(&[])]);
        let mut body = stack.send(request()).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);

        assert_eq!(log.dropped(), !finishes);
        sleep(SECOND * 2).await;
        assert!(log.dropped());
        let again = stack.send(request()).await.unwrap();
        let expected = if finishes {
            CacheStatus::Hit
        } else {
            CacheStatus::Miss
        };
        assert_eq!(status(&again), expected);
        if finishes {
            assert_eq!(text(again).await.unwrap(), "ab");
        }
        assert_eq!(stack.handle().in_flight(), usize::from(!finishes));
    }
}

#[tokio::test(start_paused = true)]
async fn b8_a_fill_that_ends_alone_has_a_limit_in_time_and_in_bytes() {
    let endless = || Response::new(ScriptedBody::new().data("a").stall());
    let large = || Response::new(ScriptedBody::new().data("a").data("bcd").stall());
    let start = || {
        let limited = layer()
            .finish_fill(true)
            .max_fill(SECOND * 5)
            .max_entry_bytes(3);
        Stack::new(limited)
    };
    for (response, lives) in [(endless(), true), (large(), false)] {
        let log = response.body().log();
        let stack = start().replies([response]);
        let mut body = stack.send(request()).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        sleep(SECOND).await;
        assert_eq!(log.dropped(), !lives);
        sleep(SECOND * 5).await;
        assert!(log.dropped());
        assert_eq!(stack.handle().in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a13_a_reader_who_stalls_reads_nothing_ahead_and_holds_nobody_up() {
    let body = (0..100).fold(ScriptedBody::new(), |body, n| body.data(format!("{n:02}")));
    let log = body.log();
    let stack = Stack::new(layer()).replies([Response::new(body)]);
    let mut stalled = stack.send(request()).await.unwrap().into_body();
    stalled.frame().await.unwrap().unwrap();
    sleep(MINUTE).await;
    assert_eq!(log.frames(), 1);

    let start = Instant::now();
    let other = stack.send(request()).await.unwrap();
    assert_eq!(text(other).await.unwrap().len(), 200);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(stalled.collect().await.unwrap().to_bytes().len(), 198);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_equal_callers_make_one_call_also_when_the_first_is_cancelled() {
    const CALLERS: usize = 10_000;
    let stack = Stack::new(layer());
    stack.inner.push([Step::RespondAfter(SECOND, reply(&[]))]);
    let mut first = spawn(stack.ask(request()));
    assert!(first.poll().is_pending());
    let others = (1..CALLERS).map(|_| stack.ask(request()));
    let others = tokio::join!(join_all(others), async {
        sleep(SECOND / 2).await;
        drop(first);
    });

    assert_eq!(others.0.len(), CALLERS - 1);
    assert_eq!(stack.inner.calls(), 1);
    let stats = stack.handle().stats();
    assert_eq!((stats.stored, stats.requests()), (1, CALLERS as u64));
    assert_eq!(stack.ask(request()).await, CacheStatus::Hit);
}

#[tokio::test(start_paused = true)]
async fn a14_when_a_hot_entry_expires_one_call_is_made() {
    const CALLERS: usize = 10_000;
    let stack = Stack::new(layer());
    stack.inner.push([
        Step::Respond(reply(&[])),
        Step::RespondAfter(SECOND, reply(&[])),
    ]);
    stack.ask(request()).await;
    sleep(MINUTE).await;

    let all = join_all((0..CALLERS).map(|_| stack.ask(request()))).await;

    assert_eq!(stack.inner.calls(), 2);
    let misses = all
        .iter()
        .filter(|status| **status == CacheStatus::Miss)
        .count();
    assert_eq!(misses, 1);
    let stats = stack.handle().stats();
    assert_eq!(stats.coalesced, CALLERS as u64 - 1);
    assert_eq!(stats.requests(), CALLERS as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn a14_a_stale_reply_is_given_at_once_to_all_while_one_call_refreshes_it() {
    let stack = Stack::new(layer().stale_while_revalidate(MINUTE));
    stack.inner.push([
        Step::Respond(reply(&[("x-from", "old")])),
        Step::RespondAfter(SECOND, reply(&[("x-from", "new")])),
    ]);
    stack.ask(request()).await;
    sleep(MINUTE).await;
    let start = Instant::now();

    for response in join_all((0..100).map(|_| stack.send(request()))).await {
        let response = response.unwrap();
        assert_eq!(status(&response), CacheStatus::Stale);
        assert_eq!(response.headers()["x-from"], "old");
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(SECOND * 2).await;

    let fresh = stack.send(request()).await.unwrap();
    assert_eq!(
        (status(&fresh), &fresh.headers()["x-from"]),
        (CacheStatus::Hit, &HeaderValue::from_static("new"))
    );
    assert_eq!(stack.inner.calls(), 2);
    assert_eq!(stack.handle().stats().stale, 100);
}

#[tokio::test(start_paused = true)]
async fn a14_jitter_spreads_what_was_stored_together() {
    let stack = Stack::new(layer().jitter_percent(50)).replies((0..100).map(|_| reply(&[])));
    let ask = |n: usize| {
        let request = Request::get(format!("/{n}"))
            .body(ReqBody::empty())
            .unwrap();
        stack.ask(request)
    };
    for n in 0..100 {
        ask(n).await;
    }
    sleep(SECOND * 29).await;
    for n in 0..100 {
        assert_eq!(ask(n).await, CacheStatus::Hit);
    }
    sleep(SECOND * 16).await;
    let mut hits = 0;
    for n in 0..100 {
        hits += usize::from(ask(n).await == CacheStatus::Hit);
    }
    assert!(
        (20..80).contains(&hits),
        "{hits} of 100 lived for three quarters"
    );
}

#[tokio::test(start_paused = true)]
async fn a15_a_reply_is_fresh_by_a_clock_that_only_goes_forward() {
    let aged = reply(&[("cache-control", "max-age=60"), ("age", "50")]);
    let stack = Stack::new(layer()).replies([aged, reply(&[])]);
    stack.ask(request()).await;
    sleep(SECOND * 9).await;
    let hit = stack.send(request()).await.unwrap();
    assert_eq!(hit.headers()["age"], "59");
    sleep(SECOND).await;
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
}

#[tokio::test(start_paused = true)]
async fn a16_every_time_to_live_is_legal() {
    for (time_to_live, again) in [
        (Duration::ZERO, CacheStatus::Miss),
        (Duration::from_nanos(1), CacheStatus::Hit),
        (Duration::from_secs(u64::MAX), CacheStatus::Hit),
        (Duration::MAX, CacheStatus::Hit),
    ] {
        let cache = layer()
            .time_to_live(time_to_live)
            .time_to_idle(Duration::MAX)
            .stale_while_revalidate(Duration::MAX)
            .stale_if_error(Duration::MAX)
            .jitter_percent(255)
            .max_fill(Duration::MAX)
            .max_age(Duration::MAX)
            .lag_grace(Duration::MAX);
        // A time that chance has shortened to nothing is no time.
        let cache = if time_to_live < SECOND {
            cache.jitter_percent(0)
        } else {
            cache
        };
        let stack = Stack::new(cache).replies([reply(&[]), reply(&[])]);
        stack.ask(request()).await;
        assert_eq!(stack.ask(request()).await, again, "{time_to_live:?}");
        let options = CacheOptions::new().time_to_live(time_to_live).fresh();
        stack.ask(with(options)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn time_to_idle_ends_what_nobody_asks_for() {
    let stack = Stack::new(layer().time_to_idle(SECOND * 10)).replies([reply(&[]), reply(&[])]);
    stack.ask(request()).await;
    for _ in 0..3 {
        sleep(SECOND * 9).await;
        assert_eq!(stack.ask(request()).await, CacheStatus::Hit);
    }
    sleep(SECOND * 10).await;
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
}

#[tokio::test(start_paused = true)]
async fn a18_a_fill_that_began_before_a_purge_does_not_store_after_it_and_nobody_joins_it() {
    let own = Owner::Fixed("a");
    let purges: [(&str, bool, &dyn Fn(&CacheHandle)); 7] = [
        ("all", true, &|cache| cache.clear()),
        ("scope", true, &|cache| cache.invalidate_scope(own)),
        ("tag", true, &|cache| cache.invalidate_tag("faq")),
        ("key", true, &|cache| cache.invalidate_key(own, "k")),
        ("other scope", false, &|cache| {
            cache.invalidate_scope(Owner::Fixed("b"));
        }),
        ("other tag", false, &|cache| cache.invalidate_tag("news")),
        ("other key", false, &|cache| cache.invalidate_key(own, "l")),
    ];
    let options = || with(CacheOptions::new().key("k").tag("faq"));
    for (name, covered, purge) in purges {
        // While it flies.
        let (half, _) = halves();
        let stack = Stack::new(layer()).replies([half, reply(&[]), reply(&[])]);
        let old = stack.send(options()).await.unwrap();
        purge(&stack.handle());
        let next = stack.send(options()).await.unwrap();
        let expected = if covered {
            CacheStatus::Miss
        } else {
            CacheStatus::Coalesced
        };
        assert_eq!(status(&next), expected, "{name}");
        drop(next);
        assert_eq!(text(old).await.unwrap(), "ab");
        let expected = if covered {
            CacheStatus::Miss
        } else {
            CacheStatus::Hit
        };
        assert_eq!(stack.ask(options()).await, expected, "{name}");

        // When it is there.
        assert_eq!(stack.ask(options()).await, CacheStatus::Hit);
        purge(&stack.handle());
        assert_eq!(stack.ask(options()).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn b7_an_old_call_does_not_overwrite_the_reply_of_a_newer_one() {
    let slow = |from, seconds| {
        let body = ScriptedBody::new().wait(SECOND * seconds).data("a").sized();
        let mut response = Response::new(body);
        response
            .headers_mut()
            .insert("x-from", HeaderValue::from_static(from));
        response
    };
    let stack = Stack::new(layer().max_age(SECOND * 5)).replies([slow("old", 20), slow("new", 1)]);
    let old = stack.send(request()).await.unwrap();
    let old = async { text(old).await.unwrap() };
    let new = async {
        sleep(SECOND * 6).await;
        stack.ask(request()).await
    };
    let (old, new) = tokio::join!(old, new);
    assert_eq!((old.as_ref(), new), (&b"a"[..], CacheStatus::Miss));

    let hit = stack.send(request()).await.unwrap();
    assert_eq!(hit.headers()["x-from"], "new");
}

#[tokio::test(start_paused = true)]
async fn a19_a_thousand_replays_are_all_the_same_and_share_their_bytes() {
    let frames = ["data: a\n\n", "da", "ta: b\n", "\n", "data: [DONE]\n\n"];
    let body = frames
        .into_iter()
        .fold(ScriptedBody::new(), |body, frame| body.data(frame));
    let stack = Stack::new(layer()).replies([Response::new(body.trailer("x-end", "1"))]);
    stack.ask(request()).await;

    let mut first = None;
    for n in 0..1000 {
        let mut body = stack.send(request()).await.unwrap().into_body();
        for expected in frames {
            if n % 100 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
            let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(data, expected);
            if expected == frames[0] {
                assert_eq!(*first.get_or_insert(data.as_ptr()), data.as_ptr());
            }
        }
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.is_end_stream());
    }
    assert_eq!(stack.inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replay_can_have_a_pace() {
    let body = ScriptedBody::new().data("a").data("b").data("c");
    let stack = Stack::new(layer().pace(SECOND)).replies([Response::new(body)]);
    stack.ask(request()).await;
    let start = Instant::now();

    assert_eq!(
        text(stack.send(request()).await.unwrap()).await.unwrap(),
        "abc"
    );
    assert_eq!(start.elapsed(), SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_request_says_is_honoured() {
    let replies = (0..9).map(|_| reply(&[]));
    let stack = Stack::new(layer().stale_if_error(MINUTE)).replies(replies);
    let ask = |value| stack.ask(asking("cache-control", value));

    assert_eq!(ask("no-store").await, CacheStatus::Bypass);
    let none = stack
        .send(asking("cache-control", "only-if-cached"))
        .await
        .unwrap();
    assert_eq!(none.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(stack.inner.calls(), 1);

    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    assert_eq!(ask("only-if-cached").await, CacheStatus::Hit);
    assert_eq!(ask("no-cache").await, CacheStatus::Miss);
    assert_eq!(ask("max-age=0").await, CacheStatus::Hit);
    sleep(SECOND * 10).await;
    assert_eq!(ask("max-age=10").await, CacheStatus::Hit);
    assert_eq!(ask("min-fresh=50").await, CacheStatus::Hit);
    assert_eq!(ask("min-fresh=51").await, CacheStatus::Miss);
    sleep(SECOND * 10).await;
    assert_eq!(ask("max-age=9").await, CacheStatus::Miss);
    sleep(MINUTE + SECOND).await;
    assert_eq!(ask("max-stale=5").await, CacheStatus::Stale);
    assert_eq!(ask("max-stale").await, CacheStatus::Stale);
    assert_eq!(ask("max-stale=0").await, CacheStatus::Miss);
}

#[tokio::test]
async fn what_wants_a_part_or_another_protocol_passes_by() {
    let stack = Stack::new(layer()).replies((0..9).map(|_| reply(&[])));
    for name in ["range", "if-none-match", "if-modified-since", "upgrade"] {
        assert_eq!(
            stack.ask(asking(name, "x")).await,
            CacheStatus::Bypass,
            "{name}"
        );
    }
    let post = Request::post("/").body(ReqBody::from("{}")).unwrap();
    assert_eq!(stack.ask(post).await, CacheStatus::Bypass);
    let bypassed = stack.handle().stats().bypassed;
    assert_eq!(
        (bypassed.partial, bypassed.no_key, bypassed.total()),
        (4, 1, 5)
    );
}

#[tokio::test(start_paused = true)]
async fn options_of_one_request() {
    let stack = Stack::new(layer()).replies((0..9).map(|_| reply(&[])));
    let ask = |options| stack.ask(with(options));

    assert_eq!(
        ask(CacheOptions::new().no_store()).await,
        CacheStatus::Bypass
    );
    assert_eq!(
        ask(CacheOptions::new().time_to_live(SECOND * 5)).await,
        CacheStatus::Miss
    );
    assert_eq!(stack.ask(request()).await, CacheStatus::Hit);
    sleep(SECOND * 5).await;
    assert_eq!(
        ask(CacheOptions::new().time_to_live(MINUTE * 2)).await,
        CacheStatus::Miss
    );
    sleep(MINUTE).await;
    assert_eq!(ask(CacheOptions::new()).await, CacheStatus::Hit);
    assert_eq!(ask(CacheOptions::new().fresh()).await, CacheStatus::Miss);
    sleep(MINUTE).await;
    assert_eq!(ask(CacheOptions::new()).await, CacheStatus::Miss);

    // A key of one's own replaces all but the scope, the method too.
    let mut post = Request::post("/else").body(ReqBody::from("{}")).unwrap();
    post.extensions_mut().insert(CacheOptions::new().key("k"));
    assert_eq!(ask(CacheOptions::new().key("k")).await, CacheStatus::Miss);
    assert_eq!(stack.ask(post).await, CacheStatus::Hit);
    let stored = stack.handle().stats().stored;
    assert_eq!(
        ask(CacheOptions::new().key("l").time_to_live(Duration::ZERO)).await,
        CacheStatus::Miss
    );
    assert_eq!(stack.handle().stats().stored, stored);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_request_joins_nobody_and_replaces_what_an_older_one_brings() {
    let slow = |from, wait| {
        let mut response = Response::new(ScriptedBody::new().wait(wait).data("a").sized());
        response
            .headers_mut()
            .insert("x-from", HeaderValue::from_static(from));
        response
    };
    let stack = Stack::new(layer()).replies([slow("old", SECOND * 9), slow("new", SECOND)]);
    let old = stack.send(request()).await.unwrap();
    let new = stack.send(with(CacheOptions::new().fresh())).await.unwrap();
    assert_eq!(
        status(&stack.send(request()).await.unwrap()),
        CacheStatus::Coalesced
    );
    assert!(tokio::join!(text(old), text(new)).0.is_ok());

    assert_eq!(
        stack.send(request()).await.unwrap().headers()["x-from"],
        "new"
    );
    assert_eq!(stack.inner.calls(), 2);
}

#[tokio::test]
async fn buckets_give_so_many_different_answers_and_no_more() {
    let stack = Stack::new(layer().buckets(NonZeroUsize::new(3).unwrap()));
    let replies = (0..100).map(|n| Response::new(ScriptedBody::new().data(format!("{n}")).sized()));
    let stack = stack.replies(replies);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        seen.insert(text(stack.send(request()).await.unwrap()).await.unwrap());
    }
    assert_eq!(seen.len(), 3);
    assert_eq!(stack.inner.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_takes_time_is_made_once_for_all_who_wait() {
    let tier = Double {
        wait: Some(SECOND),
        ..Double::default()
    };
    let slow = CacheLayer::new(tier.clone(), ByPath, Scope::fixed("a")).time_to_live(MINUTE);
    let stack = Stack::new(slow).replies([reply(&[])]);
    let all = join_all((0..100).map(|_| stack.ask(request()))).await;
    assert_eq!(
        all.iter()
            .filter(|status| **status == CacheStatus::Miss)
            .count(),
        1
    );
    assert_eq!(
        (tier.lookups.load(Ordering::SeqCst), stack.inner.calls()),
        (100, 1)
    );

    let all = join_all((0..100).map(|_| stack.send(request()))).await;
    for (n, response) in all.into_iter().enumerate() {
        let response = response.unwrap();
        let expected = if n == 0 {
            CacheStatus::Hit
        } else {
            CacheStatus::Coalesced
        };
        assert_eq!(status(&response), expected);
        assert_eq!(text(response).await.unwrap(), "a");
    }
    let only = || stack.send(asking("cache-control", "only-if-cached"));
    assert_eq!(status(&only().await.unwrap()), CacheStatus::Hit);
    tier.remove(&CacheKey::new([0; 32]));
    assert_eq!(only().await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);

    let given_up = timeout(SECOND / 2, stack.ask(request())).await;
    assert!(given_up.is_err());
    let stats = stack.handle().stats();
    assert_eq!((stats.hits, stats.misses, stats.coalesced), (2, 3, 198));
    assert_eq!((stack.inner.calls(), stats.requests()), (1, 203));
}

#[tokio::test]
async fn b3_a_policy_that_panics_is_a_typed_error_and_is_counted() {
    let panics = |request: &Request<ReqBody>| {
        assert!(request.uri().path() != "/panic", "this key panics");
        Some(CacheKey::new([7; 32]))
    };
    let layer = CacheLayer::new(MemoryTier::new(1 << 20), panics, Scope::fixed("a"));
    let service = layer.layer(ScriptedService::default());
    let bad = Request::get("/panic").body(ReqBody::empty()).unwrap();

    assert!(
        service
            .clone()
            .oneshot(bad)
            .await
            .unwrap_err()
            .is::<Panicked>()
    );
    assert!(service.oneshot(request()).await.is_ok());
    let stats = layer.handle().stats();
    assert_eq!((stats.bypassed.panicked, stats.misses), (1, 1));
}

#[tokio::test]
async fn two_clones_of_a_layer_share_and_two_layers_do_not() {
    let stack = Stack::new(layer()).replies([reply(&[]), reply(&[])]);
    stack.ask(request()).await;
    assert_eq!(stack.clone().ask(request()).await, CacheStatus::Hit);
    let other = Stack {
        layer: layer(),
        inner: stack.inner.clone(),
    };
    assert_eq!(other.ask(request()).await, CacheStatus::Miss);
}

/// What one of many requests does.
#[derive(Debug, Clone)]
enum Act {
    Ask { path: u8, gives_up: u64 },
    Panic,
    NoStore,
    Fresh { path: u8 },
    Fail { path: u8 },
    Purge,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..3_u8, 0..300_u64).prop_map(|(path, gives_up)| Act::Ask { path, gives_up }),
        1 => Just(Act::Panic),
        1 => Just(Act::NoStore),
        1 => (0..3_u8).prop_map(|path| Act::Fresh { path }),
        2 => (0..3_u8).prop_map(|path| Act::Fail { path }),
        1 => Just(Act::Purge),
        3 => (0..200_u64).prop_map(Act::Wait),
    ]
}

/// Answers by path after a while, fails or panics where it is told to.
async fn upstream(request: Request<ReqBody>) -> Result<Response<ScriptedBody>, BoxError> {
    sleep(Duration::from_millis(50)).await;
    assert!(
        !request.headers().contains_key("x-panic"),
        "the upstream panics"
    );
    if request.headers().contains_key("x-fail") {
        return Err("failed".into());
    }
    let path = request.uri().path().to_owned();
    let body = ScriptedBody::new()
        .data(path)
        .wait(Duration::from_millis(50))
        .data("!");
    Ok(Response::new(body))
}

fn request_of(act: &Act) -> Request<ReqBody> {
    let (path, header) = match act {
        Act::Ask { path, .. } | Act::Fresh { path } => (*path, None),
        Act::Fail { path } => (*path, Some("x-fail")),
        Act::Panic => (9, Some("x-panic")),
        Act::NoStore | Act::Purge | Act::Wait(_) => (9, None),
    };
    let mut request = Request::get(format!("/{path}"))
        .body(ReqBody::empty())
        .unwrap();
    if let Some(header) = header {
        request
            .headers_mut()
            .insert(header, HeaderValue::from_static("1"));
    }
    let options = match act {
        Act::NoStore => CacheOptions::new().no_store(),
        Act::Fresh { .. } => CacheOptions::new().fresh(),
        _ => CacheOptions::new(),
    };
    request.extensions_mut().insert(options);
    request
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// P3, P9: every request is counted once whatever becomes of it, and who gets a reply gets all
    /// of the right one.
    #[test]
    fn a20_the_counters_always_add_up(acts in proptest::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async move {
            let layer = layer().time_to_live(Duration::from_millis(300)).stale_while_revalidate(Duration::from_millis(100));
            let cache = layer.handle();
            let service = layer.layer(service_fn(upstream));
            let mut tasks = Vec::new();
            let mut sent = 0;
            for act in acts {
                match act {
                    Act::Wait(millis) => sleep(Duration::from_millis(millis)).await,
                    Act::Purge => cache.clear(),
                    act => {
                        let request = request_of(&act);
                        let gives_up = if let Act::Ask { gives_up, .. } = act { gives_up } else { 1000 };
                        let path = request.uri().path().to_owned();
                        let call = service.clone().call(request);
                        sent += 1;
                        tasks.push(Box::pin(timeout(Duration::from_millis(gives_up), async move {
                            let got = text(call.await?).await?;
                            assert_eq!(got, format!("{path}!"));
                            Ok::<_, BoxError>(())
                        })) as Pin<Box<dyn Future<Output = _> + Send>>);
                    }
                }
                assert_eq!(cache.stats().requests(), sent);
            }
            drop(join_all(tasks).await);
            sleep(MINUTE).await;
            let stats = cache.stats();
            assert_eq!(stats.requests(), sent);
            assert_eq!(cache.in_flight(), 0);
            assert_eq!(stats.tier.entries, stats.tier.stored - stats.tier.evicted.total());
        });
    }
}
