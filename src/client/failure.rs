//! From what went wrong in the stack or on the wire to the client's [`Error`].

use bytes::Bytes;
use http::response::Parts;

use super::{Partial, judge::judge};
use crate::{
    Error, ErrorKind,
    layers::{
        BoxError, cause_ref,
        limit::concurrency::DeadlinePassed,
        retry::GaveUp,
        sse::{self, DecodeError},
        timeout::{Clock, Elapsed, Unread},
        types::{Attempt, Refusal, RefusalKind},
    },
    protocol::{self, Failure, Invalid},
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
        .with_suggestion("change the parameter that the message names")
        .with_source(invalid.clone())
}

/// The stack gave an error instead of a response: the error, and how often the request was sent.
///
/// `counted` is the attempt that began last, if anybody has counted.
pub(crate) fn of_call(error: BoxError, counted: Option<Attempt>) -> (Error, u32) {
    let (last, error) = match error.downcast::<GaveUp>() {
        Ok(gave_up) => (Some(gave_up.attempt()), gave_up.into_source()),
        Err(error) => (counted, error),
    };
    // The last attempt may have ended here, before it was sent.
    let unsent = is_refused(&error) || refusal(&error).is_some();
    let attempts = last.map_or(1, Attempt::number) - u32::from(unsent);
    (of_attempt(error), attempts)
}

fn of_attempt(error: BoxError) -> Error {
    typed(error, |error| {
        // A generation may have begun: whether to pay for another is not ours to say.
        let (retryable, suggestion) = if nothing_was_sent(&*error) {
            (true, "send it again: nothing had been sent")
        } else {
            (false, "send it again if it may be paid for twice")
        };
        Error::new(ErrorKind::Connect, error.to_string())
            .with_retryable(retryable)
            .with_suggestion(suggestion)
            .with_source(error)
    })
}

/// The body failed after its head had arrived.
pub(crate) fn of_body(error: BoxError, partial: Partial) -> Error {
    typed(error, |error| {
        Error::new(ErrorKind::Truncated, error.to_string())
            .with_suggestion(TRUNCATED)
            .with_source(error)
    })
    .with_partial(partial)
}

fn typed(error: BoxError, other: impl FnOnce(BoxError) -> Error) -> Error {
    let error = match error.downcast::<Error>() {
        // A stack of the user's own may hold a client.
        Ok(own) => return *own,
        Err(error) => error,
    };
    if let Some(passed) = cause_ref::<DeadlinePassed>(&*error) {
        Error::new(ErrorKind::Timeout, passed.to_string())
            .with_suggestion("raise max_in_flight or total_timeout, or make fewer calls at once")
            .with_source(error)
    } else if let Some(elapsed) = cause_ref::<Elapsed>(&*error) {
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
        Error::new(ErrorKind::Truncated, cut.to_string())
            .with_suggestion(TRUNCATED)
            .with_source(error)
    } else if let Some(decode) = cause_ref::<DecodeError>(&*error) {
        Error::new(ErrorKind::Decode, decode.to_string())
            .with_retryable(false)
            .with_suggestion(NOT_THE_SERVICE)
            .with_source(error)
    } else if let Some(refusal) = cause_ref::<Refusal>(&*error).copied() {
        refused(refusal, error)
    } else {
        transport(error, other)
    }
}

/// A layer of the stack refused; which one, its own words tell.
fn refused(refusal: Refusal, error: BoxError) -> Error {
    let (kind, retryable, suggestion) = match refusal.kind() {
        RefusalKind::Timeout => (
            ErrorKind::Timeout,
            true,
            "raise the timeout of the layer that the message names",
        ),
        RefusalKind::RateLimited => (
            ErrorKind::RateLimited,
            true,
            "send fewer requests at once, or wait for what retry_after() says",
        ),
        RefusalKind::TooLarge => (
            ErrorKind::InvalidRequest,
            false,
            "send less, or raise the limit that the message names",
        ),
        RefusalKind::Unavailable => (
            ErrorKind::Upstream,
            true,
            "the service fails too often: wait for what retry_after() says",
        ),
        RefusalKind::Spent => (
            ErrorKind::Spend,
            false,
            "raise the budget, or wait for what retry_after() says",
        ),
        // Too much is under way; later kinds are refusals too.
        _ => (
            ErrorKind::Overloaded,
            true,
            "send fewer requests at once, or raise the limit",
        ),
    };
    Error::new(kind, error.to_string())
        .with_retryable(retryable)
        .with_retry_after(refusal.wait())
        .with_suggestion(suggestion)
        .with_source(error)
}

fn transport(error: BoxError, other: impl FnOnce(BoxError) -> Error) -> Error {
    if let Some(connect) = cause_ref::<ConnectError>(&*error) {
        let (kind, retryable, suggestion) = match connect.cause() {
            ConnectCause::Refused => (
                ErrorKind::Connect,
                true,
                "check the port of the base URL, and that the service runs",
            ),
            ConnectCause::Dns => (
                ErrorKind::Connect,
                true,
                "check the host of the base URL, and the network",
            ),
            ConnectCause::Timeout => (
                ErrorKind::Timeout,
                true,
                "check the network, or raise connect_timeout",
            ),
            ConnectCause::Tls => (
                ErrorKind::Connect,
                false,
                "check the certificate, its dates and the host's name",
            ),
            ConnectCause::Proxy => (
                ErrorKind::Connect,
                true,
                "check the proxy's address and its user name and password",
            ),
            _ => (ErrorKind::Connect, true, "check the network"),
        };
        Error::new(kind, connect.to_string())
            .with_retryable(retryable)
            .with_suggestion(suggestion)
            .with_source(error)
    } else if is_refused(&error) {
        Error::new(ErrorKind::InvalidRequest, error.to_string())
            .with_suggestion("check the URI: its scheme, its host, and that it holds no password")
            .with_source(error)
    } else if let Some(response) = cause_ref::<InvalidResponse>(&*error) {
        Error::new(ErrorKind::Decode, response.to_string())
            .with_retryable(false)
            .with_suggestion(NOT_THE_SERVICE)
            .with_source(error)
    } else if is_undecodable(&error) {
        Error::new(ErrorKind::Decode, error.to_string())
            .with_retryable(false)
            .with_suggestion("ask without .decompression(true)")
            .with_source(error)
    } else {
        other(error)
    }
}

/// Whether an answer was compressed in a way that cannot be undone, or not within the limits.
#[cfg(feature = "decompression")]
fn is_undecodable(error: &BoxError) -> bool {
    use crate::transport::decompress::{CorruptBody, DecompressionLimit, UnsupportedEncoding};
    let error = &**error;
    cause_ref::<DecompressionLimit>(error).is_some()
        || cause_ref::<UnsupportedEncoding>(error).is_some()
        || cause_ref::<CorruptBody>(error).is_some_and(|corrupt| !corrupt.is_cut())
}

#[cfg(not(feature = "decompression"))]
const fn is_undecodable(_error: &BoxError) -> bool {
    false
}

/// The refusal of a layer, after which nothing was sent. A clock is none.
fn refusal(error: &BoxError) -> Option<&Refusal> {
    cause_ref::<Refusal>(&**error).filter(|refusal| refusal.kind() != RefusalKind::Timeout)
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
    let verdict = judge(failure);
    Error::new(verdict.kind, failure.message())
        .with_status(failure.status())
        .with_retry_after(failure.retry_after())
        .with_request_id(failure.request_id().map(str::to_owned))
        .with_retryable(verdict.retryable)
        .with_suggestion(verdict.suggestion)
}

/// An error in JSON under a status of success.
pub(crate) fn in_json(head: &Parts, body: &Bytes) -> Option<Error> {
    Failure::in_success(head.status, &head.headers, body).map(|failure| of_failure(&failure))
}

/// A reply larger than the client takes.
pub(crate) fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("the reply is larger than {limit} bytes"),
    )
    .with_retryable(false)
    .with_suggestion("raise max_response_bytes, or ask for less")
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
        .with_suggestion(NOT_THE_SERVICE)
}

/// What may help where an answer broke off.
pub(crate) const TRUNCATED: &str = "ask again; what had arrived is in partial()";

const NOT_THE_SERVICE: &str =
    "check the endpoint's base URL and dialect: what answers there is not such a service";
