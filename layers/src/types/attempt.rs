use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// Which try of a call this is; the first is 1.
///
/// A retry layer places it in the extensions of the requests that it sends again, and of the reply to
/// the last of them; a request without it is the first. Only one of several retry layers repeats a
/// call: the innermost, and none further out where it says so.
///
/// ```
/// use blossom_layers::types::Attempt;
///
/// // A request that bears none is the first.
/// let request = http::Request::new(());
/// let attempt: Attempt = request.extensions().get().copied().unwrap_or_default();
/// assert_eq!(attempt, Attempt::FIRST);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(NonZeroU32);

impl Attempt {
    /// The first try.
    ///
    /// ```
    /// use blossom_layers::types::Attempt;
    ///
    /// assert_eq!(Attempt::FIRST, Attempt::default());
    /// ```
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The number, from 1.
    ///
    /// ```
    /// use blossom_layers::types::Attempt;
    ///
    /// assert_eq!(Attempt::FIRST.number(), 1);
    /// ```
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The try after this one; stays at the largest number.
    ///
    /// ```
    /// use blossom_layers::types::Attempt;
    ///
    /// let second = Attempt::FIRST.next();
    /// assert!(second > Attempt::FIRST);
    /// assert_eq!(second.number(), 2);
    /// ```
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Default for Attempt {
    fn default() -> Self {
        Self::FIRST
    }
}

/// A count of the attempts of one call, shared with whoever placed it in the request.
///
/// A retry layer says how many attempts there were in what it gives back. Who gives up on a call before
/// that, because a clock of its own has fired, places one of these in the extensions of the request and
/// reads it then.
///
/// ```
/// use blossom_layers::types::{Attempt, Attempts};
///
/// let attempts = Attempts::default();
/// let clone = attempts.clone();
/// assert_eq!(attempts.last(), None);
/// clone.begin(Attempt::FIRST.next());
/// assert_eq!(attempts.last(), Some(Attempt::FIRST.next()));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Attempts(Arc<AtomicU32>);

impl Attempts {
    /// Notes that an attempt has begun.
    ///
    /// ```
    /// use blossom_layers::types::{Attempt, Attempts};
    ///
    /// let attempts = Attempts::default();
    /// attempts.begin(Attempt::FIRST);
    /// assert_eq!(attempts.last(), Some(Attempt::FIRST));
    /// ```
    pub fn begin(&self, attempt: Attempt) {
        self.0.store(attempt.number(), Ordering::Relaxed);
    }

    /// The attempt that began last, if anybody counts.
    ///
    /// ```
    /// use blossom_layers::types::Attempts;
    ///
    /// // Nobody counts.
    /// assert_eq!(Attempts::default().last(), None);
    /// ```
    #[must_use]
    pub fn last(&self) -> Option<Attempt> {
        NonZeroU32::new(self.0.load(Ordering::Relaxed)).map(Attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_one() {
        assert_eq!(Attempt::default().number(), 1);
        assert_eq!(Attempt::FIRST.next().number(), 2);
    }
}
