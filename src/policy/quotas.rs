use std::time::Duration;

use crate::layers::limit::rate::Quota;

const MINUTE: Duration = Duration::from_secs(60);

/// What an upstream lets through, for [`Builder::quotas`](crate::Builder::quotas).
///
/// Ready-made ones are those of the public service. They are never guessed from the key.
///
/// ```
/// use std::time::Duration;
///
/// use blossom::{layers::limit::rate::Quota, policy::Quotas};
///
/// let team = Quotas::new([
///     Quota::requests(300, Duration::from_secs(60)),
///     Quota::tokens(1_000_000, Duration::from_secs(3600)).exact(),
/// ])
/// .max_in_flight(8);
/// # assert_ne!(team, Quotas::unpaid());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quotas {
    rates: Vec<Quota>,
    max_in_flight: Option<usize>,
    learn: bool,
}

impl Quotas {
    /// Quotas of your own.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use blossom::{Blossom, layers::limit::rate::Quota, policy::Quotas};
    /// let quotas = Quotas::new([Quota::requests(60, Duration::from_secs(60))]);
    /// let client = Blossom::builder().base_url("http://127.0.0.1:8080").quotas(quotas).build()?;
    /// let limits = client.limits().ok_or("a stack of its own")?;
    /// assert_eq!(limits.rate().available(None), [3]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(rates: impl IntoIterator<Item = Quota>) -> Self {
        Self {
            rates: rates.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Those of a publishable key (`pk_`).
    ///
    /// The service gives it 1 pollen an hour: the cost of a call sets the time of the next, after the
    /// fact, and a rest of up to ten hours is saved up. So it cannot be counted here before it is
    /// spent; what the service says when it refuses is [heeded](Self::heed_replies). Beside that the edge
    /// takes 100 requests in 10 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom::{layers::limit::rate::Quota, policy::Quotas};
    /// let edge = Quota::requests(100, Duration::from_secs(10));
    /// assert_eq!(Quotas::publishable(), Quotas::new([edge]).heed_replies());
    /// ```
    #[must_use]
    pub fn publishable() -> Self {
        Self::new([EDGE]).heed_replies()
    }

    /// Those of an account without a paid balance: one generation at a time, until its body is drained,
    /// beside what the edge takes.
    ///
    /// A stream that is not read holds the one slot: read it, or drop it.
    ///
    /// ```
    /// # use blossom::policy::Quotas;
    /// assert_eq!(Quotas::unpaid(), Quotas::publishable().max_in_flight(1));
    /// ```
    #[must_use]
    pub fn unpaid() -> Self {
        Self::new([EDGE]).max_in_flight(1).heed_replies()
    }

    /// At most so many calls under way at once, to the end of their bodies. Default: as
    /// [`Builder::max_in_flight`](crate::Builder::max_in_flight) says.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # use blossom::{Blossom, policy::Quotas};
    /// let quotas = Quotas::new([]).max_in_flight(1);
    /// let client = Blossom::builder().base_url(sandbox.base_url()).quotas(quotas).build()?;
    /// client.batch(["one", "two", "three"]).run().await;
    /// assert_eq!(sandbox.max_in_flight(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.max_in_flight = Some(max_in_flight);
        self
    }

    /// Waits when a reply says that nothing more is wanted for now, for 120 s at most. Default: no.
    ///
    /// Only calls for the model that was told so wait: another one may have room, and if not, the service
    /// says so to it as well. [`Limits::heeded`](crate::client::Limits::heeded) shows it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Blossom, policy::Quotas};
    /// let heeds = |quotas| {
    ///     let client = Blossom::builder().base_url("http://127.0.0.1:8080").quotas(quotas).build()?;
    ///     Ok::<_, blossom::Error>(client.limits().is_some_and(|limits| limits.heeded().is_some()))
    /// };
    /// assert!(!heeds(Quotas::new([]))?);
    /// assert!(heeds(Quotas::new([]).heed_replies())?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn heed_replies(mut self) -> Self {
        self.learn = true;
        self
    }

    pub(crate) fn rates(&self) -> &[Quota] {
        &self.rates
    }

    pub(crate) const fn in_flight(&self) -> Option<usize> {
        self.max_in_flight
    }

    pub(crate) const fn learns(&self) -> bool {
        self.learn
    }
}

/// What the edge of the public service takes from one address.
const EDGE: Quota = Quota::requests(100, Duration::from_secs(10));

/// So many requests in a minute, evenly spread.
pub(crate) const fn requests_per_minute(limit: u64) -> Quota {
    Quota::requests(limit, MINUTE)
}

/// So many tokens in a minute. By a log, since an estimate is often far off, and what a reply did not
/// use has to come back in full.
pub(crate) const fn tokens_per_minute(limit: u64) -> Quota {
    Quota::tokens(limit, MINUTE).exact()
}
