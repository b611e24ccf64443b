/// A burst, then a steady pace: the generic cell rate algorithm.
///
/// With a limit of N, a burst of b and a period of T the pace is (N - b + 1) / T, so that a burst and
/// what follows it stay within N in every window of T (open at one end): b at once, and one in each
/// T / (N - b + 1) after that, of which the last of a further N - b + 1 falls on the end of the window.
///
/// An amount above b goes when the pace would have allowed what exceeds b beside a full burst. That
/// keeps the promise for amounts of any size, and for an amount of up to b it is the usual rule.
///
/// Everything is counted in nanoseconds times (N - b + 1), in which one unit is worth exactly T.
#[derive(Debug, Clone)]
pub(super) struct Paced {
    limit: u128,
    burst: u128,
    // Units per period.
    pace: u128,
    period: u128,
    // The time by which all that was taken is made up for. Times are later by one period, so that a
    // new one has rested for as long as matters.
    made_up: u128,
}

impl Paced {
    pub(super) fn new(limit: u64, period: u64, burst: Option<u64>) -> Self {
        let burst = burst.unwrap_or(limit / 20).clamp(1, limit.max(1));
        Self {
            limit: limit.into(),
            burst: burst.into(),
            pace: u128::from(limit.max(1) - burst) + 1,
            period: period.into(),
            made_up: 0,
        }
    }

    const fn scaled(&self, now: u64) -> u128 {
        (now as u128 + self.period) * self.pace
    }

    pub(super) const fn earliest(&self, amount: u64, now: u64) -> u64 {
        let due = self
            .made_up
            .saturating_add(amount as u128 * self.period)
            .saturating_sub(self.burst * self.period);
        if due <= self.scaled(now) {
            return now;
        }
        // Never before `now`, and in time: it fits.
        let at = due.div_ceil(self.pace) - self.period;
        if at > u64::MAX as u128 {
            u64::MAX
        } else {
            narrow(at)
        }
    }

    pub(super) fn take(&mut self, amount: u64, now: u64) {
        let from = self.made_up.max(self.scaled(now));
        self.made_up = from.saturating_add(u128::from(amount) * self.period);
    }

    /// Only what has not been made up for since: at most all that was taken less what the pace makes
    /// up in the time since. So it never gives back what was used, whatever else has come and gone.
    pub(super) fn give_back(&mut self, unused: u64, taken: u64, at: u64, now: u64) {
        let since = u128::from(now.saturating_sub(at)) * self.pace;
        let left = (u128::from(taken) * self.period).saturating_sub(since);
        let back = left.min(u128::from(unused) * self.period);
        self.made_up = self.made_up.saturating_sub(back);
    }

    pub(super) fn owe(&mut self, extra: u64, now: u64) {
        let now = self.scaled(now);
        let most = now.saturating_add((self.limit + self.burst) * self.period);
        let extra = u128::from(extra).min(self.limit) * self.period;
        let owed = self.made_up.max(now).saturating_add(extra);
        self.made_up = owed.min(most.max(self.made_up));
    }

    pub(super) fn available(&self, now: u64) -> u64 {
        let room = self
            .scaled(now)
            .saturating_add(self.burst * self.period)
            .saturating_sub(self.made_up);
        narrow((room / self.period).min(self.limit))
    }

    /// Amounts of one rest when the burst is whole again; larger ones when all of the limit is.
    pub(super) fn is_at_rest(&self, only_ones: bool, now: u64) -> bool {
        let rest = if only_ones {
            0
        } else {
            (self.limit - self.burst.min(self.limit)) * self.period
        };
        self.made_up.saturating_add(rest) <= self.scaled(now)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "no caller has more than 64 bits"
)]
const fn narrow(value: u128) -> u64 {
    value as u64
}
