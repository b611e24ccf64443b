//! What a failure of the upstream means.

use http::StatusCode;

use crate::{
    ErrorKind,
    protocol::{Failure, Form},
};

/// Kind, whether another try can help, and what may help.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    pub(super) kind: ErrorKind,
    pub(super) retryable: bool,
    pub(super) suggestion: &'static str,
}

const fn verdict(kind: ErrorKind, retryable: bool, suggestion: &'static str) -> Verdict {
    Verdict {
        kind,
        retryable,
        suggestion,
    }
}

const PAYMENT: Verdict = verdict(
    ErrorKind::Payment,
    false,
    "add balance to the account, or raise the budget of the key",
);
const POLICY: Verdict = verdict(ErrorKind::ContentPolicy, false, "change the prompt");
const KEY: Verdict = verdict(
    ErrorKind::Unauthorized,
    false,
    "check the API key: .api_key(..) or BLOSSOM_API_KEY",
);
const SCOPE: Verdict = verdict(
    ErrorKind::Unauthorized,
    false,
    "the key may not do this: check its models, scopes and expiry",
);
const REQUEST: Verdict = verdict(
    ErrorKind::InvalidRequest,
    false,
    "change the request: the message says what is wrong with it",
);
const ROUTE: Verdict = verdict(
    ErrorKind::InvalidRequest,
    false,
    "check the model with client.models(), and the endpoint's dialect and base URL",
);
const TOO_LONG: Verdict = verdict(
    ErrorKind::InvalidRequest,
    false,
    "shorten the conversation, or take a model with a larger context",
);
const TOO_LARGE: Verdict = verdict(
    ErrorKind::InvalidRequest,
    false,
    "send less: the service takes 20 MiB at most",
);
const LIMIT: Verdict = verdict(
    ErrorKind::RateLimited,
    true,
    "send fewer requests at once, or wait for what retry_after() says",
);
const SLOW: Verdict = verdict(
    ErrorKind::Timeout,
    true,
    "try again, or ask for fewer tokens",
);
const DOWN: Verdict = verdict(
    ErrorKind::Upstream,
    true,
    "the service failed: try again later",
);
const BROKEN: Verdict = verdict(
    ErrorKind::Upstream,
    false,
    "the service cannot do this: check its status page",
);
const MOVED: Verdict = verdict(
    ErrorKind::Upstream,
    false,
    "redirects are not followed: give the address that they lead to as the base URL",
);

/// What a failure means: by its form where that says all, then by the codes that outweigh a status,
/// then by the true status, and in a stream, which has none, by the other codes.
pub(super) fn judge(failure: &Failure) -> Verdict {
    if failure.form() == Form::Notice {
        return PAYMENT;
    }
    let code = failure.code().unwrap_or_default().to_ascii_lowercase();
    if let Some(verdict) = by_strong_code(&code) {
        return verdict;
    }
    let status = failure.upstream_status().unwrap_or(failure.status());
    if status.is_success() {
        by_code(&code)
    } else {
        by_status(status)
    }
}

/// Codes that say more than the status that they come with.
fn by_strong_code(code: &str) -> Option<Verdict> {
    match code {
        "content_policy_violation" | "content_filter" => Some(POLICY),
        "insufficient_quota"
        | "insufficient_balance"
        | "key_budget_exhausted"
        | "quest_pollen_only"
        | "billing_hard_limit_reached" => Some(PAYMENT),
        "context_length_exceeded" | "exceed_context_size_error" => Some(TOO_LONG),
        _ => None,
    }
}

/// What an event in mid-stream says without a status. What is not known may heal.
fn by_code(code: &str) -> Verdict {
    match code {
        "invalid_api_key" | "authentication_error" | "unauthorized" => KEY,
        "permission_error" | "permission_denied" | "forbidden" => SCOPE,
        "payment_required" => PAYMENT,
        "model_not_found" | "not_found" | "not_found_error" => ROUTE,
        "invalid_request_error" | "bad_request" | "unprocessable_entity" => REQUEST,
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "rate_limited"
        | "concurrency_limit_exceeded" => LIMIT,
        "timeout" | "request_timeout" | "gateway_timeout" => SLOW,
        _ => DOWN,
    }
}

fn by_status(status: StatusCode) -> Verdict {
    match status.as_u16() {
        401 => KEY,
        402 => PAYMENT,
        403 => SCOPE,
        404 | 405 | 410 => ROUTE,
        408 | 504 | 524 => SLOW,
        413 => TOO_LARGE,
        422 => POLICY,
        429 => LIMIT,
        400..=499 => REQUEST,
        // What the service lacks, and what its edge cannot trust or find, does not heal by itself.
        501 | 505 | 525 | 526 | 530 => BROKEN,
        500..=599 => DOWN,
        300..=399 => MOVED,
        _ => BROKEN,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::{layers::types::Class, policy::class_of};

    #[test]
    fn what_may_be_tried_again_is_what_is_tried_again() {
        let codes = [
            "",
            "insufficient_quota",
            "INSUFFICIENT_BALANCE",
            "content_filter",
            "unauthorized",
            "context_length_exceeded",
            "rate_limit_exceeded",
            "BAD_REQUEST",
            "server_error",
        ];
        for status in (200..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
            for code in codes {
                let body = format!(r#"{{"error":{{"message":"no","code":"{code}"}}}}"#);
                let failure = Failure::decode(status, &HeaderMap::new(), body.as_bytes());
                let retried = class_of(&failure) == Class::Transient;
                assert_eq!(judge(&failure).retryable, retried, "{status} {code}");
            }
        }
    }
}
