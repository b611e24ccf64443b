use std::fmt;

use tower_layer::Layer;

use super::{ConcurrencyLimit, Handle, queue::Queue};
use crate::{sync::Arc, types::Unpartitioned};

/// Applies [`ConcurrencyLimit`].
///
/// The layer holds the limit: services of one layer, and of its clones, share it.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::limit::concurrency::ConcurrencyLimitLayer;
///
/// let layer = ConcurrencyLimitLayer::new(10).max_waiting(100);
/// assert_eq!(layer.handle().limit(), 10);
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimitLayer<P = Unpartitioned> {
    pub(super) queue: Arc<Queue>,
    pub(super) partition: P,
}

impl ConcurrencyLimitLayer {
    /// At most `limit` calls at once, all together.
    ///
    /// `usize::MAX` is no limit. At zero nobody goes, until [`Handle::set_limit`] raises it.
    ///
    /// ```
    /// use blossom_layers::limit::concurrency::ConcurrencyLimitLayer;
    ///
    /// let layer = ConcurrencyLimitLayer::new(64);
    /// assert_eq!(layer.handle().limit(), 64);
    /// ```
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            queue: Arc::new(Queue::new(limit)),
            partition: Unpartitioned,
        }
    }
}

impl<P> ConcurrencyLimitLayer<P> {
    /// At most `limit` calls at once for each part that `partition` names, and no limit on all
    /// together. Requests without a part are not limited.
    ///
    /// ```
    /// # use http::Request;
    /// use blossom_layers::{limit::concurrency::ConcurrencyLimitLayer, types::PartitionKey};
    ///
    /// let by_host = |request: &Request<()>| request.uri().host().map(PartitionKey::new);
    /// let handle = ConcurrencyLimitLayer::partitioned(8, by_host).handle();
    /// assert_eq!((handle.limit(), handle.partition_limit()), (usize::MAX, 8));
    /// ```
    #[must_use]
    pub fn partitioned(limit: usize, partition: P) -> Self {
        ConcurrencyLimitLayer::new(usize::MAX).per_partition(limit, partition)
    }

    /// Also at most `limit` calls at once for each part that `partition` names. A request that it
    /// gives no part only counts in the limit on all together.
    ///
    /// Where calls wait, the parts take turns, so that a part with a thousand waiting does not delay
    /// another: one that had nothing under way is next, at most every second time.
    ///
    /// ```
    /// # use http::Request;
    /// use blossom_layers::{limit::concurrency::ConcurrencyLimitLayer, types::PartitionKey};
    ///
    /// let by_host = |request: &Request<()>| request.uri().host().map(PartitionKey::new);
    /// let handle = ConcurrencyLimitLayer::new(64).per_partition(8, by_host).handle();
    /// assert_eq!((handle.limit(), handle.partition_limit()), (64, 8));
    /// ```
    #[must_use]
    pub fn per_partition<Q>(self, limit: usize, partition: Q) -> ConcurrencyLimitLayer<Q> {
        self.queue.set_partition_limit(limit);
        ConcurrencyLimitLayer {
            queue: self.queue,
            partition,
        }
    }

    /// How many calls may wait, all parts together. Default: 16,384.
    ///
    /// At zero whoever finds no room is refused at once. A queue that is full refuses the newcomer;
    /// between parts, the one with the most waiting loses its last to a newcomer that has fewer.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use blossom_layers::{
    ///     limit::concurrency::{ConcurrencyLimitLayer, Overloaded},
    ///     test_util::ScriptedService,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = ConcurrencyLimitLayer::new(0).max_waiting(0);
    /// let service = layer.layer(ScriptedService::default());
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert!(error.is::<Overloaded>());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.queue.set_max_waiting(max_waiting);
        self
    }

    /// A live view of this limit, that can also change it.
    ///
    /// ```
    /// use blossom_layers::limit::concurrency::ConcurrencyLimitLayer;
    ///
    /// let layer = ConcurrencyLimitLayer::new(8);
    /// layer.handle().set_limit(16);
    /// assert_eq!(layer.handle().limit(), 16);
    /// ```
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.queue.clone())
    }
}

impl<S, P: Clone> Layer<S> for ConcurrencyLimitLayer<P> {
    type Service = ConcurrencyLimit<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        ConcurrencyLimit::new(inner, self.clone())
    }
}

// A partition may be a closure, which has no form to show.
impl<P> fmt::Debug for ConcurrencyLimitLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimitLayer")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
