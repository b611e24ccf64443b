use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response, StatusCode, header::SET_COOKIE};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    Entry,
    body::{ResponseBody, Saved, stored_response},
    fill::{Fill, Shared},
    headers::{rewrite_forwarded, write_forwarded},
    plan::Keep,
};
use crate::{
    BoxError,
    body::Replay,
    flight::{By, Call, Caught},
    types::{CacheStatus, Outcome},
};

pin_project! {
    /// Response future of [`Cache`](super::Cache).
    ///
    /// ```
    /// use blossom_layers::cache::{CacheLayer, ResponseFuture};
    /// # use blossom_layers::cache::{key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::Scope};
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    ///
    /// /// What a cache over a service `S` answers with.
    /// type Answer<S> = ResponseFuture<S, ReqBody, <S as Service<Request<ReqBody>>>::Future>;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let mut service = layer.layer(ScriptedService::default());
    /// let answer: Answer<ScriptedService> = service.call(Request::new(ReqBody::empty()));
    /// assert_eq!(answer.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        Stored { entry: Option<Arc<Entry>>, status: CacheStatus, age: Duration, pace: Duration },
        // Only what is stored was wanted.
        Unsatisfied,
        Bypassed { #[pin] call: Call<S, B, F, Fill> },
        Calling { #[pin] call: Call<S, B, F, Fill>, shared: Arc<Shared> },
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    pub(super) const fn stored(
        entry: Arc<Entry>,
        status: CacheStatus,
        age: Duration,
        pace: Duration,
    ) -> Self {
        Self {
            state: State::Stored {
                entry: Some(entry),
                status,
                age,
                pace,
            },
        }
    }

    pub(super) const fn unsatisfied() -> Self {
        Self {
            state: State::Unsatisfied,
        }
    }

    pub(super) const fn bypassed(call: Call<S, B, F, Fill>) -> Self {
        Self {
            state: State::Bypassed { call },
        }
    }

    pub(super) const fn calling(call: Call<S, B, F, Fill>, shared: Arc<Shared>) -> Self {
        Self {
            state: State::Calling { call, shared },
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Each way to its end: what is joined is moved once more.
        match self.project().state.project() {
            StateProj::Stored {
                entry,
                status,
                age,
                pace,
            } => match entry.take() {
                Some(entry) => {
                    let body = |replay| ResponseBody::stored(replay, *pace);
                    Poll::Ready(Ok(stored_response(&entry, *status, *age, body)))
                }
                // Polled after its end.
                None => Poll::Pending,
            },
            StateProj::Unsatisfied => Poll::Ready(Ok(unsatisfied())),
            StateProj::Bypassed { call } => {
                let Caught { mut head, body, .. } = ready!(call.poll(cx))?;
                write_forwarded(&mut head.headers, CacheStatus::Bypass);
                head.extensions.insert(CacheStatus::Bypass);
                let body = ResponseBody::passing(body, None);
                Poll::Ready(Ok(Response::from_parts(head, body)))
            }
            StateProj::Calling { call, shared } => {
                Poll::Ready(Ok(received(ready!(call.poll(cx))?, shared)))
            }
        }
    }
}

/// Writes where the reply came from.
fn received<R>(caught: Caught<R, Fill>, shared: &Arc<Shared>) -> Response<ResponseBody<R>> {
    let Caught { mut head, body, by } = caught;
    let keep = head.extensions.remove::<Keep>();
    let follows = by == By::Follower;
    if keep.is_some_and(|keep| keep.rescued) {
        shared.counters.rescued();
    }
    let from_tier = keep.is_some_and(|keep| keep.from_tier);
    let stale = head.extensions.get() == Some(&CacheStatus::Stale);
    if !from_tier || (follows && !stale) {
        let status = if follows {
            CacheStatus::Coalesced
        } else {
            CacheStatus::Miss
        };
        if follows {
            head.headers.remove(SET_COOKIE);
        }
        match by {
            // As it was written when it arrived.
            By::Creator => {}
            By::Follower if !from_tier => rewrite_forwarded(&mut head.headers, status),
            By::Follower | By::Own => write_forwarded(&mut head.headers, status),
        }
        head.extensions.insert(status);
    }
    let saved = follows.then(|| {
        let outcome = head.extensions.get::<Outcome>().cloned();
        Saved::new(shared.clone(), outcome)
    });
    Response::from_parts(head, ResponseBody::passing(body, saved))
}

/// RFC 9111 section 5.2.1.7.
fn unsatisfied<R>() -> Response<ResponseBody<R>> {
    let replay = Replay::new(Arc::default());
    let mut response = Response::new(ResponseBody::stored(replay, Duration::ZERO));
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    write_forwarded(response.headers_mut(), CacheStatus::Miss);
    response.extensions_mut().insert(CacheStatus::Miss);
    response
}

impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Stored { .. } => "Stored",
            State::Unsatisfied => "Unsatisfied",
            State::Bypassed { .. } => "Bypassed",
            State::Calling { .. } => "Calling",
        })
    }
}
