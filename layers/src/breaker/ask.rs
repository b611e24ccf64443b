use http::Request;

use crate::types::{ByStatus, Class, Classify, Partition, PartitionKey, Reply};

/// A circuit for each authority, and one for all requests without any.
///
/// ```
/// use blossom_layers::{breaker::ByAuthority, types::Partition};
/// use http::Request;
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// let request = Request::get("https://example.com/chat").body(())?;
/// assert_eq!(ByAuthority.partition(&request), Some("example.com".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByAuthority;

impl<B> Partition<B> for ByAuthority {
    fn partition(&self, request: &Request<B>) -> Option<PartitionKey> {
        let authority = request.uri().authority();
        Some(authority.map_or_else(PartitionKey::default, |it| PartitionKey::new(it.as_str())))
    }
}

/// As [`ByStatus`], but 429 says nothing: an upstream that bids one caller wait is well.
///
/// ```
/// use blossom_layers::{breaker::ByHealth, types::{Class, Classify, Reply}};
/// use http::StatusCode;
///
/// let class = |status| ByHealth.classify(&Reply::ended(status));
/// assert_eq!(class(StatusCode::TOO_MANY_REQUESTS), Class::Ignored);
/// assert_eq!(class(StatusCode::BAD_GATEWAY), Class::Transient);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByHealth;

impl Classify for ByHealth {
    #[inline]
    fn classify(&self, reply: &Reply<'_>) -> Class {
        match reply.status() {
            Some(http::StatusCode::TOO_MANY_REQUESTS) => Class::Ignored,
            _ => ByStatus.classify(reply),
        }
    }
}
