use std::{fmt, time::Duration};

use tower_layer::Layer;

use super::{Retry, Standard};

/// Applies [`Retry`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use blossom_layers::retry::{RetryLayer, Standard};
///
/// let policy = Standard::new().max_attempts(NonZeroU32::MIN.saturating_add(1));
/// let layer = RetryLayer::new(policy);
/// ```
#[derive(Clone)]
pub struct RetryLayer<P = Standard> {
    policy: P,
    commit_after: Duration,
}

impl<P> RetryLayer<P> {
    /// A layer that asks `policy`, of which each call gets a clone.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     body::ReqBody,
    /// #     retry::{RetryLayer, Standard},
    /// #     test_util::{ScriptedService, Step},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // One attempt: nothing is retried.
    /// let policy = Standard::new().max_attempts(NonZeroU32::MIN);
    /// let upstream = ScriptedService::new([Step::Fail("down")]);
    /// let service = RetryLayer::new(policy).layer(upstream.clone());
    /// assert!(service.oneshot(Request::new(ReqBody::empty())).await.is_err());
    /// assert_eq!(upstream.calls(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new(policy: P) -> Self {
        Self {
            policy,
            commit_after: Duration::from_secs(2),
        }
    }

    /// How long a head is held at most while its body is looked at. Default: 2 s, which most streams
    /// need for their first word anyway.
    ///
    /// Longer retries more of the streams that fail before they begin, and shows heads later. Zero holds
    /// a head only while frames are there at once; `Duration::MAX` until the first content.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
    /// # use tokio::time::Instant;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     body::ReqBody,
    /// #     retry::RetryLayer,
    /// #     test_util::{ScriptedBody, ScriptedService, Step},
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // A stream that is slow to begin.
    /// let body = ScriptedBody::new().wait(Duration::from_secs(30)).data("data: hello\n\n");
    /// let mut stream = Response::new(body);
    /// stream.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    /// let upstream = ScriptedService::new([Step::Respond(stream)]);
    ///
    /// let service = RetryLayer::default().commit_after(Duration::from_secs(5)).layer(upstream);
    /// let start = Instant::now();
    /// service.oneshot(Request::new(ReqBody::empty())).await?;
    /// assert_eq!(start.elapsed().as_secs(), 5); // its head was held so long
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn commit_after(mut self, commit_after: Duration) -> Self {
        self.commit_after = commit_after;
        self
    }
}

impl Default for RetryLayer {
    fn default() -> Self {
        Self::new(Standard::default())
    }
}

impl<S, P: Clone> Layer<S> for RetryLayer<P> {
    type Service = Retry<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, self.policy.clone(), self.commit_after)
    }
}

// A policy may hold closures, which have no form to show.
impl<P> fmt::Debug for RetryLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("commit_after", &self.commit_after)
            .finish_non_exhaustive()
    }
}
