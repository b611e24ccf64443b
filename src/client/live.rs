//! The handles of a stack, and what they say together.

use super::{Blossom, Limits};
use crate::{
    builder::Limiting,
    layers::{
        breaker::{BreakerHandle, CircuitState},
        metrics::{Levels, Publisher},
        spend,
    },
};

/// What the client was built with, live.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    limits: Limits,
    breaker: BreakerHandle,
    spend: Option<spend::Handle>,
    publisher: Publisher,
}

impl Live {
    pub(crate) fn new(limiting: &Limiting, spend: Option<spend::Handle>) -> Self {
        let limits = Limits::new(limiting);
        let breaker = limiting.breaker.handle();
        let handles = (limits.clone(), breaker.clone(), spend.clone());
        Self {
            limits,
            breaker,
            spend,
            publisher: Publisher::new(move || read(&handles.0, &handles.1, handles.2.as_ref())),
        }
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) const fn publisher(&self) -> &Publisher {
        &self.publisher
    }
}

fn read(limits: &Limits, breaker: &BreakerHandle, spend: Option<&spend::Handle>) -> Levels {
    let concurrency = limits.concurrency();
    let mut levels = Levels::default();
    levels.permits_in_use = Some(concurrency.in_flight() as u64);
    levels.permits_waiting = Some(concurrency.waiting() as u64);
    levels.rate_waiting = Some(limits.rate_waiting() as u64);
    levels.rate_waits = Some(limits.rate_waits());
    levels.breakers_open = Some(breaker.count(CircuitState::Open) as u64);
    levels.breakers_half_open = Some(breaker.count(CircuitState::HalfOpen) as u64);
    if let Some(spend) = spend {
        let totals = spend.totals();
        levels.spent = Some(totals.spent);
        levels.saved = Some(totals.saved);
    }
    levels
}

impl Blossom {
    /// The limits of its stack, live: how many calls are under way and waiting, and what is left of the
    /// quotas. `None` over a stack of your own, whose layers have handles of their own.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = blossom::Blossom::builder()
    ///     .base_url("http://127.0.0.1:8080")
    ///     .requests_per_minute(60)
    ///     .build()?;
    /// if let Some(limits) = client.limits() {
    ///     limits.concurrency().set_limit(8);
    ///     assert_eq!(limits.concurrency().in_flight(), 0);
    ///     assert_eq!(limits.rate().available(None), [3]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.live().map(|live| &live.limits)
    }

    /// The breaker of its stack, to read, trip and reset. `None` over a stack of your own.
    ///
    /// There is a circuit for each authority and model, by the name `authority model`; calls that name no
    /// model have that of the `authority`: see [`ByModel`](crate::policy::ByModel). What there are says
    /// [`snapshots`](BreakerHandle::snapshots).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use blossom::{Blossom, ErrorKind, layers::breaker::CircuitState};
    ///
    /// let client = Blossom::builder().base_url(sandbox.base_url()).cache(false).build()?;
    /// let ask = || client.text().generate("Hi").model("openai");
    /// ask().await?;
    /// let breaker = client.breaker().ok_or("a stack of its own")?;
    /// let (name, circuit) = breaker.snapshots().remove(0);
    /// assert!(name.as_str().ends_with(" openai"));
    /// assert_eq!(circuit.state, CircuitState::Closed);
    ///
    /// breaker.trip(&name); // the model is known to be down
    /// assert_eq!(ask().await.unwrap_err().kind(), ErrorKind::Upstream);
    /// breaker.reset(&name);
    /// ask().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn breaker(&self) -> Option<&BreakerHandle> {
        self.live().map(|live| &live.breaker)
    }

    /// What its calls have cost: totals, for each model, and what is left of its limits. `None` for a
    /// client without [`prices`](crate::Builder::prices), or over a stack of your own.
    ///
    /// Clones of a client share their books; two that were built do not.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let models = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?.models().await?;
    /// use blossom::{Blossom, policy::Prices};
    ///
    /// let builder = Blossom::builder().base_url(sandbox.base_url());
    /// let client = builder.prices(Prices::from_models(&models)).build()?;
    /// let answer = client.text().chat(["Hi"]).model("openai").await?;
    /// let spend = client.spend().ok_or("it has prices")?;
    /// assert_eq!(Some(spend.totals().spent), answer.cost());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn spend(&self) -> Option<&spend::Handle> {
        self.live()?.spend.as_ref()
    }

    /// How full its stack is at this moment: what [`publish_levels`](Self::publish_levels) tells. Over a
    /// stack of your own nothing is known, and nothing filled in.
    ///
    /// ```
    /// let client = blossom::Blossom::builder().base_url("http://127.0.0.1:8080").build()?;
    /// assert_eq!(client.levels().permits_in_use, Some(0));
    /// # Ok::<_, blossom::Error>(())
    /// ```
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.live()
            .map(|live| live.publisher.levels())
            .unwrap_or_default()
    }

    /// Tells the recorder of the `metrics` facade how full the stack is at this moment: permits, who
    /// waits, breakers, spend. Call it before each scrape.
    ///
    /// The client does so by itself whenever a call waits, begins to answer or ends; between calls
    /// nothing does. Where no recorder is installed it does nothing, nor over a stack of your own,
    /// which has a [`Publisher`] of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use metrics_exporter_prometheus::PrometheusBuilder;
    ///
    /// let page = PrometheusBuilder::new().install_recorder()?;
    /// let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    ///
    /// client.publish_levels();
    /// assert!(page.render().contains("blossom_permits_in_use 0"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish_levels(&self) {
        if let Some(live) = self.live() {
            live.publisher.publish();
        }
    }

    fn live(&self) -> Option<&Live> {
        self.settings().live.as_ref()
    }
}
