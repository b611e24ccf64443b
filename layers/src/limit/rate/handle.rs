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
/// println!("{:?}", layer.handle());
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
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        self.limiter.quotas()
    }

    /// How many requests wait, all parts together.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.limiter.waiting()
    }

    /// How many requests have had to wait so far, all parts together.
    #[must_use]
    pub fn waits(&self) -> u64 {
        self.limiter.waits()
    }

    /// For how many parts quotas are kept at this moment.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.limiter.partitions()
    }

    /// How much of each quota could go now, in the order of [`quotas`](Self::quotas).
    #[must_use]
    pub fn available(&self, part: Option<&PartitionKey>) -> Vec<u64> {
        self.limiter.available(part)
    }

    /// For how long nothing of a part goes, because the upstream or [`pause`](Self::pause) said so.
    #[must_use]
    pub fn paused(&self, part: Option<&PartitionKey>) -> Option<Duration> {
        self.limiter.paused(part)
    }

    /// Lets nothing of a part go for so long, as if the upstream had asked for it. A pause that ends
    /// later holds.
    pub fn pause(&self, part: Option<&PartitionKey>, wait: Duration) {
        self.limiter.pause(&part.cloned(), wait);
    }
}
