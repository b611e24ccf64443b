use std::{error, fmt, time::Duration};

/// Why a layer refused or gave up, in the terms of an answer.
///
/// Error structs of layers hold one and give it as their `source`. `respond`, and anyone else, finds
/// it with [`cause_ref`](crate::cause_ref) however the error was wrapped, without knowing the layer.
///
/// ```
/// use std::{error::Error, fmt, time::Duration};
///
/// use blossom_layers::{cause_ref, types::{Refusal, RefusalKind}};
///
/// #[derive(Debug)]
/// struct Closed(Refusal);
///
/// impl fmt::Display for Closed {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("closed") }
/// }
/// impl Error for Closed {
///     fn source(&self) -> Option<&(dyn Error + 'static)> { Some(&self.0) }
/// }
///
/// let refusal = Refusal::new(RefusalKind::Overloaded).retry_after(Duration::from_secs(1));
/// assert_eq!(cause_ref(&Closed(refusal)), Some(&refusal));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusal {
    kind: RefusalKind,
    retry_after: Option<Duration>,
    queued: bool,
}

/// What kind of refusal a [`Refusal`] is.
///
/// ```
/// use blossom_layers::types::{Refusal, RefusalKind};
///
/// let status = |refusal: &Refusal| match refusal.kind() {
///     RefusalKind::RateLimited => 429,
///     RefusalKind::TooLarge => 413,
///     _ => 503,
/// };
/// assert_eq!(status(&Refusal::new(RefusalKind::RateLimited)), 429);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// A clock fired.
    Timeout,
    /// Too much is under way.
    Overloaded,
    /// A quota allows no more for now.
    RateLimited,
    /// The request is larger than what is taken.
    TooLarge,
    /// The upstream is known to be down.
    Unavailable,
    /// A budget of money allows no more for now.
    Spent,
}

impl Refusal {
    /// A refusal that does not say when to come back.
    ///
    /// ```
    /// use blossom_layers::types::{Refusal, RefusalKind};
    ///
    /// let refusal = Refusal::new(RefusalKind::Unavailable);
    /// assert_eq!(refusal.wait(), None);
    /// assert_eq!(refusal.to_string(), "the upstream is not available");
    /// ```
    #[must_use]
    pub const fn new(kind: RefusalKind) -> Self {
        Self {
            kind,
            retry_after: None,
            queued: false,
        }
    }

    /// Says when to come back.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::types::{Refusal, RefusalKind};
    ///
    /// let refusal = Refusal::new(RefusalKind::Overloaded).retry_after(Duration::from_secs(1));
    /// assert_eq!(refusal.wait(), Some(Duration::from_secs(1)));
    /// ```
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says of a clock that it fired while the request still waited here for its turn.
    ///
    /// ```
    /// use blossom_layers::types::{Refusal, RefusalKind};
    ///
    /// assert!(Refusal::new(RefusalKind::Timeout).queued().is_unsent());
    /// ```
    #[must_use]
    pub const fn queued(mut self) -> Self {
        self.queued = true;
        self
    }

    /// Whether the request certainly never left: it was refused, or given up in a queue.
    ///
    /// What was reserved for it can be given back, and it can be sent again at no risk.
    ///
    /// ```
    /// use blossom_layers::types::{Refusal, RefusalKind};
    ///
    /// assert!(Refusal::new(RefusalKind::RateLimited).is_unsent());
    /// // The upstream may be at work on it.
    /// assert!(!Refusal::new(RefusalKind::Timeout).is_unsent());
    /// ```
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        self.queued || !matches!(self.kind, RefusalKind::Timeout)
    }

    /// What kind it is.
    ///
    /// ```
    /// use blossom_layers::types::{Refusal, RefusalKind};
    ///
    /// assert_eq!(Refusal::new(RefusalKind::Spent).kind(), RefusalKind::Spent);
    /// ```
    #[must_use]
    pub const fn kind(&self) -> RefusalKind {
        self.kind
    }

    /// When to come back.
    ///
    /// ```
    /// use blossom_layers::types::{Refusal, RefusalKind};
    ///
    /// // Another try is of no use, however late.
    /// assert_eq!(Refusal::new(RefusalKind::TooLarge).wait(), None);
    /// ```
    #[must_use]
    pub const fn wait(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RefusalKind::Timeout => "it took too long",
            RefusalKind::Overloaded => "too much is under way",
            RefusalKind::RateLimited => "too many requests",
            RefusalKind::TooLarge => "the request is too large",
            RefusalKind::Unavailable => "the upstream is not available",
            RefusalKind::Spent => "the budget is spent",
        })
    }
}

impl error::Error for Refusal {}
