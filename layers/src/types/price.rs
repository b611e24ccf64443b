use std::{error::Error, fmt, str::FromStr, sync::Arc};

use http::Request;

use super::{Record, Refusal, TokenEstimate};
use crate::cause_ref;

/// An amount of money in billionths of the unit of account.
///
/// Integers, because sums of floats drift and a budget must add up. All arithmetic saturates.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom_layers::types::Nanos;
///
/// let limit: Nanos = "2.5".parse()?;
/// assert_eq!(limit, Nanos(2_500_000_000));
/// assert_eq!(limit.saturating_sub(Nanos(500_000_000)).to_string(), "2.000000000");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Nothing.
    ///
    /// ```
    /// use blossom_layers::types::Nanos;
    ///
    /// assert_eq!("0.0".parse(), Ok(Nanos::ZERO));
    /// ```
    pub const ZERO: Self = Self(0);

    /// The sum; stays at the largest amount.
    ///
    /// ```
    /// use blossom_layers::types::Nanos;
    ///
    /// assert_eq!(Nanos(1).saturating_add(Nanos(2)), Nanos(3));
    /// assert_eq!(Nanos(u64::MAX).saturating_add(Nanos(1)), Nanos(u64::MAX));
    /// ```
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; stays at zero.
    ///
    /// ```
    /// use blossom_layers::types::Nanos;
    ///
    /// assert_eq!(Nanos(3).saturating_sub(Nanos(1)), Nanos(2));
    /// assert_eq!(Nanos(1).saturating_sub(Nanos(3)), Nanos::ZERO);
    /// ```
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNIT: u64 = 1_000_000_000;
        write!(f, "{}.{:09}", self.0 / UNIT, self.0 % UNIT)
    }
}

impl FromStr for Nanos {
    type Err = InvalidAmount;

    /// Reads a decimal number of whole units, such as `12.5`, exact to nine places. Never through a
    /// float.
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(part) || part.len() > 9 {
            return Err(InvalidAmount(()));
        }
        let digits = format!("{whole}{part:0<9}");
        digits.parse().map(Self).map_err(|_| InvalidAmount(()))
    }
}

/// A text that is no amount of money, or one that is too large or too fine.
///
/// ```
/// use blossom_layers::types::Nanos;
///
/// assert!("a lot".parse::<Nanos>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidAmount(());

impl fmt::Display for InvalidAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount is a decimal number with at most nine places, such as 12.5")
    }
}

impl Error for InvalidAmount {}

/// What is known of the cost of a call before it is made.
///
/// ```
/// use blossom_layers::types::{Nanos, Quote, TokenEstimate};
///
/// let quote = Quote::new().model("openai").estimate(TokenEstimate::new(100)).most(Nanos(1_000));
/// assert_eq!(quote.most, Some(Nanos(1_000)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quote {
    /// The model that is asked for, if the request names one.
    pub model: Option<Arc<str>>,
    /// The tokens that it is expected to take.
    pub estimate: Option<TokenEstimate>,
    /// The most that it may cost, as far as one can tell; `None` if its price is not known.
    pub most: Option<Nanos>,
}

impl Quote {
    /// A quote that knows nothing yet.
    ///
    /// ```
    /// use blossom_layers::types::Quote;
    ///
    /// assert_eq!(Quote::new().most, None);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the model.
    ///
    /// ```
    /// use blossom_layers::types::Quote;
    ///
    /// assert_eq!(Quote::new().model("small").model.as_deref(), Some("small"));
    /// ```
    #[must_use]
    pub fn model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Says how many tokens are expected.
    ///
    /// ```
    /// use blossom_layers::types::{Quote, TokenEstimate};
    ///
    /// let estimate = TokenEstimate::new(100).completion_tokens(50);
    /// assert_eq!(Quote::new().estimate(estimate).estimate, Some(estimate));
    /// ```
    #[must_use]
    pub const fn estimate(mut self, estimate: TokenEstimate) -> Self {
        self.estimate = Some(estimate);
        self
    }

    /// Bounds the cost.
    ///
    /// ```
    /// use blossom_layers::types::{Nanos, Quote};
    ///
    /// assert_eq!(Quote::new().most(Nanos(1_000)).most, Some(Nanos(1_000)));
    /// ```
    #[must_use]
    pub const fn most(mut self, most: Nanos) -> Self {
        self.most = Some(most);
        self
    }
}

/// What a call may cost, before it is made. Implemented for closures.
///
/// ```
/// use blossom_layers::types::{Nanos, Quote, QuoteCost, TokenEstimate};
/// use http::Request;
///
/// // Two nano-units for each token that is expected.
/// let quote = |request: &Request<()>| {
///     let estimate = *request.extensions().get::<TokenEstimate>()?;
///     let most = estimate.total_tokens().saturating_mul(2);
///     Some(Quote::new().estimate(estimate).most(Nanos(most)))
/// };
/// let mut request = Request::new(());
/// request.extensions_mut().insert(TokenEstimate::new(100).completion_tokens(50));
/// assert_eq!(quote.quote(&request).and_then(|quote| quote.most), Some(Nanos(300)));
/// ```
pub trait QuoteCost<B> {
    /// The quote for `request`, or `None` if it costs nothing, as a list of models does.
    ///
    /// ```
    /// use blossom_layers::types::{Quote, QuoteCost};
    /// use http::{Method, Request};
    ///
    /// // Only what is posted costs anything; how much is not known.
    /// let quote = |request: &Request<()>| (request.method() == Method::POST).then(Quote::new);
    /// assert_eq!(quote.quote(&Request::new(())), None);
    /// ```
    fn quote(&self, request: &Request<B>) -> Option<Quote>;
}

impl<B, F> QuoteCost<B> for F
where
    F: Fn(&Request<B>) -> Option<Quote>,
{
    fn quote(&self, request: &Request<B>) -> Option<Quote> {
        self(request)
    }
}

/// Quotes no price for any request: what it costs is known when it has been answered.
///
/// ```
/// use blossom_layers::types::{Quote, QuoteCost as _, Unquoted};
/// use http::Request;
///
/// assert_eq!(Unquoted.quote(&Request::new(())), Some(Quote::new()));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unquoted;

impl<B> QuoteCost<B> for Unquoted {
    fn quote(&self, _request: &Request<B>) -> Option<Quote> {
        Some(Quote::new())
    }
}

/// What a reply costs. Implemented for closures.
///
/// ```
/// use blossom_layers::types::{Nanos, Price, Quote, Record, Usage};
///
/// // Two nano-units for each token.
/// let flat = |_: &Quote, record: &Record| {
///     let tokens = record.usage?.total_tokens;
///     Some(Nanos(tokens.saturating_mul(2)))
/// };
///
/// let mut record = Record::default();
/// assert_eq!(flat.price(&Quote::new(), &record), None);
/// record.usage = Some(Usage::new(30, 12));
/// assert_eq!(flat.price(&Quote::new(), &record), Some(Nanos(84)));
/// ```
pub trait Price {
    /// The price of the reply that `record` describes to the request of `quote`, or `None` if it is
    /// not known.
    ///
    /// A reply that broke off, or that nobody read to its end, mostly has no usage: what had been
    /// produced is to be counted then. A call of which no head had arrived has a record without
    /// anything.
    ///
    /// It runs under the lock of the outcome, perhaps inside `drop`: it must not block, and must not
    /// panic.
    ///
    /// ```
    /// use blossom_layers::types::{Nanos, Price, Quote, Record};
    ///
    /// // A fixed price for each model.
    /// let price = |quote: &Quote, _: &Record| match quote.model.as_deref()? {
    ///     "small" => Some(Nanos(10)),
    ///     _ => None,
    /// };
    /// let quote = Quote::new().model("small");
    /// assert_eq!(price.price(&quote, &Record::default()), Some(Nanos(10)));
    /// ```
    fn price(&self, quote: &Quote, record: &Record) -> Option<Nanos>;

    /// Whether a call that failed with `error` certainly never reached the upstream, so that it costs
    /// nothing. Our own refusals never do.
    ///
    /// ```
    /// use blossom_layers::types::{Nanos, Price, Quote, Record, Refusal, RefusalKind};
    ///
    /// let price = |_: &Quote, _: &Record| Some(Nanos(10));
    /// assert!(price.is_unsent(&Refusal::new(RefusalKind::Overloaded)));
    /// assert!(!price.is_unsent(&std::io::Error::other("connection reset")));
    /// ```
    fn is_unsent(&self, error: &(dyn Error + 'static)) -> bool {
        cause_ref::<Refusal>(error).is_some_and(Refusal::is_unsent)
    }
}

impl<F: Fn(&Quote, &Record) -> Option<Nanos>> Price for F {
    fn price(&self, quote: &Quote, record: &Record) -> Option<Nanos> {
        self(quote, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_decimal_numbers_and_nothing_else() {
        for (text, nanos) in [
            ("0", 0),
            ("12.5", 12_500_000_000),
            ("0.000000001", 1),
            ("18446744073.709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Nanos(nanos)), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "1e3",
            "NaN",
            "0.0000000001",
            "99999999999",
        ] {
            assert_eq!(text.parse::<Nanos>(), Err(InvalidAmount(())), "{text}");
        }
    }

    #[test]
    fn shows_nine_places_and_saturates() {
        assert_eq!(Nanos(1_000_000_042).to_string(), "1.000000042");
        assert_eq!(Nanos(u64::MAX).saturating_add(Nanos(1)), Nanos(u64::MAX));
        assert_eq!(Nanos(1).saturating_sub(Nanos(2)), Nanos::ZERO);
    }
}
