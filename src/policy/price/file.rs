//! Prices that somebody has written down.

use std::{collections::HashMap, fs, path::Path};

use serde_json::Value;

use super::{InvalidPrices, Prices, Rates};
use crate::{
    layers::types::Nanos,
    protocol::{decode_models, price_per_million},
};

/// Model, unit, price.
type Written = Vec<(String, Vec<(String, String)>)>;

impl Prices {
    /// The prices of a JSON text, such as that of a file: what the service's list of models answers,
    /// or an object that has for each model the prices of its units, as decimal numbers. They are of one
    /// token, as the list has them: `promptTextTokens`, `promptCachedTokens`, `completionTextTokens`,
    /// `completionReasoningTokens`, and the same of `Image` and `Audio` instead of `Text`.
    ///
    /// # Errors
    ///
    /// [`InvalidPrices`] where it is neither, or a price is no number that is zero or more.
    ///
    /// ```
    /// use blossom::policy::Prices;
    ///
    /// let table = r#"{"small": {"promptTextTokens": "0.00000015", "completionTextTokens": 0.0000006}}"#;
    /// let list = r#"[{"name": "large", "pricing": {"completionTextTokens": "0.00001"}}]"#;
    /// assert!(Prices::from_json(table)?.rates("small").is_some());
    /// assert!(Prices::from_json(list)?.rates("large").is_some());
    /// assert!(Prices::from_json("[]").is_err());
    /// # Ok::<_, blossom::policy::InvalidPrices>(())
    /// ```
    pub fn from_json(json: &str) -> Result<Self, InvalidPrices> {
        if let Ok(models) = decode_models(json.as_bytes()) {
            let prices = Self::from_models(&models);
            if prices.is_empty() {
                return Err(InvalidPrices::new("no model of the list has a price"));
            }
            return Ok(prices);
        }
        let models: HashMap<String, HashMap<String, Value>> =
            serde_json::from_str(json).map_err(|error| InvalidPrices::new(error.to_string()))?;
        let models = models.into_iter().map(|(model, units)| {
            let units = units.into_iter().map(|(unit, price)| match price {
                Value::String(text) => (unit, text),
                other => (unit, other.to_string()),
            });
            (model, units.collect())
        });
        Self::written(models.collect())
    }

    /// The prices of a TOML text: a table for each model, with the units of
    /// [`from_json`](Self::from_json).
    ///
    /// ```
    /// use blossom::policy::Prices;
    ///
    /// let prices = Prices::from_toml("
    ///     [openai]
    ///     promptTextTokens = 0.00000015
    ///     completionTextTokens = '6e-7'
    /// ")?;
    /// assert!(prices.rates("openai").is_some());
    /// # Ok::<_, blossom::policy::InvalidPrices>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidPrices`] where it is no such text, or a price is no number that is zero or more.
    #[cfg(feature = "config")]
    #[cfg_attr(docsrs, doc(cfg(feature = "config")))]
    pub fn from_toml(text: &str) -> Result<Self, InvalidPrices> {
        use toml::de::{DeTable, DeValue};

        let models = DeTable::parse(text).map_err(|error| InvalidPrices::new(error.message()))?;
        let mut written = Written::new();
        for (model, units) in models.get_ref() {
            let model = model.get_ref();
            let units = units.get_ref().as_table().ok_or_else(|| {
                InvalidPrices::new(format!("{model} is no table of prices; write [{model}]"))
            })?;
            let units = units.iter().map(|(unit, price)| {
                let price = match price.get_ref() {
                    DeValue::String(text) => text.to_string(),
                    DeValue::Integer(number) => number.as_str().to_owned(),
                    DeValue::Float(number) => number.as_str().to_owned(),
                    _ => "not a number".to_owned(),
                };
                (unit.get_ref().to_string(), price)
            });
            written.push((model.to_string(), units.collect()));
        }
        Self::written(written)
    }

    /// The prices of a file: JSON, or TOML where the name ends in `.toml` (feature `config`).
    ///
    /// It is read once; a file that changes is read by another call.
    ///
    /// # Errors
    ///
    /// [`InvalidPrices`], which names the file: it cannot be read, or does not hold what
    /// [`from_json`](Self::from_json) takes.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use blossom::policy::Prices;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("prices.json");
    /// std::fs::write(&path, r#"{"small": {"promptTextTokens": "0.00000015"}}"#)?;
    /// assert!(Prices::from_file(&path)?.rates("small").is_some());
    /// assert!(Prices::from_file("no-such-file.json").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, InvalidPrices> {
        let path = path.as_ref();
        let named = |problem: &dyn std::fmt::Display| {
            InvalidPrices::new(format!("{}: {problem}", path.display()))
        };
        let text = fs::read_to_string(path).map_err(|error| named(&error))?;
        #[cfg(feature = "config")]
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            return Self::from_toml(&text).map_err(|error| named(&error.problem));
        }
        Self::from_json(&text).map_err(|error| named(&error.problem))
    }

    fn written(models: Written) -> Result<Self, InvalidPrices> {
        let mut prices = Self::new();
        for (model, units) in models {
            let mut per_million = HashMap::new();
            for (unit, price) in units.iter().filter(|(unit, _)| *unit != "currency") {
                let price = price_per_million(price).ok_or_else(|| {
                    InvalidPrices::new(format!("{unit} of {model} is no price: {price}"))
                })?;
                per_million.insert(unit.as_str(), Nanos(price));
            }
            let rates = Rates::of(|unit| per_million.get(unit).copied());
            let rates = rates.ok_or_else(|| {
                InvalidPrices::new(format!(
                    "{model} has no price for any token; write promptTextTokens and \
                     completionTextTokens, each the price of one"
                ))
            })?;
            prices.insert(&model, rates);
        }
        Ok(prices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"small":{"currency":"pollen","promptTextTokens":"0.000001","completionTextTokens":4e-6}}"#;

    #[test]
    fn prices_come_from_lists_files_and_code() {
        let list = r#"{"data":[{"id":"a","aliases":["b"],"pricing":{"promptTextTokens":"0.000001"}},
            {"id":"free"}]}"#;
        let models = Prices::from_json(list).unwrap();
        assert_eq!((models.len(), models.rates("b")), (2, models.rates("a")));

        let file = Prices::from_json(SMALL).unwrap();
        let own = Rates::per_million(Nanos(1_000_000_000), Nanos(4_000_000_000));
        assert_eq!(file.rates("small"), Some(&own));
        #[cfg(feature = "config")]
        {
            let text = "[small]\npromptTextTokens = '0.000001'\ncompletionTextTokens = 4e-6\n";
            let file = Prices::from_toml(text).unwrap();
            assert_eq!(file.rates("small"), Some(&own));
        }
    }

    #[test]
    fn what_is_no_price_is_refused_by_name() {
        for (json, word) in [
            ("{", "EOF"),
            (r#"{"small":{"promptTextTokens":"-1"}}"#, "promptTextTokens"),
            (r#"{"small":{"promptTextTokens":"NaN"}}"#, "small"),
            (r#"{"small":{}}"#, "write promptTextTokens"),
            (r#"{"data":[{"id":"small"}]}"#, "no model of the list"),
        ] {
            let problem = Prices::from_json(json).unwrap_err().to_string();
            assert!(problem.contains(word), "{problem}");
        }
    }

    #[test]
    fn a_file_is_read_by_its_name_and_named_when_it_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let json = Prices::from_file(write("prices.json", SMALL)).unwrap();
        assert!(json.rates("small").is_some());
        for wrong in [
            folder.path().join("none.json"),
            write("bad.json", "[small]"),
        ] {
            let problem = Prices::from_file(&wrong).unwrap_err().to_string();
            assert!(problem.contains(&*wrong.to_string_lossy()), "{problem}");
        }
        #[cfg(feature = "config")]
        {
            let toml = write("prices.toml", "[small]\npromptTextTokens = 1e-6\n");
            assert!(Prices::from_file(toml).unwrap().rates("small").is_some());
            for (text, word) in [
                ("small = 1", "[small]"),
                ("[small]\nx = true", "x of small"),
            ] {
                let problem = Prices::from_file(write("bad.toml", text)).unwrap_err();
                assert!(problem.to_string().contains(word), "{problem}");
            }
        }
    }
}
