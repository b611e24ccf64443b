//! The service's own cache, and the joining of identical requests in flight.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::sync::watch;

use super::{
    generate,
    reply::{self, Reply},
};

/// The members that do not tell two requests apart.
const IGNORED: [&str; 3] = ["key", "token", "no-cache"];

const FOREVER: &str = "public, max-age=31536000, immutable";

/// Replies by the whole request that they answer.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
enum Entry {
    /// Under way: whoever asks for the same waits for it.
    Running(watch::Receiver<Option<Kept>>),
    Kept(Kept),
}

/// A reply that is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    date: SystemTime,
}

/// What there is for a request.
pub(super) enum Found {
    Kept(Kept),
    Running(watch::Receiver<Option<Kept>>),
    /// Nothing: the one who asked has to say when there is.
    Nothing(Filling),
}

/// The right and the duty to fill an entry.
#[derive(Debug)]
pub(super) struct Filling {
    cache: Arc<Cache>,
    key: String,
    done: Option<watch::Sender<Option<Kept>>>,
}

impl Kept {
    pub(super) fn new(
        content_type: &'static str,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Self {
        Self {
            content_type,
            headers,
            body,
            date: SystemTime::now(),
        }
    }

    /// The reply from the cache: whole and at once, also if it was a stream.
    pub(super) fn reply(&self, key: &str) -> Reply {
        let mut reply = reply::whole(200, self.content_type, self.body.clone());
        for (name, value) in &self.headers {
            reply::set(&mut reply, name, value);
        }
        mark(&mut reply, key, "HIT");
        reply::set(
            &mut reply,
            "x-cache-date",
            &httpdate::fmt_http_date(self.date),
        );
        reply
    }
}

/// Says of a reply where it came from.
pub(super) fn mark(reply: &mut Reply, key: &str, status: &str) {
    reply::set(reply, "x-cache", status);
    let digest = format!("{:016x}", generate::digest(&[key.as_bytes()]));
    reply::set(reply, "x-cache-key", &digest);
    reply::set(reply, "cache-control", FOREVER);
}

impl Cache {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kept(&self, key: &str) -> Option<Kept> {
        match self.entries().get(key) {
            Some(Entry::Kept(kept)) => Some(kept.clone()),
            _ => None,
        }
    }

    /// What there is for `key`; `fresh` passes over what is kept.
    pub(super) fn find(self: &Arc<Self>, key: &str, fresh: bool) -> Found {
        let mut entries = self.entries();
        match entries.get(key) {
            Some(Entry::Kept(kept)) if !fresh => return Found::Kept(kept.clone()),
            Some(Entry::Running(running)) => return Found::Running(running.clone()),
            _ => {}
        }
        let (done, running) = watch::channel(None);
        entries.insert(key.to_owned(), Entry::Running(running));
        Found::Nothing(self.filling(key, Some(done)))
    }

    /// The right to fill an entry that nobody waits for: that of a stream.
    pub(super) fn filling(
        self: &Arc<Self>,
        key: &str,
        done: Option<watch::Sender<Option<Kept>>>,
    ) -> Filling {
        Filling {
            cache: self.clone(),
            key: key.to_owned(),
            done,
        }
    }
}

impl Filling {
    pub(super) fn fill(mut self, kept: Kept) {
        let entry = Entry::Kept(kept.clone());
        self.cache.entries().insert(self.key.clone(), entry);
        if let Some(done) = self.done.take() {
            done.send_replace(Some(kept));
        }
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if self.done.is_some() {
            self.cache.entries().remove(&self.key);
        }
    }
}

/// All that tells a request apart: method, path, sorted query, sorted body, and what is filtered.
pub(super) fn key(
    method: &Method,
    path: &str,
    query: &[(String, String)],
    body: &Value,
    safe: &str,
) -> String {
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let mut query: Vec<_> = query
        .iter()
        .filter(|(name, _)| !IGNORED.contains(&name.as_str()))
        .collect();
    query.sort();
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !IGNORED.contains(&name.as_str()));
    }
    format!("{method}|{path}|{query:?}|{body}|{safe}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_tells_all_apart_but_keys_and_order() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let one = key(
            &Method::GET,
            "/text/a",
            &[
                pair("seed", "1"),
                pair("model", "openai"),
                pair("key", "sk_1"),
            ],
            &json!({ "b": 1, "a": 2, "token": "x" }),
            "",
        );
        let same = key(
            &Method::HEAD,
            "/text/a",
            &[pair("model", "openai"), pair("seed", "1")],
            &json!({ "a": 2, "b": 1 }),
            "",
        );
        assert_eq!(one, same);

        let other = key(
            &Method::GET,
            "/text/a",
            &[pair("seed", "-1")],
            &Value::Null,
            "",
        );
        assert_ne!(one, other);
    }
}
