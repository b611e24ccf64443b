use std::ops::Range;

use http::{Method, Request, Uri};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::estimate::in_query;
use crate::layers::{
    body::{Known, ReqBody},
    estimate::clamp::ClampTokens,
};

/// Lets no answer of a text call take more tokens than this: a limit that is higher, or absent, becomes
/// it.
///
/// Of a chat the member `max_completion_tokens` is lowered, or `max_tokens`; of a prompt in a path the
/// same in the query. Nothing else of the request changes. Requests for pictures, speech and lists,
/// prompts in a path of the dialect v1, which look like any other path, and what is not understood are
/// left as they are.
///
/// ```
/// use blossom::{
///     Body,
///     layers::{body::Known, estimate::clamp::ClampTokens},
///     policy::ClampMaxTokens,
/// };
/// use http::Request;
///
/// let body = r#"{"messages":[],"max_tokens":9000}"#;
/// let mut request = Request::post("/v1/chat/completions").body(Body::from(body))?;
/// ClampMaxTokens::new(500).clamp(&mut request);
/// assert_eq!(request.body().bytes().unwrap(), r#"{"messages":[],"max_tokens":500}"#);
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClampMaxTokens {
    limit: u64,
}

impl ClampMaxTokens {
    /// At most `limit` tokens. `u64::MAX` changes nothing.
    ///
    /// ```
    /// use blossom::{Body, layers::estimate::clamp::ClampTokens, policy::ClampMaxTokens};
    /// use http::Request;
    ///
    /// let mut request = Request::get("/text/Hi").body(Body::empty())?;
    /// ClampMaxTokens::new(u64::MAX).clamp(&mut request);
    /// assert_eq!(request.uri(), "/text/Hi");
    /// ClampMaxTokens::new(500).clamp(&mut request);
    /// assert_eq!(request.uri(), "/text/Hi?max_tokens=500");
    /// # Ok::<_, http::Error>(())
    /// ```
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self { limit }
    }

    fn in_body(self, body: &[u8]) -> Option<Vec<u8>> {
        let limits = serde_json::from_slice::<Limits<'_>>(body).ok()?;
        limits.messages?;
        let limit = self.limit.to_string();
        let changed: Vec<Range<usize>> = [limits.max_tokens, limits.max_completion_tokens]
            .into_iter()
            .flatten()
            .filter(|given| given.get().parse().ok().is_none_or(|n: u64| n > self.limit))
            .filter_map(|given| place(body, given.get()))
            .collect();
        let mut clamped = body.to_vec();
        match (limits.max_tokens, limits.max_completion_tokens) {
            (None, None) => {
                let end = body.iter().rposition(|byte| *byte == b'}')?;
                let member = format!(",\"max_tokens\":{limit}");
                clamped.splice(end..end, member.into_bytes());
            }
            _ if changed.is_empty() => return None,
            _ => {
                // From the end, so that the places stay true.
                let mut changed = changed;
                changed.sort_by_key(|range| std::cmp::Reverse(range.start));
                for range in changed {
                    clamped.splice(range, limit.bytes());
                }
            }
        }
        Some(clamped)
    }

    fn in_uri(self, uri: &Uri) -> Option<Uri> {
        let path = uri.path();
        let text = path.strip_prefix("/generate").unwrap_or(path);
        let text = text.strip_prefix("/text/")?;
        if text.is_empty() || text == "models" {
            return None;
        }
        let given = ["max_tokens", "max_completion_tokens"]
            .map(|name| in_query(uri, name).map(|value| value.parse::<u64>().ok()));
        let low = |value: &Option<u64>| value.is_some_and(|value| value <= self.limit);
        if given.iter().flatten().count() > 0 && given.iter().flatten().all(low) {
            return None;
        }
        let kept = uri.query().into_iter().flat_map(|query| query.split('&'));
        let kept = kept.filter(|pair| {
            let name = pair.split('=').next().unwrap_or(pair);
            !pair.is_empty() && name != "max_tokens" && name != "max_completion_tokens"
        });
        let own = format!("max_tokens={}", self.limit);
        let query: Vec<&str> = kept.chain([own.as_str()]).collect();
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(format!("{path}?{}", query.join("&")).parse().ok()?);
        Uri::from_parts(parts).ok()
    }
}

#[derive(Deserialize)]
struct Limits<'a> {
    #[serde(default)]
    messages: Option<IgnoredAny>,
    #[serde(borrow, default)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_completion_tokens: Option<&'a RawValue>,
}

/// Where `part`, which was borrowed from `body`, stands in it.
fn place(body: &[u8], part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    Some(start..start.checked_add(part.len())?)
}

impl ClampTokens<ReqBody> for ClampMaxTokens {
    fn clamp(&self, request: &mut Request<ReqBody>) {
        if self.limit == u64::MAX {
            return;
        }
        if *request.method() == Method::GET {
            if let Some(uri) = self.in_uri(request.uri()) {
                *request.uri_mut() = uri;
            }
        } else if let Some(body) = request.body().bytes().and_then(|body| self.in_body(body)) {
            // The length is that of the body, as the transport sees it.
            request.headers_mut().remove(http::header::CONTENT_LENGTH);
            *request.body_mut() = ReqBody::from(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clamped(method: &str, uri: &str, body: &str) -> (String, String) {
        let request = Request::builder().method(method).uri(uri);
        let mut request = request.body(ReqBody::from(body.to_owned())).unwrap();
        ClampMaxTokens::new(500).clamp(&mut request);
        let body = request.body().bytes().unwrap().clone();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (request.uri().to_string(), body)
    }

    #[test]
    fn a_higher_or_absent_limit_of_a_chat_is_lowered_and_nothing_else_changes() {
        let body = |body: &str| clamped("POST", "/v1/chat/completions", body).1;

        for (given, gives) in [
            (r#"{"messages":[]}"#, r#"{"messages":[],"max_tokens":500}"#),
            (
                r#"{ "max_tokens" : 900, "messages":["max_tokens"] }"#,
                r#"{ "max_tokens" : 500, "messages":["max_tokens"] }"#,
            ),
            (
                r#"{"max_completion_tokens":900,"messages":[],"max_tokens":1e9}"#,
                r#"{"max_completion_tokens":500,"messages":[],"max_tokens":500}"#,
            ),
            (
                r#"{"messages":[],"max_tokens":400}"#,
                r#"{"messages":[],"max_tokens":400}"#,
            ),
            (r#"{"prompt":"a rose"}"#, r#"{"prompt":"a rose"}"#),
            ("not json", "not json"),
        ] {
            assert_eq!(body(given), gives);
        }
    }

    #[test]
    fn the_limit_of_a_prompt_in_a_path_stands_in_the_query() {
        let uri = |uri: &str| clamped("GET", uri, "").0;

        for (given, gives) in [
            ("/text/a%2Fb", "/text/a%2Fb?max_tokens=500"),
            (
                "/text/a?seed=1&max_tokens=900",
                "/text/a?seed=1&max_tokens=500",
            ),
            ("/text/a?max_tokens=400", "/text/a?max_tokens=400"),
            ("/text/models", "/text/models"),
            ("/image/a", "/image/a"),
        ] {
            assert_eq!(uri(given), gives);
        }
    }
}
