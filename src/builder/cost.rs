//! What calls may cost.

use super::{Builder, Settings};
use crate::{
    layers::spend::{Budget, SpendLayer, Unknown},
    policy::Prices,
};

impl Builder {
    /// What the models cost. With it, each answer tells its cost, and
    /// [`Blossom::spend`](crate::Blossom::spend) what all of them have cost. Default: none, and no cost
    /// is known.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use blossom::{Blossom, policy::Prices};
    ///
    /// let models = Blossom::builder().base_url(sandbox.base_url()).build()?.models().await?;
    /// let client = Blossom::builder()
    ///     .base_url(sandbox.base_url())
    ///     .prices(Prices::from_models(&models))
    ///     .build()?;
    /// let answer = client.text().generate("Hi").await?;
    /// assert!(answer.cost().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn prices(mut self, prices: Prices) -> Self {
        self.settings.prices = Some(prices);
        self
    }

    /// What becomes of a call whose price is not known before it is sent. Default:
    /// [`Unknown::Allow`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use blossom::{Blossom, ErrorKind, layers::spend::Unknown, policy::Prices};
    ///
    /// let builder = Blossom::builder().base_url(sandbox.base_url()).prices(Prices::new());
    /// let client = builder.unknown_prices(Unknown::Refuse).build()?;
    /// let error = client.text().generate("Hi").model("unheard-of").await.unwrap_err();
    /// assert_eq!((error.kind(), sandbox.count()), (ErrorKind::Spend, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn unknown_prices(mut self, unknown: Unknown) -> Self {
        self.settings.unknown_prices = unknown;
        self
    }

    /// Lets calls together not cost more than this. Several limits hold at once. Needs
    /// [`prices`](Self::prices). Default: none.
    ///
    /// A call that may cost more than what is left is not sent; its error is of the kind
    /// [`ErrorKind::Spend`](crate::ErrorKind::Spend).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let models = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?.models().await?;
    /// use blossom::{Blossom, ErrorKind, layers::{spend::Budget, types::Nanos}, policy::Prices};
    ///
    /// let client = Blossom::builder()
    ///     .base_url(sandbox.base_url())
    ///     .prices(Prices::from_models(&models))
    ///     .spend_limit(Budget::in_all(Nanos(1)))
    ///     .build()?;
    /// let error = client.text().chat(["Hi"]).model("openai").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Spend);
    /// # Ok(())
    /// # }
    /// ```
    pub fn spend_limit(mut self, budget: Budget) -> Self {
        self.settings.budgets.push(budget);
        self
    }
}

impl Settings {
    /// The books of a client, where prices are known.
    pub(super) fn spend_layer(&self) -> Option<SpendLayer<Prices, Prices>> {
        let prices = self.prices.as_ref()?;
        let spend = SpendLayer::new(prices.clone())
            .quote(prices.clone())
            .unknown(self.unknown_prices);
        Some(self.budgets.iter().copied().fold(spend, SpendLayer::budget))
    }
}
