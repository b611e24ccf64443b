#![expect(
    clippy::disallowed_methods,
    reason = "a comparison measures real time; nothing here is paused"
)]

use std::{hint::black_box, time::Instant};

use crate::allocations;

/// Programs that do the same work, run in turns.
pub struct Contest<'a> {
    title: String,
    units: usize,
    rounds: usize,
    runners: Vec<Runner<'a>>,
}

struct Runner<'a> {
    name: &'static str,
    run: Box<dyn FnMut() -> Measured + 'a>,
    nanos: Vec<f64>,
    allocations: f64,
}

/// One run.
struct Measured {
    done: usize,
    nanos: f64,
    allocations: u64,
}

impl Measured {
    fn of(run: impl FnOnce() -> usize) -> Self {
        let before = allocations();
        let start = Instant::now();
        let done = black_box(run());
        Self {
            done,
            nanos: start.elapsed().as_nanos() as f64,
            allocations: allocations() - before,
        }
    }
}

/// What came out of a [`Contest`], per unit of work.
pub struct Table {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    // One for each round, in order.
    nanos: Vec<f64>,
    allocations: f64,
}

impl<'a> Contest<'a> {
    /// A contest over `units` of work, such as events. Each runner returns how many it has done.
    pub fn new(title: impl Into<String>, units: usize) -> Self {
        Self {
            title: title.into(),
            units,
            rounds: 15,
            runners: Vec::new(),
        }
    }

    /// How often each runs; 15 unless told otherwise.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Adds a runner.
    #[must_use]
    pub fn runner(self, name: &'static str, mut run: impl FnMut() -> usize + 'a) -> Self {
        self.prepared(name, || (), move |()| run())
    }

    /// Adds a runner that gets something made for it each time, which does not count.
    #[must_use]
    pub fn prepared<T>(
        mut self,
        name: &'static str,
        mut prepare: impl FnMut() -> T + 'a,
        mut run: impl FnMut(T) -> usize + 'a,
    ) -> Self {
        self.runners.push(Runner {
            name,
            run: Box::new(move || {
                let prepared = prepare();
                Measured::of(|| run(prepared))
            }),
            nanos: Vec::new(),
            allocations: 0.0,
        });
        self
    }

    /// Runs all in turns, once more than asked: the first round warms up. Prints the table.
    ///
    /// # Panics
    ///
    /// If a runner has not done all the work.
    pub fn run(mut self) -> Table {
        for round in 0..=self.rounds {
            for runner in &mut self.runners {
                let measured = (runner.run)();
                assert_eq!(measured.done, self.units, "{}: {}", self.title, runner.name);
                if round > 0 {
                    runner.nanos.push(measured.nanos / self.units as f64);
                    runner.allocations = measured.allocations as f64 / self.units as f64;
                }
            }
        }
        let rows = self.runners.into_iter().map(|runner| Row {
            name: runner.name,
            nanos: runner.nanos,
            allocations: runner.allocations,
        });
        let table = Table {
            title: self.title,
            rows: rows.collect(),
        };
        table.print();
        table
    }
}

impl Table {
    /// How many times the time of `other` the runner `name` takes: the median of the rounds' ratios.
    pub fn ratio(&self, name: &str, other: &str) -> f64 {
        let rounds = self.row(name).nanos.iter().zip(&self.row(other).nanos);
        median(rounds.map(|(one, other)| one / other).collect())
    }

    /// Nanoseconds per unit, median.
    pub fn nanos(&self, name: &str) -> f64 {
        median(self.row(name).nanos.clone())
    }

    /// Allocations per unit, in the last round.
    pub fn allocations(&self, name: &str) -> f64 {
        self.row(name).allocations
    }

    /// What the contest was about.
    pub fn title(&self) -> &str {
        &self.title
    }

    fn row(&self, name: &str) -> &Row {
        let found = self.rows.iter().find(|row| row.name == name);
        found.unwrap_or_else(|| panic!("{name} runs in {}", self.title))
    }

    fn print(&self) {
        println!("{}", self.title);
        for row in &self.rows {
            println!(
                "  {:<40} {:>12.1} ns {:>8.2} allocations",
                row.name,
                self.nanos(row.name),
                row.allocations
            );
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
