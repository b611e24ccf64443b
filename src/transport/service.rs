use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use blossom_layers::{BoxError, body::ReqBody};
use http::{HeaderValue, Request, Response, Version};
use hyper_util::client::legacy::Client;
use tower_service::Service;

use super::{
    Body, Builder, ResponseFuture, connect::Connector, credentials, policy::Policy,
    upload::SendBody,
};

/// The innermost service: sends a request, gives the answer.
///
/// Cheap to clone: clones share one pool of connections. It belongs to the runtime in which it first
/// sends, because the connections are tasks of that runtime.
///
/// See the [module docs](super) for what it refuses, and for an example.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// use blossom::{Blossom, Dialect, Endpoint, transport::Transport};
///
/// let client = Blossom::from_service(Transport::builder().build()?)
///     .endpoint(Endpoint::new(Dialect::Gen, sandbox.base_url())?)
///     .build();
/// println!("{}", client.text().generate("What is Rust?").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) client: Client<Connector, SendBody>,
    pub(super) policy: Arc<Policy>,
    pub(super) authorization: Option<HeaderValue>,
}

impl Transport {
    /// Starts with the defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Service<Request<ReqBody>> for Transport {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> ResponseFuture {
        if let Err(refusal) = self.shared.policy.check(request.uri()) {
            return ResponseFuture::refused(refusal);
        }
        if let Some(authorization) = &self.shared.authorization {
            credentials::add(request.headers_mut(), authorization);
        }
        // The connection decides. A request that came to a gateway by HTTP/2 may leave by HTTP/1.
        *request.version_mut() = Version::HTTP_11;
        let (request, upload) = SendBody::wrap(request);
        ResponseFuture::sent(self.shared.client.request(request), upload)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("policy", &self.shared.policy)
            .field("api_key", &self.shared.authorization.is_some())
            .finish_non_exhaustive()
    }
}
