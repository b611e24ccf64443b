use std::{
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blossom::transport::{
    ApiKey, ConnectCause, ConnectError, ConnectTimeout, PlainHttpRefused, Resolve, Resolving,
    Transport, nothing_was_sent,
};
use blossom::{Blossom, ErrorKind, sandbox::Sandbox};
use tokio::{io::AsyncWriteExt, sync::mpsc, time::Instant};

use super::{
    built, cause, get,
    server::{OK, Server, read_head},
    text,
};

/// Answers what the function says, and counts.
struct Names<F>(F, Arc<AtomicUsize>);

impl<F> Names<F> {
    fn new(answer: F) -> (Self, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        (Self(answer, asked.clone()), asked)
    }
}

impl<F> Resolve for Names<F>
where
    F: Fn(usize) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
{
    fn resolve(&self, _name: &str) -> Resolving {
        let answer = (self.0)(self.1.fetch_add(1, Ordering::SeqCst));
        Box::pin(async move { answer })
    }
}

struct Hangs;

impl Resolve for Hangs {
    fn resolve(&self, _name: &str) -> Resolving {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn g1_k11_a_resolver_that_hangs_ends_at_the_connect_timeout() {
    let timeout = Duration::from_secs(3);
    let transport = built(
        Transport::builder()
            .resolver(Hangs)
            .connect_timeout(timeout),
    );
    let start = Instant::now();

    let error = get(&transport, "https://example.com/").await.unwrap_err();

    let waited = start.elapsed();
    assert!(waited >= timeout && waited < timeout + Duration::from_millis(10));
    assert_eq!(cause::<ConnectError>(&error).cause(), ConnectCause::Timeout);
    assert_eq!(cause::<ConnectTimeout>(&error).after(), timeout);
    assert!(nothing_was_sent(&*error));
}

#[tokio::test(start_paused = true)]
async fn g7_connect_timeouts_of_zero_and_for_ever_are_legal() {
    let zero = Transport::builder()
        .resolver(Hangs)
        .connect_timeout(Duration::ZERO);
    let error = get(&built(zero), "https://example.com/").await.unwrap_err();
    assert_eq!(cause::<ConnectError>(&error).cause(), ConnectCause::Timeout);

    let server = Server::answering(OK);
    let max = built(Transport::builder().connect_timeout(Duration::MAX));
    text(get(&max, &server.uri()).await.unwrap()).await;
}

#[tokio::test]
async fn k11_a_name_that_does_not_exist_is_typed() {
    for answer in [
        (|_| Ok(vec![])) as fn(usize) -> io::Result<Vec<IpAddr>>,
        |_| Err(io::Error::other("NXDOMAIN")),
    ] {
        let (names, asked) = Names::new(answer);
        let transport = built(Transport::builder().resolver(names));

        let error = get(&transport, "https://nowhere.invalid/")
            .await
            .unwrap_err();

        assert_eq!(cause::<ConnectError>(&error).cause(), ConnectCause::Dns);
        assert_eq!(cause::<ConnectError>(&error).host(), "nowhere.invalid");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn k11_localhost_that_resolves_elsewhere_gets_nothing() {
    let foreign: IpAddr = [192, 0, 2, 1].into();
    let (names, _) = Names::new(move |_| Ok(vec![foreign]));
    let transport = built(
        Transport::builder()
            .resolver(names)
            .api_key(ApiKey::new("sk_secret").unwrap()),
    );

    let error = get(&transport, "http://localhost/").await.unwrap_err();

    assert_eq!(cause::<PlainHttpRefused>(&error).host(), "localhost");
    assert!(nothing_was_sent(&*error));
}

#[tokio::test]
async fn k11_an_address_is_looked_up_once_and_that_one_is_dialled() {
    let server = Server::answering(OK);
    // The second answer would be somebody else.
    let (names, asked) = Names::new(|time| {
        let last = if time == 0 {
            [127, 0, 0, 1]
        } else {
            [192, 0, 2, 1]
        };
        Ok(vec![last.into()])
    });
    let transport = built(Transport::builder().resolver(names));
    let uri = format!("http://localhost:{}/", server.address().port());

    text(get(&transport, &uri).await.unwrap()).await;

    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn k11_nineteen_dead_addresses_do_not_hide_the_one_that_lives() {
    let server = Server::answering(OK);
    // 240.0.0.0/4 has no route anywhere; some systems refuse at once, some are silent.
    let (names, _) = Names::new(|_| {
        let mut all: Vec<IpAddr> = (1..20).map(|last| [240, 0, 0, last].into()).collect();
        all.push([127, 0, 0, 1].into());
        Ok(all)
    });
    let transport = built(
        Transport::builder()
            .resolver(names)
            .allow_plain_http("twenty.example"),
    );
    let uri = format!("http://twenty.example:{}/", server.address().port());
    let start = Instant::now();

    text(get(&transport, &uri).await.unwrap()).await;

    assert!(start.elapsed() < Duration::from_millis(500));
}

/// A proxy that tunnels to `target`, whatever is asked for. Gives the heads it has seen, and every
/// byte that passed to the target.
fn proxy(
    target: std::net::SocketAddr,
    answer: &'static str,
) -> (Server, mpsc::UnboundedReceiver<String>) {
    let (heads, seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let heads = heads.clone();
        async move {
            let Some(head) = read_head(&mut stream).await else {
                return;
            };
            heads.send(head).unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.contains(" 200 ") {
                let mut onward = tokio::net::TcpStream::connect(target).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut stream, &mut onward).await);
            }
        }
    });
    (server, seen)
}

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

#[tokio::test]
async fn k10_a_proxy_is_asked_for_a_tunnel_and_sees_no_key() {
    let server = Server::answering(OK);
    let (proxy, mut seen) = proxy(server.address(), ESTABLISHED);
    let transport = built(
        Transport::builder()
            .api_key(ApiKey::new("sk_secret").unwrap())
            .allow_plain_http("upstream.example")
            .proxy(format!("http://user:pass@{}", proxy.address())),
    );

    text(get(&transport, "http://upstream.example/a").await.unwrap()).await;

    let head = seen.recv().await.unwrap();
    assert!(
        head.starts_with("connect upstream.example:80 http/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("proxy-authorization: basic dxnlcjpwyxnz\r\n"),
        "{head}"
    );
    assert!(!head.contains("sk_secret"), "{head}");
}

#[tokio::test]
async fn k10_the_clients_builder_takes_a_proxy_and_its_exceptions() {
    let sandbox = Sandbox::start().unwrap();
    let address = sandbox
        .base_url()
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    let (proxy, mut seen) = proxy(address, ESTABLISHED);
    let builder = || {
        Blossom::builder()
            .base_url("http://upstream.invalid")
            .max_attempts(1)
            .allow_plain_http("upstream.invalid")
            .api_key("sk_secret")
            .proxy(format!("http://user:s3cret@{}", proxy.address()))
    };

    let client = builder().build().unwrap();
    client.text().generate("Hi").await.unwrap();

    let head = seen.recv().await.unwrap();
    assert!(head.starts_with("connect upstream.invalid:80 "), "{head}");
    assert!(!head.contains("sk_secret"), "{head}");
    assert!(!format!("{:?}{client:?}", builder()).contains("s3cret"));

    // Who goes past the proxy asks the resolver, which finds nobody, maybe slowly.
    let past = builder()
        .proxy_bypass("upstream.invalid")
        .connect_timeout(Duration::from_millis(50));
    assert!(past.build().unwrap().text().generate("Hi").await.is_err());
    assert_eq!(proxy.accepted(), 1);
    let error = Blossom::builder()
        .api_key("k")
        .proxy("socks5://a")
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Builder);
}

#[tokio::test]
async fn k10_a_proxy_that_refuses_is_typed_and_shows_no_password() {
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
        "not a proxy at all\r\n\r\n",
    ] {
        let (proxy, _seen) = proxy(([127, 0, 0, 1], 1).into(), answer);
        let transport =
            built(Transport::builder().proxy(format!("http://user:s3cret@{}", proxy.address())));

        let error = get(&transport, "https://upstream.example/")
            .await
            .unwrap_err();

        assert_eq!(cause::<ConnectError>(&error).cause(), ConnectCause::Proxy);
        assert!(nothing_was_sent(&*error));
        assert!(!format!("{error:?} {transport:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn k10_loopback_and_what_is_named_go_past_the_proxy() {
    let server = Server::answering(OK);
    let (proxy, _seen) = proxy(server.address(), ESTABLISHED);
    let (names, _) = Names::new(|_| Ok(vec![[127, 0, 0, 1].into()]));
    let transport = built(
        Transport::builder()
            .resolver(names)
            .allow_plain_http("a.inside.example")
            .proxy(format!("http://{}", proxy.address()))
            .proxy_bypass("inside.example, 10.0.0.0/8"),
    );

    let port = server.address().port();
    text(get(&transport, &server.uri()).await.unwrap()).await;
    let named = format!("http://a.inside.example:{port}/");
    text(get(&transport, &named).await.unwrap()).await;

    assert_eq!(proxy.accepted(), 0);
}

#[test]
fn k10_a_proxy_of_another_kind_is_refused_when_built() {
    for proxy in ["socks5://127.0.0.1:1080", "https://proxy.example", "::", ""] {
        let error = Transport::builder().proxy(proxy).build().unwrap_err();
        assert_eq!(error.option(), "proxy", "{proxy}");
    }
}

/// Runs in processes of its own, since the environment is the process's.
#[test]
fn k10_the_environment_counts_only_when_asked() {
    if let Some(port) = std::env::var_os(CHILD) {
        return with_environment(port.to_str().unwrap());
    }
    let seen = Arc::new(Mutex::new(0));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            *count.lock().unwrap() += 1;
            drop(stream);
        }
    });

    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("transport::connect::k10_the_environment_counts_only_when_asked")
        .env(CHILD, address.port().to_string())
        .env("HTTPS_PROXY", format!("http://{address}"))
        .env("ALL_PROXY", format!("http://{address}"))
        .env("NO_PROXY", "direct.invalid")
        .env_remove("https_proxy")
        .env_remove("no_proxy")
        .env_remove("REQUEST_METHOD")
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Of the child's five calls two went to the proxy.
    assert_eq!(*seen.lock().unwrap(), 2, "{said}");
}

const CHILD: &str = "BLOSSOM_TEST_PROXY_PORT";

#[tokio::main(flavor = "current_thread")]
async fn with_environment(_port: &str) {
    let cause_of = async |asked: bool, uri: &str| {
        let (names, _) = Names::new(|_| Ok(vec![]));
        let builder = Transport::builder().resolver(names).proxy_from_env(asked);
        let error = get(&built(builder), uri).await.unwrap_err();
        cause::<ConnectError>(&error).cause()
    };

    assert_eq!(
        cause_of(false, "https://a.invalid/").await,
        ConnectCause::Dns
    );
    assert_eq!(
        cause_of(true, "https://a.invalid/").await,
        ConnectCause::Proxy
    );
    assert_eq!(
        cause_of(true, "https://direct.invalid/").await,
        ConnectCause::Dns
    );

    for asked in [false, true] {
        let client = Blossom::builder()
            .base_url("https://a.invalid")
            .max_attempts(1)
            .api_key("sk_secret")
            .proxy_from_env(asked)
            .connect_timeout(Duration::from_millis(200))
            .build()
            .unwrap();
        let error = client.text().generate("Hi").await.unwrap_err();
        let cause = cause::<ConnectError>(&error.into()).cause();
        // Who asks the resolver finds nobody, or is not told in time.
        assert_eq!(cause == ConnectCause::Proxy, asked);
    }
}
