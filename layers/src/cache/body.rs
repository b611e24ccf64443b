use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::{
    Entry,
    entry::tokens,
    fill::{Fill, Shared},
    headers::write_stored,
};
use crate::{
    BoxError,
    body::Replay,
    flight::Ride,
    timer::Timer,
    types::{CacheStatus, Outcome},
};

/// The reply that `entry` keeps, so old.
pub(super) fn stored_response<B>(
    entry: &Arc<Entry>,
    status: CacheStatus,
    age: Duration,
    body: impl FnOnce(Replay) -> B,
) -> Response<B> {
    let mut response = Response::new(body(Replay::new(entry.body().clone())));
    *response.status_mut() = entry.status();
    *response.headers_mut() = entry.headers().clone();
    write_stored(response.headers_mut(), status, age);
    response.extensions_mut().insert(status);
    response.extensions_mut().insert(entry.learnt().clone());
    response
}

pin_project! {
    /// Response body of [`Cache`](super::Cache).
    ///
    /// ```
    /// use blossom_layers::cache::{CacheLayer, ResponseBody};
    /// # use blossom_layers::cache::{key::CanonicalKey, tier::MemoryTier};
    /// # use blossom_layers::{body::ReqBody, test_util::*, types::Scope};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::shared());
    /// let service = layer.layer(ScriptedService::once(ScriptedBody::new().data("hello")));
    /// let response = service.oneshot(Request::new(ReqBody::empty())).await?;
    /// let body: ResponseBody<ScriptedBody> = response.into_body();
    /// assert_eq!(body.collect().await?.to_bytes(), "hello");
    /// # Ok(())
    /// # }
    /// ```
    pub struct ResponseBody<R> {
        #[pin]
        kind: Kind<R>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<R> {
        Stored { paced: Paced },
        Passing { #[pin] ride: Ride<R, Fill>, saved: Option<Saved> },
    }
}

impl<R> ResponseBody<R> {
    /// A stored body, with so long a pause between its frames.
    pub(super) fn stored(replay: Replay, pace: Duration) -> Self {
        Self {
            kind: Kind::Stored {
                paced: Paced {
                    replay,
                    pace,
                    next: None,
                    timer: Timer::default(),
                },
            },
        }
    }

    /// A body of the upstream's, own or shared.
    pub(super) const fn passing(ride: Ride<R, Fill>, saved: Option<Saved>) -> Self {
        Self {
            kind: Kind::Passing { ride, saved },
        }
    }
}

/// Plays a stored body, at a pace if that is wanted.
struct Paced {
    replay: Replay,
    pace: Duration,
    // When the next frame is due.
    next: Option<Instant>,
    timer: Timer,
}

impl Paced {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // The end is no frame: it is there with the last one.
        if let Some(next) = self.next
            && !self.replay.is_end_stream()
        {
            ready!(self.timer.poll_until(next, cx));
        }
        if !self.pace.is_zero() {
            self.next = Instant::now().checked_add(self.pace);
        }
        Pin::new(&mut self.replay)
            .poll_frame(cx)
            .map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
    }
}

/// Counts what a follower got that it did not ask the upstream for.
pub(super) struct Saved {
    shared: Arc<Shared>,
    bytes: u64,
    outcome: Option<Outcome>,
}

impl Saved {
    pub(super) const fn new(shared: Arc<Shared>, outcome: Option<Outcome>) -> Self {
        Self {
            shared,
            bytes: 0,
            outcome,
        }
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        let outcome = self.outcome.as_ref().filter(|outcome| outcome.ended());
        self.shared
            .counters
            .saved(self.bytes, outcome.map_or(0, tokens));
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().kind.project() {
            KindProj::Stored { paced } => paced.poll_frame(cx),
            KindProj::Passing { ride, saved } => {
                let frame = ready!(ride.poll_frame(cx));
                if let (Some(saved), Some(Ok(frame))) = (saved, &frame) {
                    saved.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Stored { paced } => paced.replay.is_end_stream(),
            Kind::Passing { ride, .. } => ride.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Stored { paced } => paced.replay.size_hint(),
            Kind::Passing { ride, .. } => ride.size_hint(),
        }
    }
}

impl<R: fmt::Debug> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Stored { paced } => f.debug_tuple("Stored").field(&paced.replay).finish(),
            Kind::Passing { ride, .. } => f.debug_tuple("Passing").field(ride).finish(),
        }
    }
}
