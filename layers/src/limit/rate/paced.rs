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
    limit: u64,
    // Units per period.
    pace: u64,
    period: u64,
    // A whole burst, scaled.
    burst: u128,
    // The time by which all that was taken is made up for. Times are later by one period, so that a
    // new one has rested for as long as matters.
    made_up: u128,
}

impl Paced {
    pub(super) fn new(limit: u64, period: u64, burst: Option<u64>) -> Self {
        let burst = burst.unwrap_or(limit / 20).clamp(1, limit.max(1));
        Self {
            limit,
            // No overflow: a burst is at least 1.
            pace: limit.max(1) - (burst - 1),
            period,
            burst: scale(burst, period),
            made_up: 0,
        }
    }

    const fn scaled(&self, now: u64) -> u128 {
        scale(now.saturating_add(self.period), self.pace)
    }

    const fn after(&self, amount: u64) -> u128 {
        self.made_up.saturating_add(scale(amount, self.period))
    }

    pub(super) const fn allows(&self, amount: u64, now: u64) -> bool {
        self.after(amount) <= self.scaled(now).saturating_add(self.burst)
    }

    pub(super) const fn earliest(&self, amount: u64, now: u64) -> u64 {
        if self.allows(amount, now) {
            return now;
        }
        let due = self.after(amount).saturating_sub(self.burst);
        let at = due
            .div_ceil(self.pace as u128)
            .saturating_sub(self.period as u128);
        if at > u64::MAX as u128 {
            u64::MAX
        } else {
            narrow(at)
        }
    }

    /// [`allows`](Self::allows) and [`take`](Self::take) in one.
    #[inline]
    pub(super) fn try_take(&mut self, amount: u64, now: u64) -> bool {
        let (now, amount) = (self.scaled(now), scale(amount, self.period));
        let granted = self.made_up.saturating_add(amount) <= now.saturating_add(self.burst);
        if granted {
            self.made_up = self.made_up.max(now).saturating_add(amount);
        }
        granted
    }

    pub(super) fn take(&mut self, amount: u64, now: u64) {
        let from = self.made_up.max(self.scaled(now));
        self.made_up = from.saturating_add(scale(amount, self.period));
    }

    /// Only what has not been made up for since: at most all that was taken less what the pace makes
    /// up in the time since. So it never gives back what was used, whatever else has come and gone.
    pub(super) fn give_back(&mut self, unused: u64, taken: u64, at: u64, now: u64) {
        let since = scale(now.saturating_sub(at), self.pace);
        let left = scale(taken, self.period).saturating_sub(since);
        let back = left.min(scale(unused, self.period));
        self.made_up = self.made_up.saturating_sub(back);
    }

    pub(super) fn owe(&mut self, extra: u64, now: u64) {
        let now = self.scaled(now);
        let limit = scale(self.limit, self.period);
        let most = now.saturating_add(limit).saturating_add(self.burst);
        let extra = scale(extra.min(self.limit), self.period);
        let owed = self.made_up.max(now).saturating_add(extra);
        self.made_up = owed.min(most.max(self.made_up));
    }

    /// Amounts of one go while a burst lasts; a larger one may have all that a rest has saved up.
    pub(super) fn available(&self, only_ones: bool, now: u64) -> u64 {
        let now = self.scaled(now);
        let taken = if only_ones {
            self.made_up.max(now)
        } else {
            self.made_up
        };
        let room = now.saturating_add(self.burst).saturating_sub(taken);
        narrow((room / u128::from(self.period)).min(self.limit.into()))
    }

    /// Amounts of one rest when the burst is whole again; larger ones when all of the limit is.
    pub(super) fn is_at_rest(&self, only_ones: bool, now: u64) -> bool {
        let rest = if only_ones {
            0
        } else {
            scale(self.limit, self.period).saturating_sub(self.burst)
        };
        self.made_up.saturating_add(rest) <= self.scaled(now)
    }
}

const fn scale(a: u64, b: u64) -> u128 {
    a as u128 * b as u128
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "no caller has more than 64 bits"
)]
const fn narrow(value: u128) -> u64 {
    value as u64
}
