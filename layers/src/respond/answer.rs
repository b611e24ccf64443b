//! The table from cause to answer.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};

use super::ResponseBody;
use crate::{
    BoxError, cause_ref,
    types::{Refusal, RefusalKind},
};

/// The dialect in which a request wants its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dialect {
    Http,
    /// gRPC with the content type of the request; `trailers` if a body can end in them.
    Grpc {
        content_type: HeaderValue,
        trailers: bool,
    },
}

impl Dialect {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(content_type) = headers.get(CONTENT_TYPE) else {
            return Self::Http;
        };
        let Some(rest) = content_type.as_bytes().strip_prefix(b"application/grpc") else {
            return Self::Http;
        };
        match rest.first() {
            None | Some(b'+' | b';') => Self::Grpc {
                content_type: content_type.clone(),
                trailers: true,
            },
            Some(b'-') => Self::Grpc {
                content_type: content_type.clone(),
                trailers: false,
            },
            Some(_) => Self::Http,
        }
    }

    pub(super) const fn ends_in_trailers(&self) -> bool {
        matches!(self, Self::Grpc { trailers: true, .. })
    }
}

/// What a cause becomes.
struct Answer {
    status: StatusCode,
    grpc: u8,
    detail: &'static str,
    retry_after: Option<u64>,
}

impl Answer {
    fn of(error: &BoxError) -> Self {
        let Some(refusal) = cause_ref::<Refusal>(&**error) else {
            return Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                grpc: 13,
                detail: "The request failed. Try again later.",
                retry_after: None,
            };
        };
        let (status, grpc, detail) = match refusal.kind() {
            RefusalKind::Timeout => (
                StatusCode::GATEWAY_TIMEOUT,
                4,
                "The answer took too long. Try again, or ask for less.",
            ),
            RefusalKind::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                14,
                "Too many requests are under way. Try again later.",
            ),
            RefusalKind::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                14,
                "The service behind this one is not available. Try again later.",
            ),
            RefusalKind::RateLimited => (
                StatusCode::TOO_MANY_REQUESTS,
                8,
                "Too many requests. Send fewer, or wait.",
            ),
            RefusalKind::Spent => (
                StatusCode::TOO_MANY_REQUESTS,
                8,
                "The budget for this is spent. Try again when it begins anew.",
            ),
            RefusalKind::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                8,
                "The request is too large. Send less.",
            ),
        };
        // Whole seconds, and never too early.
        let seconds =
            |wait: std::time::Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self {
            status,
            grpc,
            detail,
            retry_after: refusal.wait().map(seconds),
        }
    }

    fn problem(&self) -> String {
        let title = self.status.canonical_reason().unwrap_or_default();
        let (status, detail) = (self.status.as_u16(), self.detail);
        // None of these texts needs escapes.
        format!(
            r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}"#
        )
    }

    fn grpc_fields(&self, fields: &mut HeaderMap) {
        fields.insert("grpc-status", HeaderValue::from(u16::from(self.grpc)));
        fields.insert("grpc-message", HeaderValue::from_static(self.detail));
    }
}

/// The answer to a request whose stack failed with `error`.
pub(super) fn answer<B>(error: &BoxError, dialect: Dialect) -> Response<ResponseBody<B>> {
    let answer = Answer::of(error);
    let mut response = match dialect {
        Dialect::Http => {
            let mut response = Response::new(ResponseBody::full(Bytes::from(answer.problem())));
            *response.status_mut() = answer.status;
            let problem = HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(CONTENT_TYPE, problem);
            response
        }
        Dialect::Grpc { content_type, .. } => {
            let mut response = Response::new(ResponseBody::full(Bytes::new()));
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            answer.grpc_fields(response.headers_mut());
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = answer.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The trailers that end a gRPC body which failed with `error`.
pub(super) fn trailers(error: &BoxError) -> HeaderMap {
    let mut fields = HeaderMap::new();
    Answer::of(error).grpc_fields(&mut fields);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(content_type: &'static str) -> Dialect {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Dialect::of(&headers)
    }

    #[test]
    fn grpc_is_told_by_the_content_type() {
        assert!(dialect("application/grpc").ends_in_trailers());
        assert!(dialect("application/grpc+proto").ends_in_trailers());
        assert!(!dialect("application/grpc-web").ends_in_trailers());
        assert_eq!(dialect("application/grpcish"), Dialect::Http);
        assert_eq!(dialect("application/json"), Dialect::Http);
        assert_eq!(Dialect::of(&HeaderMap::new()), Dialect::Http);
    }

    #[test]
    fn retry_after_is_never_too_early() {
        let wait = std::time::Duration::from_millis(1200);
        let refusal = Refusal::new(RefusalKind::RateLimited).retry_after(wait);
        let response = answer::<()>(&refusal.into(), Dialect::Http);

        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn the_text_of_an_unknown_error_is_not_shown() {
        let error: BoxError = "password is hunter2".into();
        assert_eq!(Answer::of(&error).status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!Answer::of(&error).problem().contains("hunter2"));
    }
}
