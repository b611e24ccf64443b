use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::{
    body::{End, Guard, Guarded},
    types::{Outcome, Watch},
};

/// Response body of [`Observe`](super::Observe).
///
/// ```
/// use blossom_layers::observe::{ObserveLayer, ResponseBody};
/// # use blossom_layers::{body::End, test_util::*, types::{Deferred, Record, Watch}};
/// # use bytes::Bytes;
/// # use http::{Request, response::Parts};
/// # use http_body_util::BodyExt;
/// # use tower::{Layer, ServiceExt};
/// # struct Note;
/// # impl Watch for Note {
/// #     fn data(&mut self, data: &Bytes, _: &mut Record) -> bool { !data.is_empty() }
/// #     fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> { None }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let inner = ScriptedService::once(ScriptedBody::new().data("hello"));
/// let service = ObserveLayer::new(|_: &Parts| Some(Note)).layer(inner);
/// let response = service.oneshot(Request::new(())).await?;
/// let body: ResponseBody<ScriptedBody, Note> = response.into_body();
/// assert_eq!(body.collect().await?.to_bytes(), "hello", "it changes nothing");
/// # Ok(())
/// # }
/// ```
pub struct ResponseBody<B, W: Watch> {
    // Boxed, since a body is moved through each layer further out: that would cost more.
    inner: Pin<Box<Guarded<B, Watching<W>>>>,
}

impl<B: Body, W: Watch> ResponseBody<B, W> {
    pub(super) fn new(body: B, watch: Option<W>, outcome: Outcome, started: Instant) -> Self {
        let watching = Watching {
            watch,
            outcome,
            started,
            begun: false,
            read: None,
        };
        Self {
            inner: Box::pin(Guarded::new(body, watching)),
        }
    }
}

impl<B, W> Body for ResponseBody<B, W>
where
    B: Body<Data = Bytes>,
    W: Watch,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.inner.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug, W: Watch> fmt::Debug for ResponseBody<B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .finish()
    }
}

struct Watching<W> {
    watch: Option<W>,
    outcome: Outcome,
    started: Instant,
    begun: bool,
    // The clock, if it was read in this poll: most replies begin and end in one.
    read: Option<Duration>,
}

impl<W: Watch> Guard for Watching<W> {
    fn around<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        self.read = None;
        poll()
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        let Some(data) = frame.data_ref() else {
            return;
        };
        let Self {
            watch,
            outcome,
            started,
            begun,
            read,
        } = self;
        outcome.update(|record| {
            let answer = match watch {
                Some(watch) => watch.data(data, record),
                None => !data.is_empty(),
            };
            if answer && !*begun {
                *begun = true;
                *read = Some(started.elapsed());
                record.timing.first_event = *read;
            }
        });
    }

    fn end(mut self, end: End) {
        let read = self.read.filter(|_| end != End::Dropped);
        let ended = read.unwrap_or_else(|| self.started.elapsed());
        let watch = self.watch.as_mut();
        self.outcome.update_and_defer(|record| {
            record.timing.end = Some(ended);
            record.complete = end == End::Complete;
            record.end = Some(end);
            watch.and_then(|watch| watch.end(end, record))
        });
    }
}
