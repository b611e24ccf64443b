use std::fmt;

use tower_layer::Layer;

use super::Observe;

/// Applies [`Observe`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::observe::ObserveLayer;
/// # use blossom_layers::{body::End, test_util::*, types::{Deferred, Outcome, Record, Watch}};
/// # use bytes::Bytes;
/// # use http::{Request, response::Parts};
/// # use tower::{Layer, ServiceExt};
/// # struct Note;
/// # impl Watch for Note {
/// #     fn data(&mut self, data: &Bytes, _: &mut Record) -> bool { !data.is_empty() }
/// #     fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> { None }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let layer = ObserveLayer::new(|_: &Parts| Some(Note));
/// let response = layer.layer(ScriptedService::default()).oneshot(Request::new(())).await?;
/// assert!(response.extensions().get::<Outcome>().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct ObserveLayer<P> {
    policy: P,
}

impl<P> ObserveLayer<P> {
    /// A layer that follows each body with what `policy` gives for its head.
    ///
    /// ```
    /// # use blossom_layers::observe::ObserveLayer;
    /// # use blossom_layers::{body::End, test_util::*, types::{Deferred, Outcome, Record, Watch}};
    /// # use bytes::Bytes;
    /// # use http::{Request, response::Parts};
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # struct Note;
    /// # impl Watch for Note {
    /// #     fn data(&mut self, data: &Bytes, _: &mut Record) -> bool { !data.is_empty() }
    /// #     fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> { None }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// // Nothing is to be learnt from what is no success.
    /// let layer = ObserveLayer::new(|head: &Parts| head.status.is_success().then_some(Note));
    /// let service = layer.layer(ScriptedService::once(ScriptedBody::new().data("hello")));
    /// let response = service.oneshot(Request::new(())).await?;
    /// let outcome = response.extensions().get::<Outcome>().cloned().ok_or("it is watched")?;
    /// response.collect().await?;
    /// assert!(outcome.complete());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new(policy: P) -> Self {
        Self { policy }
    }
}

impl<S, P: Clone> Layer<S> for ObserveLayer<P> {
    type Service = Observe<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe::new(inner, self.policy.clone())
    }
}

// A policy may be a closure, which has no form to show.
impl<P> fmt::Debug for ObserveLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveLayer").finish_non_exhaustive()
    }
}
