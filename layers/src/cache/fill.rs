use std::{fmt, sync::Arc};

use http::{
    HeaderMap, StatusCode, Version,
    header::{CONNECTION, CONTENT_TYPE, TRANSFER_ENCODING},
    response::Parts,
};
use tokio::time::Instant;

use super::{
    Entry, Generation, Tier,
    headers::{self, content_length},
    plan::{Facts, Keep},
    stats::Counters,
};
use crate::{
    body::Recording,
    flight::{Flights, Landing, Share},
    types::{CacheKey, CacheStatus, Outcome, ScopeDigest},
};

/// What all services and handles of a layer share.
pub(super) struct Shared {
    pub(super) tier: Arc<dyn Tier>,
    pub(super) flights: Flights<Fill>,
    pub(super) counters: Counters,
}

/// What is stored when a flight has landed.
pub(super) struct Fill {
    pub(super) shared: Arc<Shared>,
    pub(super) key: CacheKey,
    pub(super) scope: ScopeDigest,
    pub(super) tags: Option<Arc<[Box<str>]>>,
    // When the reply was asked for: what was invalidated since does not come back.
    pub(super) generation: Generation,
    pub(super) facts: Facts,
    pub(super) keep: Option<Keep>,
}

/// What a flight tells of itself.
pub(super) struct Note {
    pub(super) scope: ScopeDigest,
    tags: Option<Arc<[Box<str>]>>,
}

impl Note {
    pub(super) fn bears(&self, tag: &str) -> bool {
        let mut tags = self.tags.iter().flat_map(|tags| tags.iter());
        tags.any(|own| **own == *tag)
    }
}

impl Landing for Fill {
    const KEEPS: bool = true;

    type Note = Note;
    type Cargo = Keep;

    fn note(&self) -> Note {
        Note {
            scope: self.scope,
            tags: self.tags.clone(),
        }
    }

    fn head(&mut self, head: &mut Parts, keep: Keep) -> Share {
        if keep.from_tier {
            // Those who get it must know.
            head.extensions.insert(keep);
        } else {
            // Here, where there is room for it: what each reader has is a copy of just this length.
            headers::write_forwarded(&mut head.headers, CacheStatus::Miss);
        }
        self.keep = Some(keep);
        keep.share
    }

    fn landed(self, head: &Parts, recording: Arc<Recording>) {
        let Some(keep) = self.keep.filter(|keep| !keep.from_tier) else {
            return;
        };
        let lifetime = keep
            .lifetime
            .filter(|_| is_whole(head, &recording, keep, &self.facts));
        let Some(lifetime) = lifetime else {
            self.shared.counters.ended(false);
            return;
        };
        let now = Instant::now().into_std();
        // One of its own: the reply's may hold more than is kept, and be changed by those further out.
        let outcome = head.extensions.get::<Outcome>();
        let outcome = outcome.map(|outcome| outcome.record().into());
        let mut entry = Entry::of(self.key, self.scope, now, recording, outcome)
            .head(head.status, headers::kept(&head.headers))
            .lifetime(lifetime)
            .age_then(headers::age(&head.headers))
            .generation(self.generation);
        for tag in self.tags.iter().flat_map(|tags| tags.iter()) {
            entry = entry.tag(tag);
        }
        let stored = self.shared.tier.put(Arc::new(entry));
        self.shared.counters.ended(stored);
    }
}

/// Whether this is proven to be all of the reply.
fn is_whole(head: &Parts, recording: &Recording, keep: Keep, facts: &Facts) -> bool {
    let has_body = !facts.head_only && head.status != StatusCode::NO_CONTENT;
    let length = content_length(&head.headers).filter(|_| has_body);
    if length.is_some_and(|length| length != recording.len_bytes() as u64) {
        return false;
    }
    if keep.negative {
        return true;
    }
    let unproven = is_close_delimited(head) || is_event_stream(&head.headers);
    match head.extensions.get::<Outcome>() {
        Some(outcome) => outcome.read(|record| {
            record.complete && (record.finish_reason.is_some() || !is_close_delimited(head))
        }),
        None => !unproven || !has_body,
    }
}

/// Whether the end of the body is the end of the connection, which a cut looks like too.
fn is_close_delimited(head: &Parts) -> bool {
    let headers = &head.headers;
    let framed = headers.contains_key(TRANSFER_ENCODING) || content_length(headers).is_some();
    let closes = || {
        let mut values = headers.get_all(CONNECTION).iter();
        values.any(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
    };
    !framed && (head.version <= Version::HTTP_10 || (head.version == Version::HTTP_11 && closes()))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().get(..TYPE.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(TYPE))
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("stats", &self.counters.stats(self.tier.stats()))
            .field("flights", &self.flights)
            .finish()
    }
}
