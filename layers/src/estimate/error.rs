use std::{error, fmt};

use crate::types::{Refusal, RefusalKind};

const REFUSAL: Refusal = Refusal::new(RefusalKind::TooLarge);

/// The prompt is estimated at more tokens than are allowed; the request was not sent. Its source is a
/// [`Refusal`] of kind [`RefusalKind::TooLarge`].
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     estimate::{EstimateLayer, PromptTooLarge},
///     test_util::ScriptedService,
///     types::TokenEstimate,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
/// let upstream = ScriptedService::default();
/// let service = EstimateLayer::new(policy).refuse_above(8_000).layer(upstream.clone());
/// let error = service.oneshot(Request::new(())).await.unwrap_err();
/// assert!(error.is::<PromptTooLarge>());
/// assert_eq!(upstream.calls(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptTooLarge {
    estimated: u64,
    limit: u64,
}

impl PromptTooLarge {
    pub(super) const fn new(estimated: u64, limit: u64) -> Self {
        Self { estimated, limit }
    }

    /// How many tokens the prompt is estimated at.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{estimate::*, test_util::ScriptedService, types::TokenEstimate};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
    /// let layer = EstimateLayer::new(policy).refuse_above(8_000);
    /// # let service = layer.layer(ScriptedService::default());
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(PromptTooLarge::estimated), Some(9_000));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn estimated(&self) -> u64 {
        self.estimated
    }

    /// How many are allowed.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{estimate::*, test_util::ScriptedService, types::TokenEstimate};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
    /// let layer = EstimateLayer::new(policy).refuse_above(8_000);
    /// # let service = layer.layer(ScriptedService::default());
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref().map(PromptTooLarge::limit), Some(8_000));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }
}

impl fmt::Display for PromptTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { estimated, limit } = self;
        write!(
            f,
            "the prompt is estimated at {estimated} tokens, and at most {limit} are allowed"
        )
    }
}

impl error::Error for PromptTooLarge {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}
