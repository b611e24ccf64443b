use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use blossom_layers::BoxError;
use http::Response;
use hyper_util::client::legacy;
use pin_project_lite::pin_project;

use super::{Body, connect::Line, error, upload::Upload};

pin_project! {
    /// Response future of [`Transport`](super::Transport).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use blossom::{Body, transport::{ResponseFuture, Transport}};
    /// use http::Request;
    /// use tower::Service;
    ///
    /// struct Call {
    ///     head: ResponseFuture,
    /// }
    ///
    /// let mut transport = Transport::builder().build()?;
    /// let request = Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty())?;
    /// let call = Call { head: transport.call(request) };
    /// assert_eq!(call.head.await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        Refused { refusal: Option<BoxError> },
        Sent {
            #[pin]
            response: legacy::ResponseFuture,
            upload: Option<Arc<Upload>>,
        },
    }
}

impl ResponseFuture {
    pub(super) const fn refused(refusal: BoxError) -> Self {
        Self {
            state: State::Refused {
                refusal: Some(refusal),
            },
        }
    }

    pub(super) const fn sent(
        response: legacy::ResponseFuture,
        upload: Option<Arc<Upload>>,
    ) -> Self {
        Self {
            state: State::Sent { response, upload },
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal)),
                // Polled after it was ready, which no caller may do.
                None => Poll::Pending,
            },
            StateProj::Sent { response, upload } => {
                let mut response = match ready!(response.poll(cx)) {
                    Ok(response) => response,
                    Err(failure) => return Poll::Ready(Err(error::from_client(failure))),
                };
                let line = response.extensions_mut().remove::<Line>();
                let version = response.version();
                let upload = upload.take();
                Poll::Ready(Ok(
                    response.map(|body| Body::new(body, version, line, upload))
                ))
            }
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
