//! An upload that can be stopped from the side of its answer.

use std::{
    error, fmt, mem,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use blossom_layers::{BoxError, body::ReqBody};
use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};

/// A request body on its way out.
///
/// Small, since each connection has room for many.
#[derive(Debug)]
pub(super) enum SendBody {
    /// In memory: hyper takes it in one piece and has nothing left to poll. Empty once it has.
    Full(Bytes),
    Stream(Box<Streamed>),
}

#[derive(Debug)]
pub(super) struct Streamed {
    inner: ReqBody,
    upload: Arc<Upload>,
}

/// How far an upload is, shared between the request and the answer.
#[derive(Debug)]
pub(super) struct Upload {
    state: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl SendBody {
    pub(super) fn wrap(request: Request<ReqBody>) -> (Request<Self>, Option<Arc<Upload>>) {
        let (head, body) = request.into_parts();
        let (body, upload) = match body.try_into_bytes() {
            Ok(bytes) => (Self::Full(bytes), None),
            Err(ended) if ended.is_end_stream() => (Self::Full(Bytes::new()), None),
            Err(inner) => {
                let upload = Arc::new(Upload::new());
                let streamed = Streamed {
                    inner,
                    upload: upload.clone(),
                };
                (Self::Stream(Box::new(streamed)), Some(upload))
            }
        };
        (Request::from_parts(head, body), upload)
    }
}

impl Body for SendBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(mem::take(bytes))))),
            Self::Stream(streamed) => streamed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(streamed) => streamed.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(streamed) => streamed.inner.size_hint(),
        }
    }
}

impl Streamed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { inner, upload } = self;
        // Registered before the look, so that a stop in between is not lost.
        upload.register(cx.waker());
        if upload.is_stopped() {
            return Poll::Ready(Some(Err(UploadStopped.into())));
        }
        let frame = ready!(Pin::new(&mut *inner).poll_frame(cx));
        if inner.is_end_stream() || !matches!(frame, Some(Ok(_))) {
            upload.finish();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|source| UploadFailed { source }.into())))
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.upload.finish();
    }
}

impl Upload {
    const fn new() -> Self {
        Self {
            state: AtomicU8::new(RUNNING),
            waker: Mutex::new(None),
        }
    }

    /// Ends the upload if it has not ended by itself.
    pub(super) fn stop(&self) {
        let running =
            self.state
                .compare_exchange(RUNNING, STOPPED, Ordering::AcqRel, Ordering::Acquire);
        if running.is_ok()
            && let Some(waker) = self.take_waker()
        {
            waker.wake();
        }
    }

    fn finish(&self) {
        self.state.store(FINISHED, Ordering::Release);
        drop(self.take_waker());
    }

    fn is_stopped(&self) -> bool {
        self.state.load(Ordering::Acquire) == STOPPED
    }

    fn register(&self, waker: &Waker) {
        let mut slot = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(old) => old.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn take_waker(&self) -> Option<Waker> {
        self.waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

const RUNNING: u8 = 0;
const FINISHED: u8 = 1;
const STOPPED: u8 = 2;

/// The caller's body failed. Marks the error on its way through hyper.
#[derive(Debug)]
pub(super) struct UploadFailed {
    source: BoxError,
}

impl fmt::Display for UploadFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upload failed")
    }
}

impl error::Error for UploadFailed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// The answer ended before the upload did. hyper closes the connection (or resets the stream) for
/// it; no caller sees it, since the answer has been given.
#[derive(Debug)]
struct UploadStopped;

impl fmt::Display for UploadStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer ended before the upload")
    }
}

impl error::Error for UploadStopped {}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use blossom_layers::test_util::ScriptedBody;

    use super::*;

    fn poll(body: &mut SendBody) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_body_in_memory_is_not_tracked() {
        let (_, upload) = SendBody::wrap(Request::new(ReqBody::from("hello")));
        assert!(upload.is_none());
        let (_, upload) = SendBody::wrap(Request::new(ReqBody::empty()));
        assert!(upload.is_none());
    }

    #[test]
    fn k5_a_stopped_upload_fails_at_its_next_poll() {
        let body = ReqBody::stream(ScriptedBody::new().data("a").data("b"));
        let (request, upload) = SendBody::wrap(Request::new(body));
        let mut body = request.into_body();

        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
        upload.unwrap().stop();

        let Poll::Ready(Some(Err(error))) = poll(&mut body) else {
            panic!("the upload went on");
        };
        assert!(error.is::<UploadStopped>());
    }

    #[test]
    fn a_finished_upload_cannot_be_stopped() {
        let body = ReqBody::stream(ScriptedBody::new().data("a"));
        let (request, upload) = SendBody::wrap(Request::new(body));
        let upload = upload.unwrap();

        drop(request);
        upload.stop();

        assert!(!upload.is_stopped());
    }
}
