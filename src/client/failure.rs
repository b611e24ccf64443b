//! From what went wrong in the stack or on the wire to the client's [`Error`].

use bytes::Bytes;
use http::{StatusCode, response::Parts};

use super::Partial;
use crate::{
    Error, ErrorKind,
    layers::{
        BoxError, cause_ref,
        sse::{self, DecodeError},
        timeout::{Clock, Elapsed, Unread},
    },
    protocol::{self, Failure, Form, Invalid},
    transport::{
        ConnectCause, ConnectError, InvalidResponse, NoAuthority, PlainHttpRefused, TlsUnavailable,
        UnsupportedScheme, UserInfoRefused, nothing_was_sent,
    },
};

/// The most of an answer that is shown when it is not what was asked for.
const SNIPPET_CHARS: usize = 200;

/// A request that the protocol does not allow.
pub(crate) fn invalid(invalid: &Invalid) -> Error {
    Error::new(ErrorKind::InvalidRequest, invalid.to_string())
        .with_retryable(false)
        .with_source(invalid.clone())
}

/// The stack gave an error instead of a response.
pub(crate) fn of_call(error: BoxError) -> Error {
    typed(error, |error| {
        // A generation may have begun: whether to pay for another is not ours to say.
        let retryable = nothing_was_sent(&*error);
        Error::new(ErrorKind::Connect, error.to_string())
            .with_retryable(retryable)
            .with_source(error)
    })
}

/// The body failed after its head had arrived.
pub(crate) fn of_body(error: BoxError, partial: Partial) -> Error {
    typed(error, |error| {
        Error::new(ErrorKind::Truncated, error.to_string()).with_source(error)
    })
    .with_partial(partial)
}

fn typed(error: BoxError, other: impl FnOnce(BoxError) -> Error) -> Error {
    let error = match error.downcast::<Error>() {
        // A stack of the user's own may hold a client.
        Ok(own) => return *own,
        Err(error) => error,
    };
    if let Some(elapsed) = cause_ref::<Elapsed>(&*error) {
        let suggestion = match elapsed.clock() {
            Clock::Head => {
                "raise head_timeout (streams) or unary_timeout (all else), or ask for a stream"
            }
            Clock::FirstEvent => "raise first_event_timeout: some models think for minutes",
            Clock::Idle => "raise idle_timeout: some models think for minutes",
            _ => "raise total_timeout, or ask for fewer tokens",
        };
        Error::new(ErrorKind::Timeout, elapsed.to_string())
            .with_suggestion(suggestion)
            .with_source(error)
    } else if let Some(unread) = cause_ref::<Unread>(&*error) {
        Error::new(ErrorKind::Unread, unread.to_string())
            .with_suggestion("read the stream without long pauses, or raise max_unread")
            .with_source(error)
    } else if let Some(cut) = cause_ref::<sse::Truncated>(&*error) {
        Error::new(ErrorKind::Truncated, cut.to_string()).with_source(error)
    } else if let Some(decode) = cause_ref::<DecodeError>(&*error) {
        Error::new(ErrorKind::Decode, decode.to_string())
            .with_retryable(false)
            .with_source(error)
    } else {
        transport(error, other)
    }
}

fn transport(error: BoxError, other: impl FnOnce(BoxError) -> Error) -> Error {
    if let Some(connect) = cause_ref::<ConnectError>(&*error) {
        let kind = match connect.cause() {
            ConnectCause::Timeout => ErrorKind::Timeout,
            _ => ErrorKind::Connect,
        };
        let retryable = connect.cause() != ConnectCause::Tls;
        Error::new(kind, connect.to_string())
            .with_retryable(retryable)
            .with_suggestion("check the base URL and the network; connect_timeout is the limit")
            .with_source(error)
    } else if is_refused(&error) {
        Error::new(ErrorKind::InvalidRequest, error.to_string()).with_source(error)
    } else if let Some(response) = cause_ref::<InvalidResponse>(&*error) {
        Error::new(ErrorKind::Decode, response.to_string())
            .with_retryable(false)
            .with_suggestion("check the base URL: what answers there is no such service")
            .with_source(error)
    } else {
        other(error)
    }
}

/// Whether the transport would not send the request where it was to go.
fn is_refused(error: &BoxError) -> bool {
    let error = &**error;
    cause_ref::<NoAuthority>(error).is_some()
        || cause_ref::<PlainHttpRefused>(error).is_some()
        || cause_ref::<TlsUnavailable>(error).is_some()
        || cause_ref::<UnsupportedScheme>(error).is_some()
        || cause_ref::<UserInfoRefused>(error).is_some()
}

/// The upstream answered with a status that is no success.
pub(crate) fn failed_answer(head: &Parts, body: &Bytes) -> Error {
    of_failure(&Failure::decode(head.status, &head.headers, body))
}

/// A failure that the upstream told, by status or inside a body.
pub(crate) fn of_failure(failure: &Failure) -> Error {
    let status = failure.upstream_status().unwrap_or(failure.status());
    let (kind, retryable, suggestion) = judge(failure, status);
    let mut error = Error::new(kind, failure.message())
        .with_status(failure.status())
        .with_retry_after(failure.retry_after())
        .with_request_id(failure.request_id().map(str::to_owned))
        .with_retryable(retryable);
    if let Some(suggestion) = suggestion {
        error = error.with_suggestion(suggestion);
    }
    error
}

/// Kind, whether another try can help, and what may help.
fn judge(failure: &Failure, status: StatusCode) -> (ErrorKind, bool, Option<&'static str>) {
    use ErrorKind::{ContentPolicy, InvalidRequest, Payment, RateLimited, Unauthorized, Upstream};
    if failure.form() == Form::Notice {
        return (Payment, false, Some(PAY));
    }
    if matches!(
        failure.code(),
        Some("content_policy_violation" | "content_filter")
    ) {
        return (ContentPolicy, false, Some("change the prompt"));
    }
    if failure.code() == Some("insufficient_quota") {
        return (Payment, false, Some(PAY));
    }
    match status.as_u16() {
        401 => (
            Unauthorized,
            false,
            Some("check the API key: .api_key(..) or BLOSSOM_API_KEY"),
        ),
        403 => (
            Unauthorized,
            false,
            Some("the key may not do this: check its models, scopes and expiry"),
        ),
        402 => (Payment, false, Some(PAY)),
        404 | 405 | 410 => (
            InvalidRequest,
            false,
            Some("check the model with client.models(), and the endpoint's dialect and base URL"),
        ),
        408 | 504 | 524 => (
            ErrorKind::Timeout,
            true,
            Some("try again, or ask for fewer tokens"),
        ),
        413 => (
            InvalidRequest,
            false,
            Some("send less: the service takes 20 MiB at most"),
        ),
        422 => (ContentPolicy, false, Some("change the prompt")),
        429 => (
            RateLimited,
            true,
            Some("send fewer requests at once, or wait for what retry_after() says"),
        ),
        400..=499 => (InvalidRequest, false, None),
        500..=599 => (Upstream, true, Some("the service failed: try again later")),
        _ => (Upstream, false, None),
    }
}

const PAY: &str = "add balance to the account, or raise the budget of the key";

/// A reply larger than the client takes.
pub(crate) fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("the reply is larger than {limit} bytes"),
    )
    .with_retryable(false)
    .with_suggestion("raise max_response_bytes")
}

/// A successful reply that is not what was asked for.
pub(crate) fn unexpected(head: &Parts, body: &[u8], expected: &str) -> Error {
    let found = protocol::media_type(&head.headers);
    let found = if found.is_empty() {
        "no content type"
    } else {
        found
    };
    let snippet = protocol::printable(&String::from_utf8_lossy(body), SNIPPET_CHARS);
    let message = if snippet.is_empty() {
        format!("expected {expected}, got an empty body of {found}")
    } else {
        format!("expected {expected}, got {found}: {snippet}")
    };
    Error::new(ErrorKind::Decode, message)
        .with_status(head.status)
        .with_retryable(false)
        .with_suggestion("check the endpoint's dialect and base URL")
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn judged(status: u16, body: &str) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        of_failure(&Failure::decode(status, &HeaderMap::new(), body.as_bytes()))
    }

    #[test]
    fn the_true_status_inside_502_decides() {
        let envelope = |upstream: u16| {
            format!(
                r#"{{"status":502,"success":false,"error":{{"code":"BAD_GATEWAY","message":"provider","details":{{"upstreamStatus":{upstream}}}}}}}"#
            )
        };
        assert!(!judged(502, &envelope(401)).is_retryable());
        assert_eq!(judged(502, &envelope(429)).kind(), ErrorKind::RateLimited);
        assert!(judged(502, &envelope(429)).is_retryable());
        assert_eq!(
            judged(502, &envelope(401)).status(),
            Some(StatusCode::BAD_GATEWAY)
        );
    }

    #[test]
    fn what_will_not_heal_is_not_retryable() {
        for status in [400, 401, 402, 403, 404, 405, 413, 422] {
            assert!(!judged(status, "").is_retryable(), "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504, 520, 524] {
            assert!(judged(status, "").is_retryable(), "{status}");
        }
    }

    #[test]
    fn a_quota_that_is_used_up_is_a_matter_of_payment() {
        let body = r#"{"error":{"message":"no more","code":"insufficient_quota"}}"#;

        assert_eq!(judged(429, body).kind(), ErrorKind::Payment);
        assert!(!judged(429, body).is_retryable());
    }

    #[test]
    fn an_unknown_error_of_the_stack_is_one_of_the_connection() {
        let error = of_call(Box::new(std::io::Error::other("refused")));
        assert_eq!(error.kind(), ErrorKind::Connect);
    }
}
