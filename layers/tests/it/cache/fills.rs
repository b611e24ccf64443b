//! Replies on their way: what is held, who joins, who leaves.

use super::*;

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
