//! TLS by rustls, with a provider that is passed, never taken from the process.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Whom to trust.
#[derive(Debug, Default, Clone)]
pub(in crate::transport) struct Roots {
    pub(in crate::transport) added: Vec<Added>,
    #[cfg(feature = "native-roots")]
    pub(in crate::transport) native: bool,
}

/// Root certificates as they were given.
#[derive(Debug, Clone)]
pub(in crate::transport) enum Added {
    Der(Vec<u8>),
    Pem(Vec<u8>),
}

/// What the configuration fails with.
pub(in crate::transport) type Refused = Box<dyn std::error::Error + Send + Sync>;

/// A configuration that trusts `roots` and offers HTTP/2, and HTTP/1.1 unless `http2_only`.
pub(in crate::transport) fn client_config(
    roots: &Roots,
    http2_only: bool,
) -> Result<ClientConfig, Refused> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store(roots)?)
        .with_no_client_auth();
    config.alpn_protocols.push(b"h2".to_vec());
    if !http2_only {
        config.alpn_protocols.push(b"http/1.1".to_vec());
    }
    Ok(config)
}

fn store(roots: &Roots) -> Result<RootCertStore, Refused> {
    let mut store = RootCertStore::empty();
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    #[cfg(feature = "native-roots")]
    if roots.native {
        // Some systems hold certificates that cannot be read; the others serve.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for added in &roots.added {
        match added {
            Added::Der(der) => store.add(CertificateDer::from(der.clone()))?,
            Added::Pem(pem) => {
                let mut any = false;
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    store.add(certificate.map_err(|error| error.to_string())?)?;
                    any = true;
                }
                if !any {
                    return Err("no certificate in the PEM text".into());
                }
            }
        }
    }
    Ok(store)
}

/// With both providers compiled in ring is used: adding a feature changes nothing for who had it.
#[cfg(feature = "tls-ring")]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

#[cfg(all(feature = "tls-aws-lc", not(feature = "tls-ring")))]
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m6_the_provider_is_passed_and_with_both_compiled_in_it_is_ring() {
        let config = client_config(&Roots::default(), false).unwrap();

        // Of the two only AWS-LC has post-quantum key exchange.
        let post_quantum = config
            .crypto_provider()
            .kx_groups
            .iter()
            .any(|group| format!("{:?}", group.name()).contains("MLKEM"));
        assert_eq!(post_quantum, !cfg!(feature = "tls-ring"));
        assert!(CryptoProvider::get_default().is_none());
    }

    #[test]
    #[cfg(feature = "native-roots")]
    fn native_roots_are_added_to_the_built_in_ones() {
        let native = Roots {
            native: true,
            ..Roots::default()
        };

        let built_in = store(&Roots::default()).unwrap().len();
        assert!(built_in > 0);
        assert!(store(&native).unwrap().len() >= built_in);
    }
}
