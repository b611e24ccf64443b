use std::{
    fmt,
    future::Future,
    mem,
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
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
    rules: Arc<Rules<C, R>>,
    // Of this call.
    attempt: Attempt,
    counted: bool,
    out_of_budget: bool,
}

// Of all calls: each has a clone of the policy.
#[derive(Clone)]
struct Rules<C, R> {
    classify: C,
    repeat: R,
    max_attempts: NonZeroU32,
    backoff: Backoff,
    budget: Budget,
    max_retry_after: Duration,
    max_replay_bytes: usize,
}

impl Standard {
    /// The policy with its defaults, and a budget of its own.
    ///
    /// ```
    /// use blossom_layers::{body::ReqBody, retry::{Policy as _, Standard}, types::Reply};
    /// use http::{Request, StatusCode};
    ///
    /// let mut policy = Standard::new();
    /// let request = Request::new(ReqBody::empty());
    /// let failed = Reply::ended(StatusCode::BAD_GATEWAY);
    /// let retries = std::iter::from_fn(|| policy.retry(&request, &failed)).count();
    /// assert_eq!(retries, 2); // three attempts
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::of(Rules {
            classify: ByStatus,
            repeat: Idempotent,
            max_attempts: NonZeroU32::MIN.saturating_add(2),
            backoff: Backoff::default(),
            budget: Budget::default(),
            max_retry_after: Duration::from_secs(120),
            max_replay_bytes: 1024 * 1024,
        })
    }
}

impl Default for Standard {
    fn default() -> Self {
        Self::new()
    }
}

impl<C, R> Standard<C, R> {
    fn of(rules: Rules<C, R>) -> Self {
        Self {
            rules: Arc::new(rules),
            attempt: Attempt::FIRST,
            counted: false,
            out_of_budget: false,
        }
    }
}

impl<C: Clone, R: Clone> Standard<C, R> {
    fn with(mut self, set: impl FnOnce(&mut Rules<C, R>)) -> Self {
        set(Arc::make_mut(&mut self.rules));
        self
    }

    /// How a reply counts. Default: [`ByStatus`].
    ///
    /// ```
    /// use blossom_layers::{body::ReqBody, retry::{Policy as _, Standard}, types::{Class, Reply}};
    /// use http::{Request, StatusCode};
    ///
    /// // What was just made may not be found yet.
    /// let classify = |reply: &Reply<'_>| match reply.status() {
    ///     Some(StatusCode::NOT_FOUND) => Class::Transient,
    ///     _ => Class::Success,
    /// };
    /// let reply = Reply::ended(StatusCode::NOT_FOUND);
    /// let request = Request::new(ReqBody::empty());
    /// assert!(Standard::new().classify(classify).retry(&request, &reply).is_some());
    /// ```
    pub fn classify<D>(self, classify: D) -> Standard<D, R>
    where
        D: Classify,
    {
        let rules = Arc::unwrap_or_clone(self.rules);
        Standard::of(Rules {
            classify,
            repeat: rules.repeat,
            max_attempts: rules.max_attempts,
            backoff: rules.backoff,
            budget: rules.budget,
            max_retry_after: rules.max_retry_after,
            max_replay_bytes: rules.max_replay_bytes,
        })
    }

    /// Whether a request may be sent again. Default: [`Idempotent`].
    ///
    /// ```
    /// use blossom_layers::{
    ///     body::ReqBody,
    ///     retry::{Policy as _, Standard},
    ///     types::{Attempt, Reply},
    /// };
    /// use http::{Request, StatusCode};
    ///
    /// // A path that nobody may ask twice.
    /// let repeat = |_: Attempt, request: &Request<ReqBody>, _: &Reply<'_>| {
    ///     request.uri().path() != "/"
    /// };
    /// let reply = Reply::ended(StatusCode::BAD_GATEWAY);
    /// let request = Request::new(ReqBody::empty());
    /// assert!(Standard::new().repeat(repeat).retry(&request, &reply).is_none());
    /// ```
    pub fn repeat<Q>(self, repeat: Q) -> Standard<C, Q> {
        let rules = Arc::unwrap_or_clone(self.rules);
        Standard::of(Rules {
            classify: rules.classify,
            repeat,
            max_attempts: rules.max_attempts,
            backoff: rules.backoff,
            budget: rules.budget,
            max_retry_after: rules.max_retry_after,
            max_replay_bytes: rules.max_replay_bytes,
        })
    }

    /// How often a request is sent at most, the first time included; 1 never retries. Default: 3, since
    /// what has failed thrice will mostly fail a fourth time.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    ///
    /// use blossom_layers::{body::ReqBody, retry::{Policy as _, Standard}, types::Reply};
    /// use http::{Request, StatusCode};
    ///
    /// let mut policy = Standard::new().max_attempts(NonZeroU32::MIN.saturating_add(4));
    /// let request = Request::new(ReqBody::empty());
    /// let failed = Reply::ended(StatusCode::BAD_GATEWAY);
    /// let retries = std::iter::from_fn(|| policy.retry(&request, &failed)).count();
    /// assert_eq!(retries, 4);
    /// ```
    #[must_use]
    pub fn max_attempts(self, max_attempts: NonZeroU32) -> Self {
        self.with(|rules| rules.max_attempts = max_attempts)
    }

    /// How long to wait where the upstream does not say. Default: full jitter of 500 ms, doubling to 8 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::{Request, StatusCode};
    /// # use tokio::time::Instant;
    /// use blossom_layers::{
    ///     backoff::Backoff,
    ///     body::ReqBody,
    ///     retry::{Policy as _, Standard},
    ///     types::Reply,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    /// let mut policy = Standard::new().backoff(backoff);
    /// # let request = Request::new(ReqBody::empty());
    /// let start = Instant::now();
    /// if let Some(wait) = policy.retry(&request, &Reply::ended(StatusCode::BAD_GATEWAY)) {
    ///     wait.await;
    /// }
    /// assert!(start.elapsed() <= Duration::from_millis(51)); // a timer ends on the millisecond
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.with(|rules| rules.backoff = backoff)
    }

    /// How many retries there may be, over all calls of all clones. A budget can be shared between
    /// layers. Default: [`Budget::default`].
    ///
    /// ```
    /// use blossom_layers::{body::ReqBody, retry::{Budget, Policy as _, Standard}, types::Reply};
    /// use http::{Request, StatusCode};
    ///
    /// let budget = Budget::new(0, 1);
    /// let policy = Standard::new().budget(budget.clone());
    /// let request = Request::new(ReqBody::empty());
    /// let failed = Reply::ended(StatusCode::BAD_GATEWAY);
    /// assert!(policy.clone().retry(&request, &failed).is_some());
    /// assert!(policy.clone().retry(&request, &failed).is_none());
    /// assert_eq!((budget.stats().allowed, budget.stats().refused), (1, 1));
    /// ```
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.with(|rules| rules.budget = budget)
    }

    /// The longest `Retry-After` that is waited; a longer one ends the retries, and stands in the answer
    /// that is passed on. Default: 120 s, which is longer than most callers wait.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::{body::ReqBody, retry::{Policy as _, Standard}, types::Reply};
    /// use http::{HeaderMap, HeaderValue, Request, StatusCode, header::RETRY_AFTER};
    ///
    /// let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("60"))]);
    /// let busy = Reply::head(StatusCode::TOO_MANY_REQUESTS, &headers);
    /// let request = Request::new(ReqBody::empty());
    /// assert!(Standard::new().retry(&request, &busy).is_some());
    ///
    /// let mut impatient = Standard::new().max_retry_after(Duration::from_secs(30));
    /// assert!(impatient.retry(&request, &busy).is_none());
    /// ```
    #[must_use]
    pub fn max_retry_after(self, max_retry_after: Duration) -> Self {
        self.with(|rules| rules.max_retry_after = max_retry_after)
    }

    /// The largest body that is kept to be sent again; a larger one is sent once. Default: 1 MiB, as
    /// much as `buffer` keeps.
    ///
    /// ```
    /// use blossom_layers::{body::ReqBody, retry::{Policy as _, Standard}};
    /// use http::Request;
    ///
    /// let mut policy = Standard::new().max_replay_bytes(4);
    /// assert!(policy.clone_request(&Request::new(ReqBody::from("hi"))).is_some());
    /// assert!(policy.clone_request(&Request::new(ReqBody::from("hello"))).is_none());
    /// ```
    #[must_use]
    pub fn max_replay_bytes(self, max_replay_bytes: usize) -> Self {
        self.with(|rules| rules.max_replay_bytes = max_replay_bytes)
    }
}

impl<C, R> Standard<C, R> {
    /// The wait before the next attempt, once the reply is known to be one that another try could mend.
    #[cold]
    fn again<B>(&mut self, request: &Request<B>, reply: &Reply<'_>) -> Option<Wait>
    where
        R: Repeat<B>,
    {
        let attempt = self.attempt;
        if attempt.number() >= self.rules.max_attempts.get()
            || !self.rules.repeat.may_repeat(attempt, request, reply)
        {
            return None;
        }
        let wait = match told(reply) {
            Some(told) if told > self.rules.max_retry_after => return None,
            Some(told) => told,
            None => self.rules.backoff.wait(attempt.number()),
        };
        let now = Instant::now();
        if let Some(deadline) = Deadline::of(request.extensions())
            && deadline.remaining(now.into_std()) <= wait
        {
            return None;
        }
        self.out_of_budget = !self.rules.budget.withdraw(now);
        if self.out_of_budget {
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

    #[inline]
    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        let body = request.body();
        if body.bytes()?.len() > self.rules.max_replay_bytes {
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
            self.rules.budget.count();
        }
        match self.rules.classify.classify(reply) {
            Class::Transient => self.again(request, reply),
            Class::Success | Class::Permanent | Class::Ignored => None,
        }
    }

    fn wants_body(&self, reply: &Reply<'_>) -> bool {
        self.attempt.number() < self.rules.max_attempts.get()
            && self.rules.classify.wants_body(reply)
    }

    fn is_out_of_budget(&self) -> bool {
        self.out_of_budget
    }
}

impl<C, R> fmt::Debug for Standard<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standard")
            .field("max_attempts", &self.rules.max_attempts)
            .field("backoff", &self.rules.backoff)
            .field("budget", &self.rules.budget)
            .field("max_retry_after", &self.rules.max_retry_after)
            .field("max_replay_bytes", &self.rules.max_replay_bytes)
            .finish_non_exhaustive()
    }
}

/// The wait of [`Standard`]. Without a wait it needs no timer and no runtime.
///
/// ```
/// # use std::time::Duration;
/// # use http::{HeaderMap, HeaderValue, Request, StatusCode, header::RETRY_AFTER};
/// # use tokio::time::Instant;
/// use blossom_layers::{body::ReqBody, retry::{Policy as _, Standard, Wait}, types::Reply};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("7"))]);
/// let busy = Reply::head(StatusCode::TOO_MANY_REQUESTS, &headers);
/// let wait: Option<Wait> = Standard::new().retry(&Request::new(ReqBody::empty()), &busy);
///
/// let start = Instant::now();
/// if let Some(wait) = wait {
///     wait.await;
/// }
/// assert_eq!(start.elapsed().as_secs(), 7);
/// # Ok(())
/// # }
/// ```
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
