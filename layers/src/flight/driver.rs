use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Response, response::Parts};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;

/// What the upstream gave.
pub(super) enum Event<C> {
    Head(Arrived, C),
    /// A frame, and whether it was the last.
    Frame(Frame<Bytes>, bool),
    End,
    Failed(BoxError),
}

/// A head, and what its body says of itself.
pub(super) struct Arrived {
    pub(super) head: Parts,
    pub(super) hint: SizeHint,
    pub(super) ended: bool,
}

/// A call and then its body, without their types.
pub(super) trait Drive<C>: Send {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event<C>>;
}

/// What a call gives: a response, and a cargo for the landing.
pub(crate) trait Delivery<C> {
    type Body;

    fn unload(self) -> (Response<Self::Body>, C);
}

impl<B> Delivery<()> for Response<B> {
    type Body = B;

    fn unload(self) -> (Self, ()) {
        (self, ())
    }
}

impl<B, C> Delivery<C> for (Response<B>, C) {
    type Body = B;

    fn unload(self) -> Self {
        self
    }
}

pin_project! {
    /// A call, then its body, in one place.
    #[project = DriverProj]
    pub(crate) enum Driver<F, B> {
        Calling { #[pin] call: F },
        Reading { #[pin] body: B },
    }
}

impl<F, B> Driver<F, B> {
    pub(crate) const fn new(call: F) -> Self {
        Self::Calling { call }
    }
}

impl<F, D, B, C, E> Drive<C> for Driver<F, B>
where
    F: Future<Output = Result<D, E>> + Send,
    D: Delivery<C, Body = B>,
    E: Into<BoxError>,
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event<C>> {
        match self.as_mut().project() {
            DriverProj::Calling { call } => match ready!(call.poll(cx)) {
                Ok(delivery) => {
                    let (response, cargo) = delivery.unload();
                    let (head, body) = response.into_parts();
                    let arrived = Arrived {
                        head,
                        hint: body.size_hint(),
                        ended: body.is_end_stream(),
                    };
                    self.set(Self::Reading { body });
                    Poll::Ready(Event::Head(arrived, cargo))
                }
                Err(error) => Poll::Ready(Event::Failed(error.into())),
            },
            DriverProj::Reading { mut body } => match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let last = body.is_end_stream();
                    Poll::Ready(Event::Frame(frame, last))
                }
                Some(Err(error)) => Poll::Ready(Event::Failed(error.into())),
                None => Poll::Ready(Event::End),
            },
        }
    }
}
