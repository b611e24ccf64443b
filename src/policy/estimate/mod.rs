//! How many tokens a request of the Blossom protocol will take.

mod image;
mod prompt;

use http::{Method, Request, Uri};
use percent_encoding::percent_decode_str;

use self::prompt::Asked;
use crate::layers::{
    body::Known,
    estimate::{CountTokens, Heuristic},
    types::{EstimateTokens, TokenEstimate},
};

/// Estimates the tokens of requests of the Blossom protocol.
///
/// | part of a request | counted as |
/// | --- | --- |
/// | a message | its text, and 4 tokens for its frame and role; a name or a call of a tool as its text |
/// | a chat | its messages, and 3 tokens that begin the answer |
/// | definitions of tools | their JSON, and 8 tokens for each; a schema of the answer as its JSON |
/// | a picture in a chat | 85 tokens with `detail: low`; else 85, and 170 for each tile of 512 pixels that it has when it is fit into 2048 and its shorter side into 768; where its size is not known, 765 |
/// | sound in a chat | 10 tokens for each second, taken as 16 kB |
/// | a prompt in a path, or of a picture or of speech | its text, and that of `system` |
///
/// The answer is bounded by `max_completion_tokens`, else `max_tokens`. Lists of models and what is not
/// understood have no estimate. Text is counted by the [`Heuristic`], unless
/// [`counting`](Self::counting) says by what else.
///
/// ```
/// use blossom::{
///     layers::types::EstimateTokens,
///     policy::EstimatePrompt,
///     protocol::{ChatRequest, Endpoint},
/// };
///
/// let chat = ChatRequest::new(["What is a flower?"]).max_tokens(200);
/// let request = chat.encode(&Endpoint::default())?.map(blossom::Body::from);
/// let estimate = EstimatePrompt::new().estimate(&request).unwrap();
/// assert_eq!(estimate.prompt_tokens, 12);
/// assert_eq!(estimate.completion_tokens, Some(200));
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct EstimatePrompt<C = Heuristic> {
    count: C,
}

impl EstimatePrompt {
    /// Counts text by the heuristic.
    ///
    /// ```
    /// # use blossom::{layers::types::EstimateTokens, policy::EstimatePrompt};
    /// # let request = http::Request::get("/text/What%20is%20a%20flower%3F").body(blossom::Body::empty())?;
    /// let estimate = EstimatePrompt::new().estimate(&request);
    /// assert_eq!(estimate.map(|estimate| estimate.prompt_tokens), Some(5));
    /// # Ok::<_, http::Error>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            count: Heuristic::new(),
        }
    }
}

impl<C> EstimatePrompt<C> {
    /// Counts text by `count`, such as a `Bpe` that is exact.
    ///
    /// ```
    /// # use blossom::{layers::types::EstimateTokens, policy::EstimatePrompt};
    /// # let request = http::Request::get("/text/What%20is%20a%20flower%3F").body(blossom::Body::empty())?;
    /// let words = EstimatePrompt::counting(|text: &str| text.split(' ').count() as u64);
    /// let estimate = words.estimate(&request);
    /// assert_eq!(estimate.map(|estimate| estimate.prompt_tokens), Some(4));
    /// # Ok::<_, http::Error>(())
    /// ```
    #[must_use]
    pub const fn counting(count: C) -> Self {
        Self { count }
    }
}

impl<C: CountTokens> EstimatePrompt<C> {
    fn in_body(&self, body: &[u8]) -> Option<TokenEstimate> {
        serde_json::from_slice::<Asked<'_>>(body)
            .ok()?
            .estimate(&self.count)
    }

    fn in_uri(&self, uri: &Uri) -> Option<TokenEstimate> {
        let prompt = self.text(prompt_of(uri.path())?);
        let query = |name| in_query(uri, name);
        let system = query("system").map_or(0, |system| self.text(system));
        let estimate = TokenEstimate::new(prompt.saturating_add(system));
        let bound = query("max_completion_tokens").or_else(|| query("max_tokens"));
        Some(match bound.and_then(|bound| bound.parse().ok()) {
            Some(bound) => estimate.completion_tokens(bound),
            None => estimate,
        })
    }

    fn text(&self, encoded: &str) -> u64 {
        self.count
            .count(&percent_decode_str(encoded).decode_utf8_lossy())
    }
}

impl<B: Known, C: CountTokens> EstimateTokens<B> for EstimatePrompt<C> {
    fn estimate(&self, request: &Request<B>) -> Option<TokenEstimate> {
        if *request.method() == Method::GET {
            return self.in_uri(request.uri());
        }
        self.in_body(request.body().bytes()?)
    }

    /// No text has more tokens than bytes; a picture may.
    fn at_most(&self, request: &Request<B>) -> Option<u64> {
        let body = request.body().bytes()?;
        let grows = memchr::memchr_iter(b'_', body).any(|at| {
            let (before, after) = body.split_at(at);
            (before.ends_with(b"image") && after.starts_with(b"_url"))
                || (before.ends_with(b"input") && after.starts_with(b"_audio"))
        });
        let uri = request.uri();
        let length = body.len() + uri.path().len() + uri.query().map_or(0, str::len);
        (!grows).then_some(length as u64)
    }
}

/// The prompt in a path, as it is encoded. In the dialect v1 it stands directly at the root.
fn prompt_of(path: &str) -> Option<&str> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_prefix("generate/").unwrap_or(path);
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let prompt = match first {
        "text" | "image" | "prompt" | "audio" | "video" if !rest.is_empty() => rest,
        _ if rest.is_empty() => first,
        _ => return None,
    };
    let known = matches!(prompt, "" | "models" | "feed" | "voices");
    (!known && !prompt.contains('/')).then_some(prompt)
}

/// A member of the query, as it is encoded.
pub(super) fn in_query<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let mut pairs = uri.query()?.split('&');
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::body::ReqBody;

    fn asked(method: &str, uri: &str, body: impl Into<ReqBody>) -> Request<ReqBody> {
        let request = Request::builder().method(method).uri(uri);
        request.body(body.into()).unwrap()
    }

    fn estimate(body: &str) -> Option<TokenEstimate> {
        // Every character is a token: then what is added can be seen.
        let exact = EstimatePrompt::counting(|text: &str| text.chars().count() as u64);
        exact.estimate(&asked("POST", "/v1/chat/completions", body.to_owned()))
    }

    fn prompt(body: &str) -> u64 {
        estimate(body).unwrap().prompt_tokens
    }

    #[test]
    fn messages_are_framed_and_the_answer_begun() {
        assert_eq!(
            prompt(r#"{"messages":[{"role":"user","content":"12345"}]}"#),
            12
        );
        assert_eq!(
            prompt(
                r#"{"messages":[{"role":"system","content":"123"},
                    {"role":"user","content":[{"type":"text","text":"a\u00e9"}],"name":"bob"}]}"#
            ),
            3 + 4 + 3 + 4 + 2 + 3
        );
        assert_eq!(prompt(r#"{"messages":[{"content":null}]}"#), 7);
    }

    #[test]
    fn tools_and_schemas_count_as_their_json() {
        let tool = r#"{"type":"function","function":{"name":"f"}}"#;
        let with = |members: &str| prompt(&format!(r#"{{"messages":[]{members}}}"#));

        assert_eq!(
            with(&format!(r#","tools":[{tool},{tool}]"#)),
            3 + 2 * (8 + 43)
        );
        assert_eq!(
            with(r#","response_format":{"type":"json_schema","json_schema":{"name":"a"}}"#),
            3 + 12
        );
        assert_eq!(with(r#","response_format":{"type":"json_object"}"#), 3);
    }

    #[test]
    fn the_bound_of_the_answer_is_the_narrower_name() {
        let bound = |members: &str| {
            let body = format!(r#"{{"messages":[]{members}}}"#);
            estimate(&body).unwrap().completion_tokens
        };
        assert_eq!(bound(""), None);
        assert_eq!(bound(r#","max_tokens":9"#), Some(9));
        assert_eq!(
            bound(r#","max_tokens":9,"max_completion_tokens":7"#),
            Some(7)
        );
        for odd in ["null", "-1", "1e99", "\"9\""] {
            assert_eq!(bound(&format!(r#","max_tokens":{odd}"#)), None, "{odd}");
        }
    }

    #[test]
    fn pictures_count_by_their_size() {
        let picture = |url: &str, detail: &str| {
            prompt(&format!(
                r#"{{"messages":[{{"content":[{{"type":"image_url",
                    "image_url":{{"url":"{url}"{detail}}}}}]}}]}}"#
            )) - 7
        };
        assert_eq!(picture("https://a.example/a.png", ""), 765);
        assert_eq!(picture("https://a.example/a.png", r#","detail":"low""#), 85);
        // The head of a PNG of 512 by 512, and of one of 2048 by 4096.
        let small = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAgAAAAIA";
        let large = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAACAAAABAA";
        assert_eq!(picture(small, ""), 255);
        assert_eq!(picture(large, ""), 1105);
        assert_eq!(picture("data:image/png;base64,AAAA", ""), 765);
    }

    #[test]
    fn prompts_stand_in_paths_too() {
        let path = |uri: &str| {
            let estimate = EstimatePrompt::new().estimate(&asked("GET", uri, ""));
            estimate.map(|estimate| (estimate.prompt_tokens, estimate.completion_tokens))
        };
        let flower = Some((5, None));
        assert_eq!(
            path("https://gen.example/text/What%20is%20a%20flower%3F"),
            flower
        );
        assert_eq!(
            path("https://text.example/What%20is%20a%20flower%3F"),
            flower
        );
        assert_eq!(
            path("https://e.example/generate/text/What%20is%20a%20flower%3F?max_tokens=9"),
            Some((5, Some(9)))
        );
        assert!(path("/text/a?system=What%20is%20a%20flower").unwrap().0 > 4);
        for list in [
            "/v1/models",
            "/models",
            "/image/models",
            "/",
            "/account/key",
        ] {
            assert_eq!(path(list), None, "{list}");
        }
    }

    #[test]
    fn what_is_not_understood_has_no_estimate() {
        for body in ["", "[]", "{}", "not json", r#"{"messages":7}"#] {
            assert_eq!(estimate(body), None, "{body}");
        }
    }

    #[test]
    fn the_bound_is_never_below_the_estimate() {
        let most = |body: &str| EstimatePrompt::new().at_most(&asked("POST", "/", body.to_owned()));
        let chat = r#"{"messages":[{"role":"user","content":"🌹🌷 a 1 \u200d"}]}"#;
        let estimate = EstimatePrompt::new().estimate(&asked("POST", "/", chat.to_owned()));

        assert!(most(chat).unwrap() >= estimate.unwrap().prompt_tokens);
        assert_eq!(
            most(r#"{"messages":[{"content":[{"image_url":{}}]}]}"#),
            None
        );
    }
}
