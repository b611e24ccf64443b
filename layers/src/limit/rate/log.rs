use std::collections::VecDeque;

/// What was admitted in the last period, one by one.
#[derive(Debug, Clone)]
pub(super) struct Log {
    limit: u64,
    period: u64,
    // Entries of one slot become one, at the time of the last: on the safe side.
    slot: u64,
    // Time and amount, oldest first.
    entries: VecDeque<(u64, u64)>,
    sum: u64,
}

/// The most entries that are kept.
const ENTRIES: u64 = 10_000;

impl Log {
    pub(super) const fn new(limit: u64, period: u64) -> Self {
        Self {
            limit,
            period,
            slot: if limit > ENTRIES { period / ENTRIES } else { 0 },
            entries: VecDeque::new(),
            sum: 0,
        }
    }

    /// Forgets what is a period old: a window is open at its end.
    fn forget(&mut self, now: u64) {
        while let Some((at, amount)) = self.entries.front()
            && at.saturating_add(self.period) <= now
        {
            self.sum -= amount;
            self.entries.pop_front();
        }
    }

    pub(super) fn earliest(&mut self, amount: u64, now: u64) -> u64 {
        self.forget(now);
        let mut over = self.sum.saturating_add(amount).saturating_sub(self.limit);
        if over == 0 {
            return now;
        }
        for (at, amount) in &self.entries {
            over = over.saturating_sub(*amount);
            if over == 0 {
                return at.saturating_add(self.period);
            }
        }
        now
    }

    /// As [`earliest`](Self::earliest), of more than goes in one period.
    pub(super) fn earliest_of_many(&mut self, amount: u64, now: u64) -> u64 {
        let periods = amount.saturating_sub(1) / self.limit.max(1);
        let rest = amount - periods * self.limit;
        self.earliest(rest, now)
            .saturating_add(periods.saturating_mul(self.period))
    }

    pub(super) fn take(&mut self, amount: u64, now: u64) {
        self.forget(now);
        self.sum = self.sum.saturating_add(amount);
        match self.entries.back_mut() {
            Some((at, last)) if same_slot(self.slot, *at, now) => {
                *at = now;
                *last = last.saturating_add(amount);
            }
            _ => self.entries.push_back((now, amount)),
        }
    }

    pub(super) fn give_back(&mut self, unused: u64, at: u64) {
        // The first entry that is not older holds it, if it is still there.
        let index = self.entries.partition_point(|(entry, _)| *entry < at);
        let slot = self.slot;
        if let Some((entry, amount)) = self.entries.get_mut(index)
            && same_slot(slot, *entry, at)
        {
            let back = unused.min(*amount);
            *amount -= back;
            self.sum -= back;
        }
    }

    pub(super) fn owe(&mut self, extra: u64, now: u64) {
        self.forget(now);
        let most = self.limit.saturating_mul(2).saturating_sub(self.sum);
        let extra = extra.min(most);
        if extra > 0 {
            self.take(extra, now);
        }
    }

    pub(super) fn available(&mut self, now: u64) -> u64 {
        self.forget(now);
        self.limit.saturating_sub(self.sum)
    }

    pub(super) fn is_empty(&mut self, now: u64) -> bool {
        self.forget(now);
        self.sum == 0
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

fn same_slot(slot: u64, one: u64, other: u64) -> bool {
    one == other || slot > 0 && one / slot == other / slot
}
