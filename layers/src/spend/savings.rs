use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{ledger::Ledger, settle::cost_of};
use crate::{
    body::{End, Guard, Guarded},
    sync::Arc,
    types::{CacheStatus, Outcome, Partition, PartitionKey, Price, Unpartitioned},
};

/// Applies [`Savings`]. Made by [`SpendLayer::savings`](super::SpendLayer::savings), whose books it
/// shares; it stands outside the cache.
///
/// ```
/// # use http::{Request, Response};
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     spend::{SavingsLayer, SpendLayer},
///     test_util::{ScriptedBody, ScriptedService, Step},
///     types::{CacheStatus, Nanos, Outcome, Quote, Record},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// // What a cache answers.
/// let mut hit = Response::new(ScriptedBody::new().sized());
/// hit.extensions_mut().insert(CacheStatus::Hit);
/// hit.extensions_mut().insert(Outcome::new());
/// let cache = ScriptedService::new([Step::Respond(hit)]);
///
/// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
/// let layer: SavingsLayer<_> = spend.savings();
/// layer.layer(cache).oneshot(Request::new(())).await?;
/// assert_eq!(spend.handle().totals().saved, Nanos(40));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SavingsLayer<P, K = Unpartitioned> {
    pub(super) ledger: Arc<Ledger>,
    pub(super) price: P,
    pub(super) partition: K,
}

impl<S, P: Clone, K: Clone> Layer<S> for SavingsLayer<P, K> {
    type Service = Savings<S, P, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Savings {
            inner,
            layer: self.clone(),
        }
    }
}

/// Counts what answers of a cache have saved.
///
/// Readiness is forwarded. An answer is one of a cache if its
/// [`CacheStatus`](crate::types::CacheStatus) says so; what it would have cost stands in its
/// [`Outcome`](crate::types::Outcome). It counts when its body ends.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     spend::{Savings, SpendLayer},
///     test_util::ScriptedService,
///     types::{Nanos, Quote, Record},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
/// let service: Savings<ScriptedService, _> = spend.savings().layer(ScriptedService::default());
/// service.oneshot(Request::new(())).await?;
/// assert_eq!(spend.handle().totals().hits, 0); // no cache has answered
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Savings<S, P, K = Unpartitioned> {
    inner: S,
    layer: SavingsLayer<P, K>,
}

impl<S, P, K, B, R> Service<Request<B>> for Savings<S, P, K>
where
    S: Service<Request<B>, Response = Response<R>>,
    P: Price + Clone,
    K: Partition<B>,
    R: Body,
{
    type Response = Response<Guarded<R, Save<P>>>;
    type Error = S::Error;
    type Future = SavingsFuture<S::Future, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let SavingsLayer {
            ledger,
            price,
            partition,
        } = &self.layer;
        let saving = Saving {
            ledger: ledger.clone(),
            price: price.clone(),
            part: partition.partition(&request),
            outcome: None,
        };
        SavingsFuture {
            response: self.inner.call(request),
            saving: Some(saving),
        }
    }
}

struct Saving<P> {
    ledger: Arc<Ledger>,
    price: P,
    part: Option<PartitionKey>,
    outcome: Option<Outcome>,
}

pin_project! {
    /// Response future of [`Savings`].
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, Service as _, ServiceExt};
    /// use blossom_layers::{
    ///     spend::{SavingsFuture, SpendLayer},
    ///     test_util::ScriptedService,
    ///     types::{Nanos, Quote, Record},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
    /// let mut service = spend.savings().layer(ScriptedService::default());
    /// ServiceExt::<Request<()>>::ready(&mut service).await?;
    /// let call: SavingsFuture<_, _> = service.call(Request::new(()));
    /// assert_eq!(call.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct SavingsFuture<F, P> {
        #[pin]
        response: F,
        saving: Option<Saving<P>>,
    }
}

impl<F, P, R, E> Future for SavingsFuture<F, P>
where
    F: Future<Output = Result<Response<R>, E>>,
    P: Price,
    R: Body,
{
    type Output = Result<Response<Guarded<R, Save<P>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.response.poll(cx))?;
        let status = response.extensions().get::<CacheStatus>();
        let free = matches!(
            status,
            Some(CacheStatus::Hit | CacheStatus::Stale | CacheStatus::Coalesced)
        );
        let saving = this.saving.take().filter(|_| free).map(|mut saving| {
            saving.outcome = response.extensions().get::<Outcome>().cloned();
            Box::new(saving)
        });
        Poll::Ready(Ok(response.map(|body| Guarded::new(body, Save { saving }))))
    }
}

/// Hangs on the body of an answer that cost nothing.
///
/// ```
/// # use http::{Request, Response};
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     body::Guarded,
///     spend::{Save, SpendLayer},
///     test_util::{ScriptedBody, ScriptedService, Step},
///     types::{CacheStatus, Nanos, Quote, Record},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let mut hit = Response::new(ScriptedBody::new());
/// hit.extensions_mut().insert(CacheStatus::Hit);
/// let cache = ScriptedService::new([Step::Respond(hit)]);
///
/// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
/// let response = spend.savings().layer(cache).oneshot(Request::new(())).await?;
/// let body: Guarded<ScriptedBody, Save<_>> = response.into_body();
/// assert_eq!(spend.handle().totals().hits, 0);
/// drop(body);
/// assert_eq!(spend.handle().totals().hits, 1);
/// # Ok(())
/// # }
/// ```
pub struct Save<P: Price> {
    // Boxed, since few have one and all are moved through the stack.
    saving: Option<Box<Saving<P>>>,
}

impl<P: Price> Guard for Save<P> {
    fn end(self, _end: End) {
        let Some(saving) = self.saving else {
            return;
        };
        let Saving {
            ledger,
            price,
            part,
            outcome,
        } = *saving;
        let Some(outcome) = outcome else {
            return ledger.save(part, None, None);
        };
        outcome.read(|record| {
            ledger.save(part, record.model.as_deref(), cost_of(&price, record));
        });
    }
}

impl<P: Price> fmt::Debug for Save<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Save")
            .field("saves", &self.saving.is_some())
            .finish_non_exhaustive()
    }
}

impl<F, P> fmt::Debug for SavingsFuture<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavingsFuture").finish_non_exhaustive()
    }
}

impl<P, K> fmt::Debug for SavingsLayer<P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavingsLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, P, K> fmt::Debug for Savings<S, P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savings")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
