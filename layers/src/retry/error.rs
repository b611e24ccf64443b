use std::{error::Error, fmt};

use crate::{BoxError, types::Attempt};

/// The last of several attempts ended in an error, which is its source.
///
/// The error of a single attempt is passed on as it is, unless there would be another one if the
/// [`Budget`](super::Budget) had allowed it: a retry layer further out must know that, or retries of
/// stacked layers would add up.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     body::ReqBody,
///     retry::{GaveUp, RetryLayer},
///     test_util::{ScriptedService, Step},
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let upstream = ScriptedService::new(["down", "down", "still down"].map(Step::Fail));
/// let service = RetryLayer::default().layer(upstream);
/// let error = service.oneshot(Request::new(ReqBody::empty())).await.unwrap_err();
/// assert!(error.is::<GaveUp>());
/// assert_eq!(error.to_string(), "gave up after 3 attempts");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct GaveUp {
    attempt: Attempt,
    source: BoxError,
}

impl GaveUp {
    pub(super) const fn new(attempt: Attempt, source: BoxError) -> Self {
        Self { attempt, source }
    }

    /// The attempt that was the last.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     body::ReqBody,
    /// #     retry::{GaveUp, RetryLayer},
    /// #     test_util::{ScriptedService, Step},
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::new(["down", "down", "still down"].map(Step::Fail));
    /// # let service = RetryLayer::default().layer(upstream);
    /// let error = service.oneshot(Request::new(ReqBody::empty())).await.unwrap_err();
    /// let attempt = error.downcast_ref().map(GaveUp::attempt);
    /// assert_eq!(attempt.map(|it| it.number()), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// The error of that attempt.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     body::ReqBody,
    /// #     retry::{GaveUp, RetryLayer},
    /// #     test_util::{ScriptedService, Step},
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::new(["down", "down", "still down"].map(Step::Fail));
    /// # let service = RetryLayer::default().layer(upstream);
    /// let error = service.oneshot(Request::new(ReqBody::empty())).await.unwrap_err();
    /// let last = error.downcast::<GaveUp>()?.into_source();
    /// assert_eq!(last.to_string(), "still down");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn into_source(self) -> BoxError {
        self.source
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempt.number() {
            1 => write!(f, "gave up after one attempt: too many retries lately"),
            more => write!(f, "gave up after {more} attempts"),
        }
    }
}

impl Error for GaveUp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
