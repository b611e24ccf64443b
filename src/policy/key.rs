use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderName, Method, Request, Uri,
    header::{
        ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, PRAGMA,
        USER_AGENT,
    },
};
use memchr::memmem::Finder;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    Dialect,
    layers::{
        body::Known,
        cache::{
            Deterministic,
            key::{AddToKey, CanonicalKey},
        },
        types::{CacheKey, KeyPolicy},
    },
};

/// Identifies requests of the Blossom protocol whose answers may be kept: chats, prompts, pictures,
/// films, speech, embeddings.
///
/// The key is a hash over the whole request in canonical form, the host and all headers included. Only
/// what does not change the answer is left out: `key`, `token` and `no-cache`, in the query and at the
/// top of the body, and the headers that only tell who asks, how long the body is and which trace it
/// belongs to.
///
/// Everything else has no key and passes the cache by: lists of models, account data, and requests
/// with state at the service (`store: true`, `previous_response_id`).
///
/// ```
/// use blossom::{Body, Dialect, layers::types::KeyPolicy, policy::KeyRequest};
/// use http::Request;
///
/// let policy = KeyRequest::new(Dialect::Gen);
/// let key = |uri: &str| Ok::<_, http::Error>(policy.key(&Request::get(uri).body(Body::empty())?));
/// assert!(key("/text/Hi")?.is_some());
/// assert_eq!(key("/text/Hi?key=sk_mine")?, key("/text/Hi?key=sk_yours")?);
/// assert_ne!(key("/text/Hi?seed=1")?, key("/text/Hi?seed=2")?);
/// assert_eq!(key("/text/models")?, None);
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyRequest {
    canonical: CanonicalKey<OtherHeaders>,
    dialect: Dialect,
    // Of `STATE`. Made once: that takes as long as to search a short body.
    state: Arc<[Finder<'static>]>,
}

/// The headers that the canonical key does not cover by itself. Most requests have none.
#[derive(Debug, Clone, Copy)]
struct OtherHeaders;

impl<B> AddToKey<B> for OtherHeaders {
    fn add_to_key(&self, request: &Request<B>) -> Option<Bytes> {
        let headers = request.headers();
        let is_other = |name: &&HeaderName| !COVERED.contains(name) && !says_nothing(name);
        let mut names: Vec<_> = headers.keys().filter(is_other).collect();
        if names.is_empty() {
            return None;
        }
        names.sort_unstable_by_key(|name| name.as_str());
        let mut all = BytesMut::new();
        let mut field = |bytes: &[u8]| {
            all.put_u64_le(bytes.len() as u64);
            all.put_slice(bytes);
        };
        for name in names {
            for value in headers.get_all(name) {
                field(name.as_str().as_bytes());
                field(value.as_bytes());
            }
        }
        Some(all.freeze())
    }
}

// By reference, so that they are not made and dropped for each header.
const COVERED: &[HeaderName] = &[HOST, ACCEPT, CONTENT_TYPE, CONTENT_ENCODING];
const SILENT: &[HeaderName] = &[USER_AGENT, CONTENT_LENGTH, CACHE_CONTROL, PRAGMA];

/// Whether a header has no part in the answer.
fn says_nothing(name: &HeaderName) -> bool {
    SILENT.contains(name)
        || ["traceparent", "tracestate", "baggage", "x-request-id"].contains(&name.as_str())
}

impl KeyRequest {
    /// The policy for a service that speaks `dialect`: v1 has prompts at the root.
    ///
    /// ```
    /// use blossom::{Body, Dialect, layers::types::KeyPolicy, policy::KeyRequest};
    /// use http::Request;
    ///
    /// let request = Request::get("/Hi").body(Body::empty())?;
    /// assert!(KeyRequest::new(Dialect::V1).key(&request).is_some());
    /// assert!(KeyRequest::new(Dialect::Gen).key(&request).is_none());
    /// # Ok::<_, http::Error>(())
    /// ```
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let canonical = CanonicalKey::new()
            .ignoring(["key", "token", "no-cache"])
            .watching(["store", "previous_response_id"])
            .adding(OtherHeaders);
        Self {
            canonical,
            dialect,
            state: STATE.map(Finder::new).into(),
        }
    }

    /// Whether the answer depends on what the service remembers, or the service is to remember it.
    fn has_state(&self, body: &[u8]) -> bool {
        // Nearly no request does: only one that could is parsed.
        let may = self.state.iter().any(|name| name.find(body).is_some());
        may && serde_json::from_slice::<Asked>(body)
            .is_ok_and(|asked| asked.store == Some(true) || asked.previous_response_id.is_some())
    }
}

impl<B: Known> KeyPolicy<B> for KeyRequest {
    fn key(&self, request: &Request<B>) -> Option<CacheKey> {
        if !is_generation(request.method(), request.uri(), self.dialect) {
            return None;
        }
        self.canonical.key_if(request, |body| !self.has_state(body))
    }

    fn covers(&self, header: &HeaderName) -> bool {
        !says_nothing(header)
    }
}

/// Whether it asks for something to be made.
fn is_generation(method: &Method, uri: &Uri, dialect: Dialect) -> bool {
    let path = uri.path().trim_end_matches('/');
    if *method == Method::POST {
        return POSTS.iter().any(|end| path.ends_with(end))
            || (dialect == Dialect::V1 && path.is_empty());
    }
    if *method != Method::GET && *method != Method::HEAD {
        return false;
    }
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let Some(first) = segments.next() else {
        return false;
    };
    match segments.next() {
        Some("models") => false,
        Some(_) => {
            GETS.contains(&first) || (dialect == Dialect::Enter && is_below(path, "generate"))
        }
        None => dialect == Dialect::V1 && !NO_PROMPTS.contains(&first),
    }
}

/// Whether a kind of thing and a prompt come after `segment`.
fn is_below(path: &str, segment: &str) -> bool {
    let mut segments = path.split('/').skip_while(|part| *part != segment).skip(1);
    segments.next().is_some_and(|kind| GETS.contains(&kind))
        && segments.next().is_some_and(|prompt| prompt != "models")
}

const POSTS: [&str; 5] = [
    "/chat/completions",
    "/openai",
    "/embeddings",
    "/images/generations",
    "/audio/speech",
];
const GETS: [&str; 5] = ["text", "image", "prompt", "audio", "video"];
const NO_PROMPTS: [&str; 6] = ["models", "feed", "health", "openai", "account", "v1"];

/// What a body says of state, and of chance.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    store: Option<bool>,
    previous_response_id: Option<IgnoredAny>,
    seed: Option<f64>,
    temperature: Option<f64>,
    n: Option<u64>,
    tools: Option<Vec<IgnoredAny>>,
}

// What a body has that says something of state. An escape may hide a name.
const STATE: [&str; 3] = ["\"store\"", "\"previous_response_id\"", "\\u00"];

/// Says of requests of the Blossom protocol whether they have but one answer: a seed other than -1,
/// or a temperature of 0; one choice, and no tools.
///
/// For a [`CacheLayer`](crate::layers::cache::CacheLayer) of your own that must not keep samples:
///
/// ```
/// use blossom::{layers::cache::ByDirectives, policy::OneAnswer};
///
/// let policy = ByDirectives::new().deterministic(OneAnswer);
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct OneAnswer;

impl<B: Known> Deterministic<B> for OneAnswer {
    fn deterministic(&self, request: &Request<B>) -> bool {
        let Some(body) = request.body().bytes() else {
            return false;
        };
        serde_json::from_slice::<Asked>(body).is_ok_and(|asked| {
            let seeded = asked.seed.is_some_and(|seed| seed >= 0.0);
            let greedy = asked
                .temperature
                .is_some_and(|temperature| temperature <= 0.0);
            (seeded || greedy)
                && asked.n.is_none_or(|n| n <= 1)
                && asked.tools.is_none_or(|tools| tools.is_empty())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::body::ReqBody;

    const CHAT: &str = "https://gen.pollinations.ai/v1/chat/completions";

    fn post(uri: &str, body: &'static str) -> Request<ReqBody> {
        Request::post(uri)
            .header("content-type", "application/json")
            .body(ReqBody::from(body))
            .unwrap()
    }

    fn get(uri: &str) -> Request<ReqBody> {
        Request::get(uri).body(ReqBody::empty()).unwrap()
    }

    fn key(request: &Request<ReqBody>) -> Option<CacheKey> {
        KeyRequest::new(Dialect::Gen).key(request)
    }

    #[test]
    fn only_what_does_not_change_the_answer_is_ignored() {
        let base = key(&post(CHAT, r#"{"model":"a","messages":[]}"#));
        assert!(base.is_some());
        for same in [
            r#"{"messages":[], "model":"a"}"#,
            r#"{"model":"a","messages":[],"key":"sk_1","token":"t","no-cache":true}"#,
        ] {
            assert_eq!(key(&post(CHAT, same)), base, "{same}");
        }
        for other in [
            r#"{"model":"b","messages":[]}"#,
            r#"{"model":"a","messages":[],"min_p":0.1}"#,
            r#"{"model":"a","messages":[],"top_k":3}"#,
            r#"{"model":"a","messages":[],"seed":3}"#,
            r#"{"model":"a","messages":[],"tools":[{}]}"#,
            r#"{"model":"a","messages":[],"stream_options":{"include_usage":true}}"#,
            r#"{"model":"a","messages":[],"user":"u"}"#,
        ] {
            assert_ne!(key(&post(CHAT, other)), base, "{other}");
        }
        let text = r#"{"model":"a","messages":[]}"#;
        let elsewhere = "https://enter.pollinations.ai/api/generate/v1/chat/completions";
        assert_ne!(key(&post(elsewhere, text)), base);
    }

    #[test]
    fn a4_headers_are_part_of_it_unless_they_say_nothing() {
        let with = |name: &'static str, value: &'static str| {
            let mut request = post(CHAT, "{}");
            request.headers_mut().append(name, value.parse().unwrap());
            key(&request)
        };
        let base = key(&post(CHAT, "{}"));
        for (name, value) in [
            ("authorization", "Bearer a"),
            ("accept", "text/event-stream"),
            ("x-api-version", "2"),
            ("accept-language", "de"),
        ] {
            assert_ne!(with(name, value), base, "{name}");
        }
        assert_ne!(with("x-a", "b"), with("x-ab", ""));
        for (name, value) in [
            ("user-agent", "me"),
            ("traceparent", "00-1"),
            ("pragma", "x"),
        ] {
            assert_eq!(with(name, value), base, "{name}");
            let name = HeaderName::from_static(name);
            assert!(!KeyPolicy::<ReqBody>::covers(
                &KeyRequest::new(Dialect::Gen),
                &name
            ));
        }
    }

    #[test]
    fn what_makes_nothing_or_leaves_state_has_no_key() {
        let gen_base = "https://gen.pollinations.ai";
        for path in [
            "/v1/models",
            "/text/models",
            "/image/models",
            "/models",
            "/account/balance",
            "/",
        ] {
            assert_eq!(key(&get(&format!("{gen_base}{path}"))), None, "{path}");
        }
        for path in ["/text/hello", "/image/a%20cat?seed=1", "/audio/hello"] {
            assert!(key(&get(&format!("{gen_base}{path}"))).is_some(), "{path}");
        }
        assert_eq!(key(&post(&format!("{gen_base}/v1/responses"), "{}")), None);
        for state in [
            r#"{"messages":[],"store":true}"#,
            r#"{"messages":[],"st\u006fre":true}"#,
            r#"{"messages":[],"previous_response_id":"r"}"#,
        ] {
            assert_eq!(key(&post(CHAT, state)), None, "{state}");
        }
        assert!(key(&post(CHAT, r#"{"messages":["\"store\""],"store":false}"#)).is_some());
    }

    #[test]
    fn each_dialect_has_its_own_places() {
        let v1 = KeyRequest::new(Dialect::V1);
        assert!(v1.key(&get("https://text.pollinations.ai/hello")).is_some());
        assert!(
            v1.key(&get("https://image.pollinations.ai/prompt/cat"))
                .is_some()
        );
        assert!(
            v1.key(&post("https://text.pollinations.ai/openai", "{}"))
                .is_some()
        );
        assert_eq!(v1.key(&get("https://text.pollinations.ai/models")), None);
        let enter = KeyRequest::new(Dialect::Enter);
        let base = "https://enter.pollinations.ai/api/generate";
        assert!(enter.key(&get(&format!("{base}/text/hello"))).is_some());
        assert_eq!(enter.key(&get(&format!("{base}/text/models"))), None);
        assert_eq!(
            enter.key(&get("https://enter.pollinations.ai/api/account/key")),
            None
        );
    }

    #[test]
    fn a10_a_sample_is_told_from_the_only_answer() {
        for (body, one) in [
            (r#"{"seed":7}"#, true),
            (r#"{"temperature":0}"#, true),
            (r#"{"seed":-1}"#, false),
            (r#"{"temperature":0.7}"#, false),
            (r#"{}"#, false),
            (r#"{"seed":7,"n":2}"#, false),
            (r#"{"seed":7,"tools":[{}]}"#, false),
            ("not JSON", false),
        ] {
            assert_eq!(OneAnswer.deterministic(&post(CHAT, body)), one, "{body}");
        }
    }
}
