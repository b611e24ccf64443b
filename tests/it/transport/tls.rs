use std::{sync::Arc, time::Duration};

use blossom::transport::{
    Builder, ConnectCause, ConnectError, ConnectTimeout, TlsProblem, Transport, nothing_was_sent,
};
use http::Version;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::{
    built, cause, get,
    server::{OK, Server, read_head},
    text,
};

/// An authority that only the test trusts.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server for `name` that speaks `protocols`.
    fn server(
        &self,
        name: &str,
        protocols: &[&[u8]],
        change: fn(&mut CertificateParams),
    ) -> Server {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        serve(certificate.der().clone(), &key, protocols)
    }

    fn trusted(&self) -> Builder {
        Transport::builder().root_certificate_der(self.0.der().to_vec())
    }
}

fn serve(
    certificate: rustls::pki_types::CertificateDer<'static>,
    key: &KeyPair,
    protocols: &[&[u8]],
) -> Server {
    let provider = Arc::new(provider());
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::start(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let mut h2 = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = h2.accept().await {
                    let head = http::Response::new(());
                    let mut body = respond.send_response(head, false).unwrap();
                    body.send_data(bytes::Bytes::from("ok"), true).unwrap();
                }
                return;
            }
            while read_head(&mut stream).await.is_some() {
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
}

#[cfg(feature = "tls-ring")]
fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}

#[cfg(not(feature = "tls-ring"))]
fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

const HTTP1: &[&[u8]] = &[b"http/1.1"];
const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

fn uri(server: &Server) -> String {
    format!("https://localhost:{}/", server.address().port())
}

fn unchanged(_: &mut CertificateParams) {}

async fn problem(builder: Builder, server: &Server) -> TlsProblem {
    let error = get(&built(builder), &uri(server)).await.unwrap_err();
    let connect: &ConnectError = cause(&error);
    assert_eq!(connect.cause(), ConnectCause::Tls, "{error:?}");
    assert!(nothing_was_sent(&*error));
    connect.tls().unwrap()
}

#[tokio::test]
async fn m6_tls_agrees_on_http2_where_both_speak_it_with_any_provider() {
    let authority = Authority::new();
    for (protocols, version) in [
        (BOTH, Version::HTTP_2),
        (HTTP1, Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let server = authority.server("localhost", protocols, unchanged);

        let response = get(&built(authority.trusted()), &uri(&server))
            .await
            .unwrap();

        assert_eq!(response.version(), version);
        assert_eq!(text(response).await, "ok");
    }
}

#[tokio::test]
async fn a_private_authority_can_be_given_as_pem() {
    let authority = Authority::new();
    let server = authority.server("localhost", HTTP1, unchanged);
    let transport = built(Transport::builder().root_certificate_pem(authority.0.pem()));

    text(get(&transport, &uri(&server)).await.unwrap()).await;
}

#[test]
fn a_root_certificate_that_is_none_is_refused_when_built() {
    for builder in [
        Transport::builder().root_certificate_pem("no certificate"),
        Transport::builder().root_certificate_der("no certificate"),
    ] {
        assert_eq!(builder.build().unwrap_err().option(), "root_certificate");
    }
}

#[tokio::test]
async fn k9_an_expired_certificate_is_typed() {
    let authority = Authority::new();
    let server = authority.server("localhost", HTTP1, |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });

    assert_eq!(
        problem(authority.trusted(), &server).await,
        TlsProblem::Expired
    );
}

#[tokio::test]
async fn k9_a_certificate_of_the_future_is_typed() {
    let authority = Authority::new();
    let server = authority.server("localhost", HTTP1, |params| {
        params.not_before = date_time_ymd(4000, 1, 1);
    });

    assert_eq!(
        problem(authority.trusted(), &server).await,
        TlsProblem::NotYetValid
    );
}

#[tokio::test]
async fn k9_a_certificate_for_another_name_is_typed() {
    let authority = Authority::new();
    let server = authority.server("elsewhere.example", HTTP1, unchanged);

    assert_eq!(
        problem(authority.trusted(), &server).await,
        TlsProblem::WrongName
    );
}

#[tokio::test]
async fn k9_an_unknown_authority_is_typed() {
    let authority = Authority::new();
    let server = authority.server("localhost", HTTP1, unchanged);

    assert_eq!(
        problem(Transport::builder(), &server).await,
        TlsProblem::UnknownIssuer
    );
}

#[tokio::test]
async fn k9_a_self_signed_certificate_is_typed() {
    let key = KeyPair::generate().unwrap();
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let certificate = params.self_signed(&key).unwrap();
        let server = serve(certificate.der().clone(), &key, HTTP1);

        assert_eq!(
            problem(Transport::builder(), &server).await,
            TlsProblem::UnknownIssuer
        );
    }
}

#[tokio::test]
async fn k9_no_protocol_in_common_is_typed() {
    let authority = Authority::new();
    let server = authority.server("localhost", &[b"spdy/3"], unchanged);

    assert_eq!(
        problem(authority.trusted(), &server).await,
        TlsProblem::NothingInCommon
    );
}

#[tokio::test]
async fn k9_a_server_of_tls_1_0_is_typed() {
    // Such a server cannot be made with rustls. Its answer to our hello is an alert: fatal (2),
    // protocol_version (70).
    let server = Server::start(|mut stream, _| async move {
        let mut hello = [0; 1024];
        assert!(stream.read(&mut hello).await.unwrap() > 0);
        stream.write_all(&[0x15, 3, 1, 0, 2, 2, 70]).await.unwrap();
        while let Ok(1..) = stream.read(&mut hello).await {}
    });

    assert_eq!(
        problem(Transport::builder(), &server).await,
        TlsProblem::NothingInCommon
    );
}

#[tokio::test]
async fn k9_a_server_that_speaks_no_tls_is_typed() {
    let server = Server::start(|mut stream, _| async move {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });

    assert_eq!(
        problem(Transport::builder(), &server).await,
        TlsProblem::Other
    );
}

#[tokio::test]
async fn g1_a_handshake_that_stalls_ends_at_the_connect_timeout() {
    let server = Server::start(|stream, _| async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(stream);
    });
    let timeout = Duration::from_millis(60);
    let transport = built(Transport::builder().connect_timeout(timeout));

    let error = get(&transport, &uri(&server)).await.unwrap_err();

    assert_eq!(cause::<ConnectTimeout>(&error).after(), timeout);
}
