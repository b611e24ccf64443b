use std::{error, fmt, time::Duration};

use super::Quota;
use crate::types::{Refusal, RefusalKind};

const TOO_LARGE: Refusal = Refusal::new(RefusalKind::TooLarge);

/// A quota allows no more for now, and the request may not wait: the queue is full, or the wait would
/// not end before the caller's deadline. Its source is a [`Refusal`] of kind
/// [`RefusalKind::RateLimited`].
///
/// ```
/// # use std::time::Duration;
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     limit::rate::{Quota, RateLimitLayer, RateLimited},
///     test_util::ScriptedService,
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let minute = Duration::from_secs(60);
/// let layer = RateLimitLayer::new([Quota::requests(1, minute)]).max_waiting(0);
/// let service = layer.layer(ScriptedService::default());
/// service.clone().oneshot(Request::new(())).await?;
/// let error = service.oneshot(Request::new(())).await.unwrap_err();
/// assert!(error.is::<RateLimited>());
/// assert_eq!(error.to_string(), "the quota of 1 requests per 60s is used up; try again in 60s");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    retry_after: Duration,
    quota: Option<Quota>,
    refusal: Refusal,
}

impl RateLimited {
    pub(super) const fn new(retry_after: Duration, quota: Option<Quota>) -> Self {
        Self {
            retry_after,
            quota,
            refusal: Refusal::new(RefusalKind::RateLimited).retry_after(retry_after),
        }
    }

    /// When such a request could go, if those that wait go first and no others come.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{Quota, RateLimitLayer, RateLimited},
    /// #     test_util::ScriptedService,
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = RateLimitLayer::new([]).learn().max_waiting(0);
    /// layer.handle().pause(None, Duration::from_secs(7));
    /// let service = layer.layer(ScriptedService::default());
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// let wait = error.downcast_ref().map(RateLimited::retry_after);
    /// assert_eq!(wait, Some(Duration::from_secs(7)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// The quota that makes it wait longest; `None` if the upstream has asked to wait.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{Quota, RateLimitLayer, RateLimited},
    /// #     test_util::ScriptedService,
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let by_minute = Quota::requests(1, Duration::from_secs(60));
    /// let by_hour = Quota::requests(100, Duration::from_secs(3600));
    /// let service = RateLimitLayer::new([by_minute, by_hour])
    ///     .max_waiting(0)
    ///     .layer(ScriptedService::default());
    /// service.clone().oneshot(Request::new(())).await?;
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(RateLimited::quota), Some(Some(by_minute)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn quota(&self) -> Option<Quota> {
        self.quota
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quota {
            Some(quota) => write!(f, "the quota of {quota} is used up")?,
            None => f.write_str("the upstream has asked to wait")?,
        }
        write!(f, "; try again in {:?}", self.retry_after)
    }
}

impl error::Error for RateLimited {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.refusal)
    }
}

/// A request that alone is more than a quota ever lets through. Its source is a [`Refusal`] of kind
/// [`RefusalKind::TooLarge`].
///
/// ```
/// # use std::time::Duration;
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     limit::rate::{LargerThanQuota, Quota, RateLimitLayer},
///     test_util::ScriptedService,
///     types::TokenEstimate,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let layer = RateLimitLayer::new([Quota::tokens(10_000, Duration::from_secs(60))]);
/// let service = layer.layer(ScriptedService::default());
/// let mut request = Request::new(());
/// request.extensions_mut().insert(TokenEstimate::new(20_000));
/// let error = service.oneshot(request).await.unwrap_err();
/// assert!(error.is::<LargerThanQuota>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargerThanQuota {
    amount: u64,
    quota: Quota,
}

impl LargerThanQuota {
    pub(super) const fn new(amount: u64, quota: Quota) -> Self {
        Self { amount, quota }
    }

    /// What the request was expected to take.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{LargerThanQuota, Quota, RateLimitLayer},
    /// #     test_util::ScriptedService,
    /// #     types::TokenEstimate,
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = RateLimitLayer::new([Quota::tokens(10_000, Duration::from_secs(60))]);
    /// # let service = layer.layer(ScriptedService::default());
    /// # let mut request = Request::new(());
    /// request.extensions_mut().insert(TokenEstimate::new(20_000));
    /// let error = service.oneshot(request).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(LargerThanQuota::amount), Some(20_000));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn amount(&self) -> u64 {
        self.amount
    }

    /// The quota that is smaller.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{LargerThanQuota, Quota, RateLimitLayer},
    /// #     test_util::ScriptedService,
    /// #     types::TokenEstimate,
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let quota = Quota::tokens(10_000, Duration::from_secs(60));
    /// let service = RateLimitLayer::new([quota]).layer(ScriptedService::default());
    /// # let mut request = Request::new(());
    /// request.extensions_mut().insert(TokenEstimate::new(20_000));
    /// let error = service.oneshot(request).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(LargerThanQuota::quota), Some(quota));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }
}

impl fmt::Display for LargerThanQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quota = self.quota;
        write!(
            f,
            "{} is more than the quota of {quota} ever lets through",
            quota.amount(self.amount)
        )
    }
}

impl error::Error for LargerThanQuota {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&TOO_LARGE)
    }
}
