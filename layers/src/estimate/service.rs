use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Notice, Observer, PromptTooLarge, ResponseFuture};
use crate::{
    BoxError,
    types::{EstimateTokens, TokenEstimate, Warning},
};

/// Estimates the tokens of each request before it is sent.
///
/// See the [module docs](super) for an example.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     estimate::{Estimate, EstimateLayer, Unobserved},
///     test_util::ScriptedService,
///     types::TokenEstimate,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let policy = |_: &Request<()>| Some(TokenEstimate::new(100));
/// let service: Estimate<ScriptedService, _, Unobserved> =
///     EstimateLayer::new(policy).refuse_above(8_000).layer(ScriptedService::default());
/// assert_eq!(service.oneshot(Request::new(())).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Estimate<S, P, O> {
    inner: S,
    policy: P,
    observer: O,
    limits: Limits,
}

/// From where on there is a warning or a refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) warn: u64,
    pub(super) refuse: u64,
    pub(super) only_large: bool,
}

impl<S, P, O> Estimate<S, P, O> {
    pub(super) const fn new(inner: S, policy: P, observer: O, limits: Limits) -> Self {
        Self {
            inner,
            policy,
            observer,
            limits,
        }
    }

    /// Whether `request` certainly stays within every limit, and nobody wants to know how far.
    fn is_small<B>(&self, request: &Request<B>) -> bool
    where
        P: EstimateTokens<B>,
    {
        let Limits {
            warn,
            refuse,
            only_large,
        } = self.limits;
        only_large
            && self
                .policy
                .at_most(request)
                .is_some_and(|most| most <= warn.min(refuse))
    }

    /// The warning that `estimate` deserves, after it was given.
    fn warn(&self, estimate: &TokenEstimate) -> Option<Warning>
    where
        O: Observer,
    {
        if estimate.prompt_tokens <= self.limits.warn {
            return None;
        }
        let warning = Warning::LargePrompt {
            estimated_tokens: estimate.prompt_tokens,
            limit_tokens: self.limits.warn,
        };
        #[cfg(feature = "trace")]
        tracing::warn!(
            estimated_tokens = estimate.prompt_tokens,
            limit_tokens = self.limits.warn,
            "large prompt"
        );
        self.observer.notice(Notice { warning });
        Some(warning)
    }
}

impl<S, P, O, B, R> Service<Request<B>> for Estimate<S, P, O>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    P: EstimateTokens<B>,
    O: Observer,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.is_small(&request) {
            return ResponseFuture::calling(self.inner.call(request), None);
        }
        let Some(estimate) = self.policy.estimate(&request) else {
            return ResponseFuture::calling(self.inner.call(request), None);
        };
        if estimate.prompt_tokens > self.limits.refuse {
            let refused = PromptTooLarge::new(estimate.prompt_tokens, self.limits.refuse);
            return ResponseFuture::refused(refused);
        }
        let warning = self.warn(&estimate);
        request.extensions_mut().insert(estimate);
        ResponseFuture::calling(self.inner.call(request), warning)
    }
}

impl<S: fmt::Debug, P, O> fmt::Debug for Estimate<S, P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Estimate")
            .field("inner", &self.inner)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tower::{Layer, ServiceExt};

    use super::*;
    use crate::{
        cause_ref,
        estimate::EstimateLayer,
        test_util::{ScriptedBody, ScriptedService},
        types::{Refusal, RefusalKind, Warnings},
    };

    /// Takes the length of the body for its tokens, and twice that for the most there can be.
    #[derive(Clone)]
    struct Length(Arc<Mutex<usize>>);

    impl EstimateTokens<&'static str> for Length {
        fn estimate(&self, request: &Request<&'static str>) -> Option<TokenEstimate> {
            *self.0.lock().unwrap() += 1;
            let length = request.body().len() as u64;
            (length > 0).then(|| TokenEstimate::new(length).completion_tokens(7))
        }

        fn at_most(&self, request: &Request<&'static str>) -> Option<u64> {
            Some(2 * request.body().len() as u64)
        }
    }

    fn layer() -> (EstimateLayer<Length>, Arc<Mutex<usize>>) {
        let asked = Arc::new(Mutex::new(0));
        (EstimateLayer::new(Length(asked.clone())), asked)
    }

    async fn ask<O: Observer + Clone>(
        layer: &EstimateLayer<Length, O>,
        inner: &ScriptedService,
        body: &'static str,
    ) -> Result<Response<ScriptedBody>, BoxError> {
        layer.layer(inner.clone()).oneshot(Request::new(body)).await
    }

    #[tokio::test]
    async fn the_estimate_travels_in_the_request() {
        let inner = ScriptedService::default();
        ask(&layer().0, &inner, "four").await.unwrap();
        ask(&layer().0, &inner, "").await.unwrap();

        let seen = inner.seen();
        let estimate = TokenEstimate::new(4).completion_tokens(7);
        assert_eq!(seen[0].extensions.get(), Some(&estimate));
        assert_eq!(seen[1].extensions.get::<TokenEstimate>(), None);
    }

    #[tokio::test]
    async fn a_large_prompt_is_told_once_and_goes_on() {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let seen = notices.clone();
        let layer = layer().0.warn_above(4);
        let layer = layer.observer(move |notice| seen.lock().unwrap().push(notice));
        let inner = ScriptedService::default();

        let small = ask(&layer, &inner, "four").await.unwrap();
        let large = ask(&layer, &inner, "fiver").await.unwrap();

        let warning = Warning::LargePrompt {
            estimated_tokens: 5,
            limit_tokens: 4,
        };
        assert_eq!(*notices.lock().unwrap(), [Notice { warning }]);
        assert!(small.extensions().get::<Warnings>().is_none());
        let warnings = large.extensions().get::<Warnings>().unwrap();
        assert_eq!(warnings.as_slice(), [warning]);
        assert_eq!(inner.calls(), 2);
    }

    #[tokio::test]
    async fn a_prompt_over_the_limit_is_refused_with_both_numbers() {
        let inner = ScriptedService::default();
        let layer = layer().0.refuse_above(4);

        assert!(ask(&layer, &inner, "four").await.is_ok());
        let error = ask(&layer, &inner, "fiver").await.unwrap_err();

        let refused = error.downcast_ref::<PromptTooLarge>().unwrap();
        assert_eq!((refused.estimated(), refused.limit()), (5, 4));
        let refusal = cause_ref::<Refusal>(&*error).unwrap();
        assert_eq!(refusal.kind(), RefusalKind::TooLarge);
        assert_eq!(inner.calls(), 1);
    }

    #[tokio::test]
    async fn what_cannot_reach_a_limit_is_not_estimated_where_only_large_ones_matter() {
        let (layer, asked) = layer();
        let layer = layer.warn_above(8).only_large(true);
        let inner = ScriptedService::default();

        ask(&layer, &inner, "four").await.unwrap();
        assert_eq!(*asked.lock().unwrap(), 0);
        ask(&layer, &inner, "fiver").await.unwrap();
        assert_eq!(*asked.lock().unwrap(), 1);
    }
}
