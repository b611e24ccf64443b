//! What identifies a request: a cryptographic hash over all of it, in canonical form.
//!
//! [`CanonicalKey`] covers method, scheme, authority, path, query, the headers that it names, and the
//! body. Two requests that differ in anything of that have two keys, except for what the policy is told
//! to ignore. Whose the answer is, is no part of it: a cache adds the owner itself.
//!
//! # What is the same
//!
//! | part | in canonical form |
//! | --- | --- |
//! | host | in lower case |
//! | query | pairs in the order of their names; escapes only where they must be |
//! | JSON body | without white space, members in order, one form of each string and each number |
//! | any other body | as it is |
//!
//! A body is JSON if its `Content-Type` says so. Numbers are compared by their decimal digits, never
//! through a float: `1`, `1.0` and `1e0` are the same, `0.1` and `0.10000000000000001` are not. The
//! tokenizer is our own: no feature of a JSON library changes a key.
//!
//! # What has no key
//!
//! A body that is not known whole; and JSON that is malformed, not UTF-8, has two members of one name in
//! an object, or is nested deeper than 128. Such a request bypasses the cache and goes on as it is.
//!
//! # Cost
//!
//! One pass over the body and one hash. Memory for it is kept from call to call: none is allocated once
//! it is there, and never more than eight times, whatever the body's size. A request that is the same,
//! byte for byte, as one before is looked up in a table: a fast keyed hash and a full comparison, no
//! parsing.
//!
//! # Example
//!
//! ```
//! use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::KeyPolicy};
//! use http::{Request, header::CONTENT_TYPE};
//!
//! let chat = |body: &'static str| {
//!     Request::post("https://example.com/chat")
//!         .header(CONTENT_TYPE, "application/json")
//!         .body(ReqBody::from(body))
//!         .unwrap()
//! };
//! let policy = CanonicalKey::new().ignoring(["user"]);
//!
//! let key = policy.key(&chat(r#"{"model": "a", "seed": 1.0}"#));
//! assert!(key.is_some());
//! assert_eq!(key, policy.key(&chat(r#"{"user":"me","seed":1,"model":"a"}"#)));
//! assert_ne!(key, policy.key(&chat(r#"{"model":"a","seed":2}"#)));
//! assert_eq!(None, policy.key(&chat(r#"{"model":"a","model":"b"}"#)));
//! ```

mod json;
mod memo;
mod policy;
mod request;

pub use self::policy::{AddToKey, CanonicalKey, Nothing};
use crate::types::CacheKey;

/// The key of something that is no request, such as a value under a name.
///
/// Two keys are equal if both the kind and the name are; they never equal the key of a request.
///
/// ```
/// # use blossom_layers::cache::key::of_value;
/// assert_eq!(of_value("answer", b"today"), of_value("answer", b"today"));
/// assert_ne!(of_value("answer", b"today"), of_value("vector", b"today"));
/// ```
#[must_use]
pub fn of_value(kind: &str, name: &[u8]) -> CacheKey {
    let length = (kind.len() as u64).to_le_bytes();
    policy::digest(VALUE, &[&length, kind.as_bytes(), name])
}

const VALUE: &[u8; 32] = b"blossom-layers key of some value";

/// The canonical form of a JSON text, or `None` if it has none.
///
/// What [`CanonicalKey`] hashes, for those who write bodies and say so with
/// [`ReqBody::canonical_json`](crate::body::ReqBody::canonical_json).
///
/// ```
/// use blossom_layers::cache::key::canonical_json;
///
/// let canonical = canonical_json(br#"{ "b": 1.50, "a": "\u0041" }"#).unwrap();
/// assert_eq!(canonical, br#"{"a":"A","b":1.5}"#);
/// ```
#[must_use]
pub fn canonical_json(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let result = json::Canonicaliser::default().append(text, json::Members::default(), &mut out);
    result.is_ok().then_some(out)
}
