use std::error::Error;

use http::{HeaderMap, StatusCode};

use super::{FinishReason, Outcome, Refusal, RefusalKind};
use crate::{body::End, cause_ref};

/// How a reply counts.
///
/// ```
/// use blossom_layers::types::Class;
///
/// assert_ne!(Class::Transient, Class::Permanent);
/// ```
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

/// What is known of a reply when it is classified: a head or an error, and later the body.
///
/// ```
/// use blossom_layers::types::Reply;
/// use http::StatusCode;
///
/// let failed = |reply: &Reply<'_>| match reply.status() {
///     Some(status) => status.is_server_error(),
///     None => true, // no head, or a body that broke off
/// };
/// assert!(failed(&Reply::ended(StatusCode::BAD_GATEWAY)));
/// assert!(failed(&Reply::failed(&std::fmt::Error)));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    status: Option<StatusCode>,
    headers: Option<&'a HeaderMap>,
    error: Option<&'a (dyn Error + 'static)>,
    outcome: Option<&'a Outcome>,
    beginning: &'a [u8],
}

impl<'a> Reply<'a> {
    /// A reply whose head has arrived.
    ///
    /// ```
    /// use blossom_layers::types::Reply;
    /// use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};
    ///
    /// let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("7"))]);
    /// let reply = Reply::head(StatusCode::TOO_MANY_REQUESTS, &headers);
    /// assert!(reply.headers().is_some_and(|headers| headers.contains_key(RETRY_AFTER)));
    /// ```
    #[must_use]
    pub const fn head(status: StatusCode, headers: &'a HeaderMap) -> Self {
        Self {
            headers: Some(headers),
            ..Self::ended(status)
        }
    }

    /// A reply whose head has been passed on: of it only the status is known still.
    ///
    /// ```
    /// use blossom_layers::types::Reply;
    /// use http::StatusCode;
    ///
    /// let reply = Reply::ended(StatusCode::OK);
    /// assert_eq!((reply.status(), reply.headers()), (Some(StatusCode::OK), None));
    /// ```
    #[must_use]
    pub const fn ended(status: StatusCode) -> Self {
        Self {
            status: Some(status),
            headers: None,
            error: None,
            outcome: None,
            beginning: &[],
        }
    }

    /// A call that failed before a head arrived, or whose body failed after it: then the status is
    /// not shown, since it promised what did not come.
    ///
    /// ```
    /// use std::io;
    ///
    /// use blossom_layers::types::Reply;
    ///
    /// let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    /// assert_eq!(Reply::failed(&reset).status(), None);
    /// ```
    #[must_use]
    pub const fn failed(error: &'a (dyn Error + 'static)) -> Self {
        Self {
            status: None,
            headers: None,
            error: Some(error),
            outcome: None,
            beginning: &[],
        }
    }

    /// Adds what became of the body.
    ///
    /// ```
    /// use blossom_layers::types::{Outcome, Reply};
    /// use http::StatusCode;
    ///
    /// // An error that came inside a stream that began well.
    /// let outcome = Outcome::new();
    /// outcome.update(|record| record.failure = Some("overloaded".into()));
    /// assert!(Reply::ended(StatusCode::OK).outcome(&outcome).is_told_to_have_failed());
    /// ```
    #[must_use]
    pub const fn outcome(mut self, outcome: &'a Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Adds the first bytes of the body.
    ///
    /// ```
    /// use blossom_layers::types::Reply;
    /// use http::StatusCode;
    ///
    /// let reply = Reply::ended(StatusCode::TOO_MANY_REQUESTS).beginning(b"quota exhausted");
    /// assert!(reply.text().starts_with(b"quota"));
    /// ```
    #[must_use]
    pub const fn beginning(mut self, beginning: &'a [u8]) -> Self {
        self.beginning = beginning;
        self
    }

    /// The status, if a head arrived and nothing failed after it.
    ///
    /// ```
    /// use blossom_layers::types::Reply;
    /// use http::StatusCode;
    ///
    /// assert_eq!(Reply::ended(StatusCode::OK).status(), Some(StatusCode::OK));
    /// assert_eq!(Reply::failed(&std::fmt::Error).status(), None);
    /// ```
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The headers, if a head arrived and has not been passed on.
    ///
    /// ```
    /// use blossom_layers::types::Reply;
    /// use http::{HeaderMap, StatusCode};
    ///
    /// let headers = HeaderMap::new();
    /// assert!(Reply::head(StatusCode::OK, &headers).headers().is_some());
    /// assert!(Reply::ended(StatusCode::OK).headers().is_none());
    /// ```
    #[must_use]
    pub const fn headers(&self) -> Option<&'a HeaderMap> {
        self.headers
    }

    /// The error of the call or of the body, if there was one.
    ///
    /// ```
    /// use std::io;
    ///
    /// use blossom_layers::types::Reply;
    ///
    /// let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    /// assert!(Reply::failed(&reset).error().is_some_and(|error| error.is::<io::Error>()));
    /// ```
    #[must_use]
    pub const fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        self.error
    }

    /// What became of the body, if somebody observes it.
    ///
    /// ```
    /// use blossom_layers::types::{Outcome, Reply};
    /// use http::StatusCode;
    ///
    /// let outcome = Outcome::new();
    /// let reply = Reply::ended(StatusCode::OK);
    /// assert!(reply.body().is_none());
    /// assert!(reply.outcome(&outcome).body().is_some_and(|outcome| !outcome.ended()));
    /// ```
    #[must_use]
    pub const fn body(&self) -> Option<&'a Outcome> {
        self.outcome
    }

    /// The first bytes of the body, where they were looked at before the reply was passed on.
    ///
    /// ```
    /// use blossom_layers::types::Reply;
    /// use http::StatusCode;
    ///
    /// // Nobody has looked into this one.
    /// assert_eq!(Reply::ended(StatusCode::OK).text(), b"");
    /// ```
    #[must_use]
    pub const fn text(&self) -> &'a [u8] {
        self.beginning
    }

    /// Whether the upstream itself says that it failed: by its status, or in an event.
    ///
    /// Who has been told so knows that nothing more is under way; who has only lost the connection
    /// does not.
    ///
    /// ```
    /// use blossom_layers::types::Reply;
    /// use http::StatusCode;
    ///
    /// assert!(Reply::ended(StatusCode::BAD_GATEWAY).is_told_to_have_failed());
    /// // The upstream may still be at work.
    /// assert!(!Reply::failed(&std::fmt::Error).is_told_to_have_failed());
    /// ```
    #[must_use]
    pub fn is_told_to_have_failed(&self) -> bool {
        let Some(status) = self.status else {
            return false;
        };
        let in_body = |outcome: &Outcome| {
            outcome.read(|record| {
                record.failure.is_some() || record.finish_reason == Some(FinishReason::Error)
            })
        };
        status.is_client_error() || status.is_server_error() || self.outcome.is_some_and(in_body)
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
    ///
    /// ```
    /// use blossom_layers::types::{ByStatus, Class, Classify, Reply};
    /// use http::StatusCode;
    ///
    /// let reply = Reply::ended(StatusCode::UNAUTHORIZED);
    /// assert_eq!(ByStatus.classify(&reply), Class::Permanent);
    /// ```
    fn classify(&self, reply: &Reply<'_>) -> Class;

    /// Whether the class of an answer with this head, which says that it failed, hangs on the
    /// beginning of its body. By default it does not.
    ///
    /// Who can look at a body before it is passed on asks this first, and shows it as
    /// [`Reply::text`]; who cannot classifies by the head alone.
    ///
    /// ```
    /// use blossom_layers::types::{Class, Classify, Reply};
    /// use http::StatusCode;
    ///
    /// /// A 429 is permanent where the month's quota is used up.
    /// struct ByText;
    ///
    /// impl Classify for ByText {
    ///     fn classify(&self, reply: &Reply<'_>) -> Class {
    ///         match reply.text() {
    ///             b"monthly quota" => Class::Permanent,
    ///             _ => Class::Transient,
    ///         }
    ///     }
    ///
    ///     fn wants_body(&self, reply: &Reply<'_>) -> bool {
    ///         reply.status() == Some(StatusCode::TOO_MANY_REQUESTS)
    ///     }
    /// }
    /// let reply = Reply::ended(StatusCode::TOO_MANY_REQUESTS);
    /// assert!(ByText.wants_body(&reply));
    /// assert_eq!(ByText.classify(&reply.beginning(b"monthly quota")), Class::Permanent);
    /// ```
    fn wants_body(&self, reply: &Reply<'_>) -> bool {
        let _ = reply;
        false
    }
}

impl<F: Fn(&Reply<'_>) -> Class> Classify for F {
    fn classify(&self, reply: &Reply<'_>) -> Class {
        self(reply)
    }
}

/// Classifies by the status, in the terms of HTTP alone, and by what is known of the body.
///
/// | reply | class |
/// | --- | --- |
/// | 408, 425, 429, 500, 502, 503, 504 | transient |
/// | any other 4xx or 5xx | permanent |
/// | an error, a clock that fired, a body that was cut or that says it failed | transient |
/// | a [`Refusal`] of a layer, other than a clock | ignored |
/// | a body that was dropped | ignored |
/// | anything else | success |
///
/// ```
/// use blossom_layers::types::{ByStatus, Class, Classify as _, Reply};
/// use http::StatusCode;
///
/// let class = |status| ByStatus.classify(&Reply::ended(status));
/// assert_eq!(class(StatusCode::OK), Class::Success);
/// assert_eq!(class(StatusCode::TOO_MANY_REQUESTS), Class::Transient);
/// assert_eq!(class(StatusCode::BAD_REQUEST), Class::Permanent);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByStatus;

impl Classify for ByStatus {
    #[inline]
    fn classify(&self, reply: &Reply<'_>) -> Class {
        match (reply.status(), reply.error()) {
            (_, Some(error)) => match cause_ref::<Refusal>(error).map(Refusal::kind) {
                None | Some(RefusalKind::Timeout) => Class::Transient,
                Some(_) => Class::Ignored,
            },
            (Some(status), None) if status.as_u16() >= 400 => match status.as_u16() {
                408 | 425 | 429 | 500 | 502 | 503 | 504 => Class::Transient,
                _ => Class::Permanent,
            },
            _ => reply.body().map_or(Class::Success, of_body),
        }
    }
}

fn of_body(outcome: &Outcome) -> Class {
    outcome.read(|record| match (&record.finish_reason, record.end) {
        (Some(FinishReason::ContentFilter), _) => Class::Permanent,
        (Some(FinishReason::Error), _) => Class::Transient,
        _ if record.failure.is_some() => Class::Transient,
        (_, Some(End::Dropped)) => Class::Ignored,
        (_, Some(_)) if !record.complete => Class::Transient,
        _ => Class::Success,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_status(status: u16) -> Class {
        let headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        ByStatus.classify(&Reply::head(status, &headers))
    }

    #[test]
    fn h2_only_statuses_that_may_pass_are_transient() {
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(of_status(status), Class::Transient, "{status}");
        }
        for status in [400, 401, 402, 403, 404, 409, 413, 422, 501, 505] {
            assert_eq!(of_status(status), Class::Permanent, "{status}");
        }
        for status in [101, 200, 204, 304] {
            assert_eq!(of_status(status), Class::Success, "{status}");
        }
    }

    #[test]
    fn refusals_of_ours_say_nothing_of_the_upstream_but_clocks_do() {
        let class = |kind| ByStatus.classify(&Reply::failed(&Refusal::new(kind)));

        assert_eq!(class(RefusalKind::Timeout), Class::Transient);
        for kind in [
            RefusalKind::Overloaded,
            RefusalKind::RateLimited,
            RefusalKind::TooLarge,
            RefusalKind::Unavailable,
            RefusalKind::Spent,
        ] {
            assert_eq!(class(kind), Class::Ignored);
        }
        let lost = std::io::Error::other("lost");
        assert_eq!(ByStatus.classify(&Reply::failed(&lost)), Class::Transient);
    }

    #[test]
    fn a_body_that_failed_counts_whatever_its_status() {
        let class = |write: fn(&mut super::super::Record)| {
            let outcome = Outcome::new();
            outcome.update(write);
            let reply = Reply::ended(StatusCode::OK).outcome(&outcome);
            (ByStatus.classify(&reply), reply.is_told_to_have_failed())
        };

        assert_eq!(class(|_| {}), (Class::Success, false));
        assert_eq!(
            class(|record| record.failure = Some("gone".into())),
            (Class::Transient, true)
        );
        assert_eq!(
            class(|record| record.finish_reason = Some(FinishReason::ContentFilter)),
            (Class::Permanent, false)
        );
        assert_eq!(
            class(|record| record.end = Some(End::Complete)),
            (Class::Transient, false),
            "cut"
        );
        assert_eq!(
            class(|record| record.end = Some(End::Dropped)),
            (Class::Ignored, false)
        );
        assert_eq!(
            class(|record| {
                record.end = Some(End::Complete);
                record.complete = true;
            }),
            (Class::Success, false)
        );
    }
}
