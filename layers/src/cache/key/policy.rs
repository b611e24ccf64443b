use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{
    HeaderName, Request,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST},
};

use super::{
    json::Canonicaliser,
    memo::Memo,
    request::{self, Form},
};
use crate::{
    body::Known,
    types::{CacheKey, CanonicalBody, KeyPolicy},
};

/// Identifies a request by all of it, in canonical form.
///
/// See the [module docs](super) for what that is, and for an example. Clones share their memory of
/// requests that were seen before.
#[derive(Clone)]
pub struct CanonicalKey<A = Nothing> {
    headers: Arc<[HeaderName]>,
    ignored: Arc<[Box<str>]>,
    added: A,
    // The beginning of everything that is hashed.
    beginning: Arc<[u8]>,
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
    canonicaliser: Canonicaliser,
}

impl CanonicalKey {
    /// A policy that ignores nothing, and covers the headers `Host`, `Accept`, `Content-Type` and
    /// `Content-Encoding`.
    #[must_use]
    pub fn new() -> Self {
        let policy = Self {
            headers: [HOST, ACCEPT, CONTENT_TYPE, CONTENT_ENCODING].into(),
            ignored: Arc::default(),
            added: Nothing,
            beginning: Arc::default(),
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
    #[must_use]
    pub fn ignoring<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.ignored = names.into_iter().map(Into::into).collect();
        self.begin()
    }

    /// Covers one more header: requests that differ in it have different keys, and replies may name it
    /// in their `Vary`.
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
    #[must_use]
    pub fn adding<F>(self, added: F) -> CanonicalKey<F> {
        CanonicalKey {
            headers: self.headers,
            ignored: self.ignored,
            added,
            beginning: self.beginning,
            shared: self.shared,
        }
    }

    /// How many bytes of requests are kept, so that one that comes again need not be parsed: 4 MiB
    /// unless told otherwise. A request of more than a quarter of that is not kept. Zero keeps none.
    #[must_use]
    pub fn memo_bytes(mut self, max_bytes: usize) -> Self {
        self.shared = Shared::new(max_bytes);
        self
    }

    /// Settings change keys: they are hashed, and what was kept under the old ones is left behind.
    fn begin(mut self) -> Self {
        let mut beginning = Vec::new();
        request::field(VERSION, &mut beginning);
        for name in self.headers.iter() {
            request::field(name.as_str().as_bytes(), &mut beginning);
        }
        self.beginning = beginning.into();
        self.shared = Shared::new(self.shared.memo.max_bytes());
        self
    }

    fn compute<B>(
        &self,
        request: &Request<B>,
        body: &Bytes,
        form: Form,
        scratch: &mut Scratch,
    ) -> Option<CacheKey> {
        let Scratch {
            text,
            canonicaliser,
            ..
        } = scratch;
        text.clear();
        text.extend_from_slice(&self.beginning);
        request::append_canonical(request, &self.headers, &self.ignored, text);
        text.push(form as u8);
        let written = request.extensions().get::<CanonicalBody>().is_some();
        if form == Form::Raw || written || body.is_empty() {
            return Some(digest(&[text, body]));
        }
        canonicaliser.append(body, &self.ignored, text).ok()?;
        Some(digest(&[text]))
    }

    fn of_request<B: Known>(&self, request: &Request<B>) -> Option<CacheKey> {
        let body = request.body().bytes()?;
        let form = Form::of(request.headers());
        let mut scratch = self.shared.take();
        scratch.raw.clear();
        request::append_raw(request, &self.headers, &mut scratch.raw);
        let memo = &self.shared.memo;
        let place = memo.place(&scratch.raw, body);
        let mut key = memo.get(place, &scratch.raw, body);
        if key.is_none() {
            key = self.compute(request, body, form, &mut scratch);
            if let Some(key) = key {
                memo.put(place, &scratch.raw, body, key);
            }
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
        let key = self.of_request(request)?;
        let Some(added) = self.added.add_to_key(request) else {
            return Some(key);
        };
        Some(digest(&[ADDED, key.as_bytes(), key.check(), &added]))
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
pub trait AddToKey<B> {
    /// What to add to the key of `request`, if anything.
    fn add_to_key(&self, request: &Request<B>) -> Option<Bytes>;
}

impl<B, F: Fn(&Request<B>) -> Option<Bytes>> AddToKey<B> for F {
    fn add_to_key(&self, request: &Request<B>) -> Option<Bytes> {
        self(request)
    }
}

/// Adds nothing to any key.
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
            spare: Mutex::default(),
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
fn digest(parts: &[&[u8]]) -> CacheKey {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut output = [0; 48];
    hasher.finalize_xof().fill(&mut output);
    let (mut bytes, mut check) = ([0; 32], [0; 16]);
    let (first, second) = output.split_at(32);
    bytes.copy_from_slice(first);
    check.copy_from_slice(second);
    CacheKey::new(bytes).with_check(check)
}

// Part of every key. To be changed with the canonical form.
const VERSION: &[u8] = b"blossom-layers canonical request 1";
const ADDED: &[u8] = b"blossom-layers added to key 1:";

const MEMO_BYTES: usize = 4 << 20;
// Of the memory that is kept from call to call: pieces, and bytes of each.
const MAX_SPARE: usize = 4;
const MAX_SPARE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
