//! How far a batch is.

use std::time::Duration;

use crate::layers::types::Nanos;

/// How far a batch is.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let mut batch = client.batch(["one", "two", "one"]).start();
/// while let Some(item) = batch.next().await {
///     item.result?;
/// }
///
/// let progress = batch.progress();
/// assert_eq!((progress.done, progress.failed, progress.cached), (3, 0, 1));
/// assert!(progress.tokens > 0 && progress.rate() > 0.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// How many inputs have a result, of whatever kind.
    pub done: u64,
    /// How many inputs there are, where their iterator knows.
    pub total: Option<u64>,
    /// How many of the results are failures.
    pub failed: u64,
    /// How many needed no call of their own: from a cache, a checkpoint or an equal input.
    pub cached: u64,
    /// The tokens that the calls took, prompts and answers together.
    pub tokens: u64,
    /// What the calls cost, as far as that is known.
    pub spend: Nanos,
    /// How long the batch runs.
    pub elapsed: Duration,
    /// Whether the checkpoint could not be written: the batch goes on without.
    pub checkpoint_failed: bool,
}

impl Progress {
    /// Results for each second so far.
    ///
    /// ```
    /// assert_eq!(blossom::Progress::default().rate(), 0.0);
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.done as f64 / seconds
        } else {
            0.0
        }
    }

    /// How long the rest takes at the rate so far; `None` where the end is not known yet.
    ///
    /// ```
    /// // Nothing is done yet: nobody knows.
    /// assert_eq!(blossom::Progress::default().time_left(), None);
    /// ```
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let left = self.total?.saturating_sub(self.done);
        let done = u32::try_from(self.done).ok().filter(|done| *done > 0)?;
        let left = u32::try_from(left).ok()?;
        (self.elapsed / done).checked_mul(left)
    }
}

/// An observer that shows a bar.
#[cfg(feature = "progress")]
pub(super) fn bar() -> impl FnMut(Progress) + Send + 'static {
    use indicatif::{ProgressBar, ProgressStyle};

    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template(
        "{elapsed_precise} [{wide_bar}] {pos}/{len} {per_sec} {eta} left{msg}",
    ) {
        bar.set_style(style);
    }
    move |progress| {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        let mut notes = String::new();
        for (count, name) in [(progress.failed, "failed"), (progress.cached, "cached")] {
            if count > 0 {
                notes.push_str(&format!(", {count} {name}"));
            }
        }
        bar.set_message(notes);
        bar.set_position(progress.done);
        if progress.total == Some(progress.done) {
            bar.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_the_share_that_is_left() {
        let progress = Progress {
            done: 25,
            total: Some(100),
            elapsed: Duration::from_secs(5),
            ..Progress::default()
        };

        assert!((progress.rate() - 5.0).abs() < 1e-9);
        assert_eq!(progress.time_left(), Some(Duration::from_secs(15)));
        assert_eq!(Progress::default().time_left(), None);
        assert!(Progress::default().rate().abs() < 1e-9);
    }
}
