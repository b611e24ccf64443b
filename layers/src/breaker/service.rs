use std::{
    fmt,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{Broken, ResponseBody, ResponseFuture, Rules, circuit::Circuit, circuits::Circuits};
use crate::{
    BoxError,
    sync::Arc,
    types::{Classify, Partition},
};

/// Stops calling an upstream that fails, for a while.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::breaker::BreakerLayer;
/// use tower_layer::Layer as _;
///
/// let service = BreakerLayer::new().layer("any service");
/// ```
#[derive(Clone)]
pub struct Breaker<S, P, C> {
    pub(super) inner: S,
    pub(super) partition: P,
    pub(super) classify: C,
    // In one place, since each call has a clone of the service.
    pub(super) shared: Arc<Shared>,
}

/// What the clones of a service share.
pub(super) struct Shared {
    pub(super) rules: Rules,
    pub(super) max_partitions: usize,
    pub(super) circuits: Arc<Circuits>,
}

impl<S, P, C, B, R> Service<Request<B>> for Breaker<S, P, C>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: Partition<B>,
    C: Classify + Clone,
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R, C>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, Request<B>, S::Future, C>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = self.inner.clone();
        let classify = self.classify.clone();
        let Some(key) = self.partition.partition(&request) else {
            return ResponseFuture::calling(inner, request, None, classify);
        };
        let Shared {
            rules,
            max_partitions,
            circuits,
        } = &*self.shared;
        let circuit = circuits.find(&key, rules, *max_partitions);
        match circuit.map(Circuit::admit).transpose() {
            Ok(ticket) => ResponseFuture::calling(inner, request, ticket, classify),
            Err(retry_after) => ResponseFuture::failed(Broken::new(key, retry_after).into()),
        }
    }
}

impl<S: fmt::Debug, P, C> fmt::Debug for Breaker<S, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("inner", &self.inner)
            .field("rules", &self.shared.rules)
            .field("circuits", &self.shared.circuits)
            .finish_non_exhaustive()
    }
}
