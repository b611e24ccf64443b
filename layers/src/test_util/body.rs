use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::BoxError;

/// A body that does what it was told, frame by frame, and counts what is done to it.
///
/// By default its length is unknown, so that it ends with `None`. [`sized`](Self::sized) makes it
/// end with its last frame, as a body with `Content-Length` does.
///
/// ```
/// # use http_body_util::BodyExt as _;
/// use blossom_layers::test_util::ScriptedBody;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let body = ScriptedBody::new().data("hello ").data("world").trailer("x-sum", "7f");
/// let body = body.collect().await?;
/// assert!(body.trailers().is_some_and(|trailers| trailers["x-sum"] == "7f"));
/// assert_eq!(body.to_bytes(), "hello world");
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct ScriptedBody {
    steps: VecDeque<Step>,
    sized: bool,
    sleeping: Option<Pin<Box<Sleep>>>,
    log: BodyLog,
}

enum Step {
    Frame(Frame<Bytes>),
    Wait(Duration),
    Error(BoxError),
    Stall,
}

impl ScriptedBody {
    /// A body without frames.
    ///
    /// ```
    /// use blossom_layers::test_util::ScriptedBody;
    /// use http_body::Body as _;
    ///
    /// // Its length is not known: it has not ended before it was polled.
    /// assert!(!ScriptedBody::new().is_end_stream());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Then a frame of data.
    ///
    /// ```
    /// # use http_body_util::BodyExt as _;
    /// # use blossom_layers::test_util::ScriptedBody;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let body = ScriptedBody::new().data("hello ").data("world");
    /// assert_eq!(body.collect().await?.to_bytes(), "hello world");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn data(self, data: impl Into<Bytes>) -> Self {
        self.step(Step::Frame(Frame::data(data.into())))
    }

    /// Then trailers of one field.
    ///
    /// ```
    /// # use http_body_util::BodyExt as _;
    /// # use blossom_layers::test_util::ScriptedBody;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let body = ScriptedBody::new().trailer("grpc-status", "0").collect().await?;
    /// assert!(body.trailers().is_some_and(|trailers| trailers["grpc-status"] == "0"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn trailer(self, name: &'static str, value: &'static str) -> Self {
        let fields = [(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )];
        self.step(Step::Frame(Frame::trailers(HeaderMap::from_iter(fields))))
    }

    /// Then a pause.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http_body_util::BodyExt as _;
    /// # use tokio::time::Instant;
    /// # use blossom_layers::test_util::ScriptedBody;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let start = Instant::now();
    /// ScriptedBody::new().wait(Duration::from_secs(7)).data("late").collect().await?;
    /// assert_eq!(start.elapsed().as_secs(), 7);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn wait(self, pause: Duration) -> Self {
        self.step(Step::Wait(pause))
    }

    /// Then an error with this text.
    ///
    /// ```
    /// # use http_body_util::BodyExt as _;
    /// # use blossom_layers::test_util::ScriptedBody;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let cut = ScriptedBody::new().data("half of").error("connection reset");
    /// assert_eq!(cut.collect().await.unwrap_err().to_string(), "connection reset");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn error(self, text: &'static str) -> Self {
        self.step(Step::Error(text.into()))
    }

    /// Then nothing more, without an end.
    ///
    /// ```
    /// # use http_body_util::BodyExt as _;
    /// use blossom_layers::test_util::ScriptedBody;
    ///
    /// let mut read = tokio_test::task::spawn(ScriptedBody::new().stall().collect());
    /// assert!(read.poll().is_pending());
    /// assert!(!read.is_woken());
    /// ```
    #[must_use]
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Makes the length known: the body is at its end with its last frame.
    ///
    /// ```
    /// use blossom_layers::test_util::ScriptedBody;
    /// use http_body::Body as _;
    ///
    /// let body = ScriptedBody::new().data("hello").sized();
    /// assert_eq!(body.size_hint().exact(), Some(5));
    /// ```
    #[must_use]
    pub fn sized(mut self) -> Self {
        self.sized = true;
        self
    }

    /// What is done to this body: readable also when it is gone.
    ///
    /// ```
    /// use blossom_layers::test_util::ScriptedBody;
    ///
    /// let body = ScriptedBody::new();
    /// let log = body.log();
    /// drop(body);
    /// assert!(log.dropped());
    /// ```
    #[must_use]
    pub fn log(&self) -> BodyLog {
        self.log.clone()
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        this.log.0.polls.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(sleeping) = &mut this.sleeping {
                std::task::ready!(sleeping.as_mut().poll(cx));
                this.sleeping = None;
            }
            match this.steps.pop_front() {
                Some(Step::Wait(pause)) => this.sleeping = Some(Box::pin(sleep(pause))),
                Some(Step::Frame(frame)) => {
                    this.log.0.frames.fetch_add(1, Ordering::Relaxed);
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Step::Error(error)) => return Poll::Ready(Some(Err(error))),
                Some(Step::Stall) => {
                    this.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.sized {
            return SizeHint::new();
        }
        let data = self.steps.iter().map(|step| match step {
            Step::Frame(frame) => frame.data_ref().map_or(0, Bytes::len),
            Step::Wait(_) | Step::Error(_) | Step::Stall => 0,
        });
        SizeHint::with_exact(data.sum::<usize>() as u64)
    }
}

impl Drop for ScriptedBody {
    fn drop(&mut self) {
        self.log.0.drops.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for ScriptedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedBody")
            .field("steps", &self.steps.len())
            .field("sized", &self.sized)
            .finish_non_exhaustive()
    }
}

/// What was done to a [`ScriptedBody`].
///
/// ```
/// # use http_body_util::BodyExt as _;
/// use blossom_layers::test_util::{BodyLog, ScriptedBody};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let body = ScriptedBody::new().data("a").data("b");
/// let log: BodyLog = body.log();
/// body.collect().await?;
/// assert_eq!((log.polls(), log.frames()), (3, 2)); // and one for its end
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct BodyLog(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    polls: AtomicUsize,
    frames: AtomicUsize,
    drops: AtomicUsize,
}

impl BodyLog {
    /// How often it was polled.
    ///
    /// ```
    /// use blossom_layers::test_util::ScriptedBody;
    ///
    /// // Nobody has looked at it.
    /// assert_eq!(ScriptedBody::new().data("a").log().polls(), 0);
    /// ```
    #[must_use]
    pub fn polls(&self) -> usize {
        self.0.polls.load(Ordering::Relaxed)
    }

    /// How many frames it gave.
    ///
    /// ```
    /// # use http_body_util::BodyExt as _;
    /// # use blossom_layers::test_util::ScriptedBody;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut body = ScriptedBody::new().data("a").data("b");
    /// let log = body.log();
    /// body.frame().await;
    /// assert_eq!(log.frames(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn frames(&self) -> usize {
        self.0.frames.load(Ordering::Relaxed)
    }

    /// Whether it is gone.
    ///
    /// ```
    /// use blossom_layers::test_util::ScriptedBody;
    ///
    /// let body = ScriptedBody::new();
    /// let log = body.log();
    /// assert!(!log.dropped());
    /// drop(body);
    /// assert!(log.dropped());
    /// ```
    #[must_use]
    pub fn dropped(&self) -> bool {
        self.0.drops.load(Ordering::Relaxed) > 0
    }
}
