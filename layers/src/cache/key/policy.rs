use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{
    HeaderName, Request,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST},
};

use sha2::{Digest, Sha256};

use super::{
    json::{Canonicaliser, Members},
    memo::{Looked, Memo},
    request::{self, Form, Pair},
};
use crate::{
    body::Known,
    types::{CacheKey, KeyPolicy},
};

/// Identifies a request by all of it, in canonical form.
///
/// See the [module docs](super) for what that is, and for an example. Clones share their memory of
/// requests that were seen before.
///
/// ```
/// use blossom_layers::{cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier}, types::Scope};
///
/// let layer = CacheLayer::new(MemoryTier::new(1 << 20), CanonicalKey::new(), Scope::fixed("team-a"));
/// ```
#[derive(Clone)]
pub struct CanonicalKey<A = Nothing> {
    headers: Arc<[HeaderName]>,
    ignored: Arc<[Box<str>]>,
    watched: Arc<[Box<str>]>,
    added: A,
    // What the hash is keyed with: the form of what is hashed.
    context: [u8; 32],
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    memo: Memo,
    spare: Mutex<Vec<Scratch>>,
}

/// Memory that is kept from call to call.
#[derive(Debug, Default)]
struct Scratch {
    raw: Vec<u8>,
    text: Vec<u8>,
    pairs: Vec<Pair>,
    canonicaliser: Canonicaliser,
}

impl CanonicalKey {
    /// A policy that ignores nothing, and covers the headers `Host`, `Accept`, `Content-Type` and
    /// `Content-Encoding`.
    ///
    /// ```
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::KeyPolicy};
    /// # use http::{Request, header::CONTENT_TYPE};
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let chat = |body: &'static str| {
    /// #     let request = Request::post("/chat").header(CONTENT_TYPE, "application/json");
    /// #     request.body(ReqBody::from(body))
    /// # };
    /// let policy = CanonicalKey::new();
    /// let key = policy.key(&chat(r#"{"a":1,"b":2}"#)?);
    /// assert!(key.is_some());
    /// assert_eq!(key, policy.key(&chat(r#"{"b": 2.0, "a": 1}"#)?), "the same by another hand");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        let policy = Self {
            headers: [HOST, ACCEPT, CONTENT_TYPE, CONTENT_ENCODING].into(),
            ignored: Arc::default(),
            watched: Arc::default(),
            added: Nothing,
            context: [0; 32],
            shared: Shared::new(MEMO_BYTES),
        };
        policy.begin()
    }
}

impl Default for CanonicalKey {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> CanonicalKey<A> {
    /// Ignores these query parameters, and members of these names at the top of a JSON body. For what
    /// does not change the answer, such as a credential. Takes the place of what was ignored before.
    ///
    /// ```
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::KeyPolicy};
    /// # use http::{Request, header::CONTENT_TYPE};
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let chat = |body: &'static str| {
    /// #     let request = Request::post("/chat").header(CONTENT_TYPE, "application/json");
    /// #     request.body(ReqBody::from(body))
    /// # };
    /// let policy = CanonicalKey::new().ignoring(["user"]);
    /// let key = policy.key(&chat(r#"{"model":"a","user":"me"}"#)?);
    /// assert_eq!(key, policy.key(&chat(r#"{"model":"a","user":"you"}"#)?));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ignoring<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.ignored = names.into_iter().map(Into::into).collect();
        self.begin()
    }

    /// Watches for members of these names at the top of a JSON body, for [`key_if`](Self::key_if).
    /// Takes the place of what was watched for before.
    ///
    /// ```
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey};
    /// # use http::{Request, header::CONTENT_TYPE};
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let chat = |body: &'static str| {
    /// #     let request = Request::post("/chat").header(CONTENT_TYPE, "application/json");
    /// #     request.body(ReqBody::from(body))
    /// # };
    /// let policy = CanonicalKey::new().watching(["store"]);
    /// let never = |_: &bytes::Bytes| false;
    /// assert!(policy.key_if(&chat(r#"{"model":"a"}"#)?, never).is_some(), "it was not asked about");
    /// assert!(policy.key_if(&chat(r#"{"store":true}"#)?, never).is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn watching<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.watched = names.into_iter().map(Into::into).collect();
        self.begin()
    }

    /// Covers one more header: requests that differ in it have different keys, and replies may name it
    /// in their `Vary`.
    ///
    /// ```
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::KeyPolicy};
    /// # use http::header::ACCEPT_LANGUAGE;
    /// assert!(!KeyPolicy::<ReqBody>::covers(&CanonicalKey::new(), &ACCEPT_LANGUAGE));
    /// let policy = CanonicalKey::new().header(ACCEPT_LANGUAGE);
    /// assert!(KeyPolicy::<ReqBody>::covers(&policy, &ACCEPT_LANGUAGE));
    /// ```
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        if !self.headers.contains(&name) {
            self.headers = self.headers.iter().cloned().chain([name]).collect();
        }
        self.begin()
    }

    /// Adds to each key what `added` says: a closure that takes the request and gives
    /// `Option<Bytes>`.
    ///
    /// For what matters to the answer and is not part of the request, such as the version of a
    /// prompt's template.
    ///
    /// ```
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::KeyPolicy};
    /// # use http::Request;
    /// # use bytes::Bytes;
    /// let version = |version| {
    ///     CanonicalKey::new().adding(move |_: &Request<ReqBody>| Some(Bytes::from_static(version)))
    /// };
    /// let request = Request::new(ReqBody::empty());
    /// assert_ne!(version(b"1").key(&request), version(b"2").key(&request));
    /// ```
    #[must_use]
    pub fn adding<F>(self, added: F) -> CanonicalKey<F> {
        CanonicalKey {
            headers: self.headers,
            ignored: self.ignored,
            watched: self.watched,
            added,
            context: self.context,
            shared: self.shared,
        }
    }

    /// How many bytes of requests are kept, so that one that comes again and again is not parsed each
    /// time: 4 MiB unless told otherwise. A request is kept when it comes for the second time. A request
    /// of more than a quarter of that is not kept. Zero keeps none.
    ///
    /// ```
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::KeyPolicy};
    /// # use http::Request;
    /// let request = Request::new(ReqBody::empty());
    /// let forgets = CanonicalKey::new().memo_bytes(0);
    /// assert_eq!(forgets.key(&request), CanonicalKey::new().key(&request), "only slower");
    /// ```
    #[must_use]
    pub fn memo_bytes(mut self, max_bytes: usize) -> Self {
        self.shared = Shared::new(max_bytes);
        self
    }

    /// Settings change keys: they are hashed, and what was kept under the old ones is left behind.
    fn begin(mut self) -> Self {
        let mut context = Vec::new();
        request::field(VERSION, &mut context);
        for name in self.headers.iter() {
            request::field(name.as_str().as_bytes(), &mut context);
        }
        // What one policy ignores another may not: they must not share an entry in one tier.
        for name in self.ignored.iter() {
            request::field(&[], &mut context);
            request::field(name.as_bytes(), &mut context);
        }
        self.context = *blake3::hash(&context).as_bytes();
        self.shared = Shared::new(self.shared.memo.max_bytes());
        self
    }

    fn compute<B: Known>(
        &self,
        request: &Request<B>,
        body: &Bytes,
        wanted: impl FnOnce(&Bytes) -> bool,
        scratch: &mut Scratch,
    ) -> Option<CacheKey> {
        let form = Form::of(request.headers());
        let Scratch {
            raw,
            text,
            pairs,
            canonicaliser,
        } = scratch;
        text.clear();
        // What is canonical is about as long as what it is made of.
        text.reserve(raw.len() + body.len() + 64);
        request::append_canonical(request, &self.headers, &self.ignored, (raw, pairs), text);
        text.push(form as u8);
        if form == Form::Raw || request.body().is_canonical_json() || body.is_empty() {
            if !wanted(body) {
                return None;
            }
            return Some(digest(&self.context, &[text, body]));
        }
        let members = Members {
            ignored: &self.ignored,
            watched: &self.watched,
        };
        if canonicaliser.append(body, members, text).ok()? && !wanted(body) {
            return None;
        }
        Some(digest(&self.context, &[text]))
    }

    /// The key of `request`, if its body is `wanted` too.
    ///
    /// For a policy of your own over this one, for which some bodies have no key. Asked about are
    /// bodies that have a member which is [watched](Self::watching) for, and those that are not read:
    /// what is no JSON, or is [said to be canonical](Known::is_canonical_json). A request that comes again, the
    /// same in each byte, need not be asked about again: decide by the body alone.
    ///
    /// ```
    /// use blossom_layers::{body::ReqBody, cache::key::CanonicalKey};
    /// use http::{Request, header::CONTENT_TYPE};
    ///
    /// let policy = CanonicalKey::new().watching(["store"]);
    /// let key = |body: &'static str| {
    ///     let mut request = Request::new(ReqBody::from(body));
    ///     request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    ///     policy.key_if(&request, |body| !body.ends_with(b"true}"))
    /// };
    /// assert!(key(r#"{"store":false}"#).is_some());
    /// assert!(key(r#"{"store":true}"#).is_none());
    /// assert!(key(r#"{"model":true}"#).is_some());
    /// ```
    #[must_use]
    pub fn key_if<B>(
        &self,
        request: &Request<B>,
        wanted: impl FnOnce(&Bytes) -> bool,
    ) -> Option<CacheKey>
    where
        B: Known,
        A: AddToKey<B>,
    {
        let key = self.of_request(request, wanted)?;
        let Some(added) = self.added.add_to_key(request) else {
            return Some(key);
        };
        Some(digest(ADDED, &[key.as_bytes(), key.check(), &added]))
    }

    fn of_request<B: Known>(
        &self,
        request: &Request<B>,
        wanted: impl FnOnce(&Bytes) -> bool,
    ) -> Option<CacheKey> {
        let body = request.body().bytes()?;
        let mut scratch = self.shared.take();
        scratch.raw.clear();
        scratch.raw.reserve(512);
        request::append_raw(request, &self.headers, &mut scratch.raw);
        let memo = &self.shared.memo;
        let place = memo.place(&scratch.raw, body);
        let looked = place.map(|place| (place, memo.look(place, &scratch.raw, body)));
        let key = if let Some((_, Looked::Known(known))) = looked {
            Some(known)
        } else {
            self.compute(request, body, wanted, &mut scratch)
        };
        if let (Some((place, Looked::Again)), Some(key)) = (looked, key) {
            let head = scratch.raw.len();
            scratch.raw.extend_from_slice(body);
            memo.put(place, &scratch.raw, head, key);
        }
        self.shared.give_back(scratch);
        key
    }
}

impl<B, A> KeyPolicy<B> for CanonicalKey<A>
where
    B: Known,
    A: AddToKey<B>,
{
    fn key(&self, request: &Request<B>) -> Option<CacheKey> {
        self.key_if(request, |_| true)
    }

    fn covers(&self, header: &HeaderName) -> bool {
        self.headers.contains(header)
    }
}

impl<A> fmt::Debug for CanonicalKey<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CanonicalKey")
            .field("headers", &self.headers)
            .field("ignored", &self.ignored)
            .finish_non_exhaustive()
    }
}

/// What is added to the key of a request. Implemented for closures.
///
/// ```
/// use blossom_layers::{body::ReqBody, cache::key::{AddToKey, CanonicalKey}, types::KeyPolicy};
/// use bytes::Bytes;
/// use http::Request;
///
/// /// The version of the prompt's template.
/// struct Version(&'static str);
///
/// impl<B> AddToKey<B> for Version {
///     fn add_to_key(&self, _: &Request<B>) -> Option<Bytes> {
///         Some(self.0.into())
///     }
/// }
///
/// let key = |version| {
///     CanonicalKey::new().adding(Version(version)).key(&Request::new(ReqBody::empty()))
/// };
/// assert_ne!(key("1"), key("2"));
/// ```
pub trait AddToKey<B> {
    /// What to add to the key of `request`, if anything.
    ///
    /// ```
    /// # use blossom_layers::cache::key::AddToKey;
    /// # use bytes::Bytes;
    /// # use http::Request;
    /// let path = |request: &Request<()>| Some(Bytes::copy_from_slice(request.uri().path().as_bytes()));
    /// assert_eq!(path.add_to_key(&Request::new(())), Some("/".into()));
    /// ```
    fn add_to_key(&self, request: &Request<B>) -> Option<Bytes>;
}

impl<B, F: Fn(&Request<B>) -> Option<Bytes>> AddToKey<B> for F {
    fn add_to_key(&self, request: &Request<B>) -> Option<Bytes> {
        self(request)
    }
}

/// Adds nothing to any key.
///
/// ```
/// use blossom_layers::{body::ReqBody, cache::key::{CanonicalKey, Nothing}, types::KeyPolicy};
/// use http::Request;
///
/// let policy: CanonicalKey<Nothing> = CanonicalKey::new();
/// assert!(policy.key(&Request::new(ReqBody::empty())).is_some());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Nothing;

impl<B> AddToKey<B> for Nothing {
    fn add_to_key(&self, _request: &Request<B>) -> Option<Bytes> {
        None
    }
}

impl Shared {
    fn new(memo_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            memo: Memo::new(memo_bytes),
            spare: Mutex::new(Vec::with_capacity(MAX_SPARE)),
        })
    }

    fn take(&self) -> Scratch {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop().unwrap_or_default()
    }

    fn give_back(&self, scratch: Scratch) {
        let Scratch {
            raw,
            text,
            canonicaliser,
            ..
        } = &scratch;
        if raw.capacity() + text.capacity() + canonicaliser.kept_bytes() > MAX_SPARE_BYTES {
            return;
        }
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MAX_SPARE {
            spare.push(scratch);
        }
    }
}

/// The key is one part of the hash's output, and its check another.
///
/// Up to a few kibibytes SHA-256 is faster, by the instructions that processors have for it; beyond,
/// BLAKE3, which does several parts of a text at once.
pub(super) fn digest(context: &[u8; 32], parts: &[&[u8]]) -> CacheKey {
    let mut output = [0; 64];
    let (bytes, check) = output.split_at_mut(32);
    if parts.iter().map(|part| part.len()).sum::<usize>() <= SHORT {
        let mut hasher = Sha256::new_with_prefix(context);
        for part in parts {
            hasher.update(part);
        }
        let second = hasher.clone();
        bytes.copy_from_slice(&hasher.chain_update([0]).finalize());
        check.copy_from_slice(&second.chain_update([1]).finalize());
    } else {
        let mut hasher = blake3::Hasher::new_keyed(context);
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize_xof().fill(&mut output);
    }
    let (mut bytes, mut check) = ([0; 32], [0; 16]);
    bytes
        .iter_mut()
        .zip(&output)
        .for_each(|(to, from)| *to = *from);
    check
        .iter_mut()
        .zip(output.iter().skip(32))
        .for_each(|(to, from)| *to = *from);
    CacheKey::new(bytes).with_check(check)
}

// Part of every key. To be changed with the canonical form.
const VERSION: &[u8] = b"blossom-layers canonical request 1";
const ADDED: &[u8; 32] = b"blossom-layers key and something";

// Part of every key as well. Measured on an EPYC with SHA extensions and AVX-512, 2026-11-25: at 1 KiB
// SHA-256 takes 0.6 of the time, at 4 KiB they are equal.
const SHORT: usize = 4096;

const MEMO_BYTES: usize = 4 << 20;
// Of the memory that is kept from call to call: pieces, and bytes of each.
const MAX_SPARE: usize = 4;
const MAX_SPARE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
