//! Lowers how many tokens an answer may take, before the request is sent.
//!
//! A layer apart from [`estimate`](super), because it changes the request: a cache inside it sees what
//! will really be asked. It knows no field of any request; a policy writes the change.
//!
//! What it does not do: it never raises a limit, and touches no request for which its policy gives
//! none.
//!
//! # Where it goes
//!
//! Outside the cache, so that the key is that of the request that is sent; inside `buffer`, if its
//! policy needs the body.
//!
//! # Readiness
//!
//! Forwarded: `call` runs on the service that was made ready.
//!
//! # Streaming
//!
//! Bodies of responses are not touched.
//!
//! # Cancellation
//!
//! It holds nothing; its future is that of the inner service.
//!
//! # Cost
//!
//! What the policy does. Without one in the stack, nothing.
//!
//! # Example
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use tower::{ServiceBuilder, ServiceExt};
//! use blossom_layers::estimate::clamp::ClampLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // A service that takes its limit from a header.
//! let at_most_500 = |request: &mut Request<()>| {
//!     let asked = request.headers().get("x-max-tokens");
//!     let asked = asked.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
//!     if asked.is_none_or(|asked| asked > 500) {
//!         request.headers_mut().insert("x-max-tokens", 500.into());
//!     }
//! };
//! let service = ServiceBuilder::new()
//!     .layer(ClampLayer::new(at_most_500))
//!     .service_fn(|request: Request<()>| async move {
//!         Ok::<_, Infallible>(Response::new(request.headers()["x-max-tokens"].clone()))
//!     });
//!
//! let response = service.oneshot(Request::new(())).await.unwrap();
//! assert_eq!(response.into_body(), "500");
//! # }
//! ```

use std::{
    fmt,
    task::{Context, Poll},
};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

/// How a request is told to take fewer tokens. Implemented for closures.
///
/// ```
/// use blossom_layers::estimate::clamp::ClampTokens;
/// use http::Request;
///
/// /// A request that is its own limit.
/// struct AtMost(u64);
///
/// impl ClampTokens<u64> for AtMost {
///     fn clamp(&self, request: &mut Request<u64>) {
///         let limit = request.body_mut();
///         *limit = self.0.min(*limit);
///     }
/// }
/// let mut request = Request::new(4_000);
/// AtMost(500).clamp(&mut request);
/// assert_eq!(request.into_body(), 500);
/// ```
pub trait ClampTokens<B> {
    /// Lowers the limit of `request` where it is too high or absent.
    ///
    /// ```
    /// use blossom_layers::estimate::clamp::ClampTokens;
    /// use http::Request;
    ///
    /// let at_most_500 = |request: &mut Request<Option<u64>>| {
    ///     let limit = request.body_mut();
    ///     *limit = Some(limit.map_or(500, |limit| limit.min(500)));
    /// };
    /// let mut unlimited = Request::new(None);
    /// at_most_500.clamp(&mut unlimited);
    /// assert_eq!(unlimited.into_body(), Some(500));
    /// ```
    fn clamp(&self, request: &mut Request<B>);
}

impl<B, F: Fn(&mut Request<B>)> ClampTokens<B> for F {
    fn clamp(&self, request: &mut Request<B>) {
        self(request);
    }
}

/// Applies [`Clamp`].
///
/// See the [module docs](self) for an example.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{estimate::clamp::ClampLayer, test_util::ScriptedService};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let policy = |request: &mut Request<()>| {
///     request.headers_mut().insert("x-max-tokens", 500.into());
/// };
/// let upstream = ScriptedService::default();
/// ClampLayer::new(policy).layer(upstream.clone()).oneshot(Request::new(())).await?;
/// assert_eq!(upstream.seen()[0].headers["x-max-tokens"], "500");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct ClampLayer<P> {
    policy: P,
}

impl<P> ClampLayer<P> {
    /// A layer that lets `policy` change each request.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{estimate::clamp::ClampLayer, test_util::ScriptedService};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let upstream = ScriptedService::default();
    /// let layer = ClampLayer::new(|request: &mut Request<()>| {
    ///     request.headers_mut().insert("x-max-tokens", 500.into());
    /// });
    /// layer.layer(upstream.clone()).oneshot(Request::new(())).await?;
    /// assert_eq!(upstream.seen()[0].headers["x-max-tokens"], "500");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new(policy: P) -> Self {
        Self { policy }
    }
}

impl<S, P: Clone> Layer<S> for ClampLayer<P> {
    type Service = Clamp<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Clamp {
            inner,
            policy: self.policy.clone(),
        }
    }
}

/// Lowers how many tokens an answer may take.
///
/// See the [module docs](self) for an example.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{estimate::clamp::{Clamp, ClampLayer}, test_util::ScriptedService};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// type Policy = fn(&mut Request<()>);
///
/// let policy: Policy = |request| {
///     request.headers_mut().insert("x-max-tokens", 500.into());
/// };
/// let upstream = ScriptedService::default();
/// let service: Clamp<ScriptedService, Policy> = ClampLayer::new(policy).layer(upstream.clone());
/// service.oneshot(Request::new(())).await?;
/// assert_eq!(upstream.seen()[0].headers["x-max-tokens"], "500");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Clamp<S, P> {
    inner: S,
    policy: P,
}

impl<S, P, B> Service<Request<B>> for Clamp<S, P>
where
    S: Service<Request<B>>,
    P: ClampTokens<B>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.policy.clamp(&mut request);
        self.inner.call(request)
    }
}

// A policy may be a closure, which has no form to show.
impl<P> fmt::Debug for ClampLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClampLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Clamp<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clamp")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
