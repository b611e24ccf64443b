use std::{
    fmt,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use blossom_layers::{BoxError, body::ReqBody};
use http::{
    HeaderValue, Request, Response, Uri, Version,
    header::HOST,
    uri::{Authority, Scheme},
};
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
    pub(super) plain: Option<Plain>,
}

/// The host that was called last by plain HTTP/1, which was allowed, and its `Host` header. Nearly every
/// call goes there: it need not be looked at again.
#[derive(Debug, Default)]
pub(super) struct Plain {
    last: Mutex<Option<(Authority, HeaderValue)>>,
}

impl Plain {
    fn get(&self, authority: &Authority) -> Option<HeaderValue> {
        // Who would have to wait looks for itself.
        let last = self.last.try_lock().ok()?;
        let (_, host) = last.as_ref().filter(|(known, _)| known == authority)?;
        Some(host.clone())
    }

    fn set(&self, authority: &Authority) -> Option<HeaderValue> {
        let host = match authority.port_u16() {
            None | Some(80) => authority.host(),
            Some(_) => authority.as_str(),
        };
        let host = HeaderValue::from_str(host).ok()?;
        if let Ok(mut last) = self.last.try_lock() {
            *last = Some((authority.clone(), host.clone()));
        }
        Some(host)
    }
}

impl Shared {
    /// Whether `uri` may be called, and the `Host` header where it is known already.
    fn allow(&self, uri: &Uri) -> Result<Option<HeaderValue>, BoxError> {
        let is_plain = uri.scheme() == Some(&Scheme::HTTP);
        let plain = self
            .plain
            .as_ref()
            .filter(|_| is_plain)
            .zip(uri.authority());
        if let Some((plain, authority)) = plain
            && let Some(host) = plain.get(authority)
        {
            return Ok(Some(host));
        }
        self.policy.check(uri)?;
        Ok(plain.and_then(|(plain, authority)| plain.set(authority)))
    }
}

impl Transport {
    /// Starts with the defaults.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Body, transport::Transport};
    /// # use http::Request;
    /// use tower::ServiceExt;
    ///
    /// let request = Request::get(format!("{}/models", sandbox.base_url())).body(Body::empty())?;
    /// let response = Transport::builder().build()?.oneshot(request).await?;
    /// assert_eq!(response.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
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
        match self.shared.allow(request.uri()) {
            Err(refusal) => return ResponseFuture::refused(refusal),
            Ok(Some(host)) => {
                request.headers_mut().entry(HOST).or_insert(host);
            }
            Ok(None) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_header_has_the_port_unless_it_is_the_usual_one() {
        for (authority, host) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("localhost:80", "localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]:81", "[::1]:81"),
            ("models.lan", "models.lan"),
        ] {
            let plain = Plain::default();
            let authority = Authority::from_static(authority);
            assert_eq!(plain.get(&authority), None);
            assert_eq!(plain.set(&authority).unwrap(), host);
            assert_eq!(plain.get(&authority).unwrap(), host);
            assert_eq!(plain.get(&Authority::from_static("other")), None);
        }
    }
}
