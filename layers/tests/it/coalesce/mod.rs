//! Flights, seen through the layer that is nothing but them.

mod calls;
mod failures;
mod model;
mod readers;
mod sharing;

use std::{
    convert::Infallible,
    error::Error as _,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use blossom_layers::{
    BoxError,
    body::ReqBody,
    cause_ref,
    coalesce::{CoalesceLayer, ResponseBody},
    flight::{Lagged, Panicked, Shared},
    test_util::{ScriptedBody, ScriptedService, Step},
    timeout::{Elapsed, TotalTimeoutLayer},
    types::{CacheKey, CacheStatus, Deadline, Scope, Tenant},
};
use bytes::Bytes;
use futures_util::future::{join_all, maybe_done, select};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};
use tokio_test::task::spawn;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);

/// Equal paths are equal requests; only GET may share.
fn by_path(request: &Request<ReqBody>) -> Option<CacheKey> {
    let mut key = [0; 32];
    let path = request.uri().path().bytes();
    key.iter_mut().zip(path).for_each(|(to, from)| *to = from);
    (request.method() == Method::GET).then(|| CacheKey::new(key))
}

type Policy = fn(&Request<ReqBody>) -> Option<CacheKey>;

fn layer() -> CoalesceLayer<Policy> {
    CoalesceLayer::new(by_path, Scope::fixed("a"))
}

fn request() -> Request<ReqBody> {
    Request::new(ReqBody::empty())
}

fn slow(body: ScriptedBody) -> Step {
    Step::RespondAfter(SECOND, Response::new(body))
}

async fn text<B>(response: Response<B>) -> Result<Bytes, B::Error>
where
    B: http_body::Body<Data = Bytes>,
{
    Ok(response.into_body().collect().await?.to_bytes())
}

async fn next<B>(body: &mut Pin<Box<B>>) -> Option<Result<Bytes, B::Error>>
where
    B: http_body::Body<Data = Bytes>,
{
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

/// A task of its own, as callers are; layers have none.
fn start<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::runtime::Handle::current().spawn(work)
}

/// A call on its way.
type Call<R> = Pin<Box<dyn Future<Output = Result<Response<ResponseBody<R>>, BoxError>> + Send>>;

/// A service and a stack over it that is called anew each time.
fn stack<S, R>(layer: &CoalesceLayer<Policy>, inner: S) -> impl Fn() -> Call<R> + use<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let service = layer.layer(inner);
    move || Box::pin(service.clone().oneshot(request()))
}
