//! The cache: what it keeps, for whom, how long, and what it counts.

mod asked;
mod counters;
mod fills;
mod freshness;
mod hits;
mod kept;
mod races;

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
        CacheKey, CacheOptions, CacheStatus, Decoded, Deferred, FinishReason, KeyPolicy, Outcome,
        Owner, Record, Scope, Tenant, Usage, Watch,
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

/// A slow body in two halves, and what is done to it.
fn halves() -> (Response<ScriptedBody>, BodyLog) {
    let body = ScriptedBody::new().data("a").wait(SECOND).data("b");
    let log = body.log();
    (Response::new(body), log)
}
