use http::Request;

use crate::types::{ByStatus, Class, Classify, Partition, PartitionKey, Reply};

/// A circuit for each authority, and one for all requests without any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByAuthority;

impl<B> Partition<B> for ByAuthority {
    fn partition(&self, request: &Request<B>) -> Option<PartitionKey> {
        let authority = request.uri().authority();
        Some(authority.map_or_else(PartitionKey::default, |it| PartitionKey::new(it.as_str())))
    }
}

/// As [`ByStatus`], but 429 says nothing: an upstream that bids one caller wait is well.
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
