use crate::{
    builder::Limiting,
    layers::limit::{
        concurrency,
        rate::{self, RateLimitLayer},
    },
};

/// A live view of the limits of a client; see [`Blossom::limits`](super::Blossom::limits).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let limits = client.limits().ok_or("the preset has limits")?;
/// assert_eq!(limits.concurrency().limit(), 64);
/// limits.concurrency().set_limit(8); // from now on
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Limits {
    concurrency: concurrency::Handle,
    rate: rate::Handle,
    heeded: Option<rate::Handle>,
}

impl Limits {
    pub(crate) fn new(limiting: &Limiting) -> Self {
        Self {
            concurrency: limiting.concurrency.handle(),
            rate: limiting.rate.handle(),
            heeded: limiting.heeded.as_ref().map(RateLimitLayer::handle),
        }
    }

    /// Calls under way and waiting; can change how many may be under way at once.
    ///
    /// ```
    /// let client = blossom::Blossom::builder().base_url("http://127.0.0.1:8080").build()?;
    /// let limits = client.limits().ok_or("the preset has limits")?;
    /// limits.concurrency().set_limit(8);
    /// assert_eq!((limits.concurrency().limit(), limits.concurrency().in_flight()), (8, 0));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn concurrency(&self) -> &concurrency::Handle {
        &self.concurrency
    }

    /// What is left of the quotas, and who waits for them.
    ///
    /// ```
    /// let builder = blossom::Blossom::builder().base_url("http://127.0.0.1:8080");
    /// let client = builder.requests_per_minute(60).build()?;
    /// let limits = client.limits().ok_or("the preset has limits")?;
    /// assert_eq!(limits.rate().available(None), [3], "a twentieth at once");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn rate(&self) -> &rate::Handle {
        &self.rate
    }

    /// For how long replies have told each model to wait, and who waits for that: only with quotas that
    /// [heed replies](crate::policy::Quotas::heed_replies).
    ///
    /// Its parts are those of [`ByModel`](crate::policy::ByModel): `authority model`, or the `authority`
    /// for calls that name no model.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom::{Blossom, layers::types::PartitionKey, policy::Quotas};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Blossom::builder()
    ///     .base_url("http://127.0.0.1:8080")
    ///     .quotas(Quotas::unpaid())
    ///     .build()?;
    /// let limits = client.limits().ok_or("a stack of its own")?;
    /// let heeded = limits.heeded().ok_or("quotas that heed nothing")?;
    ///
    /// let model = PartitionKey::new("127.0.0.1:8080 openai");
    /// heeded.pause(Some(&model), Duration::from_secs(7)); // as a reply would
    /// assert!(heeded.paused(Some(&model)).is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn heeded(&self) -> Option<&rate::Handle> {
        self.heeded.as_ref()
    }

    /// How many calls wait for quotas or because a reply said so.
    pub(super) fn rate_waiting(&self) -> usize {
        self.rates().map(rate::Handle::waiting).sum()
    }

    /// How many calls have had to so far.
    pub(super) fn rate_waits(&self) -> u64 {
        self.rates().map(rate::Handle::waits).sum()
    }

    fn rates(&self) -> impl Iterator<Item = &rate::Handle> {
        self.heeded.iter().chain([&self.rate])
    }
}
