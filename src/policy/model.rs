use std::sync::{Arc, Mutex};

use http::Request;
use memchr::memmem::Finder;

use crate::layers::{
    body::Known,
    types::{Partition, PartitionKey},
};

/// A part for each authority and model, since one model of a service may be down while the others are
/// well.
///
/// The model is what the request asks for, in the query or in the JSON body; a request that names none
/// belongs to the part of its authority. It is found without parsing: the first member of that name that
/// is a text counts.
///
/// ```
/// use blossom::{layers::types::Partition, policy::ByModel};
/// use http::Request;
///
/// let chat = Request::post("https://a.example/").body(blossom::Body::from(r#"{"model":"openai"}"#))?;
/// assert_eq!(ByModel::new().partition(&chat).unwrap().as_str(), "a.example openai");
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ByModel {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // Most calls ask for the same as the one before, and need no key of their own.
    last: Mutex<PartitionKey>,
    // Of the member's name. Made once: that takes as long as to search a short body.
    name: Finder<'static>,
}

impl ByModel {
    /// The policy.
    ///
    /// ```
    /// use blossom::{Body, layers::types::Partition, policy::ByModel};
    /// use http::Request;
    ///
    /// let request = Request::get("https://a.example/text/Hi?model=openai").body(Body::empty())?;
    /// let part = ByModel::new().partition(&request).ok_or("each has one")?;
    /// assert_eq!(part.as_str(), "a.example openai");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                last: Mutex::default(),
                name: Finder::new(NAME),
            }),
        }
    }

    fn in_body<'a>(&self, json: &'a [u8]) -> Option<&'a str> {
        // Many clients name it first.
        let first = || model_at(json, 1);
        let found = || {
            let mut places = self.shared.name.find_iter(json);
            places.find_map(|at| model_at(json, at))
        };
        first().or_else(found)
    }

    fn key(&self, authority: &str, model: Option<&str>) -> PartitionKey {
        // Who would have to wait makes one.
        let Ok(mut last) = self.shared.last.try_lock() else {
            return new_key(authority, model);
        };
        if !is_key(last.as_str(), authority, model) {
            *last = new_key(authority, model);
        }
        last.clone()
    }
}

impl Default for ByModel {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Known> Partition<B> for ByModel {
    fn partition(&self, request: &Request<B>) -> Option<PartitionKey> {
        let uri = request.uri();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let query = || uri.query().and_then(in_query);
        let model = request.body().bytes().and_then(|body| self.in_body(body));
        Some(self.key(authority, model.or_else(query)))
    }
}

fn new_key(authority: &str, model: Option<&str>) -> PartitionKey {
    match model {
        None => PartitionKey::new(authority),
        Some(model) => PartitionKey::new(&format!("{authority} {model}")),
    }
}

fn is_key(key: &str, authority: &str, model: Option<&str>) -> bool {
    let Some(after) = key.strip_prefix(authority) else {
        return false;
    };
    match model {
        None => after.is_empty(),
        Some(model) => after.strip_prefix(' ') == Some(model),
    }
}

fn in_query(query: &str) -> Option<&str> {
    let mut pairs = query.split('&');
    pairs
        .find_map(|pair| pair.strip_prefix("model="))
        .filter(|model| fits(model))
}

/// The model of the member that begins at `at`, if it is one.
fn model_at(json: &[u8], at: usize) -> Option<&str> {
    let after = json.get(at..)?.strip_prefix(NAME)?.trim_ascii_start();
    let value = after.strip_prefix(b":")?.trim_ascii_start();
    let text = value.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', text)?;
    let model = std::str::from_utf8(text.get(..end)?).ok()?;
    fits(model).then_some(model)
}

/// A name that is longer than any model's is somebody's mistake, and would be kept.
fn fits(model: &str) -> bool {
    (1..=128).contains(&model.len())
}

const NAME: &[u8] = b"\"model\"";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::body::ReqBody;

    fn part(uri: &str, body: &'static str) -> String {
        let request = Request::post(uri).body(ReqBody::from(body)).unwrap();
        ByModel::new().partition(&request).unwrap().to_string()
    }

    #[test]
    fn a_part_is_an_authority_and_a_model() {
        let uri = "https://a.example/v1/chat/completions";
        assert_eq!(part(uri, r#"{"model":"openai"}"#), "a.example openai");
        assert_eq!(
            part(uri, "{\"messages\":[],\"model\" :\n\"mistral\"}"),
            "a.example mistral"
        );
        assert_eq!(
            part("https://a.example/text/hi?seed=1&model=b", ""),
            "a.example b"
        );
        assert_eq!(part(uri, "{}"), "a.example");
        assert_eq!(part("/", ""), "");
        let long = format!("{}.example", "a.".repeat(120));
        assert_eq!(
            part(&format!("https://{long}/?model=openai"), ""),
            format!("{long} openai")
        );
    }

    #[test]
    fn what_only_looks_like_a_model_is_none() {
        let uri = "https://a.example/";
        for body in [
            r#"{"messages":["say \"model\":\"x\""]}"#,
            r#"{"model":7}"#,
            r#"{"model":"#,
            r#"{"model":"a"#,
            r#"{"model":""}"#,
        ] {
            assert_eq!(part(uri, body), "a.example", "{body}");
        }
        let schema = r#"{"properties":{"model":{"type":"string"}},"model":"b"}"#;
        assert_eq!(part(uri, schema), "a.example b");
    }
}
