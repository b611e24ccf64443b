//! The HTTP client of the exporters.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

use crate::{
    layers::{BoxError, body::ReqBody},
    transport::Transport,
};

/// Sends exports through a transport.
///
/// The SDK calls it on threads of its own, which no runtime drives: it brings one, and blocks.
#[derive(Debug)]
pub(super) struct Exporter {
    transport: Transport,
    timeout: Duration,
    // Taken when it is dropped, which may be where a runtime must not block.
    runtime: Option<Runtime>,
}

impl Exporter {
    pub(super) fn new(transport: Transport, timeout: Duration) -> Result<Self, BoxError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            transport,
            timeout,
            runtime: Some(runtime),
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.map(ReqBody::full);
        let response = self.transport.clone().oneshot(request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Exporter {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Sending<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let sent = match &self.runtime {
            Some(runtime) => runtime.block_on(async {
                tokio::time::timeout(self.timeout, self.send(request))
                    .await
                    .map_err(HttpError::from)
                    .flatten()
            }),
            None => Err("the exporter has ended".into()),
        };
        Box::pin(std::future::ready(sent))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

const MAX_ANSWER_BYTES: usize = 64 * 1024;
