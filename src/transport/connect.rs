//! Connections, with one time limit over TCP and TLS.

use std::{
    error, fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tower_service::Service;

use super::ConnectFailure;
use crate::layers::{BoxError, cause_ref};

#[cfg(feature = "tls-ring")]
pub(super) type Inner = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls-ring"))]
pub(super) type Inner = HttpConnector;

/// Gives up on a connection that takes too long, TLS handshake included.
#[derive(Clone)]
pub(super) struct Connector<C = Inner> {
    inner: C,
    timeout: Duration,
}

impl<C> Connector<C> {
    pub(super) const fn new(inner: C, timeout: Duration) -> Self {
        Self { inner, timeout }
    }
}

impl<C> Service<Uri> for Connector<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(ConnectElapsed { after: timeout }.into()),
            }
        })
    }
}

/// The connect timeout fired.
#[derive(Debug)]
struct ConnectElapsed {
    after: Duration,
}

impl fmt::Display for ConnectElapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {:?}", self.after)
    }
}

impl error::Error for ConnectElapsed {}

/// Why a connection was not made.
pub(super) fn failure(error: &(dyn error::Error + 'static)) -> ConnectFailure {
    if cause_ref::<ConnectElapsed>(error).is_some() {
        return ConnectFailure::Timeout;
    }
    #[cfg(feature = "tls-ring")]
    if is_tls(error) {
        return ConnectFailure::Tls;
    }
    match cause_ref::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => ConnectFailure::Refused,
        // A name that is not found has no kind of its own; the resolver's step says its name.
        _ if says(error, "dns error") => ConnectFailure::Dns,
        _ => ConnectFailure::Other,
    }
}

#[cfg(feature = "tls-ring")]
fn is_tls(error: &(dyn error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // An I/O error hides what it holds from `source`.
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .is_some_and(|inner| inner.is::<rustls::Error>());
        if held || error.is::<rustls::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn says(error: &(dyn error::Error + 'static), text: &str) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string().contains(text) {
            return true;
        }
        next = error.source();
    }
    false
}
