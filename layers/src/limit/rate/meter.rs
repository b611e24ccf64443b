//! What is left of one quota. Pure: times are nanoseconds that the caller gives.

use super::{
    log::Log,
    paced::Paced,
    quota::{Quota, Shape, Unit},
};

/// What is left of one quota of one part.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    unit: Unit,
    limit: u64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// The period is zero.
    Unlimited,
    Paced(Paced),
    Log(Log),
}

/// A third of the time that a counter of nanoseconds has: nearly two hundred years.
const LONGEST_PERIOD: u64 = u64::MAX / 3;

impl Meter {
    pub(super) fn new(quota: &Quota) -> Self {
        let period = u64::try_from(quota.period().as_nanos()).unwrap_or(u64::MAX);
        let period = period.min(LONGEST_PERIOD);
        let limit = quota.limit();
        let kind = match quota.shape {
            _ if period == 0 => Kind::Unlimited,
            Shape::Paced { burst } => Kind::Paced(Paced::new(limit, period, burst)),
            Shape::Exact => Kind::Log(Log::new(limit, period)),
        };
        Self {
            unit: quota.unit(),
            limit,
            kind,
        }
    }

    pub(super) const fn unit(&self) -> Unit {
        self.unit
    }

    /// Takes `amount` if it may go now.
    #[inline]
    pub(super) fn try_take(&mut self, amount: u64, now: u64) -> bool {
        if let Kind::Paced(paced) = &mut self.kind
            && amount > 0
        {
            return amount <= self.limit && paced.try_take(amount, now);
        }
        let granted = self.allows(amount, now);
        if granted {
            self.take(amount, now);
        }
        granted
    }

    /// Whether `amount` may go now.
    pub(super) fn allows(&mut self, amount: u64, now: u64) -> bool {
        match &mut self.kind {
            Kind::Unlimited => true,
            _ if amount > self.limit => false,
            _ if amount == 0 => true,
            Kind::Paced(paced) => paced.allows(amount, now),
            Kind::Log(log) => log.earliest(amount, now) == now,
        }
    }

    /// When `amount` may go, if nothing else goes before; `None` if it never may.
    pub(super) fn earliest(&mut self, amount: u64, now: u64) -> Option<u64> {
        match &mut self.kind {
            Kind::Unlimited => Some(now),
            _ if amount > self.limit => None,
            _ if amount == 0 => Some(now),
            Kind::Paced(paced) => Some(paced.earliest(amount, now)),
            Kind::Log(log) => Some(log.earliest(amount, now)),
        }
    }

    /// The soonest that `amount` can go after `queued` has gone, whatever their sizes.
    pub(super) fn earliest_after(&mut self, queued: u64, amount: u64, now: u64) -> u64 {
        let all = queued.saturating_add(amount);
        match &mut self.kind {
            Kind::Unlimited => now,
            _ if amount == 0 => now,
            Kind::Paced(paced) => paced.earliest(all, now),
            Kind::Log(log) => log.earliest_of_many(all, now),
        }
    }

    /// Takes `amount`, which may go now.
    pub(super) fn take(&mut self, amount: u64, now: u64) {
        match &mut self.kind {
            Kind::Paced(paced) if amount > 0 => paced.take(amount, now),
            Kind::Log(log) if amount > 0 => log.take(amount, now),
            _ => {}
        }
    }

    /// Gives back `unused` of the `taken` at `at`.
    pub(super) fn give_back(&mut self, unused: u64, taken: u64, at: u64, now: u64) {
        match &mut self.kind {
            Kind::Unlimited => {}
            Kind::Paced(paced) => paced.give_back(unused, taken, at, now),
            Kind::Log(log) => log.give_back(unused, at),
        }
    }

    /// Takes what was used beyond what was taken, whether or not it is there; debts end at one limit.
    pub(super) fn owe(&mut self, extra: u64, now: u64) {
        match &mut self.kind {
            Kind::Unlimited => {}
            Kind::Paced(paced) => paced.owe(extra, now),
            Kind::Log(log) => log.owe(extra, now),
        }
    }

    /// How much could go now.
    pub(super) fn available(&mut self, now: u64) -> u64 {
        match &mut self.kind {
            Kind::Unlimited => u64::MAX,
            Kind::Paced(paced) => paced.available(self.unit == Unit::Requests, now),
            Kind::Log(log) => log.available(now),
        }
    }

    /// Whether it is as good as new, so that it can be forgotten.
    pub(super) fn is_at_rest(&mut self, now: u64) -> bool {
        match &mut self.kind {
            Kind::Unlimited => true,
            Kind::Paced(paced) => paced.is_at_rest(self.unit == Unit::Requests, now),
            Kind::Log(log) => log.is_empty(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const PERIOD: u64 = 60_000_000_000;

    fn meter(quota: Quota) -> Meter {
        Meter::new(&quota)
    }

    fn tokens(limit: u64) -> Quota {
        Quota::tokens(limit, Duration::from_nanos(PERIOD))
    }

    /// Takes `amount` as soon as it may go.
    fn take_when_allowed(meter: &mut Meter, amount: u64, now: u64) -> u64 {
        let at = meter.earliest(amount, now).unwrap();
        assert_eq!(
            meter.earliest(amount, at),
            Some(at),
            "it goes when it was said to"
        );
        meter.take(amount, at);
        at
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_is_paced() {
        let mut meter = meter(tokens(60));
        let times: Vec<_> = (0..60)
            .map(|_| take_when_allowed(&mut meter, 1, 0))
            .collect();

        // A twentieth of 60, then one each 60 s / 58.
        assert!(times[..3].iter().all(|at| *at == 0));
        assert_eq!(times[3], PERIOD.div_ceil(58));
        assert_eq!(
            times[59],
            (57 * PERIOD).div_ceil(58),
            "all within one period"
        );
        assert!(take_when_allowed(&mut meter, 1, 0) >= PERIOD);
    }

    #[test]
    fn more_than_a_burst_goes_when_the_pace_has_made_room() {
        let mut meter = meter(tokens(100).burst(10));
        assert_eq!(
            take_when_allowed(&mut meter, 100, 0),
            0,
            "after a long rest"
        );
        assert_eq!(
            take_when_allowed(&mut meter, 10, 0),
            (100 * PERIOD).div_ceil(91)
        );
        assert_eq!(meter.earliest(101, 0), None);
    }

    #[test]
    fn the_log_has_all_of_the_limit_at_once() {
        let mut meter = meter(tokens(60).exact());
        for _ in 0..60 {
            assert_eq!(take_when_allowed(&mut meter, 1, 5), 5);
        }
        assert_eq!(take_when_allowed(&mut meter, 1, 6), 5 + PERIOD);
    }

    #[test]
    fn what_was_not_used_comes_back_while_it_is_not_made_up_for() {
        let mut paced = meter(tokens(600).burst(600));
        paced.take(600, 0);
        paced.give_back(600, 600, 0, 0);
        assert_eq!(paced.available(0), 600);

        // One each minute: half a minute has made up for half a token.
        let mut paced = meter(tokens(600).burst(600));
        paced.take(4, 0);
        paced.give_back(4, 4, 0, PERIOD / 2);
        assert_eq!(paced.available(PERIOD / 2), 600);
        paced.take(600, PERIOD / 2);
        assert_eq!(paced.available(PERIOD / 2), 0);

        let mut log = meter(tokens(600).exact());
        log.take(600, 0);
        log.give_back(500, 600, 0, PERIOD - 1);
        assert_eq!(log.available(PERIOD - 1), 500);
        log.give_back(100, 100, 0, PERIOD + 1);
        assert_eq!(log.available(PERIOD + 1), 600);
    }

    #[test]
    fn f3_a_debt_ends_at_one_limit() {
        for mut meter in [meter(tokens(100)), meter(tokens(100).exact())] {
            meter.take(1, 0);
            meter.owe(u64::MAX, 0);
            let at = meter.earliest(1, 0).unwrap();
            assert!(at > PERIOD / 2 && at <= PERIOD * 6 / 5, "{at}");
            meter.owe(u64::MAX, 0);
            assert!(meter.earliest(1, 0).unwrap() <= PERIOD * 6 / 5);
        }
    }

    #[test]
    fn odd_quotas_are_legal() {
        let minute = Duration::from_secs(60);
        assert_eq!(meter(Quota::requests(0, minute)).earliest(1, 0), None);
        assert_eq!(
            meter(Quota::requests(0, minute).exact()).earliest(1, 0),
            None
        );
        let mut none = meter(Quota::requests(1, Duration::ZERO));
        none.take(9, 0);
        assert_eq!(none.earliest(9, 0), Some(0));
        for burst in [0, 1, 5, 6, u64::MAX] {
            let mut any = meter(Quota::requests(5, minute).burst(burst));
            for _ in 0..20 {
                take_when_allowed(&mut any, 1, 0);
            }
        }
        for quota in [
            Quota::tokens(u64::MAX, Duration::MAX),
            Quota::tokens(u64::MAX, Duration::MAX).exact(),
        ] {
            let mut most = meter(quota);
            most.take(u64::MAX, u64::MAX / 3);
            most.owe(u64::MAX, u64::MAX / 3);
            most.give_back(1, u64::MAX, u64::MAX / 3, u64::MAX / 3);
            assert!(most.earliest_after(u64::MAX, u64::MAX, u64::MAX / 3) > 0);
            assert!(most.available(u64::MAX / 3) <= 1);
        }
    }

    #[test]
    fn a_large_log_is_kept_in_bounded_memory_on_the_safe_side() {
        let mut large = meter(tokens(1_000_000).exact());
        for number in 0..200_000 {
            large.take(1, number * (PERIOD / 1_000_000));
        }
        let Kind::Log(log) = &large.kind else {
            panic!("it is exact");
        };
        assert!(log.len() <= 2_001, "{}", log.len());
        assert!(large.available(PERIOD) <= 800_000);
        assert!(large.is_at_rest(2 * PERIOD));
    }

    /// What came, in nanoseconds after the one before, how much, how much of it was used, and after
    /// how long that was known.
    type Arrival = (u64, u64, u64, u64);

    fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
        let gap = prop_oneof![Just(0), 0..PERIOD / 100, 0..PERIOD * 2];
        let known = prop_oneof![Just(0), 0..PERIOD * 2];
        proptest::collection::vec((gap, 1..12_u64, 0..12_u64, known), 1..120)
    }

    fn quotas() -> impl Strategy<Value = Quota> {
        let shaped = (12..60_u64, proptest::option::of(0..70_u64), any::<bool>());
        shaped.prop_map(|(limit, burst, exact)| match (exact, burst) {
            (true, _) => tokens(limit).exact(),
            (false, Some(burst)) => tokens(limit).burst(burst),
            (false, None) => tokens(limit),
        })
    }

    /// The most that any window of the period holds.
    fn fullest_window(admitted: &[(u64, u64)]) -> u64 {
        let windows = admitted.iter().map(|(start, _)| {
            let inside = |at: u64| at >= *start && at < start + PERIOD;
            let amounts = admitted.iter().filter(|(at, _)| inside(*at));
            amounts.map(|(_, amount)| amount).sum()
        });
        windows.max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn p11_no_window_admits_more_than_the_limit(quota in quotas(), arrivals in arrivals()) {
            let mut meter = meter(quota);
            let (mut now, mut admitted) = (0, Vec::new());
            for (gap, amount, _, _) in arrivals {
                now = take_when_allowed(&mut meter, amount, now + gap);
                admitted.push((now, amount));
            }
            prop_assert!(fullest_window(&admitted) <= quota.limit());
        }

        #[test]
        fn p11_nor_what_is_left_of_it_when_the_unused_has_come_back(
            quota in quotas(), arrivals in arrivals(),
        ) {
            let mut meter = meter(quota);
            let (mut now, mut admitted) = (0, Vec::<(u64, u64)>::new());
            let mut open = Vec::new();
            for (gap, amount, used, known) in arrivals {
                now = take_when_allowed(&mut meter, amount, now + gap);
                admitted.push((now, amount));
                open.push((now + known, admitted.len() - 1, amount, amount.saturating_sub(used)));
                open.retain(|(known, index, taken, unused)| {
                    if *known > now {
                        return true;
                    }
                    let (at, amount) = &mut admitted[*index];
                    meter.give_back(*unused, *taken, *at, now);
                    *amount -= unused;
                    false
                });
            }
            prop_assert!(fullest_window(&admitted) <= quota.limit());
        }

        #[test]
        fn the_log_holds_back_nothing_that_could_go(limit in 12..40_u64, arrivals in arrivals()) {
            let mut meter = meter(tokens(limit).exact());
            let (mut now, mut admitted) = (0, Vec::new());
            for (gap, amount, _, _) in arrivals {
                let arrived = now + gap;
                now = take_when_allowed(&mut meter, amount, arrived);
                if now > arrived {
                    let mut sooner = admitted.clone();
                    sooner.push((now - 1, amount));
                    prop_assert!(fullest_window(&sooner) > limit);
                }
                admitted.push((now, amount));
            }
        }

        #[test]
        fn f4_what_is_given_back_at_once_is_all_there_again(
            quota in quotas(),
            before in arrivals(),
            amounts in proptest::collection::vec(1..12_u64, 1..30),
            order in any::<u64>(),
        ) {
            let mut meter = meter(quota);
            let mut now = 0;
            for (gap, amount, _, _) in before {
                now = take_when_allowed(&mut meter, amount, now + gap);
            }
            let start = meter.available(now);
            let mut taken = Vec::new();
            for amount in amounts {
                if meter.earliest(amount, now) == Some(now) {
                    meter.take(amount, now);
                    taken.push(amount);
                }
            }
            while !taken.is_empty() {
                let index = usize::try_from(order).unwrap_or(7) % taken.len();
                let amount = taken.remove(index);
                meter.give_back(amount, amount, now, now);
            }
            prop_assert_eq!(meter.available(now), start);
        }
    }
}
