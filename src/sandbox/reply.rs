//! Answers, and the forms of failure.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{body::StepBody, fault::Fault};

pub(super) type Reply = Response<StepBody>;

pub(super) fn json(status: u16, body: &Value) -> Reply {
    whole(status, "application/json", body.to_string())
}

pub(super) fn whole(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    with_body(status, content_type, StepBody::whole(body.into()))
}

pub(super) fn with_body(status: u16, content_type: &'static str, body: StepBody) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    if !content_type.is_empty() {
        reply
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    reply
}

pub(super) fn set(reply: &mut Reply, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        reply.headers_mut().insert(name, value);
    }
}

/// Form A.
pub(super) fn envelope(status: u16, message: &str, details: Option<Value>) -> Reply {
    let mut error = json!({
        "code": code(status),
        "message": message,
        "timestamp": "2026-01-01T00:00:00.000Z",
        "requestId": "req_sandbox",
    });
    if let Some(details) = details {
        error["details"] = details;
    }
    json(
        status,
        &json!({ "status": status, "success": false, "error": error }),
    )
}

/// Form A with the fields that are wrong.
pub(super) fn invalid(problems: &[(String, String)]) -> Reply {
    let fields: serde_json::Map<_, _> = problems
        .iter()
        .map(|(field, problem)| (field.clone(), json!([problem])))
        .collect();
    let details = json!({ "name": "ValidationError", "formErrors": [], "fieldErrors": fields });
    envelope(400, "Validation failed", Some(details))
}

fn code(status: u16) -> &'static str {
    match status {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        402 => "PAYMENT_REQUIRED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 => "REQUEST_TIMEOUT",
        409 => "CONFLICT",
        413 => "PAYLOAD_TOO_LARGE",
        422 => "UNPROCESSABLE_ENTITY",
        429 => "RATE_LIMITED",
        500 => "INTERNAL_ERROR",
        502 => "BAD_GATEWAY",
        503 => "SERVICE_UNAVAILABLE",
        504 => "GATEWAY_TIMEOUT",
        _ => "UNKNOWN_ERROR",
    }
}

/// What a failure may echo.
pub(super) struct Echo<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) parameters: Value,
}

/// The answer of a fault that replaces the whole reply; `None` for faults of another kind.
pub(super) fn failure(fault: &Fault, echo: &Echo<'_>) -> Option<Reply> {
    let status = u16::try_from(fault.value("status")).unwrap_or(500);
    let refused = echo.key.map_or_else(
        || "The request was refused.".to_owned(),
        |key| format!("The provided key {key} was not recognized."),
    );
    Some(match fault.name() {
        "form-a" => {
            let problem = json!({ "temperature": ["Expected a number of 0 to 2"] });
            let details =
                json!({ "name": "ValidationError", "formErrors": [], "fieldErrors": problem });
            envelope(status, &refused, Some(details))
        }
        "form-b" => used_up(status, 12.34),
        "form-c" => busy(status),
        "form-d" | "form-e" => v1(fault, status, &refused, &echo.parameters),
        "form-f" => whole(
            status,
            "text/plain;charset=UTF-8",
            "Detached generation was interrupted",
        ),
        "form-g" => json(
            status,
            &json!({ "error": {
                "message": refused,
                "type": "invalid_request_error",
                "param": null,
                "code": null,
            }}),
        ),
        "form-h" => page(status, &refused),
        "form-i" => with_body(status, "", StepBody::default()),
        "status" => status_reply(fault),
        "moderation" => moderated(),
        "redirect" => redirect(status),
        "not-json" => whole(200, "application/json", "{\"choices\":[{\"message\":"),
        _ => return None,
    })
}

/// Form B.
pub(super) fn used_up(status: u16, seconds: f64) -> Reply {
    let mut reply = json(
        status,
        &json!({
            "error": "Rate limit exceeded",
            "message": "This key has used its pollen.",
            "retryAfterSeconds": seconds,
        }),
    );
    set(&mut reply, "retry-after", &format!("{:.0}", seconds.ceil()));
    reply
}

/// Form C.
pub(super) fn busy(status: u16) -> Reply {
    let mut reply = json(
        status,
        &json!({
            "error": "concurrency_limit_exceeded",
            "message": "One generation at a time.",
        }),
    );
    set(&mut reply, "retry-after", "1");
    reply
}

fn moderated() -> Reply {
    let error = json!({
        "code": "content_policy_violation",
        "message": "The prompt was refused by moderation.",
    });
    json(
        422,
        &json!({ "status": 422, "success": false, "error": error }),
    )
}

fn status_reply(fault: &Fault) -> Reply {
    let status = u16::try_from(fault.value("code")).unwrap_or(500);
    let details = match fault.value("upstream") {
        0 => None,
        upstream => Some(json!({ "name": "UpstreamError", "upstreamStatus": upstream })),
    };
    let mut reply = envelope(status, "The sandbox was asked to fail", details);
    match fault.value("retry-after") {
        0 => {}
        seconds if fault.value("date") > 0 => {
            let when = SystemTime::now() + Duration::from_secs(seconds);
            set(&mut reply, "retry-after", &httpdate::fmt_http_date(when));
        }
        seconds => set(&mut reply, "retry-after", &seconds.to_string()),
    }
    reply
}

fn redirect(status: u16) -> Reply {
    let mut reply = with_body(status, "", StepBody::default());
    set(&mut reply, "location", "http://169.254.169.254/latest");
    reply
}

/// Forms D and E, which echo the request.
fn v1(fault: &Fault, status: u16, message: &str, parameters: &Value) -> Reply {
    let mut body = json!({
        "error": "Internal Server Error",
        "message": message,
        "requestId": "req_sandbox",
        "requestParameters": parameters,
    });
    if fault.is("form-d") {
        return json(status, &body);
    }
    body["debug"] = json!({});
    body["timingInfo"] = json!([]);
    body["queueInfo"] = Value::Null;
    let mut reply = json(status, &body);
    set(&mut reply, "x-error-type", "ContentModerationError");
    reply
}

/// Form H.
fn page(status: u16, message: &str) -> Reply {
    let page = format!(
        "<!DOCTYPE html>\n<html>\n<head><title>Connection timed out</title></head>\n\
         <body>\n<h1>Error {status}</h1>\n<p>{message}</p>\n</body>\n</html>\n"
    );
    let mut reply = whole(status, "text/html; charset=UTF-8", page);
    set(&mut reply, "cf-ray", "sandbox-CDG");
    set(&mut reply, "server", "cloudflare");
    reply
}
