use std::net::IpAddr;

use blossom_layers::BoxError;
use http::{Uri, uri::Scheme};

use super::error::{
    NoAuthority, PlainHttpRefused, TlsUnavailable, UnsupportedScheme, UserInfoRefused,
};

/// Where requests may go.
#[derive(Debug, Default, Clone)]
pub(super) struct Policy {
    /// Hosts that may be spoken to without TLS.
    pub(super) plain_http: Vec<String>,
}

impl Policy {
    /// Whether a request may go to `uri`.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), BoxError> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(NoAuthority::new().into());
        };
        let host = authority.host();
        // `http://?q` has an authority of sorts, but nobody to call.
        if host.is_empty() {
            return Err(NoAuthority::new().into());
        }
        if authority.as_str().contains('@') {
            return Err(UserInfoRefused::new(host).into());
        }
        if *scheme == Scheme::HTTPS {
            if cfg!(feature = "_tls") {
                return Ok(());
            }
            return Err(TlsUnavailable::new(host).into());
        }
        if *scheme != Scheme::HTTP {
            return Err(UnsupportedScheme::new(scheme.as_str()).into());
        }
        if is_loopback(host) || self.names(host) {
            return Ok(());
        }
        Err(PlainHttpRefused::new(host).into())
    }

    /// Whether only loopback addresses of `host` may be dialled.
    pub(super) fn loopback_only(&self, uri: &Uri, host: &str) -> bool {
        uri.scheme() == Some(&Scheme::HTTP) && !self.names(host)
    }

    fn names(&self, host: &str) -> bool {
        self.plain_http
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

/// Whether `host` is an address of the loopback interface, or `localhost` or a name below it (RFC 6761
/// section 6.3).
pub(super) fn is_loopback(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    if last.eq_ignore_ascii_case("localhost") {
        return true;
    }
    literal(host).is_some_and(|address| address.to_canonical().is_loopback())
}

/// The address that `host` is, if it is one and not a name.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &'static str) -> Result<(), BoxError> {
        let policy = Policy {
            plain_http: vec!["models.lan".into()],
        };
        policy.check(&Uri::from_static(uri))
    }

    #[test]
    fn k2_plain_http_goes_to_loopback_and_to_named_hosts_only() {
        for uri in [
            "http://127.0.0.1/",
            "http://127.9.9.9:80/",
            "http://[::1]:8080/a",
            "http://[::ffff:127.0.0.1]/",
            "http://LOCALHOST:1/",
            "http://text.localhost:1/",
            "http://models.lan:9/",
            "http://Models.LAN/",
        ] {
            assert!(check(uri).is_ok(), "{uri}");
        }
        for uri in [
            "http://example.com/",
            "http://128.0.0.1/",
            "http://[::2]/",
            "http://127.1/",
            "http://localhost.example.com/",
            "http://localhost./",
            "http://notlocalhost/",
            "http://models.lan.example.com/",
            "http://169.254.169.254/",
        ] {
            assert!(check(uri).unwrap_err().is::<PlainHttpRefused>(), "{uri}");
        }
    }

    #[test]
    fn k2_user_names_and_passwords_in_a_uri_are_refused_and_not_shown() {
        let error = check("https://user:s3cret@example.com/").unwrap_err();

        assert!(error.is::<UserInfoRefused>());
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }

    #[test]
    fn k1_other_schemes_are_refused() {
        let error = check("ftp://127.0.0.1/").unwrap_err();

        assert_eq!(
            error.downcast_ref::<UnsupportedScheme>().unwrap().scheme(),
            "ftp"
        );
    }

    #[test]
    fn a_uri_without_authority_is_refused() {
        assert!(check("/v1/models").unwrap_err().is::<NoAuthority>());
        assert!(check("example.com:80").unwrap_err().is::<NoAuthority>());
    }

    #[test]
    fn https_needs_a_tls_feature_and_nothing_else() {
        let result = check("https://example.com/");
        if cfg!(feature = "_tls") {
            assert!(result.is_ok());
        } else {
            assert!(result.unwrap_err().is::<TlsUnavailable>());
        }
    }
}
