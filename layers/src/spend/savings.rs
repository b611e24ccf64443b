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
