use std::{error, fmt, time::Duration};

use crate::types::{Refusal, RefusalKind};

const REFUSAL: Refusal = Refusal::new(RefusalKind::Timeout);

/// Which clock fired.
///
/// ```
/// # use std::time::Duration;
/// # use http::Request;
/// # use http_body_util::BodyExt as _;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     test_util::{ScriptedBody, ScriptedService},
///     timeout::{Clock, Elapsed, IdleTimeoutLayer},
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let upstream = ScriptedService::once(ScriptedBody::new().data("A flower is").stall());
/// let service = IdleTimeoutLayer::new(Duration::from_secs(30)).layer(upstream);
/// let response = service.oneshot(Request::new(())).await?;
/// let error = response.into_body().collect().await.unwrap_err();
/// assert_eq!(error.downcast_ref().map(Elapsed::clock), Some(Clock::Idle));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Clock {
    /// The wait for the response head.
    Head,
    /// The wait for the first event that holds part of the answer.
    FirstEvent,
    /// The wait for the next frame.
    Idle,
    /// The whole call, to the end of the body.
    Total,
}

/// A clock fired. Its source is a [`Refusal`] of kind [`RefusalKind::Timeout`].
///
/// ```
/// # use std::time::Duration;
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     test_util::{ScriptedService, Step},
///     timeout::{Elapsed, HeadTimeoutLayer},
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let upstream = ScriptedService::new([Step::Hang]);
/// let service = HeadTimeoutLayer::new(Duration::from_secs(10)).layer(upstream);
/// let error = service.oneshot(Request::new(())).await.unwrap_err();
/// assert!(error.is::<Elapsed>());
/// assert_eq!(error.to_string(), "no response head within 10s");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed {
    clock: Clock,
    after: Duration,
}

impl Elapsed {
    pub(super) const fn new(clock: Clock, after: Duration) -> Self {
        Self { clock, after }
    }

    /// Which clock it was.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::{ScriptedService, Step},
    /// #     timeout::{Clock, Elapsed, TotalTimeoutLayer},
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::new([Step::Hang]);
    /// let service = TotalTimeoutLayer::new(Duration::from_secs(60)).layer(upstream);
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(Elapsed::clock), Some(Clock::Total));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// How long it ran.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::{ScriptedService, Step},
    /// #     timeout::{Elapsed, HeadTimeoutLayer},
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::new([Step::Hang]);
    /// let service = HeadTimeoutLayer::new(Duration::from_secs(10)).layer(upstream);
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(Elapsed::after), Some(Duration::from_secs(10)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after;
        match self.clock {
            Clock::Head => write!(f, "no response head within {after:?}"),
            Clock::FirstEvent => write!(f, "no event within {after:?}"),
            Clock::Idle => write!(f, "the response was silent for {after:?}"),
            Clock::Total => write!(f, "the response did not end within {after:?}"),
        }
    }
}

impl error::Error for Elapsed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}

/// The body was held for too long without being read, and was closed.
///
/// ```
/// # use std::time::Duration;
/// # use http::Request;
/// # use http_body_util::BodyExt as _;
/// # use tokio::time::sleep;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     test_util::{ScriptedBody, ScriptedService},
///     timeout::{IdleTimeoutLayer, Unread},
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let upstream = ScriptedService::once(ScriptedBody::new().data("hello"));
/// let layer = IdleTimeoutLayer::new(Duration::MAX).max_unread(Duration::from_secs(60));
/// let response = layer.layer(upstream).oneshot(Request::new(())).await?;
/// sleep(Duration::from_secs(100)).await;
/// let error = response.into_body().collect().await.unwrap_err();
/// assert!(error.is::<Unread>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    after: Duration,
}

impl Unread {
    pub(super) const fn new(after: Duration) -> Self {
        Self { after }
    }

    /// How long nobody read.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use http_body_util::BodyExt as _;
    /// # use tokio::time::sleep;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::{ScriptedBody, ScriptedService},
    /// #     timeout::{IdleTimeoutLayer, Unread},
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let upstream = ScriptedService::once(ScriptedBody::new().data("hello"));
    /// let layer = IdleTimeoutLayer::new(Duration::MAX).max_unread(Duration::from_secs(60));
    /// let response = layer.layer(upstream).oneshot(Request::new(())).await?;
    /// sleep(Duration::from_secs(100)).await;
    /// let error = response.into_body().collect().await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(Unread::after), Some(Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the response was closed because it was not read for {:?}",
            self.after
        )
    }
}

impl error::Error for Unread {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}
