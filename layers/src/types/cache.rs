use std::fmt;

use http::{HeaderName, Request};

/// The identity of a request: 32 bytes of a cryptographic hash, and 16 to check them by.
///
/// The 32 bytes are what a cache looks up. The check comes of the same request, and is compared
/// before an answer is given: should two requests ever meet in the first, they differ in the second,
/// and the answer is a miss. Two keys are equal if both are.
///
/// `Display` and `Debug` show the 32 bytes in hexadecimal; there is nothing of the request in a key
/// that could be read back.
///
/// ```
/// use blossom_layers::types::CacheKey;
///
/// let key = CacheKey::new([7; 32]);
/// assert_eq!(key.as_bytes(), &[7; 32]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey {
    bytes: [u8; 32],
    check: [u8; 16],
}

impl CacheKey {
    /// A key from its bytes, which must come from a cryptographic hash: where two requests share a
    /// key they share an answer. Its check is zero.
    ///
    /// ```
    /// use blossom_layers::types::CacheKey;
    ///
    /// let key = CacheKey::new([7; 32]);
    /// assert_eq!(key, CacheKey::new([7; 32]));
    /// assert_eq!(key.check(), &[0; 16]);
    /// ```
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self {
            bytes,
            check: [0; 16],
        }
    }

    /// The same key with a check, which must not be part of the bytes.
    ///
    /// ```
    /// use blossom_layers::types::CacheKey;
    ///
    /// // Two requests that met in the bytes are still not taken for one another.
    /// let key = CacheKey::new([7; 32]);
    /// assert_ne!(key.with_check([1; 16]), key.with_check([2; 16]));
    /// ```
    #[must_use]
    pub const fn with_check(mut self, check: [u8; 16]) -> Self {
        self.check = check;
        self
    }

    /// The bytes.
    ///
    /// ```
    /// use blossom_layers::types::CacheKey;
    ///
    /// let key = CacheKey::new([7; 32]).with_check([1; 16]);
    /// assert_eq!(key.as_bytes(), &[7; 32]);
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// What they are checked by.
    ///
    /// ```
    /// use blossom_layers::types::CacheKey;
    ///
    /// let key = CacheKey::new([7; 32]).with_check([1; 16]);
    /// assert_eq!(key.check(), &[1; 16]);
    /// ```
    #[must_use]
    pub const fn check(&self) -> &[u8; 16] {
        &self.check
    }
}

/// Takes the bytes of a key nearly as they are: they come from a cryptographic hash.
#[cfg(feature = "_flight")]
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

#[cfg(feature = "_flight")]
impl std::hash::Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in words.by_ref() {
            let word = word
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.0 = self.0.rotate_left(7) ^ word;
        }
        for byte in words.remainder() {
            self.0 = self.0.rotate_left(7) ^ u64::from(*byte);
        }
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({self})")
    }
}

/// Where a reply came from; a cache places it in the extensions of the response.
///
/// The meanings follow the `Cache-Status` header field ([RFC 9211]).
///
/// [RFC 9211]: https://www.rfc-editor.org/rfc/rfc9211
///
/// ```
/// use blossom_layers::types::CacheStatus;
///
/// let free = |status| matches!(status, CacheStatus::Hit | CacheStatus::Stale | CacheStatus::Coalesced);
/// assert!(free(CacheStatus::Hit) && !free(CacheStatus::Miss));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheStatus {
    /// From the cache, fresh.
    Hit,
    /// From the cache, past its time to live.
    Stale,
    /// From the upstream.
    Miss,
    /// From the upstream, by a call that an equal request had begun.
    Coalesced,
    /// The request was not one for the cache.
    Bypass,
}

impl CacheStatus {
    /// Its name in metrics and spans.
    ///
    /// ```
    /// use blossom_layers::types::CacheStatus;
    ///
    /// assert_eq!(CacheStatus::Coalesced.as_str(), "coalesced");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
            Self::Bypass => "bypass",
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What identifies a request, so that equal requests may share an answer.
///
/// Implemented for closures:
///
/// ```
/// use blossom_layers::types::{CacheKey, KeyPolicy};
/// use http::Request;
///
/// # fn digest(_: &str) -> [u8; 32] { [0; 32] }
/// let policy = |request: &Request<()>| Some(CacheKey::new(digest(request.uri().path())));
/// assert!(policy.key(&Request::new(())).is_some());
/// ```
pub trait KeyPolicy<B> {
    /// The key of `request`, or `None` if it must not share an answer.
    ///
    /// ```
    /// # fn main() -> Result<(), http::Error> {
    /// use blossom_layers::types::{CacheKey, KeyPolicy};
    /// use http::Request;
    ///
    /// // Only safe methods may share an answer.
    /// let key = CacheKey::new([7; 32]); // .. hashed from the path ..
    /// let safe = |request: &Request<()>| request.method().is_safe().then_some(key);
    /// assert!(safe.key(&Request::get("/models").body(())?).is_some());
    /// assert!(safe.key(&Request::post("/chat").body(())?).is_none());
    /// # Ok(())
    /// # }
    /// ```
    fn key(&self, request: &Request<B>) -> Option<CacheKey>;

    /// Whether requests that differ in this header have different keys.
    ///
    /// A reply that names another header in its `Vary` is not stored. No header is, unless a policy
    /// says so.
    ///
    /// ```
    /// use blossom_layers::types::{CacheKey, KeyPolicy};
    /// use http::{HeaderName, Request, header::{ACCEPT_LANGUAGE, COOKIE}};
    ///
    /// struct ByLanguage;
    ///
    /// impl KeyPolicy<()> for ByLanguage {
    ///     fn key(&self, request: &Request<()>) -> Option<CacheKey> {
    ///         let mut bytes = [0; 32];
    ///         # if let Some(language) = request.headers().get(ACCEPT_LANGUAGE) {
    ///         #     bytes[0] = language.as_bytes()[0];
    ///         # }
    ///         // .. hashed from the language ..
    ///         Some(CacheKey::new(bytes))
    ///     }
    ///
    ///     fn covers(&self, header: &HeaderName) -> bool {
    ///         header == ACCEPT_LANGUAGE
    ///     }
    /// }
    /// assert!(ByLanguage.covers(&ACCEPT_LANGUAGE) && !ByLanguage.covers(&COOKIE));
    /// ```
    fn covers(&self, header: &HeaderName) -> bool {
        let _ = header;
        false
    }
}

impl<B, F> KeyPolicy<B> for F
where
    F: Fn(&Request<B>) -> Option<CacheKey>,
{
    fn key(&self, request: &Request<B>) -> Option<CacheKey> {
        self(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_key_in_hexadecimal() {
        let key = CacheKey::new([0xab; 32]).with_check([1; 16]);

        assert_eq!(key.to_string(), "ab".repeat(32));
        assert_eq!(format!("{key:?}"), format!("CacheKey({key})"));
    }

    #[test]
    fn keys_that_differ_in_their_check_are_not_equal() {
        let key = CacheKey::new([0; 32]);

        assert_ne!(key, key.with_check([1; 16]));
    }
}
