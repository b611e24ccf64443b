use std::{error, fmt, time::Duration};

use crate::types::{Refusal, RefusalKind};

const REFUSAL: Refusal = Refusal::new(RefusalKind::Timeout).queued();

/// The caller's deadline passed while the request waited for a permit; the upstream never saw it.
/// Its source is a [`Refusal`] of kind [`RefusalKind::Timeout`].
///
/// ```
/// # use std::time::Duration;
/// # use tokio::time::Instant;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     limit::concurrency::{ConcurrencyLimitLayer, DeadlinePassed},
///     test_util::ScriptedService,
///     types::Deadline,
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let mut request = http::Request::new(());
/// let deadline = Instant::now() + Duration::from_secs(1);
/// request.extensions_mut().insert(Deadline::at(deadline.into_std()));
///
/// // At zero nobody goes.
/// let upstream = ScriptedService::default();
/// let limited = ConcurrencyLimitLayer::new(0).layer(upstream.clone());
/// assert!(limited.oneshot(request).await.unwrap_err().is::<DeadlinePassed>());
/// assert_eq!(upstream.calls(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadlinePassed {
    waited: Duration,
}

impl DeadlinePassed {
    pub(super) const fn new(waited: Duration) -> Self {
        Self { waited }
    }

    /// How long the request had waited.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokio::time::Instant;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::concurrency::{ConcurrencyLimitLayer, DeadlinePassed},
    /// #     test_util::ScriptedService,
    /// #     types::Deadline,
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let limited = ConcurrencyLimitLayer::new(0).layer(ScriptedService::default());
    /// let mut request = http::Request::new(());
    /// let deadline = Instant::now() + Duration::from_secs(1);
    /// request.extensions_mut().insert(Deadline::at(deadline.into_std()));
    ///
    /// let error = limited.oneshot(request).await.unwrap_err();
    /// let waited = error.downcast_ref().map(DeadlinePassed::waited);
    /// assert!(waited >= Some(Duration::from_secs(1)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }
}

impl fmt::Display for DeadlinePassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the deadline passed after {:?} of waiting for a permit",
            self.waited
        )
    }
}

impl error::Error for DeadlinePassed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}
