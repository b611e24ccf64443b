use std::time::Duration;

use super::{Quota, limiter::Limiter};
use crate::{sync::Arc, types::PartitionKey};

/// A live view of the quotas of a [`RateLimitLayer`](super::RateLimitLayer).
///
/// Cheap to clone. Where a part is asked for, `None` is all requests of a layer without parts.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::limit::rate::{Quota, RateLimitLayer};
///
/// let layer = RateLimitLayer::new([Quota::requests(600, Duration::from_secs(60))]);
/// let handle = layer.handle();
/// assert_eq!((handle.available(None), handle.waiting()), (vec![30], 0));
/// ```
#[derive(Debug, Clone)]
pub struct Handle {
    limiter: Arc<Limiter>,
}

impl Handle {
    pub(super) const fn new(limiter: Arc<Limiter>) -> Self {
        Self { limiter }
    }

    /// The quotas, in the order in which they were given.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::{Quota, RateLimitLayer};
    ///
    /// let quota = Quota::requests(600, Duration::from_secs(60));
    /// assert_eq!(RateLimitLayer::new([quota]).handle().quotas(), [quota]);
    /// ```
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        self.limiter.quotas()
    }

    /// How many requests wait, all parts together.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _};
    /// # use blossom_layers::{limit::rate::RateLimitLayer, test_util::ScriptedService};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = RateLimitLayer::new([]).learn();
    /// layer.handle().pause(None, Duration::from_secs(7));
    /// let mut service = layer.layer(ScriptedService::default());
    /// let mut call = tokio_test::task::spawn(service.call(Request::new(())));
    /// assert!(call.poll().is_pending());
    /// assert_eq!(layer.handle().waiting(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.limiter.waiting()
    }

    /// How many requests have had to wait so far, all parts together.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{limit::rate::RateLimitLayer, test_util::ScriptedService};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = RateLimitLayer::new([]).learn();
    /// layer.handle().pause(None, Duration::from_secs(7));
    /// layer.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// assert_eq!((layer.handle().waiting(), layer.handle().waits()), (0, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn waits(&self) -> u64 {
        self.limiter.waits()
    }

    /// For how many parts quotas are kept at this moment.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::rate::{Quota, RateLimitLayer},
    /// #     test_util::ScriptedService,
    /// #     types::PartitionKey,
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let tenant = |_: &Request<()>| Some(PartitionKey::new("team-a"));
    /// let quotas = [Quota::requests(600, Duration::from_secs(60))];
    /// let layer = RateLimitLayer::new(quotas).per_partition(tenant);
    /// assert_eq!(layer.handle().partitions(), 0);
    /// layer.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// assert_eq!(layer.handle().partitions(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.limiter.partitions()
    }

    /// How much of each quota could go now, in the order of [`quotas`](Self::quotas).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::{Quota, RateLimitLayer};
    ///
    /// let minute = Duration::from_secs(60);
    /// let quotas = [Quota::requests(600, minute), Quota::tokens(10_000, minute).exact()];
    /// // A burst of the one, all of the other.
    /// assert_eq!(RateLimitLayer::new(quotas).handle().available(None), [30, 10_000]);
    /// ```
    #[must_use]
    pub fn available(&self, part: Option<&PartitionKey>) -> Vec<u64> {
        self.limiter.available(part)
    }

    /// For how long nothing of a part goes, because the upstream or [`pause`](Self::pause) said so.
    ///
    /// ```
    /// use blossom_layers::limit::rate::RateLimitLayer;
    ///
    /// // Nobody has asked to wait.
    /// assert_eq!(RateLimitLayer::new([]).learn().handle().paused(None), None);
    /// ```
    #[must_use]
    pub fn paused(&self, part: Option<&PartitionKey>) -> Option<Duration> {
        self.limiter.paused(part)
    }

    /// Lets nothing of a part go for so long, as if the upstream had asked for it. A pause that ends
    /// later holds.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// use std::time::Duration;
    ///
    /// use blossom_layers::limit::rate::RateLimitLayer;
    ///
    /// let handle = RateLimitLayer::new([]).learn().handle();
    /// handle.pause(None, Duration::from_secs(7));
    /// handle.pause(None, Duration::from_secs(3)); // ends earlier
    /// assert_eq!(handle.paused(None), Some(Duration::from_secs(7)));
    /// # }
    /// ```
    pub fn pause(&self, part: Option<&PartitionKey>, wait: Duration) {
        self.limiter.pause(&part.cloned(), wait);
    }
}
