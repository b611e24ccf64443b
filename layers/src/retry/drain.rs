use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use tokio::time::timeout;

use crate::task;

/// Reads a body that nobody wants to its end, so that its connection can serve again.
///
/// What is there is read at once. The rest is left to a task, which gives up, and so closes the
/// connection, after 64 KiB or 250 ms.
pub(super) fn drain<R>(body: Pin<Box<R>>, cx: &mut Context<'_>)
where
    R: Body<Data = Bytes> + Send + 'static,
{
    let mut rest = Rest {
        body,
        left_bytes: MAX_BYTES,
    };
    if Pin::new(&mut rest).poll(cx).is_pending() {
        task::spawn(async move { drop(timeout(MAX_TIME, rest).await) });
    }
}

struct Rest<R> {
    body: Pin<Box<R>>,
    left_bytes: usize,
}

impl<R: Body<Data = Bytes>> Future for Rest<R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        while !this.body.is_end_stream() {
            let Some(Ok(frame)) = ready!(this.body.as_mut().poll_frame(cx)) else {
                break;
            };
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            // A frame of nothing is not for nothing: there may be no end of them.
            let Some(left_bytes) = this.left_bytes.checked_sub(bytes.max(1)) else {
                break;
            };
            this.left_bytes = left_bytes;
        }
        Poll::Ready(())
    }
}

const MAX_BYTES: usize = 64 * 1024;
const MAX_TIME: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::test_util::ScriptedBody;

    fn drained(body: ScriptedBody) {
        drain(Box::pin(body), &mut Context::from_waker(Waker::noop()));
    }

    #[test]
    fn what_is_there_is_read_at_once_and_without_a_runtime() {
        let body = ScriptedBody::new().data("a").data("b");
        let log = body.log();
        drained(body);

        assert_eq!((log.frames(), log.dropped()), (2, true));
    }

    #[test]
    fn without_a_runtime_the_rest_is_dropped() {
        let body = ScriptedBody::new().data("a").stall();
        let log = body.log();
        drained(body);

        assert!(log.dropped());
    }

    #[tokio::test(start_paused = true)]
    async fn h11_the_rest_is_read_in_the_background() {
        let body = ScriptedBody::new().data("a").wait(MAX_TIME / 2).data("b");
        let log = body.log();
        drained(body);
        assert!(!log.dropped());

        tokio::time::sleep(MAX_TIME * 2 / 3).await;
        assert_eq!((log.frames(), log.dropped()), (2, true));
    }

    #[tokio::test(start_paused = true)]
    async fn h11_a_body_that_takes_too_long_or_is_too_large_is_dropped() {
        let slow = ScriptedBody::new().data("a").stall();
        let log = slow.log();
        drained(slow);
        tokio::time::sleep(MAX_TIME + Duration::from_millis(1)).await;
        assert!(log.dropped());

        let large = (0..100).fold(ScriptedBody::new(), |body, _| body.data(vec![0; 1024]));
        let log = large.log();
        drained(large);
        assert_eq!((log.frames(), log.dropped()), (65, true));
    }
}
