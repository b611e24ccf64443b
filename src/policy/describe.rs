use std::borrow::Cow;

use http::{Method, Request, Uri};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::{
    layers::{
        body::Known,
        cause_ref,
        types::{
            Describe, Description, Ended, ErrorType, ErrorWords, FinishReason, Outcome, Refusal,
        },
    },
    transport::{BodyInterrupted, ConnectError, Interrupted, InvalidResponse},
};

/// Says for metrics and spans what a request of the Blossom protocol asks for: operation, provider
/// and model, in the words of the OpenTelemetry conventions.
///
/// | request | operation |
/// | --- | --- |
/// | a chat | `chat` |
/// | a prompt in a path | `text_completion` |
/// | a picture, a film, speech | `generate_content` |
/// | embeddings | `embeddings` |
/// | a list of models | `list_models` |
/// | anything else | `request` |
///
/// The model is that of the query or of the body; no other part of them is ever read out. Asked
/// only where somebody records or subscribes.
///
/// ```
/// use blossom::{layers::trace::TraceLayer, policy::DescribeRequest};
///
/// let layer = TraceLayer::call().describe(DescribeRequest);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct DescribeRequest;

impl<B: Known> Describe<B> for DescribeRequest {
    fn describe<'a>(&self, request: &'a Request<B>) -> Option<Description<'a>> {
        let operation = operation(request.method(), request.uri());
        let description = Description::new(operation).provider("pollinations");
        let model = in_query(request.uri()).or_else(|| in_body(request.body().bytes()?));
        Some(match model {
            Some(model) => description.model(model),
            None => description,
        })
    }
}

pub(super) fn operation(method: &Method, uri: &Uri) -> &'static str {
    let mut segments = uri.path().split('/').filter(|segment| !segment.is_empty());
    while let Some(segment) = segments.next() {
        let operation = match segment {
            "chat" | "openai" => "chat",
            "text" => "text_completion",
            "image" | "images" | "prompt" | "audio" | "video" => "generate_content",
            "embeddings" => "embeddings",
            "models" => return "list_models",
            _ => continue,
        };
        return match segments.next() {
            Some("models") => "list_models",
            _ => operation,
        };
    }
    // The dialect v1 has the prompt directly at the root.
    if method == Method::GET && uri.path().len() > 1 {
        "text_completion"
    } else {
        "request"
    }
}

fn in_query(uri: &Uri) -> Option<Cow<'_, str>> {
    let pairs = uri.query()?.split('&');
    let model = pairs
        .filter_map(|pair| pair.strip_prefix("model="))
        .next()?;
    Some(percent_decode_str(model).decode_utf8_lossy())
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
}

fn in_body(body: &[u8]) -> Option<Cow<'_, str>> {
    if body.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice::<Asked<'_>>(body).ok()?.model
}

/// Says for metrics and spans which word an error is.
///
/// | what happened | word |
/// | --- | --- |
/// | a layer refused, a status, a caller who let go | as [`ErrorWords`] |
/// | no connection | `connect` |
/// | the connection was lost | `interrupted` |
/// | the answer was not HTTP | `invalid_response` |
/// | an error event in a stream that began well | `upstream_error` |
/// | the upstream's filter ended it | `content_filter` |
///
/// ```
/// use blossom::{layers::metrics::MetricsLayer, policy::NameError};
///
/// let layer = MetricsLayer::new().error_type(NameError);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NameError;

impl ErrorType for NameError {
    fn error_type(&self, ended: &Ended<'_>) -> Option<Cow<'static, str>> {
        let word = match (ended.error, ended.outcome) {
            (Some(error), _) if cause_ref::<Refusal>(error).is_some() => None,
            (Some(error), _) if cause_ref::<ConnectError>(error).is_some() => Some("connect"),
            (Some(error), _)
                if cause_ref::<Interrupted>(error).is_some()
                    || cause_ref::<BodyInterrupted>(error).is_some() =>
            {
                Some("interrupted")
            }
            (Some(error), _) if cause_ref::<InvalidResponse>(error).is_some() => {
                Some("invalid_response")
            }
            (None, Some(outcome)) if ended.status.is_some_and(|status| status.is_success()) => {
                in_body_of(outcome)
            }
            _ => None,
        };
        word.map(Cow::Borrowed)
            .or_else(|| ErrorWords::default().error_type(ended))
    }
}

fn in_body_of(outcome: &Outcome) -> Option<&'static str> {
    outcome.read(|record| match record.finish_reason {
        _ if record.failure.is_some() => Some("upstream_error"),
        Some(FinishReason::Error) => Some("upstream_error"),
        Some(FinishReason::ContentFilter) => Some("content_filter"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::layers::body::{End, ReqBody};

    fn described(method: &str, uri: &str, body: &'static str) -> (String, Option<String>) {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(ReqBody::from(body))
            .unwrap();
        let description = DescribeRequest.describe(&request).unwrap();
        let model = description.model.map(Cow::into_owned);
        (description.operation.into_owned(), model)
    }

    #[test]
    fn every_route_has_its_operation() {
        for (method, uri, operation) in [
            ("POST", "https://gen.example/v1/chat/completions", "chat"),
            ("POST", "https://text.example/openai", "chat"),
            ("GET", "https://gen.example/text/a%2Fb", "text_completion"),
            (
                "GET",
                "https://text.example/What%20is%20it",
                "text_completion",
            ),
            (
                "GET",
                "https://enter.example/api/generate/image/a",
                "generate_content",
            ),
            ("GET", "https://image.example/prompt/a", "generate_content"),
            (
                "POST",
                "https://gen.example/v1/audio/speech",
                "generate_content",
            ),
            ("POST", "https://gen.example/v1/embeddings", "embeddings"),
            ("GET", "https://gen.example/v1/models", "list_models"),
            ("GET", "https://gen.example/image/models", "list_models"),
            ("GET", "https://gen.example/text/models", "list_models"),
            ("POST", "https://gen.example/", "request"),
        ] {
            assert_eq!(described(method, uri, "").0, operation, "{uri}");
        }
    }

    #[test]
    fn the_model_is_that_of_the_query_or_the_body_and_nothing_else_is_read() {
        let model = |uri, body| described("POST", uri, body).1;
        let uri = "/v1/chat/completions";
        let body = r#"{"messages":[{"content":"\"model\":\"no\""}],"model":"small"}"#;
        assert_eq!(model(uri, body).as_deref(), Some("small"));
        assert_eq!(
            model("/text/a?key=k&model=a%2Db", "").as_deref(),
            Some("a-b")
        );
        for body in [
            "",
            "{}",
            "[1]",
            "not json",
            r#"{"model":1}"#,
            r#"{"model":null}"#,
        ] {
            assert_eq!(model(uri, body), None, "{body}");
        }
    }

    #[test]
    fn errors_in_a_body_have_words_of_their_own() {
        let outcome = Outcome::new();
        let mut ended = Ended::new(End::Complete);
        ended.status = Some(StatusCode::OK);
        ended.outcome = Some(&outcome);
        let word = |ended: &Ended<'_>| NameError.error_type(ended).unwrap().into_owned();
        assert_eq!(word(&ended), "incomplete");

        outcome.update(|record| record.finish_reason = Some(FinishReason::ContentFilter));
        assert_eq!(word(&ended), "content_filter");
        outcome.update(|record| record.failure = Some("gone".into()));
        assert_eq!(word(&ended), "upstream_error");

        ended.status = Some(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(word(&ended), "429");
    }
}
