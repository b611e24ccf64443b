use std::{error, fmt};

use http::HeaderValue;

/// An API key.
///
/// Nothing prints it: `Debug` shows `ApiKey(..)`, and the header that bears it is marked sensitive,
/// so that HTTP/2 does not index it and logs do not show it.
///
/// ```
/// use blossom::transport::ApiKey;
///
/// let key = ApiKey::new("sk_secret").unwrap();
/// assert_eq!(format!("{key:?}"), "ApiKey(..)");
/// assert!(ApiKey::new("sk_\r\nx-evil: 1").is_err());
/// ```
#[derive(Clone)]
pub struct ApiKey {
    authorization: HeaderValue,
}

impl ApiKey {
    /// A key from its text.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if it is empty, or holds anything but visible ASCII: it could then not be a
    /// header, or be more than one.
    pub fn new(key: &str) -> Result<Self, InvalidKey> {
        let legal = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        let value = legal.then(|| HeaderValue::try_from(format!("Bearer {key}")));
        match value {
            Some(Ok(mut authorization)) => {
                authorization.set_sensitive(true);
                Ok(Self { authorization })
            }
            _ => Err(InvalidKey(())),
        }
    }

    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// The text is not a legal API key. It is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey(());

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the API key is empty or holds spaces, control or non-ASCII characters; check it for a \
             line end",
        )
    }
}

impl error::Error for InvalidKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k4_a_key_that_is_no_header_value_is_refused_and_not_shown() {
        for key in [
            "",
            "a b",
            "sk_evil\r\nx: 1",
            "sk_evil\0",
            "sk_evil\n",
            "schlüssel",
        ] {
            let error = ApiKey::new(key).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("evil"));
        }
    }

    #[test]
    fn the_header_is_sensitive() {
        let header = ApiKey::new("sk_secret").unwrap().authorization();

        assert!(header.is_sensitive());
        assert!(!format!("{header:?}").contains("secret"));
    }
}
