use super::queue::Queue;
use crate::{sync::Arc, types::PartitionKey};

/// A live view of the limit of a [`ConcurrencyLimitLayer`](super::ConcurrencyLimitLayer).
///
/// Cheap to clone. Each getter is true of one moment; two of them may be of two.
///
/// ```
/// use blossom_layers::limit::concurrency::ConcurrencyLimitLayer;
///
/// let handle = ConcurrencyLimitLayer::new(10).handle();
/// handle.set_limit(20); // from now on
/// assert_eq!((handle.limit(), handle.in_flight(), handle.waiting()), (20, 0, 0));
/// ```
#[derive(Debug, Clone)]
pub struct Handle {
    queue: Arc<Queue>,
}

impl Handle {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// How many calls hold a permit: from the moment it was given to the end of the body.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.queue.in_flight()
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// How many calls may be under way at once, all together.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.queue.limit()
    }

    /// How many calls of one part may be under way at once; `usize::MAX` if parts have no limit.
    #[must_use]
    pub fn partition_limit(&self) -> usize {
        self.queue.partition_limit()
    }

    /// Changes the limit on all calls together.
    ///
    /// A higher one lets waiting calls go at once. One below what is in flight takes no permit away:
    /// it holds as calls end.
    pub fn set_limit(&self, limit: usize) {
        self.queue.set_limit(limit);
    }

    /// Changes the limit on each part, as [`set_limit`](Self::set_limit) does. Without a partition it
    /// has no effect.
    pub fn set_partition_limit(&self, limit: usize) {
        self.queue.set_partition_limit(limit);
    }

    /// The parts that have calls under way or waiting, in no order. Others are not kept.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionLoad> {
        self.queue.partitions()
    }
}

/// What one part has under way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionLoad {
    /// The part; `None` for the requests that belong to none, of which only those that wait are
    /// known.
    pub key: Option<PartitionKey>,
    /// How many of its calls hold a permit.
    pub in_flight: usize,
    /// How many of its calls wait.
    pub waiting: usize,
}
