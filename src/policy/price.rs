mod file;

use std::{collections::HashMap, error::Error, fmt, sync::Arc};

use http::{Method, Request};

use super::{DescribeRequest, EstimatePrompt};
use crate::{
    layers::{
        body::Known,
        cause_ref,
        types::{
            Describe, EstimateTokens, Nanos, Price, Quote, QuoteCost, Record, Refusal,
            TokenEstimate, Usage,
        },
    },
    protocol::{Model, ModelList},
    transport::nothing_was_sent,
};

/// What the tokens of a model cost.
///
/// Prices are of a million tokens, because that of one can be less than a billionth of the currency
/// tells apart.
///
/// ```
/// use blossom::{layers::types::{Nanos, Usage}, policy::Rates};
///
/// // 0.15 and 0.60 for a million, and half of it for what the upstream had in its cache.
/// let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000)).cached_prompt(Nanos(75_000_000));
/// assert_eq!(rates.cost(&Usage::new(1_000, 500)), Nanos(450_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    prompt: Nanos,
    cached_prompt: Option<Nanos>,
    completion: Nanos,
    reasoning: Option<Nanos>,
}

impl Rates {
    /// The price of a million tokens of the prompt, and of a million of the answer.
    ///
    /// ```
    /// # use blossom::{layers::types::{Nanos, Usage}, policy::Rates};
    /// let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000));
    /// assert_eq!(rates.cost(&Usage::new(1_000_000, 0)).to_string(), "0.150000000");
    /// assert_eq!(rates.cost(&Usage::new(0, 1_000_000)).to_string(), "0.600000000");
    /// ```
    #[must_use]
    pub const fn per_million(prompt: Nanos, completion: Nanos) -> Self {
        Self {
            prompt,
            cached_prompt: None,
            completion,
            reasoning: None,
        }
    }

    /// The price of a million tokens of the prompt that the upstream had in its own cache. Default: as
    /// the others.
    ///
    /// ```
    /// # use blossom::{layers::types::{Nanos, Usage}, policy::Rates};
    /// # // 0.15 and 0.60 for a million.
    /// # let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000));
    /// let mut usage = Usage::new(1_000_000, 0);
    /// usage.cached_prompt_tokens = 1_000_000;
    /// assert_eq!(rates.cost(&usage), Nanos(150_000_000));
    /// assert_eq!(rates.cached_prompt(Nanos(75_000_000)).cost(&usage), Nanos(75_000_000));
    /// ```
    #[must_use]
    pub const fn cached_prompt(mut self, price: Nanos) -> Self {
        self.cached_prompt = Some(price);
        self
    }

    /// The price of a million tokens of reasoning. Default: as the others of the answer.
    ///
    /// ```
    /// # use blossom::{layers::types::{Nanos, Usage}, policy::Rates};
    /// # // 0.15 and 0.60 for a million.
    /// # let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000));
    /// let mut usage = Usage::new(0, 1_000_000);
    /// usage.reasoning_tokens = 500_000;
    /// assert_eq!(rates.cost(&usage), Nanos(600_000_000));
    /// assert_eq!(rates.reasoning(Nanos(200_000_000)).cost(&usage), Nanos(400_000_000));
    /// ```
    #[must_use]
    pub const fn reasoning(mut self, price: Nanos) -> Self {
        self.reasoning = Some(price);
        self
    }

    /// What `usage` costs, rounded to the nearest billionth.
    ///
    /// ```
    /// use blossom::{layers::types::{Nanos, Usage}, policy::Rates};
    ///
    /// // 0.15 and 0.60 for a million.
    /// let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000));
    /// assert_eq!(rates.cost(&Usage::new(1_000, 500)).to_string(), "0.000450000");
    /// ```
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Nanos {
        const MILLION: u128 = 1_000_000;
        let cached = usage.cached_prompt_tokens.min(usage.prompt_tokens);
        let reasoning = usage.reasoning_tokens.min(usage.completion_tokens);
        let parts = [
            (usage.prompt_tokens - cached, self.prompt),
            (cached, self.cached_prompt.unwrap_or(self.prompt)),
            (usage.completion_tokens - reasoning, self.completion),
            (reasoning, self.reasoning.unwrap_or(self.completion)),
        ];
        // Two numbers of 64 bits each have a product of 128, and four of those may not.
        let sum = parts
            .into_iter()
            .map(|(tokens, price)| u128::from(tokens) * u128::from(price.0))
            .fold(MILLION / 2, u128::saturating_add);
        Nanos(u64::try_from(sum / MILLION).unwrap_or(u64::MAX))
    }

    /// The rates in the service's words; `None` where there is no price.
    fn of(price: impl Fn(&str) -> Option<Nanos>) -> Option<Self> {
        let first = |units: &[&str]| units.iter().find_map(|unit| price(unit));
        let prompt = first(&["promptTextTokens", "promptImageTokens", "promptAudioTokens"]);
        let completion = first(&[
            "completionTextTokens",
            "completionImageTokens",
            "completionAudioTokens",
        ]);
        if prompt.is_none() && completion.is_none() {
            return None;
        }
        Some(Self {
            prompt: prompt.unwrap_or_default(),
            cached_prompt: price("promptCachedTokens"),
            completion: completion.unwrap_or_default(),
            reasoning: price("completionReasoningTokens"),
        })
    }
}

/// What the models of a service cost: the answer to [`Price`] and [`QuoteCost`].
///
/// A reply is priced by the model that it names, else by the one that was asked for; by the usage that
/// it reports, else by what had been produced of it, with the estimate of the prompt. What neither
/// tells has no price.
///
/// ```
/// use blossom::{layers::types::Nanos, policy::{Prices, Rates}};
///
/// let mut prices = Prices::from_json(r#"{
///     "small": {"promptTextTokens": "0.00000015", "completionTextTokens": "0.0000006"}
/// }"#)?;
/// prices.insert("large", Rates::per_million(Nanos(2_000_000_000), Nanos(8_000_000_000)));
/// assert_eq!(prices.len(), 2);
/// assert!(prices.rates("small").is_some());
/// # Ok::<_, blossom::policy::InvalidPrices>(())
/// ```
#[derive(Clone, Default)]
pub struct Prices {
    rates: Arc<HashMap<Box<str>, Rates>>,
    default_model: Option<Arc<str>>,
}

impl Prices {
    /// No prices yet.
    ///
    /// ```
    /// # use blossom::policy::Prices;
    /// assert!(Prices::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The prices of a list of models, under their names and aliases. Models without prices are left
    /// out.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::policy::Prices;
    ///
    /// let prices = Prices::from_models(&client.models().await?);
    /// assert!(prices.rates("openai").is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn from_models(models: &ModelList) -> Self {
        let mut prices = Self::new();
        for model in models {
            prices.add(model);
        }
        prices
    }

    fn add(&mut self, model: &Model) {
        let Some(rates) = Rates::of(|unit| model.price_per_million(unit)) else {
            return;
        };
        for alias in model.aliases() {
            self.insert(alias, rates);
        }
        self.insert(model.id(), rates);
    }

    /// Sets the rates of a model.
    ///
    /// ```
    /// # use blossom::{layers::types::Nanos, policy::{Prices, Rates}};
    /// # // 0.15 and 0.60 for a million.
    /// # let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000));
    /// let mut prices = Prices::new();
    /// prices.insert("small", rates);
    /// assert_eq!(prices.rates("small"), Some(&rates));
    /// ```
    pub fn insert(&mut self, model: &str, rates: Rates) {
        Arc::make_mut(&mut self.rates).insert(model.into(), rates);
    }

    /// The model that answers where a request names none, so that its calls have a quote.
    ///
    /// ```
    /// # use blossom::{layers::types::Nanos, policy::{Prices, Rates}};
    /// # // 0.15 and 0.60 for a million.
    /// # let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000));
    /// use blossom::{Body, layers::types::QuoteCost};
    ///
    /// let mut prices = Prices::new();
    /// prices.insert("small", rates);
    /// let request = http::Request::get("/text/Hi?max_tokens=100").body(Body::empty())?;
    /// let most = |prices: &Prices| prices.quote(&request)?.most;
    /// assert_eq!(most(&prices), None);
    /// assert!(most(&prices.default_model("small")) > Some(Nanos(60_000)));
    /// # Ok::<_, http::Error>(())
    /// ```
    #[must_use]
    pub fn default_model(mut self, model: &str) -> Self {
        self.default_model = Some(model.into());
        self
    }

    /// The rates of a model.
    ///
    /// ```
    /// # use blossom::{layers::types::{Nanos, Usage}, policy::{Prices, Rates}};
    /// # // 0.15 and 0.60 for a million.
    /// # let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000));
    /// let mut prices = Prices::new();
    /// prices.insert("small", rates);
    /// let cost = prices.rates("small").map(|rates| rates.cost(&Usage::new(1_000, 500)));
    /// assert_eq!(cost, Some(Nanos(450_000)));
    /// assert_eq!(prices.rates("large"), None);
    /// ```
    #[must_use]
    pub fn rates(&self, model: &str) -> Option<&Rates> {
        self.rates.get(model)
    }

    /// How many names have a price.
    ///
    /// ```
    /// # use blossom::{layers::types::Nanos, policy::{Prices, Rates}};
    /// # // 0.15 and 0.60 for a million.
    /// # let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000));
    /// let mut prices = Prices::new();
    /// prices.insert("small", rates);
    /// prices.insert("small", rates);
    /// assert_eq!(prices.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.rates.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use blossom::{layers::types::Nanos, policy::{Prices, Rates}};
    /// # // 0.15 and 0.60 for a million.
    /// # let rates = Rates::per_million(Nanos(150_000_000), Nanos(600_000_000));
    /// let mut prices = Prices::default();
    /// assert!(prices.is_empty());
    /// prices.insert("small", rates);
    /// assert!(!prices.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }

    /// The rates of the first of these models that has some.
    fn known<'a>(&self, models: impl IntoIterator<Item = Option<&'a str>>) -> Option<&Rates> {
        models
            .into_iter()
            .flatten()
            .find_map(|model| self.rates(model))
    }
}

impl<B: Known> QuoteCost<B> for Prices {
    fn quote(&self, request: &Request<B>) -> Option<Quote> {
        let estimate = request.extensions().get::<TokenEstimate>().copied();
        let estimate = estimate.or_else(|| EstimatePrompt::new().estimate(request));
        let described = DescribeRequest.describe(request)?;
        let mut quote = Quote::new();
        quote.estimate = estimate;
        quote.model = described
            .model
            .map(|model| Arc::from(&*model))
            .or_else(|| self.default_model.clone());
        let Some(estimate) = estimate else {
            // A list costs nothing. What cannot be read, such as a body that is sent as a stream, may.
            return (*request.method() != Method::GET).then_some(quote);
        };
        // How many tokens a picture or speech takes, nobody knows before.
        let rates = self.known([quote.model.as_deref()]);
        if let Some(rates) = rates.filter(|_| described.operation != "generate_content") {
            let answer = estimate.completion_tokens.unwrap_or(0);
            quote.most = Some(rates.cost(&Usage::new(estimate.prompt_tokens, answer)));
        }
        Some(quote)
    }
}

impl Price for Prices {
    fn price(&self, quote: &Quote, record: &Record) -> Option<Nanos> {
        let rates = self.known([record.model.as_deref(), quote.model.as_deref()])?;
        let usage = record.usage.or_else(|| {
            let prompt = quote.estimate.map_or(0, |estimate| estimate.prompt_tokens);
            Some(Usage::new(prompt, record.produced_tokens?))
        })?;
        Some(rates.cost(&usage))
    }

    fn is_unsent(&self, error: &(dyn Error + 'static)) -> bool {
        cause_ref::<Refusal>(error).is_some_and(Refusal::is_unsent) || nothing_was_sent(error)
    }
}

impl fmt::Debug for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prices")
            .field("models", &self.rates.len())
            .field("default_model", &self.default_model)
            .finish()
    }
}

/// A text that holds no prices.
///
/// ```
/// use blossom::policy::Prices;
///
/// let error = Prices::from_json(r#"{"small": {"promptTextTokens": "cheap"}}"#).unwrap_err();
/// assert!(error.to_string().ends_with("promptTextTokens of small is no price: cheap"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPrices {
    problem: String,
}

impl InvalidPrices {
    fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
        }
    }
}

impl fmt::Display for InvalidPrices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "these are no prices: {}", self.problem)
    }
}

impl Error for InvalidPrices {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::body::ReqBody;

    const SMALL: &str = r#"{"small":{"currency":"pollen","promptTextTokens":"0.000001","completionTextTokens":4e-6}}"#;

    fn quoted(prices: &Prices, body: &str) -> Option<Quote> {
        let request = Request::post("/v1/chat/completions").body(ReqBody::from(body.to_owned()));
        prices.quote(&request.unwrap())
    }

    #[test]
    fn j3_odd_usage_never_gives_an_odd_cost() {
        let rates = Rates::per_million(Nanos(u64::MAX), Nanos(u64::MAX))
            .cached_prompt(Nanos::ZERO)
            .reasoning(Nanos(u64::MAX));
        let mut usage = Usage::new(u64::MAX, u64::MAX);
        assert_eq!(rates.cost(&usage), Nanos(u64::MAX));
        // More was cached than there was.
        usage = Usage::new(10, 0);
        usage.cached_prompt_tokens = u64::MAX;
        assert_eq!(rates.cost(&usage), Nanos::ZERO);
        assert_eq!(rates.cost(&Usage::default()), Nanos::ZERO);
    }

    #[test]
    fn cached_and_reasoning_tokens_have_prices_of_their_own() {
        let rates = Rates::per_million(Nanos(1_000_000), Nanos(2_000_000))
            .cached_prompt(Nanos(500_000))
            .reasoning(Nanos(8_000_000));
        let mut usage = Usage::new(10, 10);
        usage.cached_prompt_tokens = 4;
        usage.reasoning_tokens = 5;

        assert_eq!(rates.cost(&usage), Nanos(6 + 2 + 10 + 40));
    }

    #[test]
    fn a_quote_is_prompt_and_bound_at_the_price_of_the_model() {
        let prices = Prices::from_json(SMALL).unwrap();
        let body = |model: &str| format!(r#"{{"messages":[],"max_tokens":10{model}}}"#);

        // 3 tokens of a prompt, and 10 of an answer.
        let quote = quoted(&prices, &body(r#","model":"small""#)).unwrap();
        assert_eq!(quote.most, Some(Nanos(3 * 1000 + 10 * 4000)));
        assert_eq!(quoted(&prices, &body("")).unwrap().most, None);
        let told = prices.default_model("small");
        assert_eq!(quoted(&told, &body("")).unwrap().most, quote.most);
    }

    #[test]
    fn only_lists_are_free_and_what_cannot_be_read_has_no_price() {
        let prices = Prices::from_json(SMALL).unwrap().default_model("small");
        let list = Request::get("/v1/models").body(ReqBody::empty());
        assert_eq!(prices.quote(&list.unwrap()), None);

        let stream = ReqBody::stream(ReqBody::from("{}"));
        let stream = Request::post("/v1/chat/completions").body(stream);
        for quote in [
            prices.quote(&stream.unwrap()),
            quoted(&prices, r#"{"x":1}"#),
        ] {
            assert_eq!(quote.unwrap().most, None);
        }
    }

    #[test]
    fn a_reply_that_broke_off_costs_the_prompt_and_what_was_produced() {
        let prices = Prices::from_json(SMALL).unwrap();
        let quote = Quote::new().model("small").estimate(TokenEstimate::new(5));
        let mut record = Record::default();
        assert_eq!(prices.price(&quote, &record), None);
        record.produced_tokens = Some(2);
        assert_eq!(
            prices.price(&quote, &record),
            Some(Nanos(5 * 1000 + 2 * 4000))
        );
        record.usage = Some(Usage::new(1, 1));
        assert_eq!(prices.price(&quote, &record), Some(Nanos(5000)));
        record.model = Some("other".into());
        assert_eq!(prices.price(&quote, &record), Some(Nanos(5000)));
        assert_eq!(prices.price(&Quote::new(), &record), None);
    }
}
