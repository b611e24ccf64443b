//! Opens TCP connections: resolve, then race the addresses.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use blossom_layers::BoxError;
use http::{Uri, uri::Scheme};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{net::TcpStream, time::sleep};
use tower_service::Service;

use super::{
    super::{
        error::{ConnectCause, ConnectError, PlainHttpRefused},
        policy::{self, Policy},
    },
    line::Socket,
    proxy::{self, Proxies},
    resolve::Resolve,
};

/// Opens a connection to a URI, through a proxy where one is set.
#[derive(Clone)]
pub(in crate::transport) struct Dialer {
    direct: Direct,
    proxies: Option<Arc<Proxies>>,
}

/// Opens a connection without a proxy; also the one to the proxy itself.
#[derive(Clone)]
pub(super) struct Direct {
    shared: Arc<Shared>,
    // The proxy was named by the user, who may reach it wherever it is.
    to_proxy: bool,
}

struct Shared {
    sockets: HttpConnector,
    resolver: Box<dyn Resolve>,
    policy: Arc<Policy>,
}

/// The options of a socket.
#[derive(Debug, Clone, Copy)]
pub(in crate::transport) struct Sockets {
    pub(in crate::transport) keep_alive: Option<Duration>,
}

/// Whom to connect to.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    loopback_only: bool,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Socket, BoxError>> + Send>>;

impl Dialer {
    pub(in crate::transport) fn new(
        options: Sockets,
        resolver: Box<dyn Resolve>,
        policy: Arc<Policy>,
        proxies: Option<Proxies>,
    ) -> Self {
        let mut sockets = HttpConnector::new();
        sockets.set_nodelay(true);
        sockets.set_keepalive(options.keep_alive);
        sockets.set_keepalive_interval(options.keep_alive);
        let shared = Shared {
            sockets,
            resolver,
            policy,
        };
        Self {
            direct: Direct {
                shared: Arc::new(shared),
                to_proxy: false,
            },
            proxies: proxies.map(Arc::new),
        }
    }
}

impl Service<Uri> for Dialer {
    type Response = Socket;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let to_proxy = Direct {
            to_proxy: true,
            ..self.direct.clone()
        };
        let tunnel = self
            .proxies
            .as_ref()
            .and_then(|proxies| proxies.tunnel(&uri, &to_proxy));
        let Some(tunnel) = tunnel else {
            return self.direct.call(uri);
        };
        let target = self.direct.target(&uri);
        Box::pin(async move { Ok(proxy::dial(tunnel, &target).await?) })
    }
}

impl Service<Uri> for Direct {
    type Response = Socket;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let target = self.target(&uri);
        let shared = self.shared.clone();
        Box::pin(async move { shared.dial(&target).await })
    }
}

impl Direct {
    fn target(&self, uri: &Uri) -> Target {
        let host = uri.host().unwrap_or_default();
        let default_port = if uri.scheme() == Some(&Scheme::HTTPS) {
            443
        } else {
            80
        };
        Target {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(default_port),
            loopback_only: !self.to_proxy && self.shared.policy.loopback_only(uri, host),
        }
    }
}

impl Shared {
    async fn dial(&self, target: &Target) -> Result<Socket, BoxError> {
        let addresses = self.addresses(target).await?;
        let port = target.port;
        let queue = take_turns(addresses)
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect();
        match race(&self.sockets, queue).await {
            Ok(stream) => Ok(Socket::new(stream)),
            Err(error) => Err(ConnectError::io(&target.host, error).into()),
        }
    }

    /// The addresses that may be dialled. What is checked here is what is dialled: a name that
    /// changes its address between a check and its use gains nothing.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, BoxError> {
        if let Some(address) = policy::literal(&target.host) {
            return Ok(vec![address]);
        }
        let dns = |error: BoxError| ConnectError::new(ConnectCause::Dns, &target.host, error);
        let mut addresses = self
            .resolver
            .resolve(&target.host)
            .await
            .map_err(|error| dns(error.into()))?;
        if addresses.is_empty() {
            return Err(dns("the name has no address".into()).into());
        }
        if target.loopback_only {
            addresses.retain(|address| address.to_canonical().is_loopback());
            if addresses.is_empty() {
                return Err(PlainHttpRefused::new(&target.host).into());
            }
        }
        Ok(addresses)
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

/// Alternates the two families, the first one's first (RFC 8305 section 4).
fn take_turns(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let v6_first = addresses.first().is_some_and(IpAddr::is_ipv6);
    let total = addresses.len();
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == v6_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::with_capacity(total);
    while turns.len() < total {
        turns.extend(first.next());
        turns.extend(second.next());
    }
    turns
}

/// Tries one address after the other, each a short time after the last or as soon as it has failed,
/// and keeps the first connection (RFC 8305 section 5). The others are dropped.
async fn race(
    sockets: &HttpConnector,
    mut queue: VecDeque<SocketAddr>,
) -> Result<TokioIo<TcpStream>, BoxError> {
    let stagger = stagger(queue.len());
    let mut running = Vec::new();
    let mut failure: BoxError = "no address to dial".into();
    let mut next = pin!(sleep(Duration::ZERO));
    poll_fn(|cx| {
        loop {
            let mut won = None;
            let mut failed = false;
            running.retain_mut(|attempt| match poll_attempt(attempt, cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    won.get_or_insert(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    failure = error;
                    failed = true;
                    false
                }
            });
            if let Some(stream) = won {
                return Poll::Ready(Ok(stream));
            }
            let due = failed || running.is_empty() || next.as_mut().poll(cx).is_ready();
            match queue.pop_front_if(|_| due) {
                Some(address) => {
                    running.push(attempt(sockets, address));
                    next.set(sleep(stagger));
                }
                None if running.is_empty() => {
                    return Poll::Ready(Err(std::mem::replace(&mut failure, "done".into())));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

type Attempt = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, BoxError>> + Send>>;

fn attempt(sockets: &HttpConnector, address: SocketAddr) -> Attempt {
    let mut sockets = sockets.clone();
    Box::pin(async move {
        // An address as a URI: hyper-util's connector sets the socket up and asks no resolver.
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(address.to_string())
            .path_and_query("/")
            .build()?;
        Ok(sockets.call(uri).await?)
    })
}

fn poll_attempt(
    attempt: &mut Attempt,
    cx: &mut Context<'_>,
) -> Poll<Result<TokioIo<TcpStream>, BoxError>> {
    attempt.as_mut().poll(cx)
}

/// The time between two attempts: RFC 8305 recommends 250 ms and allows 10 ms. Many addresses are
/// tried faster, so that the last of twenty still gets its turn within half a second.
fn stagger(addresses: usize) -> Duration {
    let gaps = u32::try_from(addresses.saturating_sub(1).max(1)).unwrap_or(u32::MAX);
    (ALL_TRIED_WITHIN / gaps).clamp(SHORTEST_GAP, LONGEST_GAP)
}

const ALL_TRIED_WITHIN: Duration = Duration::from_millis(400);
const LONGEST_GAP: Duration = Duration::from_millis(250);
const SHORTEST_GAP: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns() {
        let v4 = |last| IpAddr::from([10, 0, 0, last]);
        let v6 = |last| IpAddr::from([0, 0, 0, 0, 0, 0, 0, last]);

        assert_eq!(
            take_turns(vec![v6(1), v6(2), v6(3), v4(1)]),
            [v6(1), v4(1), v6(2), v6(3)]
        );
        assert_eq!(take_turns(vec![v4(1), v6(1)]), [v4(1), v6(1)]);
        assert!(take_turns(vec![]).is_empty());
    }

    #[test]
    fn k11_twenty_addresses_have_their_turn_within_half_a_second() {
        assert!(stagger(20) * 19 < Duration::from_millis(500));
        assert_eq!(stagger(2), Duration::from_millis(250));
        assert_eq!(stagger(1), Duration::from_millis(250));
        assert_eq!(stagger(1000), Duration::from_millis(10));
    }
}
