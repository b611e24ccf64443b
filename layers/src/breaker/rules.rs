use std::{num::NonZeroU32, time::Duration};

/// When a circuit opens, and how it closes again.
///
/// ```
/// use std::{num::NonZeroU32, time::Duration};
///
/// use blossom_layers::breaker::Rules;
///
/// let rules = Rules::new().in_a_row(NonZeroU32::MIN).open(Duration::from_secs(1));
/// assert_ne!(rules, Rules::new());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub(super) percent: NonZeroU32,
    pub(super) min_calls: NonZeroU32,
    pub(super) window: Duration,
    pub(super) in_a_row: NonZeroU32,
    pub(super) open: Duration,
    pub(super) probes: NonZeroU32,
}

impl Rules {
    /// Opens when half of at least 20 calls in 30 s have failed, or 10 in a row; for 15 s; then 3 probes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            percent: number(50),
            min_calls: number(20),
            window: Duration::from_secs(30),
            in_a_row: number(10),
            open: Duration::from_secs(15),
            probes: number(3),
        }
    }

    /// Never opens by itself, only by [`trip`](super::BreakerHandle::trip).
    #[must_use]
    pub const fn never() -> Self {
        Self::new()
            .percent(NonZeroU32::MAX)
            .in_a_row(NonZeroU32::MAX)
    }

    /// The share of calls that must fail, in percent; over 100, a share never opens it. Default: 50.
    #[must_use]
    pub const fn percent(mut self, percent: NonZeroU32) -> Self {
        self.percent = percent;
        self
    }

    /// The fewest calls in the window of which a share says anything. Default: 20.
    #[must_use]
    pub const fn min_calls(mut self, min_calls: NonZeroU32) -> Self {
        self.min_calls = min_calls;
        self
    }

    /// How long a call counts for the share, in steps of a tenth. Default: 30 s.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many failures in a row open it, whatever their share. Default: 10.
    #[must_use]
    pub const fn in_a_row(mut self, in_a_row: NonZeroU32) -> Self {
        self.in_a_row = in_a_row;
        self
    }

    /// How long it stays open before it is tried. Default: 15 s. Zero tries at once.
    #[must_use]
    pub const fn open(mut self, open: Duration) -> Self {
        self.open = open;
        self
    }

    /// How many probes there are, all of which must succeed. Default: 3.
    #[must_use]
    pub const fn probes(mut self, probes: NonZeroU32) -> Self {
        self.probes = probes;
        self
    }

    /// How long it stays open.
    #[must_use]
    pub const fn time_open(&self) -> Duration {
        self.open
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

const fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(number - 1)
}
