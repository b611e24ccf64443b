use std::{error, fmt, time::Duration};

use crate::{
    BoxError,
    sync::Arc,
    types::{Refusal, RefusalKind},
};

/// A failure of a call that several callers shared. Its source is the failure itself.
///
/// A caller who was alone gets the failure as it is.
///
/// ```
/// use std::io;
///
/// use blossom_layers::{cause_ref, flight::Shared};
/// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey};
/// # use blossom_layers::{coalesce::CoalesceLayer, types::Scope};
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// # let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"));
/// # let service = layer.layer(service_fn(|_: Request<ReqBody>| async {
/// #     tokio::task::yield_now().await;
/// #     Err::<Response<ReqBody>, _>(io::Error::other("the upstream is down"))
/// # }));
/// // Two equal requests, one call that fails.
/// let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
/// let (first, second) = tokio::join!(ask(), ask());
/// for error in [first.unwrap_err(), second.unwrap_err()] {
///     assert!(error.is::<Shared>());
///     assert!(cause_ref::<io::Error>(&*error).is_some(), "the failure is within");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Shared {
    error: Arc<BoxError>,
}

impl Shared {
    pub(super) fn new(error: BoxError) -> Self {
        Self {
            error: Arc::new(error),
        }
    }

    /// The failure.
    ///
    /// ```
    /// # use std::io;
    /// # use blossom_layers::{cause_ref, flight::Shared};
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey};
    /// # use blossom_layers::{coalesce::CoalesceLayer, types::Scope};
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"));
    /// # let service = layer.layer(service_fn(|_: Request<ReqBody>| async {
    /// #     tokio::task::yield_now().await;
    /// #     Err::<Response<ReqBody>, _>(io::Error::other("the upstream is down"))
    /// # }));
    /// # let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
    /// let (first, _second) = tokio::join!(ask(), ask());
    /// let error = first.unwrap_err();
    /// let shared = cause_ref::<Shared>(&*error).ok_or("two have it")?;
    /// assert_eq!(shared.error().to_string(), "the upstream is down");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn error(&self) -> &(dyn error::Error + Send + Sync + 'static) {
        &**self.error
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call shared by equal requests failed")
    }
}

impl error::Error for Shared {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(self.error())
    }
}

/// The call panicked. The panic was reported by the panic hook; the next equal request calls anew.
///
/// ```
/// use blossom_layers::flight::Panicked;
/// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey};
/// # use blossom_layers::{coalesce::CoalesceLayer, types::Scope};
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// # let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a"));
/// let service = layer.layer(service_fn(|_: Request<ReqBody>| async {
///     let nothing: Option<Response<ReqBody>> = None;
///     nothing.ok_or_else(|| -> std::io::Error { panic!("a bug") })
/// }));
/// let error = service.oneshot(Request::new(ReqBody::empty())).await.unwrap_err();
/// assert!(error.is::<Panicked>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked(());

impl Panicked {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call panicked")
    }
}

impl error::Error for Panicked {}

const REFUSAL: Refusal = Refusal::new(RefusalKind::Timeout);

/// This reader kept the others of a large shared reply waiting for too long, and was left behind.
/// What it had read was right, but it is not all. Its source is a [`Refusal`] of kind
/// [`RefusalKind::Timeout`].
///
/// ```
/// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::Scope};
/// # use blossom_layers::{coalesce::CoalesceLayer, test_util::*};
/// use blossom_layers::flight::Lagged;
/// # use http::Request;
/// # use http_body_util::BodyExt;
/// # use tower::{Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// # let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a")).max_bytes(0);
/// # let body = ScriptedBody::new().data("one").data("two").data("three");
/// # let service = layer.layer(ScriptedService::once(body));
/// # let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
/// let (fast, mut slow) = tokio::try_join!(ask(), ask())?;
/// slow.frame().await.ok_or("it begins")??;
/// fast.collect().await?; // more than is kept for those who come after
/// assert!(slow.collect().await.unwrap_err().is::<Lagged>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    after: Duration,
}

impl Lagged {
    pub(super) const fn new(after: Duration) -> Self {
        Self { after }
    }

    /// How long the others waited.
    ///
    /// ```
    /// # use blossom_layers::{body::ReqBody, cache::key::CanonicalKey, types::Scope};
    /// # use blossom_layers::{coalesce::CoalesceLayer, cause_ref, flight::Lagged, test_util::*};
    /// # use http::Request;
    /// # use http_body_util::BodyExt;
    /// # use tower::{Layer, ServiceExt};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let layer = CoalesceLayer::new(CanonicalKey::new(), Scope::fixed("team-a")).max_bytes(0);
    /// # let body = ScriptedBody::new().data("one").data("two").data("three");
    /// # let service = layer.layer(ScriptedService::once(body));
    /// # let ask = || service.clone().oneshot(Request::new(ReqBody::empty()));
    /// # let (fast, mut slow) = tokio::try_join!(ask(), ask())?;
    /// # slow.frame().await.ok_or("it begins")??;
    /// # fast.collect().await?;
    /// # let error = slow.collect().await.unwrap_err();
    /// let lagged = cause_ref::<Lagged>(&*error).ok_or("it was left behind")?;
    /// assert_eq!(lagged.after().as_secs(), 1, "the default of the layer");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after;
        write!(
            f,
            "this reader of a shared response kept the others waiting for {after:?}"
        )
    }
}

impl error::Error for Lagged {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&REFUSAL)
    }
}
