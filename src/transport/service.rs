use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, Uri, header::AUTHORIZATION, uri::Scheme};
use hyper_util::client::legacy;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    ApiKey, ConnectError, Refused, ResponseBody, SendError, TransportBuilder,
    connect::{self, Connector},
    error::Reason,
};
use crate::layers::{BoxError, body::ReqBody};

/// Sends requests. See the [module docs](super) for an example.
///
/// Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Transport {
    client: legacy::Client<Connector, ReqBody>,
    api_key: Option<ApiKey>,
    plain_http: Arc<BTreeSet<String>>,
}

impl Transport {
    /// Begins a transport.
    pub fn builder() -> TransportBuilder {
        TransportBuilder::default()
    }

    pub(super) const fn new(
        client: legacy::Client<Connector, ReqBody>,
        api_key: Option<ApiKey>,
        plain_http: Arc<BTreeSet<String>>,
    ) -> Self {
        Self {
            client,
            api_key,
            plain_http,
        }
    }

    fn check(&self, uri: &Uri) -> Result<(), Reason> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(Reason::NoAuthority);
        };
        if authority.as_str().contains('@') {
            return Err(Reason::Userinfo);
        }
        if *scheme == Scheme::HTTPS {
            return if cfg!(feature = "tls-ring") {
                Ok(())
            } else {
                Err(Reason::NoTls)
            };
        }
        if *scheme != Scheme::HTTP {
            return Err(Reason::Scheme);
        }
        let host = authority.host();
        if is_loopback(host) || self.plain_http.contains(&host.to_ascii_lowercase()) {
            Ok(())
        } else {
            Err(Reason::PlainHttp(host.to_owned()))
        }
    }
}

/// Whether packets to `host` stay on this machine.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().map_or_else(
        |_| host.eq_ignore_ascii_case("localhost"),
        |ip| ip.is_loopback(),
    )
}

impl Service<Request<ReqBody>> for Transport {
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> ResponseFuture {
        if let Err(reason) = self.check(request.uri()) {
            return ResponseFuture {
                inner: Inner::Refused {
                    refused: Some(Refused::new(reason)),
                },
            };
        }
        if let Some(key) = &self.api_key
            && !request.headers().contains_key(AUTHORIZATION)
        {
            request
                .headers_mut()
                .insert(AUTHORIZATION, key.authorization());
        }
        ResponseFuture {
            inner: Inner::Sending {
                response: self.client.request(request),
            },
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("api_key", &self.api_key)
            .field("plain_http", &self.plain_http)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// Response future of [`Transport`].
    pub struct ResponseFuture {
        #[pin]
        inner: Inner,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner {
        Refused { refused: Option<Refused> },
        Sending { #[pin] response: legacy::ResponseFuture },
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().inner.project() {
            InnerProj::Refused { refused } => match refused.take() {
                Some(refused) => Poll::Ready(Err(refused.into())),
                None => Poll::Pending,
            },
            InnerProj::Sending { response } => Poll::Ready(match ready!(response.poll(cx)) {
                Ok(response) => Ok(response.map(ResponseBody::new)),
                Err(error) => Err(typed(error)),
            }),
        }
    }
}

fn typed(error: legacy::Error) -> BoxError {
    if error.is_connect() {
        return ConnectError::new(connect::failure(&error), error.into()).into();
    }
    let canceled = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<hyper::Error>())
        .is_some_and(hyper::Error::is_canceled);
    SendError::new(!canceled, error.into()).into()
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    async fn refused(uri: &str) -> String {
        let transport = Transport::builder().build().unwrap();
        let request = Request::get(uri).body(ReqBody::empty()).unwrap();
        let error = transport.oneshot(request).await.unwrap_err();
        error.downcast_ref::<Refused>().unwrap().to_string()
    }

    #[tokio::test]
    async fn k2_a_uri_that_would_leak_is_refused() {
        assert!(refused("/v1/models").await.contains("no scheme and host"));
        assert!(
            refused("http://example.com/")
                .await
                .contains("allow_plain_http")
        );
        assert!(
            refused("http://user:pass@127.0.0.1/")
                .await
                .contains("API key")
        );
        assert!(
            refused("http://127.0.0.1.example.com/")
                .await
                .contains("plain http")
        );
        assert!(refused("ftp://127.0.0.1/").await.contains("neither"));
    }

    #[test]
    fn loopback_is_told_by_address() {
        for host in ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "LOCALHOST"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "0.0.0.0",
            "10.0.0.1",
            "localhost.example.com",
            "[::2]",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn debug_does_not_show_the_key() {
        let key = ApiKey::new("sk_secret").unwrap();
        let transport = Transport::builder().api_key(key).build().unwrap();

        assert!(!format!("{transport:?}").contains("secret"));
    }
}
