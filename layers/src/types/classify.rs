use std::error::Error;

use http::{HeaderMap, StatusCode};

use super::Outcome;

/// How a reply counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The upstream did what it was asked.
    Success,
    /// It failed in a way that may pass: another try can help.
    Transient,
    /// It failed in a way that will not pass: another try is a waste.
    Permanent,
    /// Says nothing about the upstream, such as a refusal of our own.
    Ignored,
}

/// What is known of a reply when it is classified: a head or an error, and later the outcome.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    head: Result<(StatusCode, &'a HeaderMap), &'a (dyn Error + 'static)>,
    outcome: Option<&'a Outcome>,
}

impl<'a> Reply<'a> {
    /// A reply whose head has arrived.
    #[must_use]
    pub const fn head(status: StatusCode, headers: &'a HeaderMap) -> Self {
        Self {
            head: Ok((status, headers)),
            outcome: None,
        }
    }

    /// A call that failed before a head arrived.
    #[must_use]
    pub const fn failed(error: &'a (dyn Error + 'static)) -> Self {
        Self {
            head: Err(error),
            outcome: None,
        }
    }

    /// Adds what became of the body.
    #[must_use]
    pub const fn outcome(mut self, outcome: &'a Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// The status, if a head arrived.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.head.ok().map(|(status, _)| status)
    }

    /// The headers, if a head arrived.
    #[must_use]
    pub fn headers(&self) -> Option<&'a HeaderMap> {
        self.head.ok().map(|(_, headers)| headers)
    }

    /// The error, if no head arrived.
    #[must_use]
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        self.head.err()
    }

    /// What became of the body, if somebody observes it.
    #[must_use]
    pub const fn body(&self) -> Option<&'a Outcome> {
        self.outcome
    }
}

/// How a reply counts for a breaker or a retry.
///
/// Implemented for closures:
///
/// ```
/// use blossom_layers::types::{Class, Classify, Reply};
/// use http::{HeaderMap, StatusCode};
///
/// let classify = |reply: &Reply<'_>| match reply.status() {
///     Some(status) if !status.is_server_error() => Class::Success,
///     _ => Class::Transient,
/// };
/// let headers = HeaderMap::new();
/// let reply = Reply::head(StatusCode::BAD_GATEWAY, &headers);
/// assert_eq!(classify.classify(&reply), Class::Transient);
/// ```
pub trait Classify {
    /// The class of `reply`.
    fn classify(&self, reply: &Reply<'_>) -> Class;
}

impl<F: Fn(&Reply<'_>) -> Class> Classify for F {
    fn classify(&self, reply: &Reply<'_>) -> Class {
        self(reply)
    }
}
