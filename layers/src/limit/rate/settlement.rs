use std::fmt;

use super::claim::Claim;
use crate::{
    body::{End, Guard},
    types::{Outcome, Quote},
};

/// What is still to be settled of one request. It hangs on the response body, and is settled with its
/// end.
///
/// ```
/// # use std::time::Duration;
/// # use http::{Request, Response};
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     body::Guarded,
///     limit::rate::{Quota, RateLimitLayer, Settlement},
///     test_util::{ScriptedBody, ScriptedService, Step},
///     types::{Outcome, TokenEstimate, Usage},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let outcome = Outcome::new();
/// outcome.update(|record| record.usage = Some(Usage::new(30, 12)));
/// let mut response = Response::new(ScriptedBody::new());
/// response.extensions_mut().insert(outcome);
/// let upstream = ScriptedService::new([Step::Respond(response)]);
///
/// let layer = RateLimitLayer::new([Quota::tokens(1_000, Duration::from_secs(60)).exact()]);
/// let mut request = Request::new(());
/// request.extensions_mut().insert(TokenEstimate::new(100));
/// let response = layer.layer(upstream).oneshot(request).await?;
/// let body: Guarded<ScriptedBody, Settlement> = response.into_body();
/// assert_eq!(layer.handle().available(None), [900]);
/// drop(body);
/// assert_eq!(layer.handle().available(None), [958]);
/// # Ok(())
/// # }
/// ```
pub struct Settlement(Option<Box<Open>>);

struct Open {
    claim: Claim,
    outcome: Outcome,
}

impl Settlement {
    /// Nothing is left to settle.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) fn new(claim: Claim, outcome: Outcome) -> Self {
        Self(Some(Box::new(Open { claim, outcome })))
    }
}

impl Guard for Settlement {
    #[inline]
    fn end(self, _end: End) {
        if let Some(open) = self.0 {
            open.settle();
        }
    }
}

impl Open {
    fn settle(self) {
        let Self { mut claim, outcome } = self;
        let mut used = claim.units();
        let price = claim.limiter().price();
        // What is not known stays as it was estimated.
        outcome.read(|record| {
            if let Some(usage) = record.usage {
                used.tokens = usage.total_tokens;
            }
            if let Some(cost) = price.and_then(|price| price.price(&Quote::new(), record)) {
                used.cost = cost.0;
            }
        });
        claim.settle(used);
    }
}

impl fmt::Debug for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim = self.0.as_deref().map(|open| &open.claim);
        f.debug_tuple("Settlement").field(&claim).finish()
    }
}
