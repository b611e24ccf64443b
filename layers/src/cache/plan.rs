use std::{sync::Arc, time::Duration, time::Instant};

use http::{
    HeaderName, Method, Request, StatusCode,
    header::{
        AUTHORIZATION, CACHE_CONTROL, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
        IF_UNMODIFIED_SINCE, PRAGMA, RANGE, SET_COOKIE, UPGRADE, VARY,
    },
    response::Parts,
};

use super::{CachePolicy, Entry, Found, Lifetime, Storage, scoped::Scoped, stats::Bypass};
use crate::{
    directives::Directives,
    flight::{Limits, Share},
    types::{CacheKey, CacheOptions, CacheStatus, KeyPolicy, Owner, Scope, ScopeDigest},
};

/// The numbers of a cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Config {
    pub(super) limits: Limits,
    pub(super) time_to_live: Option<Duration>,
    pub(super) time_to_idle: Option<Duration>,
    pub(super) jitter_percent: u8,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) negative: Duration,
    pub(super) buckets: usize,
    pub(super) pace: Duration,
    pub(super) max_fill: Duration,
}

impl Config {
    pub(super) const DEFAULT: Self = Self {
        limits: Limits::DEFAULT,
        time_to_live: None,
        time_to_idle: None,
        jitter_percent: 0,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        negative: Duration::ZERO,
        buckets: 1,
        pace: Duration::ZERO,
        max_fill: Duration::from_secs(300),
    };
}

/// What decides: the policies and the numbers.
pub(super) struct Plan<K, P> {
    pub(super) key: K,
    pub(super) policy: P,
    pub(super) scope: Scope,
    // Of a scope that has but one owner.
    pub(super) constant: Option<Scoped>,
    pub(super) config: Config,
}

/// What a request asks of the cache.
pub(super) struct Ask {
    pub(super) key: CacheKey,
    pub(super) scope: ScopeDigest,
    pub(super) fresh: bool,
    // Boxed: most requests have none, and an `Ask` is moved about.
    directives: Option<Box<Directives>>,
}

impl Ask {
    pub(super) fn only_if_cached(&self) -> bool {
        let directives = self.directives.as_ref();
        directives.is_some_and(|directives| directives.only_if_cached)
    }
}

/// What is to be done about what was found.
pub(super) enum Answer {
    Serve {
        entry: Arc<Entry>,
        status: CacheStatus,
        // And the upstream is asked meanwhile.
        refresh: bool,
    },
    /// The upstream is asked; the entry is there should it fail.
    Ask(Option<Arc<Entry>>),
    /// It belongs to another request.
    Mismatch,
}

impl Answer {
    const fn hit(entry: Arc<Entry>) -> Self {
        Self::Serve {
            entry,
            status: CacheStatus::Hit,
            refresh: false,
        }
    }
}

/// What matters of a request when its reply comes.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Facts {
    pub(super) may_store: bool,
    pub(super) head_only: bool,
    pub(super) time_to_live: Option<Duration>,
    // The caller named the key: what it covers is the caller's affair.
    pub(super) own_key: bool,
    pub(super) strangers: bool,
    pub(super) authorized: bool,
}

/// What is to be done with a reply: the call's cargo for its landing. Replies that are not the upstream's
/// bear it in their head, for those who get them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    pub(super) lifetime: Option<Lifetime>,
    pub(super) share: Share,
    // A failure: its body need not be a whole answer.
    pub(super) negative: bool,
    // It is no reply of the upstream.
    pub(super) from_tier: bool,
    // It stands for a reply that failed.
    pub(super) rescued: bool,
}

impl Keep {
    pub(super) const FROM_TIER: Self = Self {
        lifetime: None,
        share: Share::All,
        negative: false,
        from_tier: true,
        rescued: false,
    };
}

// By reference, so that it is not made and dropped for each header.
const PARTIAL: &[HeaderName] = &[
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    UPGRADE,
];

const OWN_KEY: &[u8; 32] = b"blossom-layers key of the caller";

/// The longest that a failure is kept.
const MAX_NEGATIVE: Duration = Duration::from_secs(5);

impl<K, P> Plan<K, P> {
    /// Who it is for and what it is, or why it is not for the cache.
    pub(super) fn ask<B>(&self, request: &Request<B>) -> Result<Ask, Bypass>
    where
        K: KeyPolicy<B>,
    {
        let options = request.extensions().get::<CacheOptions>();
        let headers = request.headers();
        let (mut partial, mut directed) = (false, false);
        for name in headers.keys() {
            partial |= PARTIAL.contains(name);
            directed |= *name == CACHE_CONTROL || *name == PRAGMA;
        }
        let directives = directed.then(|| Box::new(Directives::of(headers)));
        let says = |what: fn(&Directives) -> bool| directives.as_deref().is_some_and(what);
        if says(|directives| directives.no_store) || options.is_some_and(CacheOptions::is_no_store)
        {
            return Err(Bypass::NoStore);
        }
        if *request.method() == Method::CONNECT || partial {
            return Err(Bypass::Partial);
        }
        let scope = match &self.constant {
            Some(constant) => constant.digest(),
            None => ScopeDigest::of(self.scope.owner(request).ok_or(Bypass::NoOwner)?),
        };
        let key = match options.and_then(CacheOptions::given_key) {
            Some(own) => own_key(own),
            None => self.key.key(request).ok_or(Bypass::NoKey)?,
        };
        let scoped = match &self.constant {
            Some(constant) => constant.key(&key),
            None => scope.scoped(&key),
        };
        let bucket = match self.config.buckets {
            0 | 1 => 0,
            buckets => fastrand::usize(..buckets),
        };
        Ok(Ask {
            key: in_bucket(scoped, bucket),
            scope,
            fresh: says(|directives| directives.no_cache)
                || options.is_some_and(CacheOptions::is_fresh),
            directives,
        })
    }

    pub(super) fn facts<B>(&self, request: &Request<B>) -> Facts
    where
        P: CachePolicy<B>,
    {
        let options = request.extensions().get::<CacheOptions>();
        Facts {
            may_store: self.policy.request(request),
            head_only: *request.method() == Method::HEAD,
            time_to_live: options.and_then(CacheOptions::given_time_to_live),
            own_key: options.and_then(CacheOptions::given_key).is_some(),
            strangers: self.scope.constant() == Some(Owner::Shared),
            authorized: request.headers().contains_key(AUTHORIZATION),
        }
    }

    /// Whether what was found answers what was asked.
    pub(super) fn judge(&self, ask: &Ask, found: Found, now: Instant) -> Answer {
        let (entry, stale) = match found {
            Found::Hit(entry) => (entry, false),
            Found::Stale(entry) => (entry, true),
            Found::Miss | Found::Busy => return Answer::Ask(None),
        };
        if *entry.key() != ask.key || *entry.scope() != ask.scope {
            return Answer::Mismatch;
        }
        if !stale && ask.directives.is_none() {
            return Answer::hit(entry);
        }
        let wanted = ask.directives.as_deref().copied().unwrap_or_default();
        let age = entry.age(now);
        let fresh_for = entry.lifetimes().fresh_for;
        let too_old = wanted.max_age.is_some_and(|max_age| age > max_age)
            || wanted
                .min_fresh
                .is_some_and(|min| age.saturating_add(min) > fresh_for);
        if !stale && !too_old {
            return Answer::hit(entry);
        }
        if !stale {
            return Answer::Ask(None);
        }
        let over = age.saturating_sub(fresh_for);
        let (revalidate, error) = self.windows(&entry);
        let may_be_stale = revalidate.max(error) > Duration::ZERO;
        if may_be_stale && wanted.max_stale.is_some_and(|max_stale| over <= max_stale) {
            return Answer::Serve {
                entry,
                status: CacheStatus::Stale,
                refresh: false,
            };
        }
        if over < revalidate && !too_old {
            return Answer::Serve {
                entry,
                status: CacheStatus::Stale,
                refresh: true,
            };
        }
        Answer::Ask((over < error).then_some(entry))
    }

    /// How long past its time an entry may be used while it is refreshed, and when that fails: what
    /// the reply said, else what the cache was told.
    fn windows(&self, entry: &Entry) -> (Duration, Duration) {
        let said = Directives::of(entry.headers());
        if said.must_revalidate {
            return (Duration::ZERO, Duration::ZERO);
        }
        let config = &self.config;
        (
            said.stale_while_revalidate
                .unwrap_or(config.stale_while_revalidate),
            said.stale_if_error.unwrap_or(config.stale_if_error),
        )
    }

    /// What is to be done with the reply that has this head.
    pub(super) fn keep<B>(&self, facts: &Facts, head: &Parts, has_old: bool) -> Keep
    where
        K: KeyPolicy<B>,
        P: CachePolicy<B>,
    {
        let said = Directives::of(&head.headers);
        let secret = said.private || said.no_store || head.headers.contains_key(SET_COOKIE);
        // RFC 9111 section 3.5: what was asked for by one is not for all unless it says so.
        let personal = facts.strangers
            && facts.authorized
            && !(said.public || said.must_revalidate || said.s_maxage.is_some());
        let negative = is_negative(head.status);
        let storable = facts.may_store
            && !secret
            && !personal
            && (is_answer(head.status) || (negative && !has_old))
            && self.covers::<B>(facts, head);
        let lifetime = match (storable, negative) {
            (false, _) => None,
            (true, true) => Some(Lifetime::new(self.config.negative.min(MAX_NEGATIVE))),
            (true, false) => self.lifetime::<B>(facts, head, &said),
        };
        Keep {
            lifetime: lifetime.filter(|lifetime| lifetime.total() > Duration::ZERO),
            share: if facts.strangers && (secret || personal) {
                Share::Creator
            } else {
                Share::All
            },
            negative,
            from_tier: false,
            rescued: false,
        }
    }

    fn lifetime<B>(&self, facts: &Facts, head: &Parts, said: &Directives) -> Option<Lifetime>
    where
        P: CachePolicy<B>,
    {
        let config = &self.config;
        let mut lifetime = match (self.policy.reply(head), facts.time_to_live) {
            (Storage::Never, _) => return None,
            (Storage::For(lifetime), None) => lifetime,
            (Storage::For(lifetime), Some(given)) => Lifetime {
                fresh_for: given,
                ..lifetime
            },
            (Storage::Unsaid, given) => Lifetime::new(given.or(config.time_to_live)?),
        };
        if lifetime.fresh_for.is_zero() {
            return None;
        }
        if config.jitter_percent > 0 && lifetime.fresh_for < Duration::MAX {
            let most = lifetime.fresh_for / 100 * u32::from(config.jitter_percent.min(100));
            lifetime.fresh_for -= most.mul_f64(fastrand::f64());
        }
        lifetime.idle_for = lifetime.idle_for.or(config.time_to_idle);
        if !said.must_revalidate {
            let windows = [
                said.stale_while_revalidate
                    .unwrap_or(config.stale_while_revalidate),
                said.stale_if_error.unwrap_or(config.stale_if_error),
            ];
            lifetime.stale_for = windows.into_iter().fold(lifetime.stale_for, Duration::max);
        }
        Some(lifetime)
    }

    /// Whether requests that would get another reply have another key.
    fn covers<B>(&self, facts: &Facts, head: &Parts) -> bool
    where
        K: KeyPolicy<B>,
    {
        head.headers
            .get_all(VARY)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty())
            .all(|name| match HeaderName::from_bytes(name) {
                _ if name == b"*" => false,
                Ok(name) => facts.own_key || self.key.covers(&name),
                Err(_) => false,
            })
    }
}

/// The key that a caller has given.
pub(super) fn own_key(own: &str) -> CacheKey {
    CacheKey::new(*blake3::keyed_hash(OWN_KEY, own.as_bytes()).as_bytes())
}

/// The key of one of several answers to the same request.
pub(super) fn in_bucket(key: CacheKey, bucket: usize) -> CacheKey {
    if bucket == 0 {
        return key;
    }
    let bytes = blake3::keyed_hash(key.as_bytes(), &(bucket as u64).to_le_bytes());
    CacheKey::new(*bytes.as_bytes()).with_check(*key.check())
}

const fn is_answer(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308)
}

const fn is_negative(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 405 | 410 | 414 | 451 | 500..=504)
}

/// Whether the upstream failed in a way for which an old answer is better.
pub(super) const fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502..=504)
}
