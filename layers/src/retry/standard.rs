use std::{
    fmt,
    future::Future,
    mem,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::Request;
use tokio::time::Instant;

use super::{Budget, Idempotent, Policy, Repeat};
use crate::{
    backoff::{Backoff, retry_after},
    body::Known,
    cause_ref,
    timer::Timer,
    types::{Attempt, ByStatus, Class, Classify, Deadline, Refusal, Reply},
};

/// The policy to start from: see the [module docs](super) for what it asks and its defaults.
///
/// A reply is followed by another attempt if it is [`Class::Transient`], attempts are left, the request
/// may be repeated, the wait ends before the deadline, and the budget allows it, in this order.
///
/// ```
/// use std::{num::NonZeroU32, time::Duration};
///
/// use blossom_layers::{backoff::Backoff, retry::{Budget, Standard}};
///
/// let policy = Standard::new()
///     .max_attempts(NonZeroU32::MIN.saturating_add(3))
///     .backoff(Backoff::new(Duration::from_millis(200), Duration::from_secs(4)))
///     .budget(Budget::new(10, 10))
///     .max_retry_after(Duration::from_secs(30));
/// ```
#[derive(Clone)]
pub struct Standard<C = ByStatus, R = Idempotent> {
    classify: C,
    repeat: R,
    max_attempts: NonZeroU32,
    backoff: Backoff,
    budget: Budget,
    max_retry_after: Duration,
    max_replay_bytes: usize,
    // Of this call.
    attempt: Attempt,
    counted: bool,
}

impl Standard {
    /// The policy with its defaults, and a budget of its own.
    #[must_use]
    pub fn new() -> Self {
        Self {
            classify: ByStatus,
            repeat: Idempotent,
            max_attempts: NonZeroU32::MIN.saturating_add(2),
            backoff: Backoff::default(),
            budget: Budget::default(),
            max_retry_after: Duration::from_secs(120),
            max_replay_bytes: 1024 * 1024,
            attempt: Attempt::FIRST,
            counted: false,
        }
    }
}

impl Default for Standard {
    fn default() -> Self {
        Self::new()
    }
}

impl<C, R> Standard<C, R> {
    /// How a reply counts. Default: [`ByStatus`].
    pub fn classify<D>(self, classify: D) -> Standard<D, R>
    where
        D: Classify,
    {
        Standard {
            classify,
            repeat: self.repeat,
            max_attempts: self.max_attempts,
            backoff: self.backoff,
            budget: self.budget,
            max_retry_after: self.max_retry_after,
            max_replay_bytes: self.max_replay_bytes,
            attempt: self.attempt,
            counted: self.counted,
        }
    }

    /// Whether a request may be sent again. Default: [`Idempotent`].
    pub fn repeat<Q>(self, repeat: Q) -> Standard<C, Q> {
        Standard {
            classify: self.classify,
            repeat,
            max_attempts: self.max_attempts,
            backoff: self.backoff,
            budget: self.budget,
            max_retry_after: self.max_retry_after,
            max_replay_bytes: self.max_replay_bytes,
            attempt: self.attempt,
            counted: self.counted,
        }
    }

    /// How often a request is sent at most, the first time included; 1 never retries. Default: 3, since
    /// what has failed thrice will mostly fail a fourth time.
    #[must_use]
    pub const fn max_attempts(mut self, max_attempts: NonZeroU32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    /// How long to wait where the upstream does not say. Default: full jitter of 500 ms, doubling to 8 s.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How many retries there may be, over all calls of all clones. A budget can be shared between
    /// layers. Default: [`Budget::default`].
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// The longest `Retry-After` that is waited; a longer one ends the retries, and stands in the answer
    /// that is passed on. Default: 120 s, which is longer than most callers wait.
    #[must_use]
    pub const fn max_retry_after(mut self, max_retry_after: Duration) -> Self {
        self.max_retry_after = max_retry_after;
        self
    }

    /// The largest body that is kept to be sent again; a larger one is sent once. Default: 1 MiB, as
    /// much as `buffer` keeps.
    #[must_use]
    pub const fn max_replay_bytes(mut self, max_replay_bytes: usize) -> Self {
        self.max_replay_bytes = max_replay_bytes;
        self
    }

    /// The wait before the next attempt, once the reply is known to be one that another try could mend.
    #[cold]
    fn again<B>(&mut self, request: &Request<B>, reply: &Reply<'_>) -> Option<Wait>
    where
        R: Repeat<B>,
    {
        let attempt = self.attempt;
        if attempt.number() >= self.max_attempts.get()
            || !self.repeat.may_repeat(attempt, request, reply)
        {
            return None;
        }
        let wait = match told(reply) {
            Some(told) if told > self.max_retry_after => return None,
            Some(told) => told,
            None => self.backoff.wait(attempt.number()),
        };
        let now = Instant::now();
        if let Some(deadline) = Deadline::of(request.extensions())
            && deadline.remaining(now.into_std()) <= wait
        {
            return None;
        }
        if !self.budget.withdraw(now) {
            return None;
        }
        self.attempt = attempt.next();
        Some(Wait::until(now, wait))
    }
}

/// How long the upstream, or a layer that refused, asks to wait.
fn told(reply: &Reply<'_>) -> Option<Duration> {
    let refused = |error| cause_ref::<Refusal>(error).and_then(Refusal::wait);
    match reply.headers() {
        Some(headers) => retry_after(headers, SystemTime::now()),
        None => reply.error().and_then(refused),
    }
}

impl<B, C, R> Policy<B> for Standard<C, R>
where
    B: Known,
    C: Classify,
    R: Repeat<B>,
{
    type Wait = Wait;

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        let body = request.body();
        if body.bytes()?.len() > self.max_replay_bytes {
            return None;
        }
        let mut clone = Request::new(body.try_clone()?);
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.version_mut() = request.version();
        if !request.headers().is_empty() {
            *clone.headers_mut() = request.headers().clone();
        }
        if !request.extensions().is_empty() {
            *clone.extensions_mut() = request.extensions().clone();
        }
        Some(clone)
    }

    fn retry(&mut self, request: &Request<B>, reply: &Reply<'_>) -> Option<Wait> {
        if !mem::replace(&mut self.counted, true) {
            self.budget.count();
        }
        match self.classify.classify(reply) {
            Class::Transient => self.again(request, reply),
            Class::Success | Class::Permanent | Class::Ignored => None,
        }
    }

    fn wants_body(&self, reply: &Reply<'_>) -> bool {
        self.attempt.number() < self.max_attempts.get() && self.classify.wants_body(reply)
    }
}

impl<C, R> fmt::Debug for Standard<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standard")
            .field("max_attempts", &self.max_attempts)
            .field("backoff", &self.backoff)
            .field("budget", &self.budget)
            .field("max_retry_after", &self.max_retry_after)
            .field("max_replay_bytes", &self.max_replay_bytes)
            .finish_non_exhaustive()
    }
}

/// The wait of [`Standard`]. Without a wait it needs no timer and no runtime.
#[derive(Debug)]
pub struct Wait {
    // `None`: at once.
    until: Option<Instant>,
    timer: Timer,
}

impl Wait {
    fn until(now: Instant, wait: Duration) -> Self {
        Self {
            // Past the end of time is refused before, by the longest `Retry-After`; a backoff is shorter.
            until: now.checked_add(wait).filter(|_| !wait.is_zero()),
            timer: Timer::default(),
        }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.until
            .map_or(Poll::Ready(()), |until| this.timer.poll_until(until, cx))
    }
}
