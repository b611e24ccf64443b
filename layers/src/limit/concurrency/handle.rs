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
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::concurrency::ConcurrencyLimitLayer,
    /// #     test_util::{ScriptedBody, ScriptedService},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = ConcurrencyLimitLayer::new(8);
    /// let service = layer.layer(ScriptedService::once(ScriptedBody::new()));
    /// let response = service.oneshot(Request::new(())).await?;
    /// assert_eq!(layer.handle().in_flight(), 1);
    /// drop(response);
    /// assert_eq!(layer.handle().in_flight(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.queue.in_flight()
    }

    /// How many calls wait.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _};
    /// use blossom_layers::{limit::concurrency::ConcurrencyLimitLayer, test_util::ScriptedService};
    ///
    /// let layer = ConcurrencyLimitLayer::new(0);
    /// let mut service = layer.layer(ScriptedService::default());
    /// let mut call = tokio_test::task::spawn(service.call(Request::new(())));
    /// assert!(call.poll().is_pending());
    /// assert_eq!(layer.handle().waiting(), 1);
    /// ```
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// How many calls may be under way at once, all together.
    ///
    /// ```
    /// use blossom_layers::limit::concurrency::ConcurrencyLimitLayer;
    ///
    /// assert_eq!(ConcurrencyLimitLayer::new(8).handle().limit(), 8);
    /// ```
    #[must_use]
    pub fn limit(&self) -> usize {
        self.queue.limit()
    }

    /// How many calls of one part may be under way at once; `usize::MAX` if parts have no limit.
    ///
    /// ```
    /// use blossom_layers::limit::concurrency::ConcurrencyLimitLayer;
    ///
    /// assert_eq!(ConcurrencyLimitLayer::new(8).handle().partition_limit(), usize::MAX);
    /// ```
    #[must_use]
    pub fn partition_limit(&self) -> usize {
        self.queue.partition_limit()
    }

    /// Changes the limit on all calls together.
    ///
    /// A higher one lets waiting calls go at once. One below what is in flight takes no permit away:
    /// it holds as calls end.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _};
    /// use blossom_layers::{limit::concurrency::ConcurrencyLimitLayer, test_util::ScriptedService};
    ///
    /// let layer = ConcurrencyLimitLayer::new(0);
    /// let mut service = layer.layer(ScriptedService::default());
    /// let mut call = tokio_test::task::spawn(service.call(Request::new(())));
    /// assert!(call.poll().is_pending());
    ///
    /// layer.handle().set_limit(1);
    /// assert!(call.is_woken() && call.poll().is_ready());
    /// ```
    pub fn set_limit(&self, limit: usize) {
        self.queue.set_limit(limit);
    }

    /// Changes the limit on each part, as [`set_limit`](Self::set_limit) does. Without a partition it
    /// has no effect.
    ///
    /// ```
    /// # use http::Request;
    /// use blossom_layers::{limit::concurrency::ConcurrencyLimitLayer, types::PartitionKey};
    ///
    /// let tenant = |_: &Request<()>| Some(PartitionKey::new("team-a"));
    /// let handle = ConcurrencyLimitLayer::partitioned(8, tenant).handle();
    /// handle.set_partition_limit(4);
    /// assert_eq!(handle.partition_limit(), 4);
    /// ```
    pub fn set_partition_limit(&self, limit: usize) {
        self.queue.set_partition_limit(limit);
    }

    /// The parts that have calls under way or waiting, in no order. Others are not kept.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     limit::concurrency::ConcurrencyLimitLayer,
    /// #     test_util::{ScriptedBody, ScriptedService},
    /// #     types::PartitionKey,
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let tenant = |_: &Request<()>| Some(PartitionKey::new("team-a"));
    /// let layer = ConcurrencyLimitLayer::partitioned(8, tenant);
    /// assert!(layer.handle().partitions().is_empty());
    ///
    /// let service = layer.layer(ScriptedService::once(ScriptedBody::new()));
    /// let open = service.oneshot(Request::new(())).await?;
    /// assert_eq!(layer.handle().partitions()[0].key, Some(PartitionKey::new("team-a")));
    /// # drop(open);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionLoad> {
        self.queue.partitions()
    }
}

/// What one part has under way.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, Service as _};
/// use blossom_layers::{
///     limit::concurrency::{ConcurrencyLimitLayer, PartitionLoad},
///     test_util::ScriptedService,
///     types::PartitionKey,
/// };
///
/// let tenant = |_: &Request<()>| Some(PartitionKey::new("team-a"));
/// let layer = ConcurrencyLimitLayer::partitioned(0, tenant);
/// let mut service = layer.layer(ScriptedService::default());
/// let mut call = tokio_test::task::spawn(service.call(Request::new(())));
/// assert!(call.poll().is_pending());
///
/// let loads: Vec<PartitionLoad> = layer.handle().partitions();
/// assert_eq!((loads[0].in_flight, loads[0].waiting), (0, 1));
/// ```
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
