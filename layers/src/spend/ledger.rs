//! The books of a layer: all together, each part, each model.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{Balance, Budget, PriceUnknown, Totals, Unknown, account::Account, totals::Sums};
use crate::{
    BoxError,
    sync::{Arc, Mutex, MutexGuard, lock},
    types::{Nanos, PartitionKey, Quote},
};

type Model = Arc<str>;

#[derive(Debug)]
pub(super) struct Ledger {
    opened: Instant,
    books: Mutex<Books>,
}

#[derive(Debug)]
pub(super) struct Books {
    pub(super) rules: Rules,
    all: Account,
    parts: HashMap<PartitionKey, Account>,
    // The parts that found no room share an account, and a budget.
    rest: Account,
    // Where the sums of each model are: found by one look-up.
    places: HashMap<Model, usize>,
    models: Vec<Sums>,
    other_models: Sums,
}

#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) all: Vec<Budget>,
    pub(super) each: Vec<Budget>,
    pub(super) unknown: Unknown,
    pub(super) max_partitions: usize,
    pub(super) max_models: usize,
}

/// In which account a part is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Nowhere,
    Part(PartitionKey),
    Rest,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            books: Mutex::new(Books {
                rules: Rules {
                    all: Vec::new(),
                    each: Vec::new(),
                    unknown: Unknown::Allow,
                    max_partitions: 1024,
                    max_models: 256,
                },
                all: Account::default(),
                parts: HashMap::new(),
                rest: Account::default(),
                places: HashMap::new(),
                models: Vec::new(),
                other_models: Sums::default(),
            }),
        }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    fn elapsed(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Reserves the most that a call may cost, in all accounts or in none.
    pub(super) fn reserve(
        self: &Arc<Self>,
        quote: &Quote,
        part: Option<PartitionKey>,
    ) -> Result<Reservation, BoxError> {
        let elapsed = self.elapsed();
        let mut books = self.books();
        if quote.most.is_none() && books.rules.unknown == Unknown::Refuse {
            return Err(PriceUnknown::new().into());
        }
        let place = books.place(part, elapsed);
        books.check(&place, elapsed, quote.most)?;
        let amount = quote.most.map_or(0, |most| u128::from(most.0));
        for account in books.accounts(&place) {
            account.reserve(amount);
        }
        drop(books);
        Ok(Reservation {
            ledger: self.clone(),
            place,
            amount: Some(amount),
        })
    }

    /// Counts an answer that cost nothing.
    pub(super) fn save(
        &self,
        part: Option<PartitionKey>,
        model: Option<&str>,
        cost: Option<Nanos>,
    ) {
        let elapsed = self.elapsed();
        let mut books = self.books();
        let place = books.place(part, elapsed);
        for account in books.accounts(&place) {
            account.sums.save(cost);
        }
        if let Some(model) = model {
            books.model(model).save(cost);
        }
    }

    pub(super) fn totals(&self) -> Totals {
        self.books().all.sums.totals()
    }

    pub(super) fn balance(&self) -> Balance {
        self.books().all.sums.balance()
    }

    pub(super) fn left(&self) -> Option<Nanos> {
        let elapsed = self.elapsed();
        let books = &mut *self.books();
        books.all.left(&books.rules.all, elapsed)
    }

    pub(super) fn left_of(&self, part: &PartitionKey) -> Option<Nanos> {
        let elapsed = self.elapsed();
        let books = &mut *self.books();
        let full = books.is_full();
        match books.parts.get_mut(part) {
            Some(account) => account.left(&books.rules.each, elapsed),
            None if full => books.rest.left(&books.rules.each, elapsed),
            None => books.rules.each.iter().map(Budget::limit).min(),
        }
    }

    pub(super) fn partitions(&self) -> Vec<(Option<PartitionKey>, Totals)> {
        let books = self.books();
        let own = books
            .parts
            .iter()
            .map(|(key, account)| (Some(key.clone()), account.sums.totals()));
        let mut all: Vec<_> = own.collect();
        let rest = books.rest.sums.totals();
        if rest != Totals::default() {
            all.push((None, rest));
        }
        all
    }

    pub(super) fn models(&self) -> Vec<(Option<Model>, Totals)> {
        let books = self.books();
        let own = books.places.iter().map(|(model, place)| {
            let sums = books.models.get(*place).copied().unwrap_or_default();
            (Some(model.clone()), sums.totals())
        });
        let mut all: Vec<_> = own.collect();
        let other = books.other_models.totals();
        if other != Totals::default() {
            all.push((None, other));
        }
        all
    }
}

impl Books {
    /// Adds a budget of all together.
    pub(super) fn add_budget(&mut self, budget: Budget) {
        self.rules.all.push(budget);
        self.all.open(self.rules.all.len());
    }

    /// Where the account of `part` is, made if there is room for it.
    fn place(&mut self, part: Option<PartitionKey>, elapsed: Duration) -> Place {
        let Some(part) = part else {
            return Place::Nowhere;
        };
        if self.parts.contains_key(&part) {
            return Place::Part(part);
        }
        if self.parts.len() >= self.rules.max_partitions {
            self.forget_idle(elapsed);
        }
        if self.parts.len() >= self.rules.max_partitions {
            return Place::Rest;
        }
        self.parts.insert(part.clone(), Account::default());
        Place::Part(part)
    }

    /// Forgets the parts that owe nothing in any period; their sums go to the rest.
    ///
    /// Without budgets for parts there is nothing but sums, and the first parts keep theirs.
    fn forget_idle(&mut self, elapsed: Duration) {
        let Self {
            rules, parts, rest, ..
        } = self;
        if rules.each.is_empty() {
            return;
        }
        parts.retain(|_, account| {
            let idle = account.is_idle(&rules.each, elapsed);
            if idle {
                rest.sums.merge(account.sums);
            }
            !idle
        });
    }

    fn check(
        &mut self,
        place: &Place,
        elapsed: Duration,
        asked: Option<Nanos>,
    ) -> Result<(), BoxError> {
        let Self {
            rules,
            all,
            parts,
            rest,
            ..
        } = self;
        all.check(&rules.all, elapsed, asked, None)?;
        match place {
            Place::Part(key) => {
                if let Some(account) = parts.get_mut(key) {
                    account.check(&rules.each, elapsed, asked, Some(key))?;
                }
            }
            Place::Rest => rest.check(&rules.each, elapsed, asked, None)?,
            Place::Nowhere => {}
        }
        Ok(())
    }

    /// The accounts in which a call of this part is counted.
    fn accounts(&mut self, place: &Place) -> impl Iterator<Item = &mut Account> {
        let part = match place {
            Place::Part(key) => self.parts.get_mut(key),
            Place::Rest => Some(&mut self.rest),
            Place::Nowhere => None,
        };
        std::iter::once(&mut self.all).chain(part)
    }

    /// The sums of a model, or those of all that found no room.
    fn model(&mut self, model: &str) -> &mut Sums {
        let place = self.places.get(model).copied();
        let place = place.unwrap_or_else(|| self.add_model(model));
        self.models.get_mut(place).unwrap_or(&mut self.other_models)
    }

    #[cold]
    fn add_model(&mut self, model: &str) -> usize {
        if self.models.len() >= self.rules.max_models {
            return usize::MAX;
        }
        let place = self.models.len();
        self.models.push(Sums::default());
        self.places.insert(model.into(), place);
        place
    }

    fn is_full(&self) -> bool {
        self.parts.len() >= self.rules.max_partitions
    }
}

/// What is reserved for one call. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    ledger: Arc<Ledger>,
    place: Place,
    // `None` once it has ended.
    amount: Option<u128>,
}

impl Reservation {
    /// Ends it with what the call has cost; what is not known costs nothing.
    pub(super) fn settle(mut self, model: Option<&str>, cost: Option<Nanos>) {
        let Some(amount) = self.amount.take() else {
            return;
        };
        let elapsed = self.ledger.elapsed();
        let books = &mut *self.ledger.books();
        let budgets = &books.rules.all;
        books.all.settle(budgets, elapsed, amount, cost);
        // An account that was forgotten since, for it owed nothing, is opened again.
        let part = match std::mem::replace(&mut self.place, Place::Nowhere) {
            Place::Part(key) => books.place(Some(key), elapsed),
            other => other,
        };
        let account = match part {
            Place::Part(key) => books.parts.get_mut(&key),
            Place::Rest => Some(&mut books.rest),
            Place::Nowhere => None,
        };
        if let Some(account) = account {
            account.settle(&books.rules.each, elapsed, amount, cost);
        }
        if let Some(model) = model {
            // Models have no budget: they reserve at the end what they settle.
            books.model(model).settle(0, cost);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(amount) = self.amount.take() {
            for account in self.ledger.books().accounts(&self.place) {
                account.sums.refund(amount);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator that is the same in each run.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) % bound
        }

        fn index(&mut self, length: usize) -> usize {
            usize::try_from(self.below(length as u64)).unwrap()
        }
    }

    /// Any amount, the largest among them.
    fn amount(chance: &mut Chance) -> Nanos {
        match chance.below(10) {
            0 => Nanos::ZERO,
            1 => Nanos(u64::MAX),
            _ => Nanos(chance.below(1_000_000)),
        }
    }

    fn sum(of: &[(Option<PartitionKey>, Totals)], field: fn(&Totals) -> u64) -> u64 {
        of.iter().map(|(_, totals)| field(totals)).sum()
    }

    // The benches run a hundred times as many.
    #[tokio::test(start_paused = true)]
    async fn j9_p9_f4_the_books_balance_under_ten_thousand_random_operations() {
        let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
        let ledger = Arc::new(Ledger::new());
        {
            let rules = &mut ledger.books().rules;
            rules.all = vec![Budget::new(Nanos(u64::MAX / 2), Duration::from_secs(60))];
            rules.each = vec![Budget::new(Nanos(u64::MAX / 8), Duration::from_secs(7))];
            rules.max_partitions = 5;
            rules.max_models = 3;
        }
        let mut open: Vec<Reservation> = Vec::new();
        let (mut settled, mut calls) = (0_u128, 0);
        for _ in 0..10_000 {
            match chance.below(5) {
                0 | 1 => {
                    let part = format!("part {}", chance.below(9));
                    let part = (chance.below(4) > 0).then(|| PartitionKey::new(&part));
                    let mut quote = Quote::new();
                    quote.most = (chance.below(4) > 0).then(|| amount(&mut chance));
                    open.extend(ledger.reserve(&quote, part));
                }
                2 if !open.is_empty() => {
                    let at = chance.index(open.len());
                    let cost = (chance.below(4) > 0).then(|| amount(&mut chance));
                    let model = format!("model {}", chance.below(5));
                    open.swap_remove(at).settle(Some(&model), cost);
                    settled += cost.map_or(0, |cost| u128::from(cost.0));
                    calls += 1;
                }
                3 if !open.is_empty() => {
                    let at = chance.index(open.len());
                    drop(open.swap_remove(at));
                }
                _ => tokio::time::advance(Duration::from_millis(chance.below(900))).await,
            }
            let balance = ledger.balance();
            assert_eq!(
                balance.reserved,
                balance.settled + balance.refunded + balance.open
            );
            assert_eq!(balance.settled, settled);
            let promised = open.iter().filter_map(|open| open.amount).sum::<u128>();
            assert_eq!(balance.open, promised);
        }

        drop(open);
        let (totals, balance) = (ledger.totals(), ledger.balance());
        assert_eq!(balance.reserved, balance.settled + balance.refunded);
        assert_eq!((totals.calls, totals.reserved), (calls, Nanos::ZERO));
        let models = ledger.models();
        let of_models: u64 = models.iter().map(|(_, totals)| totals.calls).sum();
        assert_eq!((models.len(), of_models), (4, calls));
        let parts = ledger.partitions();
        assert!(parts.len() <= 6);
        assert!(sum(&parts, |totals| totals.calls) <= calls);
    }
}
