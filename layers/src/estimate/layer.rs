use std::fmt;

use tower_layer::Layer;

use super::{Estimate, service::Limits};
use crate::types::Warning;

/// Applies [`Estimate`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::{estimate::EstimateLayer, types::TokenEstimate};
/// use http::Request;
///
/// // A token for each header: a policy is any function of the request.
/// let policy = |request: &Request<()>| Some(TokenEstimate::new(request.headers().len() as u64));
/// let layer = EstimateLayer::new(policy).warn_above(1_000).refuse_above(100_000);
/// ```
#[derive(Clone)]
pub struct EstimateLayer<P, O = Unobserved> {
    policy: P,
    observer: O,
    limits: Limits,
}

impl<P> EstimateLayer<P> {
    /// A layer that asks `policy`, and neither warns nor refuses.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _, service_fn};
    /// # use blossom_layers::{body::ReqBody, estimate::EstimateLayer, types::TokenEstimate};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let bytes = |request: &Request<String>| Some(TokenEstimate::new(request.body().len() as u64));
    /// let upstream = service_fn(|request: Request<String>| async move {
    ///     let estimate = request.extensions().get::<TokenEstimate>().copied();
    ///     assert_eq!(estimate, Some(TokenEstimate::new(17)));
    ///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
    /// });
    /// let service = EstimateLayer::new(bytes).layer(upstream);
    /// service.oneshot(Request::new("What is a flower?".to_owned())).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new(policy: P) -> Self {
        Self {
            policy,
            observer: Unobserved,
            limits: Limits {
                warn: u64::MAX,
                refuse: u64::MAX,
                only_large: false,
            },
        }
    }

    /// Shows each warning to `observer`, a closure that takes a [`Notice`].
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use blossom_layers::{
    ///     estimate::{EstimateLayer, Notice},
    ///     test_util::ScriptedService,
    ///     types::TokenEstimate,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
    /// let (sender, notices) = std::sync::mpsc::channel();
    /// let layer = EstimateLayer::new(policy)
    ///     .warn_above(8_000)
    ///     .observer(move |notice: Notice| drop(sender.send(notice.warning.to_string())));
    /// layer.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// assert!(notices.try_recv()?.contains("9000 tokens"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn observer<O>(self, observer: O) -> EstimateLayer<P, O> {
        EstimateLayer {
            policy: self.policy,
            observer,
            limits: self.limits,
        }
    }
}

impl<P, O> EstimateLayer<P, O> {
    /// Warns of a prompt of more tokens than this: by a [`Notice`], by a
    /// [`Warning`](crate::types::Warning) in the extensions of the response, and in the log where the
    /// feature `trace` is on. Default: `u64::MAX`, never. Zero warns of every prompt.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     estimate::EstimateLayer,
    /// #     test_util::ScriptedService,
    /// #     types::{TokenEstimate, Warnings},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
    /// let layer = EstimateLayer::new(policy).warn_above(8_000);
    /// let service = layer.layer(ScriptedService::default());
    /// let response = service.oneshot(Request::new(())).await?;
    /// let warnings = response.extensions().get::<Warnings>();
    /// assert_eq!(warnings.map(|it| it.as_slice().len()), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn warn_above(mut self, prompt_tokens: u64) -> Self {
        self.limits.warn = prompt_tokens;
        self
    }

    /// Refuses a prompt of more tokens than this, with
    /// [`PromptTooLarge`](super::PromptTooLarge). Default: `u64::MAX`, never. Zero refuses every
    /// prompt.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     estimate::{EstimateLayer, PromptTooLarge},
    /// #     test_util::ScriptedService,
    /// #     types::TokenEstimate,
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
    /// let layer = EstimateLayer::new(policy).refuse_above(8_000);
    /// let service = layer.layer(ScriptedService::default());
    /// let error = service.oneshot(Request::new(())).await.unwrap_err();
    /// assert!(error.is::<PromptTooLarge>());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn refuse_above(mut self, prompt_tokens: u64) -> Self {
        self.limits.refuse = prompt_tokens;
        self
    }

    /// Leaves requests alone that the policy says cannot reach a limit (see
    /// [`EstimateTokens::at_most`](crate::types::EstimateTokens::at_most)); they bear no estimate
    /// then. For stacks in which nobody further in reads it. Default: off.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use blossom_layers::{
    ///     estimate::EstimateLayer,
    ///     test_util::ScriptedService,
    ///     types::{EstimateTokens, TokenEstimate},
    /// };
    ///
    /// #[derive(Clone)]
    /// struct ByLength;
    ///
    /// impl EstimateTokens<String> for ByLength {
    ///     fn estimate(&self, _: &Request<String>) -> Option<TokenEstimate> {
    ///         unreachable!("no text is looked into that is so short")
    ///     }
    ///
    ///     fn at_most(&self, request: &Request<String>) -> Option<u64> {
    ///         Some(request.body().len() as u64)
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let layer = EstimateLayer::new(ByLength).refuse_above(8_000).only_large(true);
    /// let service = layer.layer(ScriptedService::default());
    /// let response = service.oneshot(Request::new("What is a flower?".to_owned())).await?;
    /// assert_eq!(response.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn only_large(mut self, only_large: bool) -> Self {
        self.limits.only_large = only_large;
        self
    }
}

impl<S, P: Clone, O: Clone> Layer<S> for EstimateLayer<P, O> {
    type Service = Estimate<S, P, O>;

    fn layer(&self, inner: S) -> Self::Service {
        Estimate::new(
            inner,
            self.policy.clone(),
            self.observer.clone(),
            self.limits,
        )
    }
}

// Policies and observers may be closures, which have no form to show.
impl<P, O> fmt::Debug for EstimateLayer<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EstimateLayer")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What [`Estimate`] tells when it warns.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     estimate::{EstimateLayer, Notice},
///     test_util::ScriptedService,
///     types::{TokenEstimate, Warning},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let (sender, notices) = std::sync::mpsc::channel();
/// let layer = EstimateLayer::new(|_: &Request<()>| Some(TokenEstimate::new(9_000)))
///     .warn_above(8_000)
///     .observer(move |notice: Notice| drop(sender.send(notice)));
/// layer.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
/// let large = Warning::LargePrompt { estimated_tokens: 9_000, limit_tokens: 8_000 };
/// assert_eq!(notices.recv()?.warning, large);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// What is the matter.
    pub warning: Warning,
}

/// Is told of warnings. Implemented for closures that take a [`Notice`].
///
/// It is called before the request goes on: it must not block.
///
/// ```
/// # use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     estimate::{EstimateLayer, Notice, Observer},
///     test_util::ScriptedService,
///     types::TokenEstimate,
/// };
///
/// #[derive(Clone, Default)]
/// struct Count(Arc<AtomicUsize>);
///
/// impl Observer for Count {
///     fn notice(&self, _: Notice) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let count = Count::default();
/// let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
/// let layer = EstimateLayer::new(policy).warn_above(8_000).observer(count.clone());
/// layer.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
/// assert_eq!(count.0.load(Ordering::Relaxed), 1);
/// # Ok(())
/// # }
/// ```
pub trait Observer {
    /// Takes one warning.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     estimate::{EstimateLayer, Notice, Observer},
    /// #     test_util::ScriptedService,
    /// #     types::{TokenEstimate, Warning},
    /// # };
    /// #[derive(Clone)]
    /// struct Expect(Warning);
    ///
    /// impl Observer for Expect {
    ///     fn notice(&self, notice: Notice) {
    ///         assert_eq!(notice.warning, self.0);
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
    /// let large = Warning::LargePrompt { estimated_tokens: 9_000, limit_tokens: 8_000 };
    /// let layer = EstimateLayer::new(policy).warn_above(8_000).observer(Expect(large));
    /// layer.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
    /// # Ok(())
    /// # }
    /// ```
    fn notice(&self, notice: Notice);
}

impl<F: Fn(Notice)> Observer for F {
    fn notice(&self, notice: Notice) {
        self(notice);
    }
}

/// Nobody is told.
///
/// ```
/// # use http::Request;
/// use blossom_layers::{
///     estimate::{EstimateLayer, Unobserved},
///     types::TokenEstimate,
/// };
///
/// // What a layer has until it is given another.
/// fn is_unobserved<P>(_: &EstimateLayer<P, Unobserved>) -> bool { true }
/// let policy = |_: &Request<()>| Some(TokenEstimate::new(9_000));
/// assert!(is_unobserved(&EstimateLayer::new(policy)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn notice(&self, _notice: Notice) {}
}
