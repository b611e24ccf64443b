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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::breaker::Rules;
    /// assert_eq!(Rules::new(), Rules::default());
    /// assert_eq!(Rules::new().time_open(), Duration::from_secs(15));
    /// ```
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
    ///
    /// ```
    /// # use blossom_layers::breaker::{BreakerLayer, CircuitState, Rules};
    /// let handle = BreakerLayer::new().rules(Rules::never()).handle();
    /// handle.trip(&"slow-model".into());
    /// assert_eq!(handle.count(CircuitState::Open), 1, "it can be opened by hand");
    /// ```
    #[must_use]
    pub const fn never() -> Self {
        Self::new()
            .percent(NonZeroU32::MAX)
            .in_a_row(NonZeroU32::MAX)
    }

    /// The share of calls that must fail, in percent; over 100, a share never opens it. Default: 50.
    ///
    /// ```
    /// # use blossom_layers::{breaker::{BreakerLayer, CircuitState, Rules}, test_util::*};
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let rules = Rules::new().percent(100_u32.try_into()?).min_calls(2_u32.try_into()?);
    /// let layer = BreakerLayer::new().rules(rules);
    /// # let well = http::Response::new(ScriptedBody::new().sized());
    /// # let fails_half = ScriptedService::new([Step::Respond(well), Step::Fail("down")]);
    /// let mut service = layer.layer(fails_half);
    /// assert!(service.call(Request::new(())).await.is_ok());
    /// assert!(service.call(Request::new(())).await.is_err());
    /// assert_eq!(layer.handle().count(CircuitState::Closed), 1, "one of two is not all");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn percent(mut self, percent: NonZeroU32) -> Self {
        self.percent = percent;
        self
    }

    /// The fewest calls in the window of which a share says anything. Default: 20.
    ///
    /// ```
    /// # use blossom_layers::{breaker::{BreakerLayer, CircuitState, Rules}, test_util::*};
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = BreakerLayer::new().rules(Rules::new().min_calls(2_u32.try_into()?));
    /// # let fails = ScriptedService::new([Step::Fail("down"), Step::Fail("down")]);
    /// let mut service = layer.layer(fails);
    /// for state in [CircuitState::Closed, CircuitState::Open] {
    ///     assert!(service.call(Request::new(())).await.is_err());
    ///     assert_eq!(layer.handle().count(state), 1);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn min_calls(mut self, min_calls: NonZeroU32) -> Self {
        self.min_calls = min_calls;
        self
    }

    /// How long a call counts for the share, in steps of a tenth. Default: 30 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::{breaker::{BreakerLayer, Rules}, test_util::*};
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = BreakerLayer::new().rules(Rules::new().window(Duration::from_secs(10)));
    /// let mut service = layer.layer(ScriptedService::new([Step::Fail("down")]));
    /// assert!(service.call(Request::new(())).await.is_err());
    /// assert_eq!(layer.handle().snapshot(&"".into()).failures, 1);
    /// tokio::time::sleep(Duration::from_secs(20)).await;
    /// assert_eq!(layer.handle().snapshot(&"".into()).failures, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many failures in a row open it, whatever their share. Default: 10.
    ///
    /// ```
    /// # use blossom_layers::{breaker::{BreakerLayer, CircuitState, Rules}, test_util::*};
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = BreakerLayer::new().rules(Rules::new().in_a_row(2_u32.try_into()?));
    /// # let fails = ScriptedService::new([Step::Fail("down"), Step::Fail("down")]);
    /// let mut service = layer.layer(fails);
    /// for state in [CircuitState::Closed, CircuitState::Open] {
    ///     assert!(service.call(Request::new(())).await.is_err());
    ///     assert_eq!(layer.handle().count(state), 1);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn in_a_row(mut self, in_a_row: NonZeroU32) -> Self {
        self.in_a_row = in_a_row;
        self
    }

    /// How long it stays open before it is tried. Default: 15 s. Zero tries at once.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::breaker::Rules;
    /// let rules = Rules::new().open(Duration::from_secs(5));
    /// assert_eq!(rules.time_open(), Duration::from_secs(5));
    /// ```
    #[must_use]
    pub const fn open(mut self, open: Duration) -> Self {
        self.open = open;
        self
    }

    /// How many probes there are, all of which must succeed. Default: 3.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::{breaker::{BreakerLayer, CircuitState, Rules}, test_util::*};
    /// # use http::Request;
    /// # use tower::{Layer, Service};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let rules = Rules::new().open(Duration::ZERO).probes(2_u32.try_into()?);
    /// let layer = BreakerLayer::new().rules(rules);
    /// let mut service = layer.layer(ScriptedService::default());
    /// layer.handle().trip(&"".into());
    /// for state in [CircuitState::HalfOpen, CircuitState::Closed] {
    ///     service.call(Request::new(())).await?;
    ///     assert_eq!(layer.handle().count(state), 1);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn probes(mut self, probes: NonZeroU32) -> Self {
        self.probes = probes;
        self
    }

    /// How long it stays open.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::breaker::Rules;
    /// assert_eq!(Rules::new().time_open(), Duration::from_secs(15));
    /// ```
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
