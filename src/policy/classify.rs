//! How replies of the Blossom protocol count.

use std::error::Error;

use http::{HeaderMap, StatusCode};

use crate::{
    layers::{
        cause_ref,
        sse::Decoder,
        timeout::Unread,
        types::{ByStatus, Class, Classify, Outcome, Refusal, RefusalKind, Reply},
    },
    protocol::{Failure, Form, StreamEvent},
    transport::{ConnectCause, ConnectError, InvalidResponse, RequestBodyFailed, nothing_was_sent},
};

const SHOULD_RETRY: &str = "x-should-retry";

/// Whether another try can help, for retries.
///
/// | reply | class |
/// | --- | --- |
/// | 408, 429, 5xx but 501, 505, 525, 526, 530 | transient |
/// | any other 4xx, and those | permanent |
/// | 502 that names the provider's status (`upstreamStatus`) | that of the provider's |
/// | 402, `insufficient_quota`, refused content, a context too long, a notice to pay | permanent |
/// | `x-should-retry` | as it says, but for the row above |
/// | an error event before the answer has begun | by what it says, else transient |
/// | no connection, a connection that was lost, a clock that fired | transient |
/// | TLS that fails, an answer that is no HTTP | permanent |
/// | a refusal of ours, before anything was sent | ignored |
///
/// To tell the forms of 429 and 5xx apart it wants to see the beginning of their bodies.
///
/// ```
/// use blossom::{layers::retry::{RetryLayer, Standard}, policy::ClassifyReply};
///
/// let layer = RetryLayer::new(Standard::new().classify(ClassifyReply));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassifyReply;

impl Classify for ClassifyReply {
    fn classify(&self, reply: &Reply<'_>) -> Class {
        if let Some(error) = reply.error() {
            return of_error(error);
        }
        match reply.status() {
            Some(status) if status.as_u16() >= 400 => of_answer(status, reply),
            _ => of_stream(reply).unwrap_or_else(|| ByStatus.classify(reply)),
        }
    }

    fn wants_body(&self, reply: &Reply<'_>) -> bool {
        let tells = |status: StatusCode| status.is_server_error() || status.as_u16() == 429;
        reply.status().is_some_and(tells) && should_retry(reply) != Some(false)
    }
}

/// What `x-should-retry` says, if it is there.
pub(super) fn should_retry(reply: &Reply<'_>) -> Option<bool> {
    match reply.headers()?.get(SHOULD_RETRY)?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

fn of_answer(status: StatusCode, reply: &Reply<'_>) -> Class {
    let none = HeaderMap::new();
    let headers = reply.headers().unwrap_or(&none);
    let failure = Failure::decode(status, headers, reply.text());
    match should_retry(reply) {
        _ if is_final(&failure) => Class::Permanent,
        Some(true) => Class::Transient,
        Some(false) => Class::Permanent,
        None => class_of(&failure),
    }
}

/// How a failure that the upstream tells counts.
pub(crate) fn class_of(failure: &Failure) -> Class {
    if is_final(failure) {
        return Class::Permanent;
    }
    match told(failure).as_u16() {
        // In mid-stream the code is all there is; one that is not known may heal.
        200..=299 if !is_permanent(&code(failure)) => Class::Transient,
        // What the service lacks, and what its edge cannot trust or find, does not heal by itself.
        501 | 505 | 525 | 526 | 530 => Class::Permanent,
        408 | 429 | 500..=599 => Class::Transient,
        _ => Class::Permanent,
    }
}

fn code(failure: &Failure) -> String {
    failure.code().unwrap_or_default().to_ascii_lowercase()
}

fn is_permanent(code: &str) -> bool {
    matches!(
        code,
        "invalid_api_key"
            | "authentication_error"
            | "unauthorized"
            | "permission_error"
            | "permission_denied"
            | "forbidden"
            | "payment_required"
            | "model_not_found"
            | "not_found"
            | "not_found_error"
            | "invalid_request_error"
            | "bad_request"
            | "unprocessable_entity"
    )
}

/// Whether time alone does not heal it, whatever anybody says.
fn is_final(failure: &Failure) -> bool {
    let final_code = matches!(
        &*code(failure),
        "insufficient_quota"
            | "insufficient_balance"
            | "key_budget_exhausted"
            | "quest_pollen_only"
            | "billing_hard_limit_reached"
            | "content_policy_violation"
            | "content_filter"
            | "context_length_exceeded"
            | "exceed_context_size_error"
    );
    final_code
        || failure.form() == Form::Notice
        || failure.status() == StatusCode::PAYMENT_REQUIRED
        || told(failure) == StatusCode::PAYMENT_REQUIRED
}

/// The true status.
fn told(failure: &Failure) -> StatusCode {
    failure.upstream_status().unwrap_or(failure.status())
}

/// What an error event says, in a stream that was looked at before it was passed on.
fn of_stream(reply: &Reply<'_>) -> Option<Class> {
    let failed = |outcome: &Outcome| outcome.read(|record| record.failure.is_some());
    if !reply.body().is_some_and(failed) {
        return None;
    }
    let mut events = Decoder::default();
    events.push(reply.text().to_vec().into());
    while let Ok(Some(event)) = events.finish() {
        if let StreamEvent::Error(failure) = StreamEvent::decode(&event.data_lossy()) {
            return Some(class_of(&failure));
        }
    }
    None
}

fn of_error(error: &(dyn Error + 'static)) -> Class {
    if let Some(connect) = cause_ref::<ConnectError>(error) {
        return match connect.cause() {
            ConnectCause::Tls => Class::Permanent,
            _ => Class::Transient,
        };
    }
    let refused = cause_ref::<Refusal>(error).is_some_and(|it| it.kind() != RefusalKind::Timeout);
    // Who reads too late, or sends what cannot be sent, says nothing about the upstream.
    if refused
        || cause_ref::<Unread>(error).is_some()
        || cause_ref::<RequestBodyFailed>(error).is_some()
        || (nothing_was_sent(error) && cause_ref::<crate::transport::Interrupted>(error).is_none())
    {
        return Class::Ignored;
    }
    if cause_ref::<InvalidResponse>(error).is_some() {
        return Class::Permanent;
    }
    Class::Transient
}

/// Whether the upstream is well, for breakers.
///
/// Server errors, errors of the connection, clocks that fire and streams that break are failures.
/// An upstream that refuses a request, or its content, is well. Limits and balances of the caller's
/// account (402, 403, 429, notices to pay) say nothing.
///
/// ```
/// use blossom::{layers::breaker::BreakerLayer, policy::{ByModel, ClassifyHealth}};
///
/// let layer = BreakerLayer::new().partition(ByModel::default()).classify(ClassifyHealth);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassifyHealth;

impl Classify for ClassifyHealth {
    fn classify(&self, reply: &Reply<'_>) -> Class {
        if let Some(error) = reply.error() {
            return match of_error(error) {
                Class::Ignored => Class::Ignored,
                _ => Class::Transient,
            };
        }
        match reply.status().map(|status| status.as_u16()) {
            Some(402 | 403 | 429) => Class::Ignored,
            Some(408 | 500..=599) => Class::Transient,
            Some(400..=499) => Class::Permanent,
            _ if reply.body().is_some_and(is_notice) => Class::Ignored,
            _ => ByStatus.classify(reply),
        }
    }
}

/// A failure that cost nothing is a notice to pay.
fn is_notice(outcome: &Outcome) -> bool {
    outcome.read(|record| {
        record.failure.is_some() && record.usage.is_some_and(|usage| usage.is_zero())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn with(status: u16, headers: &[(&'static str, &str)], text: &str) -> [Class; 2] {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        let reply = Reply::head(status, &headers).beginning(text.as_bytes());
        [
            ClassifyReply.classify(&reply),
            ClassifyHealth.classify(&reply),
        ]
    }

    fn retry(status: u16, text: &str) -> Class {
        with(status, &[], text)[0]
    }

    fn envelope(upstream: u16) -> String {
        format!(
            r#"{{"status":502,"success":false,"error":{{"code":"BAD_GATEWAY","message":"provider","details":{{"upstreamStatus":{upstream}}}}}}}"#
        )
    }

    #[test]
    fn h2_the_table_of_statuses() {
        for status in [408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529] {
            assert_eq!(retry(status, ""), Class::Transient, "{status}");
        }
        for status in [
            400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 426, 501, 505, 525, 526, 530,
        ] {
            assert_eq!(retry(status, ""), Class::Permanent, "{status}");
        }
        assert_eq!(retry(200, ""), Class::Success);
    }

    #[test]
    fn h2_the_providers_status_inside_502_decides() {
        for (upstream, class) in [
            (429, Class::Transient),
            (524, Class::Transient),
            (401, Class::Permanent),
            (402, Class::Permanent),
        ] {
            assert_eq!(retry(502, &envelope(upstream)), class, "{upstream}");
        }
    }

    #[test]
    fn h2_what_is_used_up_or_refused_is_never_tried_again() {
        let quota = r#"{"error":{"message":"no more","code":"insufficient_quota"}}"#;
        let content = r#"{"error":{"message":"no","code":"content_policy_violation"}}"#;
        for (status, text) in [(429, quota), (500, content), (402, "")] {
            let classes = with(status, &[(SHOULD_RETRY, "true")], text);
            assert_eq!(classes[0], Class::Permanent, "{status}");
        }
    }

    #[test]
    fn h2_x_should_retry_is_obeyed() {
        assert_eq!(
            with(400, &[(SHOULD_RETRY, "true")], "")[0],
            Class::Transient
        );
        assert_eq!(
            with(503, &[(SHOULD_RETRY, "false")], "")[0],
            Class::Permanent
        );
        assert_eq!(
            with(503, &[(SHOULD_RETRY, "perhaps")], "")[0],
            Class::Transient
        );
    }

    #[test]
    fn only_bodies_that_can_decide_are_asked_for() {
        let headers = HeaderMap::new();
        let wants = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            ClassifyReply.wants_body(&Reply::head(status, &headers))
        };

        assert!(wants(429) && wants(500) && wants(502));
        assert!(!wants(400) && !wants(401) && !wants(404));
    }

    #[test]
    fn an_error_event_counts_by_what_it_says() {
        let outcome = Outcome::new();
        outcome.update(|record| record.failure = Some("told".into()));
        let class = |error: &str| {
            let text = format!(": hello\n\ndata: {{\"error\":{error}}}\n\n");
            let reply = Reply::ended(StatusCode::OK).outcome(&outcome);
            ClassifyReply.classify(&reply.beginning(text.as_bytes()))
        };

        assert_eq!(class(r#"{"message":"busy"}"#), Class::Transient);
        assert_eq!(class(r#"{"message":"busy","code":503}"#), Class::Transient);
        assert_eq!(class(r#"{"message":"who","code":401}"#), Class::Permanent);
        let quota = r#"{"message":"no","code":"insufficient_quota"}"#;
        assert_eq!(class(quota), Class::Permanent);
    }

    #[test]
    fn health_is_not_a_matter_of_the_callers_account() {
        let health = |status| with(status, &[], "")[1];
        for status in [402, 403, 429] {
            assert_eq!(health(status), Class::Ignored, "{status}");
        }
        for status in [408, 500, 501, 502, 520, 530] {
            assert_eq!(health(status), Class::Transient, "{status}");
        }
        assert_eq!(health(400), Class::Permanent);
        assert_eq!(health(200), Class::Success);

        let notice = Outcome::new();
        notice.update(|record| {
            record.failure = Some("a notice".into());
            record.usage = Some(crate::layers::types::Usage::default());
        });
        let reply = Reply::ended(StatusCode::OK).outcome(&notice);
        assert_eq!(ClassifyHealth.classify(&reply), Class::Ignored);
    }

    #[test]
    fn errors_count_by_whose_fault_they_are() {
        let both = |error: &(dyn Error + 'static)| {
            let reply = Reply::failed(error);
            [
                ClassifyReply.classify(&reply),
                ClassifyHealth.classify(&reply),
            ]
        };
        let lost = std::io::Error::other("lost");
        assert_eq!(both(&lost), [Class::Transient; 2]);
        let late = Refusal::new(RefusalKind::Timeout);
        assert_eq!(both(&late), [Class::Transient; 2]);
        let open = Refusal::new(RefusalKind::Unavailable).retry_after(Duration::from_secs(1));
        assert_eq!(both(&open), [Class::Ignored; 2]);
    }
}
