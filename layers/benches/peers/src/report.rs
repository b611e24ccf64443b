use std::process::ExitCode;

/// Prints each figure with its limit and remembers whether one was over.
#[derive(Debug, Default)]
pub struct Report {
    over: bool,
}

impl Report {
    /// Nothing is over yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `figure` has to be `limit` or less.
    pub fn at_most(&mut self, name: &str, figure: f64, limit: f64) {
        self.line(name, figure, "at most", limit, figure <= limit);
    }

    /// `figure` has to be `limit` or more.
    pub fn at_least(&mut self, name: &str, figure: f64, limit: f64) {
        self.line(name, figure, "at least", limit, figure >= limit);
    }

    /// A figure without a limit.
    pub fn note(&self, name: &str, figure: f64) {
        println!("  = {name:<58} {figure:>10.3}");
    }

    /// What the program ends with.
    pub fn finish(&self) -> ExitCode {
        ExitCode::from(u8::from(self.over))
    }

    fn line(&mut self, name: &str, figure: f64, word: &str, limit: f64, holds: bool) {
        self.over |= !holds;
        let verdict = if holds { "" } else { "   OVER THE LIMIT" };
        println!("  = {name:<58} {figure:>10.3}   {word} {limit}{verdict}");
    }
}
