use std::{
    error, fmt,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Request, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use tower_layer::Layer;
use tower_service::Service;

/// An API key that cannot be printed.
///
/// `Debug` shows no part of it, there is no `Display`, and the memory is wiped when it is dropped. It
/// travels only as `Authorization: Bearer ..`, never in a URL: the service itself warns that keys in
/// queries end up in logs.
///
/// ```
/// use blossom::transport::ApiKey;
///
/// let key = ApiKey::new("sk_0123456789")?;
/// assert_eq!(format!("{key:?}"), "ApiKey(..)");
///
/// assert!(ApiKey::new("sk_012\r\nx-admin: 1").is_err());
/// assert!(ApiKey::new("sk_012\n").is_err());
/// # Ok::<_, blossom::transport::InvalidKey>(())
/// ```
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// Takes a key of visible ASCII characters.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if the key is empty or has a character that does not belong in one: white
    /// space (a line break from a file, say), a control character, or anything beyond ASCII.
    ///
    /// ```
    /// # use blossom::transport::ApiKey;
    /// assert!(ApiKey::new("sk_0123456789").is_ok());
    /// assert!(ApiKey::new("").is_err());
    /// assert!(ApiKey::new("sk_0123456789\n").is_err(), "as a file may end");
    /// ```
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidKey> {
        // Moved into the secret first, so that a refused key is wiped too.
        let key = SecretString::from(key.into());
        let text = key.expose_secret();
        if text.is_empty() {
            return Err(InvalidKey { at: None });
        }
        match text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            None => Ok(Self(key)),
            at => Err(InvalidKey { at }),
        }
    }

    /// The key itself, for what must compute with it: a cache scope that is derived from it, say.
    ///
    /// ```
    /// # use blossom::transport::ApiKey;
    /// assert_eq!(ApiKey::new("sk_0123456789")?.expose(), "sk_0123456789");
    /// # Ok::<_, blossom::transport::InvalidKey>(())
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// `Bearer` and the key, marked as sensitive, so that it is neither printed nor put into the
    /// compression table of HTTP/2 (RFC 7541 section 7.1.3).
    ///
    /// # Errors
    ///
    /// Never for a key that [`new`](Self::new) took; said by type so that nothing can panic.
    ///
    /// ```
    /// # use blossom::transport::ApiKey;
    /// let header = ApiKey::new("sk_0123456789")?.bearer()?;
    /// assert_eq!(header, "Bearer sk_0123456789");
    /// assert_eq!(format!("{header:?}"), "Sensitive");
    /// # Ok::<_, blossom::transport::InvalidKey>(())
    /// ```
    pub fn bearer(&self) -> Result<HeaderValue, InvalidKey> {
        let text = format!("Bearer {}", self.expose());
        let mut value = HeaderValue::try_from(text).map_err(|_| InvalidKey { at: None })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl TryFrom<String> for ApiKey {
    type Error = InvalidKey;

    fn try_from(key: String) -> Result<Self, InvalidKey> {
        Self::new(key)
    }
}

impl TryFrom<&str> for ApiKey {
    type Error = InvalidKey;

    fn try_from(key: &str) -> Result<Self, InvalidKey> {
        Self::new(key)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// A text that cannot be an API key. It shows nothing of the text.
///
/// ```
/// use blossom::transport::ApiKey;
///
/// let error = ApiKey::new("sk_evil\r\nx: 1").unwrap_err();
/// assert!(!error.to_string().contains("evil"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey {
    at: Option<usize>,
}

impl InvalidKey {
    /// The position in bytes of the first character that cannot stand in a key; `None` if the key is
    /// empty.
    ///
    /// ```
    /// # use blossom::transport::ApiKey;
    /// let at = |key: &str| ApiKey::new(key).map_err(|invalid| invalid.at()).err();
    /// assert_eq!(at("sk_01 23"), Some(Some(5)));
    /// assert_eq!(at(""), Some(None));
    /// ```
    #[must_use]
    pub const fn at(&self) -> Option<usize> {
        self.at
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            None => f.write_str("the API key is empty"),
            Some(at) => write!(
                f,
                "the API key has a character at byte {at} that no key has; white space around it?"
            ),
        }
    }
}

impl error::Error for InvalidKey {}

/// Applies [`Auth`].
///
/// Innermost, directly outside the transport, so that no other layer ever sees the key.
/// [`Builder::api_key`](super::Builder::api_key) does the same without a layer.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom::transport::{ApiKey, AuthLayer};
/// use tower_layer::Layer as _;
///
/// let service = AuthLayer::new(&ApiKey::new("sk_mine")?)?.layer("any service");
/// assert!(!format!("{service:?}").contains("sk_mine"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AuthLayer {
    authorization: HeaderValue,
}

impl AuthLayer {
    /// A layer that adds `key` to requests that have no `Authorization` header.
    ///
    /// # Errors
    ///
    /// Those of [`ApiKey::bearer`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # use blossom::transport::{ApiKey, AuthLayer};
    /// # use http::{HeaderMap, Request};
    /// # use tower::{Layer, ServiceExt};
    /// # let upstream = tower::service_fn(|request: Request<()>| async move {
    /// #     Ok::<HeaderMap, std::convert::Infallible>(request.into_parts().0.headers)
    /// # });
    /// let layer = AuthLayer::new(&ApiKey::new("sk_mine")?)?;
    /// let headers = layer.layer(upstream).oneshot(Request::new(())).await?;
    /// assert_eq!(headers["authorization"], "Bearer sk_mine");
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(key: &ApiKey) -> Result<Self, InvalidKey> {
        Ok(Self {
            authorization: key.bearer()?,
        })
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth {
            inner,
            authorization: self.authorization.clone(),
        }
    }
}

/// Adds `Authorization: Bearer ..` to requests that have none, and does nothing else.
///
/// A header that the request already bears is kept: a gateway that passes its callers' keys on needs
/// that. Readiness is forwarded.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom::layers::BoxError> {
/// use blossom::transport::{ApiKey, Auth, AuthLayer};
/// use http::Request;
/// use tower::{Layer, ServiceExt};
///
/// # let upstream = tower::service_fn(|request: Request<()>| async move {
/// #     Ok::<_, std::convert::Infallible>(request.into_parts().0.headers)
/// # });
/// struct Client<S> {
///     upstream: Auth<S>,
/// }
///
/// let client = Client { upstream: AuthLayer::new(&ApiKey::new("sk_mine")?)?.layer(upstream) };
/// let request = Request::builder().header("authorization", "Bearer sk_theirs").body(())?;
/// let headers = client.upstream.oneshot(request).await?;
/// assert_eq!(headers["authorization"], "Bearer sk_theirs");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Auth<S> {
    inner: S,
    authorization: HeaderValue,
}

impl<S, B> Service<Request<B>> for Auth<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        add(request.headers_mut(), &self.authorization);
        self.inner.call(request)
    }
}

/// Adds `authorization` where there is none. The value shares its bytes.
pub(super) fn add(headers: &mut HeaderMap, authorization: &HeaderValue) {
    headers
        .entry(AUTHORIZATION)
        .or_insert_with(|| authorization.clone());
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceBuilder, ServiceExt};

    use super::*;

    #[test]
    fn k4_a_key_with_anything_but_visible_ascii_is_refused() {
        for (key, at) in [
            ("sk_a\r\nx: y", Some(4)),
            ("sk_a\n", Some(4)),
            ("sk_a\0", Some(4)),
            ("sk a", Some(2)),
            ("sk_\u{e9}", Some(3)),
            ("sk_\u{7f}", Some(3)),
            ("", None),
        ] {
            assert_eq!(ApiKey::new(key).unwrap_err().at(), at, "{key:?}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = ApiKey::new("sk_visible").unwrap();
        let layer = AuthLayer::new(&key).unwrap();

        assert!(!format!("{key:?} {layer:?}").contains("visible"));
        assert!(key.bearer().unwrap().is_sensitive());
    }

    #[tokio::test]
    async fn a_header_that_is_there_is_kept() {
        let key = ApiKey::new("sk_ours").unwrap();
        let service = ServiceBuilder::new()
            .layer(AuthLayer::new(&key).unwrap())
            .service_fn(|request: Request<()>| async move {
                Ok::<_, Infallible>(request.headers().get(AUTHORIZATION).cloned())
            });

        let plain = service.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(plain.unwrap(), "Bearer sk_ours");

        let theirs = Request::builder()
            .header(AUTHORIZATION, "Bearer sk_theirs")
            .body(())
            .unwrap();
        let kept = service.oneshot(theirs).await.unwrap();
        assert_eq!(kept.unwrap(), "Bearer sk_theirs");
    }
}
