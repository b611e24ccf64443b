use std::{fmt, sync::Arc};

use http::Request;

/// The name of a part that has limits, breakers or budgets of its own.
///
/// Cheap to clone. The empty key is the part of all requests that belong to no other.
///
/// ```
/// use blossom_layers::types::PartitionKey;
///
/// assert_eq!(PartitionKey::from("openai"), PartitionKey::from("openai"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
// `None` for the empty one, so that it costs nothing.
pub struct PartitionKey(Option<Arc<str>>);

impl PartitionKey {
    /// A key from its name, which may appear in metrics and handles: never a secret.
    ///
    /// ```
    /// use blossom_layers::types::PartitionKey;
    ///
    /// assert_eq!(PartitionKey::new("team-a").as_str(), "team-a");
    /// assert_eq!(PartitionKey::new(""), PartitionKey::default());
    /// ```
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self((!name.is_empty()).then(|| name.into()))
    }

    /// The name.
    ///
    /// ```
    /// use blossom_layers::types::PartitionKey;
    ///
    /// assert_eq!(PartitionKey::new("team-a").as_str(), "team-a");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<&str> for PartitionKey {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionKey({:?})", self.as_str())
    }
}

/// Which part a request belongs to: a tenant, a model, an authority.
///
/// Implemented for closures:
///
/// ```
/// use blossom_layers::types::{Partition, PartitionKey};
/// use http::Request;
///
/// let by_host = |request: &Request<()>| request.uri().host().map(PartitionKey::new);
/// let request = Request::get("http://example.com/").body(()).unwrap();
/// assert_eq!(by_host.partition(&request).unwrap().as_str(), "example.com");
/// ```
pub trait Partition<B> {
    /// The part of `request`, or `None` if the limit does not apply to it.
    ///
    /// ```
    /// use blossom_layers::types::{Partition, PartitionKey};
    /// use http::Request;
    ///
    /// // Relative requests, as a server gets them, have no authority.
    /// let by_host = |request: &Request<()>| request.uri().host().map(PartitionKey::new);
    /// assert_eq!(by_host.partition(&Request::new(())), None);
    /// ```
    fn partition(&self, request: &Request<B>) -> Option<PartitionKey>;
}

impl<B, F> Partition<B> for F
where
    F: Fn(&Request<B>) -> Option<PartitionKey>,
{
    fn partition(&self, request: &Request<B>) -> Option<PartitionKey> {
        self(request)
    }
}

/// All requests together: no request belongs to a part of its own.
///
/// What layers with an optional partition have until they are given one.
///
/// ```
/// use blossom_layers::types::{Partition, Unpartitioned};
/// use http::Request;
///
/// assert!(Unpartitioned.partition(&Request::new(())).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unpartitioned;

impl<B> Partition<B> for Unpartitioned {
    fn partition(&self, _request: &Request<B>) -> Option<PartitionKey> {
        None
    }
}
