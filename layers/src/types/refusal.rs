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
    #[must_use]
    pub const fn new(kind: RefusalKind) -> Self {
        Self {
            kind,
            retry_after: None,
            queued: false,
        }
    }

    /// Says when to come back.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says of a clock that it fired while the request still waited here for its turn.
    #[must_use]
    pub const fn queued(mut self) -> Self {
        self.queued = true;
        self
    }

    /// Whether the request certainly never left: it was refused, or given up in a queue.
    ///
    /// What was reserved for it can be given back, and it can be sent again at no risk.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        self.queued || !matches!(self.kind, RefusalKind::Timeout)
    }

    /// What kind it is.
    #[must_use]
    pub const fn kind(&self) -> RefusalKind {
        self.kind
    }

    /// When to come back.
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
