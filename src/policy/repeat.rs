use http::{Request, StatusCode, header::ACCEPT};
use memchr::memmem;

use super::classify::should_retry;
use crate::{
    layers::{
        body::Known,
        cause_ref,
        retry::Repeat,
        types::{Attempt, Refusal, RefusalKind, Reply},
    },
    transport::nothing_was_sent,
};

/// Sends again only what cannot be paid for twice.
///
/// A generation may be at work, and be billed, after its connection was lost or its clock has fired.
/// So a request is sent again
///
/// - where nothing was sent, or the upstream itself says that it failed, by status or error event;
/// - after a 500 only once, and not for a stream, unless `x-should-retry` says so;
/// - after anything else only if it asks for no stream, and is a `GET`, or the service is one that joins
///   equal requests, as gen does: the second waits for the running generation, or gets what it gave, and
///   is billed once.
///
/// ```
/// use blossom::{layers::retry::{RetryLayer, Standard}, policy::RepeatSafely};
///
/// let layer = RetryLayer::new(Standard::new().repeat(RepeatSafely::new()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepeatSafely {
    joins: bool,
}

impl RepeatSafely {
    /// For a service that bills each request.
    ///
    /// ```
    /// # use blossom::{Body, layers::{retry::Repeat, types::{Attempt, Reply}}, policy::RepeatSafely};
    /// # use http::Request;
    /// let (policy, lost) = (RepeatSafely::new(), std::io::Error::other("the connection was lost"));
    /// let get = Request::get("/text/Hi").body(Body::empty())?;
    /// let post = Request::post("/v1/chat/completions").body(Body::from("{}"))?;
    /// assert!(policy.may_repeat(Attempt::FIRST, &get, &Reply::failed(&lost)));
    /// assert!(!policy.may_repeat(Attempt::FIRST, &post, &Reply::failed(&lost)), "it may be billed");
    /// # Ok::<_, http::Error>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { joins: false }
    }

    /// Whether the service joins a request to a running one with the same bytes. Default: no.
    ///
    /// ```
    /// # use blossom::{Body, layers::{retry::Repeat, types::{Attempt, Reply}}, policy::RepeatSafely};
    /// # use http::Request;
    /// let lost = std::io::Error::other("the connection was lost");
    /// let post = Request::post("/v1/chat/completions").body(Body::from("{}"))?;
    /// let policy = RepeatSafely::new().joins(true);
    /// assert!(policy.may_repeat(Attempt::FIRST, &post, &Reply::failed(&lost)));
    /// # Ok::<_, http::Error>(())
    /// ```
    #[must_use]
    pub const fn joins(mut self, joins: bool) -> Self {
        self.joins = joins;
        self
    }
}

impl<B: Known> Repeat<B> for RepeatSafely {
    fn may_repeat(&self, attempt: Attempt, request: &Request<B>, reply: &Reply<'_>) -> bool {
        if should_retry(reply) == Some(true) {
            return true;
        }
        if reply.status() == Some(StatusCode::INTERNAL_SERVER_ERROR) {
            return attempt == Attempt::FIRST && !wants_stream(request);
        }
        let untouched = |error| {
            let refusal = cause_ref::<Refusal>(error);
            nothing_was_sent(error)
                || refusal.is_some_and(|refusal| refusal.kind() != RefusalKind::Timeout)
        };
        reply.is_told_to_have_failed()
            || reply.error().is_some_and(untouched)
            || (!wants_stream(request) && (self.joins || request.method().is_safe()))
    }
}

/// Whether a request asks for a stream. Some clients say so in the body alone.
fn wants_stream<B: Known>(request: &Request<B>) -> bool {
    let accept = request.headers().get(ACCEPT);
    accept.is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"))
        || request.uri().query().is_some_and(|query| {
            query
                .split('&')
                .any(|pair| pair == "stream=true" || pair == "stream=1")
        })
        || request.body().bytes().is_some_and(|body| says_stream(body))
}

/// It may say so wrongly, where a text holds such a thing unquoted; then nothing is sent twice.
fn says_stream(json: &[u8]) -> bool {
    memmem::find_iter(json, b"\"stream\"").any(|at| {
        let after = json.get(at + b"\"stream\"".len()..).unwrap_or_default();
        let is_space = |byte: &&u8| byte.is_ascii_whitespace() || **byte == b':';
        let value = after.iter().skip_while(is_space);
        value.take(4).eq(b"true")
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::layers::body::ReqBody;

    fn post(body: &'static str) -> Request<ReqBody> {
        Request::post("/").body(ReqBody::from(body)).unwrap()
    }

    fn after(request: &Request<ReqBody>, reply: &Reply<'_>, joins: bool) -> bool {
        RepeatSafely::new()
            .joins(joins)
            .may_repeat(Attempt::FIRST, request, reply)
    }

    #[test]
    fn h3_what_was_lost_is_sent_again_only_where_it_is_billed_once() {
        let lost = std::io::Error::other("lost");
        let late = Refusal::new(RefusalKind::Timeout);
        for reply in [Reply::failed(&lost), Reply::failed(&late)] {
            assert!(after(&post("{}"), &reply, true));
            assert!(!after(&post("{}"), &reply, false));
            for body in [r#"{"stream":true}"#, "{\"stream\" :\n true}"] {
                assert!(!after(&post(body), &reply, true), "{body}");
            }
            assert!(after(&post(r#"{"stream":false}"#), &reply, true));
            let mut get = Request::new(ReqBody::empty());
            assert!(after(&get, &reply, false));
            *get.uri_mut() = "/text/a?stream=true".parse().unwrap();
            assert!(!after(&get, &reply, true));
        }
    }

    #[test]
    fn h3_a_stream_is_sent_again_where_the_upstream_says_so() {
        let mut stream = post(r#"{"stream":true}"#);
        let accept = "text/event-stream".parse().unwrap();
        stream.headers_mut().insert(ACCEPT, accept);
        let headers = HeaderMap::new();
        let said = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            after(&stream, &Reply::head(status, &headers), false)
        };

        assert!(said(429) && said(502) && said(503) && said(504));
        assert!(!said(500));
        let refused = Refusal::new(RefusalKind::RateLimited);
        assert!(after(&stream, &Reply::failed(&refused), false));
    }

    #[test]
    fn h2_a_500_is_tried_again_once() {
        let headers = HeaderMap::new();
        let reply = Reply::head(StatusCode::INTERNAL_SERVER_ERROR, &headers);
        let may = |attempt| RepeatSafely::new().may_repeat(attempt, &post("{}"), &reply);

        assert!(may(Attempt::FIRST));
        assert!(!may(Attempt::FIRST.next()));
    }
}
