//! Proxies: off unless asked for, and always as a tunnel.

use std::{error, fmt};

use http::Uri;
use hyper_util::client::{legacy::connect::proxy::Tunnel, proxy::matcher::Matcher};
use tower_service::Service;

use super::{
    super::{
        error::{ConnectCause, ConnectError},
        policy,
    },
    dial::{Direct, Target},
    line::Socket,
};

/// Which targets go through which proxy.
///
/// Plain `http` is tunnelled by CONNECT too, as `https` is: a proxy that is handed requests reads
/// their headers, and so the key.
#[derive(Debug)]
pub(in crate::transport) struct Proxies {
    matcher: Matcher,
}

/// A proxy's URI that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) struct ProxyRefused;

impl fmt::Display for ProxyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a proxy must be http://host:port or http://user:password@host:port")
    }
}

impl error::Error for ProxyRefused {}

impl Proxies {
    /// Everything through `proxy`, except what `bypass` names.
    pub(in crate::transport) fn through(proxy: &str, bypass: &str) -> Result<Self, ProxyRefused> {
        let matcher = Matcher::builder().all(proxy).no(bypass).build();
        // Looks past `bypass`, which may name everything.
        let given = Matcher::builder().all(proxy).build();
        usable(&given, true)?;
        Ok(Self { matcher })
    }

    /// As `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say now.
    pub(in crate::transport) fn from_env() -> Result<Self, ProxyRefused> {
        let matcher = Matcher::from_env();
        usable(&matcher, false)?;
        Ok(Self { matcher })
    }

    /// The tunnel that `target` goes through, if it does.
    pub(super) fn tunnel(&self, target: &Uri, direct: &Direct) -> Option<Tunnel<Direct>> {
        // Our loopback is not the proxy's.
        if target.host().is_none_or(policy::is_loopback) {
            return None;
        }
        let proxy = self.matcher.intercept(target)?;
        let tunnel = Tunnel::new(proxy.uri().clone(), direct.clone());
        Some(match proxy.basic_auth() {
            Some(auth) => tunnel.with_auth(auth.clone()),
            None => tunnel,
        })
    }
}

/// Opens the tunnel.
pub(super) async fn dial(
    mut tunnel: Tunnel<Direct>,
    target: &Target,
) -> Result<Socket, ConnectError> {
    // The tunnel takes 443 where no port is given, whatever the scheme.
    let to = Uri::builder()
        .scheme("http")
        .authority(format!("{}:{}", target.host, target.port))
        .path_and_query("/")
        .build()
        .map_err(|error| ConnectError::new(ConnectCause::Proxy, &target.host, error.into()))?;
    tunnel
        .call(to)
        .await
        .map_err(|error| ConnectError::new(ConnectCause::Proxy, &target.host, error.into()))
}

/// Whether every proxy that `matcher` knows can be used; with `must`, whether there is one at all.
fn usable(matcher: &Matcher, must: bool) -> Result<(), ProxyRefused> {
    // Names under `invalid` are nobody's, so no exception is for them (RFC 2606).
    for target in ["https://blossom.invalid/", "http://blossom.invalid/"] {
        match matcher.intercept(&Uri::from_static(target)) {
            Some(proxy) if proxy.uri().scheme_str() == Some("http") => {}
            None if !must => {}
            _ => return Err(ProxyRefused),
        }
    }
    Ok(())
}
