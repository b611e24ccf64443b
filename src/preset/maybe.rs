//! A layer that is there or is not, as the settings say.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Either;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::layers::BoxError;

/// Applies a layer, or nothing. `tower`'s optional layer wants one type of body of both; this one joins
/// them.
#[derive(Debug, Clone)]
pub(super) struct Maybe<L>(pub(super) Option<L>);

impl<S, L: Layer<S>> Layer<S> for Maybe<L> {
    type Service = MaybeService<L::Service, S>;

    fn layer(&self, inner: S) -> Self::Service {
        match &self.0 {
            Some(layer) => MaybeService::With(layer.layer(inner)),
            None => MaybeService::Without(inner),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum MaybeService<A, B> {
    With(A),
    Without(B),
}

impl<A, B, Q, Ra, Rb> Service<Request<Q>> for MaybeService<A, B>
where
    A: Service<Request<Q>, Response = Response<Ra>>,
    B: Service<Request<Q>, Response = Response<Rb>>,
    A::Error: Into<BoxError>,
    B::Error: Into<BoxError>,
    Ra: Body<Data = Bytes>,
    Rb: Body<Data = Bytes>,
{
    type Response = Response<Either<Ra, Rb>>;
    type Error = BoxError;
    type Future = MaybeFuture<A::Future, B::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::With(service) => service.poll_ready(cx).map_err(Into::into),
            Self::Without(service) => service.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        match self {
            Self::With(service) => MaybeFuture::With {
                call: service.call(request),
            },
            Self::Without(service) => MaybeFuture::Without {
                call: service.call(request),
            },
        }
    }
}

pin_project! {
    #[project = MaybeProj]
    pub(super) enum MaybeFuture<A, B> {
        With { #[pin] call: A },
        Without { #[pin] call: B },
    }
}

impl<A, B, Ra, Rb, Ea, Eb> Future for MaybeFuture<A, B>
where
    A: Future<Output = Result<Response<Ra>, Ea>>,
    B: Future<Output = Result<Response<Rb>, Eb>>,
    Ea: Into<BoxError>,
    Eb: Into<BoxError>,
{
    type Output = Result<Response<Either<Ra, Rb>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Spelled out: each `map` on the way would move the whole response once more.
        match self.project() {
            MaybeProj::With { call } => match ready!(call.poll(cx)) {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    Poll::Ready(Ok(Response::from_parts(head, Either::Left(body))))
                }
                Err(error) => Poll::Ready(Err(error.into())),
            },
            MaybeProj::Without { call } => match ready!(call.poll(cx)) {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    Poll::Ready(Ok(Response::from_parts(head, Either::Right(body))))
                }
                Err(error) => Poll::Ready(Err(error.into())),
            },
        }
    }
}
