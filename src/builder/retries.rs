//! When a request is sent again, and when not at all.

use super::{Builder, Settings};
use crate::layers::{backoff::Backoff, breaker::Rules, retry::Budget as RetryBudget};

impl Builder {
    /// How often a request is sent at most, the first time included; 1 never sends again. Default: 3.
    ///
    /// What may be paid for twice is never sent again: see
    /// [`RepeatSafely`](crate::policy::RepeatSafely).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
    /// let client = builder.max_attempts(1).build()?;
    /// let call = client.text().generate("Hi").header("x-sandbox-fault", "status;code=503");
    /// let error = call.await.unwrap_err();
    /// assert!(error.is_retryable());
    /// assert_eq!((error.attempts(), sandbox.count()), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.settings.max_attempts = max_attempts;
        self
    }

    /// How many retries there may be over all calls. Clients that are given clones of one budget share
    /// it. Default: 10 % of the calls, and no fewer than 10, in any 10 s.
    ///
    /// ```
    /// use blossom::{Blossom, layers::retry::Budget};
    ///
    /// let budget = Budget::new(5, 2); // 5 %, and no fewer than 2
    /// let one = Blossom::builder().api_key("sk_one").retry_budget(budget.clone()).build()?;
    /// let other = Blossom::builder().api_key("sk_other").retry_budget(budget).build()?;
    /// assert!(format!("{other:?}").contains("Budget { percent: 5, floor: 2"));
    /// # Ok::<_, blossom::Error>(())
    /// ```
    pub fn retry_budget(mut self, retry_budget: RetryBudget) -> Self {
        self.settings.retry_budget = Some(retry_budget);
        self
    }

    /// How long to wait before another attempt, where the service does not say. Default: full jitter of
    /// 500 ms, doubling to 8 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom::{Blossom, layers::backoff::Backoff};
    ///
    /// let (first, longest) = (Duration::from_millis(200), Duration::from_secs(4));
    /// let builder = Blossom::builder().base_url("http://127.0.0.1:8080");
    /// assert!(builder.clone().backoff(Backoff::new(first, longest)).build().is_ok());
    /// assert!(builder.backoff(Backoff::new(longest, first)).build().is_err());
    /// ```
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = backoff;
        self
    }

    /// When calls of a model that fails are refused at once, and for how long; [`Rules::never`] for never.
    /// Default: [`Rules::new`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use std::{num::NonZeroU32, time::Duration};
    ///
    /// use blossom::{Blossom, layers::breaker::Rules};
    ///
    /// let rules = Rules::new().in_a_row(NonZeroU32::MIN).open(Duration::from_secs(60));
    /// let builder = Blossom::builder().base_url(sandbox.base_url());
    /// let client = builder.max_attempts(1).breaker(rules).build()?;
    /// let ask = || client.text().generate("Hi").header("x-sandbox-fault", "status;code=503");
    /// assert!(ask().await.is_err());
    /// assert!(ask().await.is_err());
    /// assert_eq!(sandbox.count(), 1, "the second was refused at once");
    /// # Ok(())
    /// # }
    /// ```
    pub const fn breaker(mut self, breaker: Rules) -> Self {
        self.settings.breaker = breaker;
        self
    }
}

impl Settings {
    /// Refuses retries that contradict one another.
    pub(super) fn check_retries(&self) -> Result<(), String> {
        let (first, max) = (self.backoff.first(), self.backoff.max());
        if self.max_attempts == 0 {
            return Err("max_attempts of 0 sends nothing; 1 sends once and never again".into());
        }
        if self.max_attempts > 1
            && self
                .retry_budget
                .as_ref()
                .is_some_and(RetryBudget::is_empty)
        {
            return Err(format!(
                "a retry_budget of nothing makes max_attempts of {} one; say max_attempts(1)",
                self.max_attempts
            ));
        }
        if first > max {
            return Err(format!(
                "backoff begins with {first:?}, which is longer than its longest wait of {max:?}; \
                 swap them"
            ));
        }
        if first > self.total_timeout && first != Backoff::default().first() {
            return Err(format!(
                "backoff of {first:?} can hardly end within a total_timeout of {:?}; lower backoff \
                 or raise total_timeout",
                self.total_timeout
            ));
        }
        Ok(())
    }
}
