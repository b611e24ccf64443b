//! From a URI to a connection that can be spoken on.

mod dial;
mod line;
mod proxy;
mod resolve;
#[cfg(feature = "_tls")]
mod tls;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use blossom_layers::BoxError;
use http::Uri;
use tower_service::Service;

pub use self::resolve::{Resolve, Resolving};
#[cfg(feature = "_tls")]
pub(super) use self::tls::{Added, Roots, client_config};
pub(super) use self::{
    dial::{Dialer, Sockets},
    line::Line,
    proxy::Proxies,
    resolve::SystemResolver,
};
use super::error::{ConnectCause, ConnectError, PlainHttpRefused};

/// What is outside of the dialler: TLS where it is compiled in.
#[cfg(feature = "_tls")]
type Secured = hyper_rustls::HttpsConnector<Dialer>;
#[cfg(not(feature = "_tls"))]
type Secured = Dialer;

/// Opens connections within a time limit, and says why it could not.
///
/// The pooled client clones it for every request, so a clone is one counter.
#[derive(Clone)]
pub(super) struct Connector {
    shared: Arc<Shared>,
}

struct Shared {
    secured: Secured,
    timeout: Duration,
}

impl Connector {
    #[cfg(feature = "_tls")]
    pub(super) fn new(dialer: Dialer, config: rustls::ClientConfig, timeout: Duration) -> Self {
        Self::from_secured((dialer, config).into(), timeout)
    }

    #[cfg(not(feature = "_tls"))]
    pub(super) fn new(dialer: Dialer, timeout: Duration) -> Self {
        Self::from_secured(dialer, timeout)
    }

    fn from_secured(secured: Secured, timeout: Duration) -> Self {
        Self {
            shared: Arc::new(Shared { secured, timeout }),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = <Secured as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Neither the dialler nor TLS is ever busy.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let timeout = self.shared.timeout;
        let host = target.host().unwrap_or_default().to_owned();
        let connecting = self.shared.secured.clone().call(target);
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(Ok(connection)) => Ok(connection),
                Ok(Err(error)) => Err(typed(&host, error)),
                Err(_) => Err(ConnectError::timeout(&host, timeout).into()),
            }
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("timeout", &self.shared.timeout)
            .finish_non_exhaustive()
    }
}

/// The dialler types its own errors, so whatever else comes is from TLS.
fn typed(host: &str, error: BoxError) -> BoxError {
    if error.is::<ConnectError>() || error.is::<PlainHttpRefused>() {
        return error;
    }
    ConnectError::new(ConnectCause::Tls, host, error).into()
}
