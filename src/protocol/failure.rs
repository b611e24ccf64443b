//! The forms in which the service and its neighbours say that something failed.

#![expect(
    clippy::indexing_slicing,
    reason = "a member that a JSON value does not have is null, never a panic"
)]

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::layers::{backoff, types::FinishReason};

use super::{ChatReply, headers, redact::printable, usage::reply_usage};

/// The most characters of a message that are kept.
const MAX_MESSAGE: usize = 2000;

/// A failure as it was told, read from any of the forms. It keeps nothing that echoes the request.
///
/// ```
/// use blossom::protocol::Failure;
/// use http::{HeaderMap, StatusCode};
///
/// let body = br#"{"error": {"message": "slow down", "code": "RATE_LIMITED"}}"#;
/// let failure = Failure::decode(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), body);
/// assert_eq!(failure.message(), "slow down");
/// ```
#[derive(Debug, Clone)]
pub struct Failure {
    status: StatusCode,
    form: Form,
    code: Option<String>,
    message: String,
    upstream_status: Option<StatusCode>,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    field_errors: Vec<(String, String)>,
}

/// Who speaks like this.
///
/// ```
/// use blossom::protocol::{Failure, Form};
/// use http::{HeaderMap, StatusCode};
///
/// let decode = |body: &[u8]| Failure::decode(StatusCode::BAD_GATEWAY, &HeaderMap::new(), body);
/// assert_eq!(decode(b"upstream is down").form(), Form::Plain);
/// assert_eq!(decode(b"<html><title>502</title></html>").form(), Form::Edge);
/// assert_eq!(decode(b"").form(), Form::Empty);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// A: the envelope of gen and enter.
    Envelope,
    /// B: the limiter of publishable keys.
    Limiter,
    /// C: the concurrency limit of an account.
    Concurrency,
    /// D: v1 text.
    V1Text,
    /// E: v1 image.
    V1Image,
    /// F: plain text.
    Plain,
    /// G: a provider, in the manner of `OpenAI`.
    Provider,
    /// H: a page of the edge.
    Edge,
    /// I: nothing.
    Empty,
    /// J: a notice to pay in the place of an answer.
    Notice,
}

impl Failure {
    /// Reads the answer of a status that is no success.
    ///
    /// ```
    /// # use blossom::protocol::{Failure, Form};
    /// # use http::{HeaderMap, StatusCode};
    /// # let headers = HeaderMap::new();
    /// let body = br#"{"success": false, "error": {"code": "BAD_REQUEST", "message": "no such model"}}"#;
    /// let failure = Failure::decode(StatusCode::BAD_REQUEST, &headers, body);
    /// assert_eq!((failure.form(), failure.code()), (Form::Envelope, Some("BAD_REQUEST")));
    /// ```
    #[must_use]
    pub fn decode(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let json = serde_json::from_slice::<Value>(body).ok();
        let mut failure = match &json {
            Some(json @ (Value::Object(_) | Value::String(_))) => Self::of_json(status, json),
            _ => Self::of_text(status, body),
        };
        let told = backoff::retry_after(headers, SystemTime::now());
        failure.retry_after = told.or(failure.retry_after);
        if failure.request_id.is_none() {
            failure.request_id = headers::request_id(headers).map(|id| printable(id, 200));
        }
        if let Some(kind) = headers.get("x-error-type") {
            failure.form = Form::V1Image;
            // A refusal of the content comes as a 500, and heals as little as any other.
            let kind = String::from_utf8_lossy(kind.as_bytes());
            if [&*kind, &failure.message].into_iter().any(is_of_content) {
                failure.code = Some("content_policy_violation".to_owned());
            }
        }
        failure
    }

    /// The error of an event in mid-stream, as JSON text.
    pub(super) fn in_stream(error: &str) -> Self {
        let error = serde_json::from_str(error).unwrap_or(Value::Null);
        let wrapped = Value::Object([("error".to_owned(), error)].into_iter().collect());
        let mut failure = Self::of_json(StatusCode::OK, &wrapped);
        // Some say the status in the code.
        let error = &wrapped["error"];
        failure.upstream_status = status_of(&error["status"]).or_else(|| status_of(&error["code"]));
        failure
    }

    /// A gateway that lost a stream and pretends that it has not.
    pub(super) fn fake_success() -> Self {
        Self::new(
            StatusCode::OK,
            Form::Plain,
            "the gateway could not read its provider's stream",
        )
    }

    /// Form J, or an error inside a whole reply under 200.
    #[must_use]
    pub(crate) fn in_reply(headers: &HeaderMap, body: &[u8], reply: &ChatReply) -> Option<Self> {
        if reply.usage().is_some_and(|usage| usage.is_zero()) && headers::no_store(headers) {
            return Some(Self::notice());
        }
        match reply.finish_reason() {
            Some(reason @ (FinishReason::Error | FinishReason::ContentFilter)) => {
                let mut failure = Self::decode(StatusCode::OK, headers, body);
                failure.code = Some(reason.as_str().to_owned());
                failure.message = "the generation was ended by the upstream".to_owned();
                Some(failure)
            }
            _ => None,
        }
    }

    /// An error in JSON that came under a status of success, without an answer.
    #[must_use]
    pub(crate) fn in_success(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let json = serde_json::from_slice::<Value>(body).ok()?;
        let told = !json["error"].is_null() || json["success"] == false;
        if !told {
            return None;
        }
        let mut failure = Self::decode(status, headers, body);
        failure.upstream_status = failure
            .upstream_status
            .or_else(|| status_of(&json["status"]))
            .or_else(|| status_of(&json["error"]["code"]))
            .or_else(|| status_of(&json["error"]["status"]));
        Some(failure)
    }

    /// Form J as plain text.
    #[must_use]
    pub(crate) fn in_plain(headers: &HeaderMap) -> Option<Self> {
        let counted = reply_usage(headers).is_some_and(|usage| !usage.is_zero());
        (!counted && headers::no_store(headers)).then(Self::notice)
    }

    /// Form J.
    #[must_use]
    pub(crate) fn notice() -> Self {
        Self::new(
            StatusCode::OK,
            Form::Notice,
            "the service sent a notice to pay instead of an answer",
        )
    }

    fn new(status: StatusCode, form: Form, message: &str) -> Self {
        Self {
            status,
            form,
            code: None,
            message: printable(message, MAX_MESSAGE),
            upstream_status: None,
            retry_after: None,
            request_id: None,
            field_errors: Vec::new(),
        }
    }

    fn of_json(status: StatusCode, json: &Value) -> Self {
        let error = &json["error"];
        let form = if json["success"].is_boolean() {
            Form::Envelope
        } else if json["retryAfterSeconds"].is_number() {
            Form::Limiter
        } else if error == "concurrency_limit_exceeded" {
            Form::Concurrency
        } else if error.is_object() {
            Form::Provider
        } else {
            Form::V1Text
        };
        let mut failure = Self::new(status, form, &message_of(json));
        let details = &error["details"];
        failure.code = text(&error["code"])
            .or_else(|| text(&error["type"]))
            .or_else(|| text(error).filter(|_| form == Form::Concurrency));
        failure.upstream_status = status_of(&details["upstreamStatus"])
            .or_else(|| status_of(&json["details"]["upstreamStatus"]));
        failure.retry_after = json["retryAfterSeconds"]
            .as_f64()
            .and_then(backoff::seconds);
        failure.request_id = text(&error["requestId"]).or_else(|| text(&json["requestId"]));
        let fields = details["fieldErrors"].as_object().into_iter().flatten();
        failure.field_errors = fields
            .map(|(field, problems)| {
                let problem = problems.get(0).unwrap_or(problems);
                (printable(field, 100), text(problem).unwrap_or_default())
            })
            .collect();
        let named: Vec<_> = failure
            .field_errors
            .iter()
            .map(|(field, problem)| format!("{field}: {problem}"))
            .collect();
        if !named.is_empty() {
            failure.message = format!("{} ({})", failure.message, named.join("; "));
        }
        failure
    }

    fn of_text(status: StatusCode, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        let lower = text
            .get(..text.len().min(64))
            .unwrap_or(text)
            .to_ascii_lowercase();
        if text.is_empty() {
            let reason = status.canonical_reason().unwrap_or("no reason given");
            Self::new(status, Form::Empty, reason)
        } else if lower.starts_with("<!doctype") || lower.starts_with("<html") {
            let title =
                between(text, "<title>", "</title>").unwrap_or("a page instead of an answer");
            Self::new(status, Form::Edge, title.trim())
        } else if lower.starts_with("error code:") {
            Self::new(status, Form::Edge, text)
        } else {
            Self::new(status, Form::Plain, text)
        }
    }

    /// The status of the answer.
    ///
    /// ```
    /// # use blossom::protocol::Failure;
    /// # use http::{HeaderMap, StatusCode};
    /// # let headers = HeaderMap::new();
    /// let failure = Failure::decode(StatusCode::BAD_GATEWAY, &headers, b"");
    /// assert_eq!(failure.status(), StatusCode::BAD_GATEWAY);
    /// ```
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The form it was told in.
    ///
    /// ```
    /// # use blossom::protocol::{Failure, Form};
    /// # use http::{HeaderMap, StatusCode};
    /// # let headers = HeaderMap::new();
    /// let body = br#"{"error": {"message": "unknown model", "type": "invalid_request_error"}}"#;
    /// let failure = Failure::decode(StatusCode::NOT_FOUND, &headers, body);
    /// assert_eq!(failure.form(), Form::Provider);
    /// ```
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The code, such as `BAD_REQUEST` or `content_policy_violation`.
    ///
    /// ```
    /// # use blossom::protocol::Failure;
    /// # use http::{HeaderMap, StatusCode};
    /// # let headers = HeaderMap::new();
    /// let body = br#"{"error": {"message": "no", "code": "content_policy_violation"}}"#;
    /// let failure = Failure::decode(StatusCode::UNPROCESSABLE_ENTITY, &headers, body);
    /// assert_eq!(failure.code(), Some("content_policy_violation"));
    /// ```
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What it says, in one line of printable characters, without keys.
    ///
    /// ```
    /// # use blossom::protocol::Failure;
    /// # use http::{HeaderMap, StatusCode};
    /// # let headers = HeaderMap::new();
    /// let failure = Failure::decode(StatusCode::BAD_GATEWAY, &headers, b"upstream\nis down");
    /// assert_eq!(failure.message(), "upstream is down");
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The true status of the provider, where the service hides it behind another.
    ///
    /// ```
    /// # use blossom::protocol::Failure;
    /// # use http::{HeaderMap, StatusCode};
    /// # let headers = HeaderMap::new();
    /// let body = br#"{"success": false, "error": {"message": "no", "details": {"upstreamStatus": 429}}}"#;
    /// let failure = Failure::decode(StatusCode::INTERNAL_SERVER_ERROR, &headers, body);
    /// assert_eq!(failure.upstream_status(), Some(StatusCode::TOO_MANY_REQUESTS));
    /// ```
    #[must_use]
    pub const fn upstream_status(&self) -> Option<StatusCode> {
        self.upstream_status
    }

    /// How long to wait before another try, by header or body. Not capped.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom::protocol::Failure;
    /// # use http::{HeaderMap, StatusCode};
    /// # let headers = HeaderMap::new();
    /// let body = br#"{"error": "Rate limit exceeded", "retryAfterSeconds": 90}"#;
    /// let failure = Failure::decode(StatusCode::TOO_MANY_REQUESTS, &headers, body);
    /// assert_eq!(failure.retry_after(), Some(Duration::from_secs(90)));
    /// ```
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The upstream's name for the request.
    ///
    /// ```
    /// # use blossom::protocol::Failure;
    /// # use http::{HeaderMap, StatusCode};
    /// # let headers = HeaderMap::new();
    /// let body = br#"{"success": false, "error": {"message": "no", "requestId": "req-7f3a"}}"#;
    /// let failure = Failure::decode(StatusCode::INTERNAL_SERVER_ERROR, &headers, body);
    /// assert_eq!(failure.request_id(), Some("req-7f3a"));
    /// ```
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The fields that are wrong, and what is wrong with them.
    ///
    /// ```
    /// # use blossom::protocol::Failure;
    /// # use http::{HeaderMap, StatusCode};
    /// # let headers = HeaderMap::new();
    /// let body = br#"{"error": {"message": "bad", "details": {"fieldErrors": {"width": ["too large"]}}}}"#;
    /// let failure = Failure::decode(StatusCode::BAD_REQUEST, &headers, body);
    /// assert_eq!(failure.field_errors(), [("width".to_owned(), "too large".to_owned())]);
    /// ```
    #[must_use]
    pub fn field_errors(&self) -> &[(String, String)] {
        &self.field_errors
    }
}

/// Whether words of the v1 image host say that it refuses the content.
fn is_of_content(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    ["moderation", "content policy", "contentpolicy", "nsfw"]
        .iter()
        .any(|sign| words.contains(sign))
        || words.contains("content") && words.contains("violat")
}

/// In the order of the service's own extraction.
fn message_of(json: &Value) -> String {
    let error = &json["error"];
    [
        &json["details"]["error"]["message"],
        &error["message"],
        &json["message"],
        error,
        json,
    ]
    .into_iter()
    .find_map(Value::as_str)
    .unwrap_or("no message")
    .to_owned()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(printable(text, 200)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn status_of(value: &Value) -> Option<StatusCode> {
    let number = value
        .as_u64()
        .and_then(|number| u16::try_from(number).ok())?;
    StatusCode::from_u16(number)
        .ok()
        .filter(|status| status.as_u16() >= 400)
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(open)?;
    after.split_once(close).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(status: u16, body: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        Failure::decode(status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn form_a_has_code_fields_and_request_id() {
        let failure = decoded(
            400,
            r#"{"status":400,"success":false,"error":{"code":"BAD_REQUEST","message":"wrong",
                "requestId":"r1","details":{"name":"ValidationError","formErrors":[],
                "fieldErrors":{"temperature":["too high"]}}}}"#,
        );

        assert_eq!(failure.form(), Form::Envelope);
        assert_eq!(failure.code(), Some("BAD_REQUEST"));
        assert_eq!(failure.message(), "wrong (temperature: too high)");
        assert_eq!(failure.request_id(), Some("r1"));
        assert_eq!(
            failure.field_errors(),
            [("temperature".into(), "too high".into())]
        );
    }

    #[test]
    fn form_a_may_hide_the_providers_status() {
        let failure = decoded(
            502,
            r#"{"status":502,"success":false,"error":{"code":"BAD_GATEWAY","message":"x",
                "details":{"upstreamStatus":401}}}"#,
        );

        assert_eq!(failure.upstream_status(), Some(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn forms_b_and_c_are_limits() {
        let limiter = decoded(
            429,
            r#"{"error":"Rate limit exceeded","message":"later","retryAfterSeconds":12.34}"#,
        );
        assert_eq!(limiter.form(), Form::Limiter);
        assert_eq!(limiter.retry_after(), Some(Duration::from_secs_f64(12.34)));
        assert_eq!(limiter.message(), "later");

        let account = decoded(
            429,
            r#"{"error":"concurrency_limit_exceeded","message":"one"}"#,
        );
        assert_eq!(account.form(), Form::Concurrency);
        assert_eq!(account.code(), Some("concurrency_limit_exceeded"));
    }

    #[test]
    fn forms_d_and_e_keep_nothing_of_the_request() {
        let body = r#"{"error":"Too Many Requests","message":"slow down","requestId":"r2",
            "requestParameters":{"messages":[{"content":"my secret prompt"}]}}"#;
        let failure = decoded(429, body);
        assert_eq!(failure.form(), Form::V1Text);
        assert_eq!(failure.message(), "slow down");
        assert!(!format!("{failure:?}").contains("secret"));

        let mut headers = HeaderMap::new();
        headers.insert("x-error-type", "Moderation".parse().unwrap());
        let image = Failure::decode(StatusCode::INTERNAL_SERVER_ERROR, &headers, body.as_bytes());
        assert_eq!(image.form(), Form::V1Image);
        assert_eq!(image.code(), Some("content_policy_violation"));
        headers.insert("x-error-type", "QueueFull".parse().unwrap());
        let other = Failure::decode(StatusCode::INTERNAL_SERVER_ERROR, &headers, body.as_bytes());
        assert_eq!((other.form(), other.code()), (Form::V1Image, None));
        assert_eq!(
            decoded(401, r#"{"error":"Unauthorized"}"#).message(),
            "Unauthorized"
        );
    }

    #[test]
    fn forms_f_to_i_are_not_json() {
        assert_eq!(decoded(503, "Detached generation").form(), Form::Plain);
        let page = decoded(
            522,
            "<!DOCTYPE html><html><title>Timed out</title>...</html>",
        );
        assert_eq!((page.form(), page.message()), (Form::Edge, "Timed out"));
        assert_eq!(decoded(429, "error code: 1015").form(), Form::Edge);
        let empty = decoded(502, "");
        assert_eq!(
            (empty.form(), empty.message()),
            (Form::Empty, "Bad Gateway")
        );
    }

    #[test]
    fn form_g_is_a_provider() {
        let failure = decoded(
            404,
            r#"{"error":{"message":"no model","type":"t","code":null}}"#,
        );

        assert_eq!(
            (failure.form(), failure.message()),
            (Form::Provider, "no model")
        );
        assert_eq!(failure.code(), Some("t"));
    }

    #[test]
    fn form_j_is_told_by_no_store_and_zero_usage() {
        let body = br#"{"choices":[{"message":{"content":"top up"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
        let reply = ChatReply::decode(body).unwrap();
        let mut headers = HeaderMap::new();
        assert!(Failure::in_reply(&headers, body, &reply).is_none());
        assert!(Failure::in_plain(&headers).is_none());

        headers.insert("cache-control", "private, no-store".parse().unwrap());
        let failure = Failure::in_reply(&headers, body, &reply).unwrap();
        assert_eq!(failure.form(), Form::Notice);
        assert!(Failure::in_plain(&headers).is_some());
    }

    #[test]
    fn odd_bodies_never_fail_and_stay_on_one_line() {
        for body in [
            "[]",
            "7",
            "null",
            "{}",
            r#"{"error":7}"#,
            "a\nb\u{1b}[31m",
            "\u{0}",
        ] {
            let failure = decoded(500, body);
            assert!(!failure.message().chars().any(char::is_control), "{body:?}");
        }
        assert!(decoded(500, &"x".repeat(10_000)).message().chars().count() <= MAX_MESSAGE + 1);
    }
}
