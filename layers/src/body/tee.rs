use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{End, Guard, Guarded, Recording};

/// What a [`Tee`] hands over when its body ends.
///
/// ```
/// use std::cell::Cell;
///
/// use blossom_layers::body::{End, ReqBody, Taken, Tee};
///
/// let taken = Cell::new(None);
/// drop(Tee::new(ReqBody::from("hello"), 1024, |what: Taken| taken.set(Some(what))));
/// assert_eq!(taken.take().map(|taken| taken.end), Some(End::Dropped));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Taken {
    /// How the body ended. Only after [`End::Complete`] is the recording whole.
    pub end: End,
    /// What passed, or `None` if it was more than the limit.
    pub recording: Option<Recording>,
}

pin_project! {
    /// A body that is recorded while it passes, up to a limit in bytes.
    ///
    /// Each frame goes to the reader in the same poll in which it came; the recording shares its
    /// bytes. When the body ends, `done` gets what was taken, exactly once. A body larger than the
    /// limit passes on whole, and the recording is given up at once, so that the memory held never
    /// exceeds the limit plus one frame.
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// use blossom_layers::body::{ReqBody, Tee};
    /// use http_body_util::BodyExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let recording = Cell::new(None);
    /// let body = Tee::new(ReqBody::from("hello"), 1024, |taken| recording.set(taken.recording));
    /// body.collect().await?;
    /// assert_eq!(recording.take().ok_or("it was small")?.frames(), ["hello"]);
    /// # Ok(())
    /// # }
    /// ```
    pub struct Tee<B, F: FnOnce(Taken)> {
        #[pin]
        inner: Guarded<B, Recorder<F>>,
    }
}

impl<B: Body, F: FnOnce(Taken)> Tee<B, F> {
    /// Records `inner` up to `limit_bytes`, trailers not counted, and calls `done` at its end.
    ///
    /// `done` may run inside `drop`: it must not block, and must not panic.
    ///
    /// ```
    /// # use std::cell::Cell;
    /// # use blossom_layers::body::{End, ReqBody, Tee};
    /// # use http_body_util::BodyExt;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let taken = Cell::new(None);
    /// let body = Tee::new(ReqBody::from("hello"), 4, |what| taken.set(Some(what)));
    /// assert_eq!(body.collect().await?.to_bytes(), "hello", "it passes whole");
    /// let taken = taken.take().ok_or("it has ended")?;
    /// assert_eq!((taken.end, taken.recording), (End::Complete, None));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(inner: B, limit_bytes: usize, done: F) -> Self {
        let recorder = Recorder {
            recording: Some(Recording::default()),
            limit_bytes,
            done,
        };
        Self {
            inner: Guarded::new(inner, recorder),
        }
    }
}

impl<B, F> Body for Tee<B, F>
where
    B: Body<Data = Bytes>,
    F: FnOnce(Taken),
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug, F: FnOnce(Taken)> fmt::Debug for Tee<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tee").field("inner", &self.inner).finish()
    }
}

struct Recorder<F> {
    recording: Option<Recording>,
    limit_bytes: usize,
    done: F,
}

impl<F: FnOnce(Taken)> Guard for Recorder<F> {
    fn frame(&mut self, frame: &Frame<Bytes>) {
        let Some(recording) = &mut self.recording else {
            return;
        };
        if let Some(data) = frame.data_ref() {
            recording.push(data.clone());
        } else if let Some(trailers) = frame.trailers_ref() {
            recording.set_trailers(trailers.clone());
        }
        if recording.len_bytes() > self.limit_bytes {
            self.recording = None;
        }
    }

    fn end(self, end: End) {
        (self.done)(Taken {
            end,
            recording: self.recording,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http_body_util::BodyExt;

    use super::*;
    use crate::test_util::ScriptedBody;

    type Slot = Arc<Mutex<Option<Taken>>>;

    fn tee(body: ScriptedBody, limit: usize) -> (Tee<ScriptedBody, impl FnOnce(Taken)>, Slot) {
        let slot = Slot::default();
        let done = slot.clone();
        let tee = Tee::new(body, limit, move |taken| {
            assert!(done.lock().unwrap().replace(taken).is_none(), "done twice");
        });
        (tee, slot)
    }

    #[tokio::test]
    async fn records_frames_and_trailers_as_they_were() {
        let (body, slot) = tee(
            ScriptedBody::new()
                .data("ab")
                .data("c")
                .trailer("x-end", "1"),
            3,
        );

        body.collect().await.unwrap();

        let taken = slot.lock().unwrap().take().unwrap();
        let recording = taken.recording.unwrap();
        assert_eq!(taken.end, End::Complete);
        assert_eq!(recording.frames(), ["ab", "c"]);
        assert_eq!(recording.trailers().unwrap().get("x-end").unwrap(), "1");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_passes_whole_and_is_not_recorded() {
        let (body, slot) = tee(ScriptedBody::new().data("ab").data("cd"), 3);

        let all = body.collect().await.unwrap().to_bytes();

        assert_eq!(all, "abcd");
        assert!(slot.lock().unwrap().take().unwrap().recording.is_none());
    }

    #[tokio::test]
    async fn a_body_that_fails_says_so() {
        let (body, slot) = tee(ScriptedBody::new().data("ab").error("cut"), 9);

        body.collect().await.unwrap_err();

        assert_eq!(slot.lock().unwrap().take().unwrap().end, End::Failed);
    }
}
