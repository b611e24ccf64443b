use std::{error::Error, fmt, time::Duration};

use crate::types::{PartitionKey, Refusal, RefusalKind};

/// The circuit is open. Its source is a [`Refusal`] of kind [`RefusalKind::Unavailable`].
///
/// ```
/// use blossom_layers::{breaker::{BreakerLayer, Broken}, test_util::ScriptedService};
/// # use http::Request;
/// # use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let layer = BreakerLayer::new();
/// layer.handle().trip(&"example.com".into());
/// let request = Request::get("http://example.com/").body(())?;
/// let error = layer.layer(ScriptedService::default()).oneshot(request).await.unwrap_err();
/// assert!(error.is::<Broken>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    partition: PartitionKey,
    retry_after: Duration,
    refusal: Refusal,
}

impl Broken {
    pub(super) fn new(partition: PartitionKey, retry_after: Duration) -> Self {
        Self {
            partition,
            retry_after,
            refusal: Refusal::new(RefusalKind::Unavailable).retry_after(retry_after),
        }
    }

    /// The part whose circuit it is.
    ///
    /// ```
    /// # use blossom_layers::{breaker::{BreakerLayer, Broken}, cause_ref, test_util::ScriptedService};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = BreakerLayer::new();
    /// # layer.handle().trip(&"example.com".into());
    /// # let request = Request::get("http://example.com/").body(())?;
    /// # let error = layer.layer(ScriptedService::default()).oneshot(request).await.unwrap_err();
    /// let broken = cause_ref::<Broken>(&*error).ok_or("the circuit is open")?;
    /// assert_eq!(broken.partition().as_str(), "example.com");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn partition(&self) -> &PartitionKey {
        &self.partition
    }

    /// When it will be tried again.
    ///
    /// ```
    /// # use blossom_layers::{breaker::{BreakerLayer, Broken}, cause_ref, test_util::ScriptedService};
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = BreakerLayer::new();
    /// # layer.handle().trip(&"example.com".into());
    /// # let request = Request::get("http://example.com/").body(())?;
    /// # let error = layer.layer(ScriptedService::default()).oneshot(request).await.unwrap_err();
    /// let broken = cause_ref::<Broken>(&*error).ok_or("the circuit is open")?;
    /// assert_eq!(broken.retry_after().as_secs(), 15);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.retry_after;
        match self.partition.as_str() {
            "" => write!(f, "the upstream has failed too often: again in {after:?}"),
            part => write!(f, "{part} has failed too often: again in {after:?}"),
        }
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.refusal)
    }
}
