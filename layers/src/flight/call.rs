use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, response::Parts};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Landing, NoHead, Reader};
use crate::{BoxError, oneshot::Oneshot};

/// What a follower needs should it have to call for itself.
pub(crate) struct Spare<S, B> {
    pub(crate) service: S,
    pub(crate) request: Request<B>,
}

pin_project! {
    /// A call by way of a flight, or without one.
    #[project = CallProj]
    pub(crate) enum Call<S, B, F, L: Landing> {
        // With a spare for a follower.
        Shared { reader: Option<Reader<L>>, spare: Option<Box<Spare<S, B>>> },
        // Boxed: it is the rare one, and would make the others many times as large.
        Own { call: Pin<Box<Oneshot<S, Request<B>, F>>> },
        Failed { error: Option<BoxError> },
    }
}

/// The reply of a [`Call`].
pub(crate) struct Caught<R, L: Landing> {
    pub(crate) head: Parts,
    pub(crate) body: Ride<R, L>,
    pub(crate) by: By,
}

/// Whose call it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// This one began the flight.
    Creator,
    /// This one joined it.
    Follower,
    /// No flight.
    Own,
}

impl<S, B, F, L: Landing> Call<S, B, F, L> {
    pub(crate) fn own(service: S, request: Request<B>) -> Self {
        Self::Own {
            call: Box::pin(Oneshot::new(service, request)),
        }
    }

    pub(crate) fn creator(reader: Reader<L>) -> Self {
        Self::Shared {
            reader: Some(reader),
            spare: None,
        }
    }

    pub(crate) fn follower(reader: Reader<L>, service: S, request: Request<B>) -> Self {
        Self::Shared {
            reader: Some(reader),
            spare: Some(Box::new(Spare { service, request })),
        }
    }

    pub(crate) fn failed(error: impl Into<BoxError>) -> Self {
        Self::Failed {
            error: Some(error.into()),
        }
    }
}

impl<S, B, R, L> Future for Call<S, B, S::Future, L>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    L: Landing,
{
    type Output = Result<Caught<R, L>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                CallProj::Own { call } => {
                    let (head, body) = ready!(call.as_mut().poll(cx))
                        .map_err(Into::into)?
                        .into_parts();
                    return Poll::Ready(Ok(Caught {
                        head,
                        body: Ride::Own {
                            body: Box::pin(body),
                        },
                        by: By::Own,
                    }));
                }
                CallProj::Failed { error } => {
                    return match error.take() {
                        Some(error) => Poll::Ready(Err(error)),
                        // Polled after its end.
                        None => Poll::Pending,
                    };
                }
                CallProj::Shared { reader, spare } => {
                    let Some(waiting) = reader else {
                        return Poll::Pending;
                    };
                    let head = ready!(waiting.poll_head(cx));
                    let by = if spare.is_some() {
                        By::Follower
                    } else {
                        By::Creator
                    };
                    match (head, reader.take(), spare.take()) {
                        (Ok(head), Some(reader), _) => {
                            return Poll::Ready(Ok(Caught {
                                head,
                                body: Ride::Shared { reader },
                                by,
                            }));
                        }
                        (Err(NoHead::Failed(error)), ..) => return Poll::Ready(Err(error)),
                        (Err(NoHead::Own), _, Some(spare)) => {
                            let Spare { service, request } = *spare;
                            self.set(Self::own(service, request));
                        }
                        // The creator is never sent away.
                        _ => return Poll::Pending,
                    }
                }
            }
        }
    }
}

impl<S, B, F, L: Landing> fmt::Debug for Call<S, B, F, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared { .. } => "Shared",
            Self::Own { .. } => "Own",
            Self::Failed { .. } => "Failed",
        })
    }
}

pin_project! {
    /// A body read by way of a flight, or one's own.
    #[project = RideProj]
    pub(crate) enum Ride<R, L: Landing> {
        Shared { reader: Reader<L> },
        // Boxed as its call is.
        Own { body: Pin<Box<R>> },
    }
}

impl<R, L> Body for Ride<R, L>
where
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
    L: Landing,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            RideProj::Shared { reader } => Pin::new(reader).poll_frame(cx),
            RideProj::Own { body } => body
                .as_mut()
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Shared { reader } => reader.is_end_stream(),
            Self::Own { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Shared { reader } => reader.size_hint(),
            Self::Own { body } => body.size_hint(),
        }
    }
}

impl<R: fmt::Debug, L: Landing> fmt::Debug for Ride<R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared { reader } => f.debug_tuple("Shared").field(reader).finish(),
            Self::Own { body } => f.debug_tuple("Own").field(body).finish(),
        }
    }
}
