//! How many calls, how fast.

use super::{Builder, Settings};
use crate::{
    Error, ErrorKind, Result,
    layers::{
        breaker::BreakerLayer,
        limit::{concurrency::ConcurrencyLimitLayer, rate::RateLimitLayer},
        types::Unpartitioned,
    },
    policy::{
        ByModel, ClassifyHealth, EstimatePrompt, Quotas, requests_per_minute, tokens_per_minute,
    },
};

/// The limits that were set.
#[derive(Debug, Clone)]
pub(crate) struct LimitSettings {
    // `None` is the default, which gives way to the quotas.
    pub(super) max_in_flight: Option<usize>,
    pub(super) max_waiting: usize,
    pub(super) requests_per_minute: Option<u64>,
    pub(super) tokens_per_minute: Option<u64>,
    pub(super) quotas: Quotas,
}

/// Enough for any one program, and far from what a connection or a provider takes.
pub(super) const MAX_IN_FLIGHT: usize = 64;

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            max_in_flight: None,
            max_waiting: 16_384,
            requests_per_minute: None,
            tokens_per_minute: None,
            quotas: Quotas::default(),
        }
    }
}

/// The layers of the limits, which hold their state.
#[derive(Debug, Clone)]
pub(crate) struct Limiting {
    pub(crate) breaker: BreakerLayer<ByModel, ClassifyHealth>,
    /// What replies say about waiting, for each model: one that is told to wait holds up no other.
    pub(crate) heeded: Option<RateLimitLayer<ByModel>>,
    pub(crate) rate: RateLimitLayer<Unpartitioned, EstimatePrompt>,
    pub(crate) concurrency: ConcurrencyLimitLayer,
}

impl Builder {
    /// How many calls may be under way at once, to the end of their bodies. Default: 64, or what the
    /// [`quotas`](Self::quotas) say.
    ///
    /// A stream that is held and not read counts, until `max_unread` closes it. Others wait in line,
    /// first come first served.
    ///
    /// ```
    /// let builder = blossom::Blossom::builder().base_url("http://127.0.0.1:8080");
    /// let client = builder.max_in_flight(8).build()?;
    /// assert_eq!(client.limits().map(|limits| limits.concurrency().limit()), Some(8));
    /// # Ok::<_, blossom::Error>(())
    /// ```
    pub const fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.settings.limits.max_in_flight = Some(max_in_flight);
        self
    }

    /// How many calls may wait for one of these places, and how many for quota; others are refused at
    /// once with [`ErrorKind::Overloaded`] or [`ErrorKind::RateLimited`]. Default: 16,384. Zero waits for
    /// nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use blossom::{Blossom, ErrorKind};
    ///
    /// let builder = Blossom::builder().base_url(sandbox.base_url()).max_attempts(1);
    /// let client = builder.max_in_flight(1).max_waiting(0).build()?;
    /// let call = |prompt: &str| client.text().generate(prompt).into_future();
    /// let (first, second) = tokio::join!(call("one"), call("two"));
    /// assert!(first.is_ok());
    /// assert_eq!(second.unwrap_err().kind(), ErrorKind::Overloaded);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn max_waiting(mut self, max_waiting: usize) -> Self {
        self.settings.limits.max_waiting = max_waiting;
        self
    }

    /// How many requests may go in any minute, evenly spread after a burst of a twentieth. Default: no
    /// limit.
    ///
    /// ```
    /// let builder = blossom::Blossom::builder().base_url("http://127.0.0.1:8080");
    /// let client = builder.requests_per_minute(60).build()?;
    /// let limits = client.limits().ok_or("a stack of its own")?;
    /// assert_eq!(limits.rate().quotas()[0].to_string(), "60 requests per 60s");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub const fn requests_per_minute(mut self, requests_per_minute: u64) -> Self {
        self.settings.limits.requests_per_minute = Some(requests_per_minute);
        self
    }

    /// How many tokens may go in any minute, by a rough estimate when a request is sent, and by what the
    /// service reports when its reply ends. Default: no limit.
    ///
    /// ```
    /// let builder = blossom::Blossom::builder().base_url("http://127.0.0.1:8080");
    /// let client = builder.tokens_per_minute(10_000).build()?;
    /// let limits = client.limits().ok_or("a stack of its own")?;
    /// assert_eq!(limits.rate().quotas()[0].to_string(), "10000 tokens per 60s");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub const fn tokens_per_minute(mut self, tokens_per_minute: u64) -> Self {
        self.settings.limits.tokens_per_minute = Some(tokens_per_minute);
        self
    }

    /// What the service lets through: ready-made for the public one, or of your own. They hold beside
    /// `requests_per_minute` and `tokens_per_minute`. Default: none.
    ///
    /// ```
    /// use blossom::{Blossom, policy::Quotas};
    ///
    /// let builder = Blossom::builder().base_url("http://127.0.0.1:8080");
    /// let client = builder.quotas(Quotas::publishable()).build()?;
    /// let limits = client.limits().ok_or("a stack of its own")?;
    /// assert_eq!(limits.rate().quotas()[0].to_string(), "100 requests per 10s");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.settings.limits.quotas = quotas;
        self
    }
}

impl Settings {
    pub(crate) fn limiting(&self) -> Limiting {
        let limits = &self.limits;
        let quotas = limits.quotas.rates().iter().copied();
        let requests = limits.requests_per_minute.map(requests_per_minute);
        let tokens = limits.tokens_per_minute.map(tokens_per_minute);
        let rate = RateLimitLayer::new(quotas.chain(requests).chain(tokens))
            .estimate(EstimatePrompt::new())
            .max_waiting(limits.max_waiting);
        let max_in_flight = limits.max_in_flight.or(limits.quotas.in_flight());
        let concurrency = ConcurrencyLimitLayer::new(max_in_flight.unwrap_or(MAX_IN_FLIGHT));
        Limiting {
            breaker: BreakerLayer::new()
                .partition(ByModel::new())
                .classify(ClassifyHealth)
                .rules(self.breaker),
            heeded: limits.quotas.learns().then(|| {
                RateLimitLayer::new([])
                    .per_partition(ByModel::new())
                    .learn()
                    .max_waiting(limits.max_waiting)
            }),
            rate,
            concurrency: concurrency.max_waiting(limits.max_waiting),
        }
    }

    /// Refuses limits that let nothing through, and those that contradict.
    pub(super) fn check_limits(&self) -> Result<()> {
        let limits = &self.limits;
        let zero = [
            ("max_in_flight", limits.max_in_flight == Some(0)),
            ("requests_per_minute", limits.requests_per_minute == Some(0)),
            ("tokens_per_minute", limits.tokens_per_minute == Some(0)),
            (
                "max_in_flight of the quotas",
                limits.quotas.in_flight() == Some(0),
            ),
        ];
        if let Some((name, _)) = zero.iter().find(|(_, zero)| *zero) {
            return Err(Error::new(
                ErrorKind::Builder,
                format!("{name} of 0 lets no call go; set at least 1, or leave it out"),
            ));
        }
        if let (Some(set), Some(allowed)) = (limits.max_in_flight, limits.quotas.in_flight())
            && set > allowed
        {
            return Err(Error::new(
                ErrorKind::Builder,
                format!(
                    "max_in_flight of {set} is more than the {allowed} that the quotas allow; leave \
                     out .max_in_flight({set}), or set at most {allowed}"
                ),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Blossom;

    fn builder() -> Builder {
        Blossom::builder().base_url("http://127.0.0.1:1")
    }

    #[test]
    fn m1_limits_that_let_nothing_through_are_refused_with_what_to_type() {
        for (builder, name) in [
            (builder().max_in_flight(0), "max_in_flight"),
            (builder().requests_per_minute(0), "requests_per_minute"),
            (builder().tokens_per_minute(0), "tokens_per_minute"),
            (
                builder().quotas(Quotas::new([]).max_in_flight(0)),
                "max_in_flight of the quotas",
            ),
        ] {
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Builder);
            assert_eq!(
                error.to_string(),
                format!(
                    "cannot build the client: {name} of 0 lets no call go; set at least 1, or leave \
                     it out"
                )
            );
        }
        assert!(builder().max_waiting(0).build().is_ok());
    }

    #[test]
    fn m1_more_calls_in_flight_than_the_quotas_allow_are_refused_with_what_to_type() {
        let unpaid = builder().quotas(Quotas::unpaid());
        let error = unpaid.clone().max_in_flight(8).build().unwrap_err();
        assert!(
            error
                .to_string()
                .contains("leave out .max_in_flight(8), or set at most 1"),
            "{error}"
        );
        let client = unpaid.build().unwrap();
        assert_eq!(client.limits().unwrap().concurrency().limit(), 1);
    }

    #[test]
    fn what_is_set_is_what_holds() {
        let client = builder().build().unwrap();
        let limits = client.limits().unwrap();
        assert_eq!(limits.concurrency().limit(), 64);
        assert!(limits.rate().quotas().is_empty());

        let client = builder()
            .max_in_flight(5)
            .requests_per_minute(60)
            .tokens_per_minute(10_000)
            .quotas(Quotas::publishable())
            .build()
            .unwrap();
        let limits = client.limits().unwrap();
        assert_eq!(limits.concurrency().limit(), 5);
        let quotas: Vec<_> = limits
            .rate()
            .quotas()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            quotas,
            [
                "100 requests per 10s",
                "60 requests per 60s",
                "10000 tokens per 60s"
            ]
        );
    }
}
