use std::num::NonZeroU32;

/// Which try of a call this is; the first is 1.
///
/// A retry layer places it in the extensions of the requests that it sends. A layer further in that
/// finds it knows that somebody outside repeats already, and does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(NonZeroU32);

impl Attempt {
    /// The first try.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The number, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The try after this one; stays at the largest number.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_one() {
        assert_eq!(Attempt::default().number(), 1);
        assert_eq!(Attempt::FIRST.next().number(), 2);
    }
}
