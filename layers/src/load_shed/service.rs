use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

use super::{
    Overloaded, ResponseFuture,
    service_time::{Mean, ServiceTime},
};
use crate::{BoxError, sync::Arc};

/// Refuses at once, with a time to come back, instead of waiting for a service that is not ready.
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::load_shed::{LoadShed, LoadShedLayer};
/// use tower_layer::Layer as _;
///
/// let service: LoadShed<&str> = LoadShedLayer::new().layer("any service");
/// ```
#[derive(Debug)]
pub struct LoadShed<S> {
    inner: S,
    ready: bool,
    mean: Arc<Mean>,
}

impl<S> LoadShed<S> {
    /// Wraps `inner`. It shares what it learns with its clones only.
    ///
    /// ```
    /// # use blossom_layers::{load_shed::LoadShed, test_util::ScriptedService};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let service = LoadShed::new(ScriptedService::default());
    /// assert_eq!(service.oneshot(Request::new(())).await?.status(), 200, "it is ready");
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(inner: S) -> Self {
        Self::with_mean(inner, Arc::default())
    }

    pub(super) const fn with_mean(inner: S, mean: Arc<Mean>) -> Self {
        Self {
            inner,
            ready: false,
            mean,
        }
    }
}

impl<S, B> Service<Request<B>> for LoadShed<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = match self.inner.poll_ready(cx) {
            Poll::Ready(ready) => ready.map(|()| true).map_err(Into::into)?,
            Poll::Pending => false,
        };
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !std::mem::take(&mut self.ready) {
            return ResponseFuture::shed(Overloaded::new(self.mean.get()));
        }
        let time = ServiceTime::start(&self.mean);
        ResponseFuture::calling(self.inner.call(request), time)
    }
}

// By hand, because readiness is not cloned: it belongs to the very value that was asked.
impl<S: Clone> Clone for LoadShed<S> {
    fn clone(&self) -> Self {
        Self::with_mean(self.inner.clone(), self.mean.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Response;
    use tower::{Layer, ServiceExt};

    use super::*;
    use crate::{
        cause_ref,
        load_shed::LoadShedLayer,
        test_util::{ScriptedBody, ScriptedService, Step},
        types::{Refusal, RefusalKind},
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// A service whose calls take so long.
    fn takes(time: Duration) -> ScriptedService {
        ScriptedService::new((0..99).map(|_| {
            let empty = Response::new(ScriptedBody::new().sized());
            Step::RespondAfter(time, empty)
        }))
    }

    /// How long a service that is not ready says to stay away.
    async fn told(layer: &LoadShedLayer) -> Duration {
        let full = tower::limit::ConcurrencyLimit::new(ScriptedService::default(), 0);
        let call = layer.layer(full).oneshot(Request::new(()));
        let error = call.await.unwrap_err();
        let refusal = *cause_ref::<Refusal>(&*error).unwrap();
        assert_eq!(refusal.kind(), RefusalKind::Overloaded);
        assert!(refusal.is_unsent());
        let after = error.downcast_ref::<Overloaded>().unwrap().retry_after();
        assert_eq!(refusal.wait(), Some(after));
        after
    }

    #[tokio::test(start_paused = true)]
    async fn e3_what_it_refuses_comes_back_after_the_time_that_calls_take() {
        let layer = LoadShedLayer::new();
        assert_eq!(told(&layer).await, SECOND);

        let slow = layer.layer(takes(SECOND * 3));
        assert!(slow.oneshot(Request::new(())).await.is_ok());
        assert_eq!(told(&layer).await, SECOND * 3);
        let fast = layer.layer(takes(SECOND));
        for _ in 0..7 {
            assert!(fast.clone().oneshot(Request::new(())).await.is_ok());
        }
        let mean = told(&layer).await;
        assert!(mean > SECOND && mean < SECOND * 2, "{mean:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_told_to_stay_away_for_ever() {
        let layer = LoadShedLayer::new();
        let service = layer.layer(takes(SECOND * 86_400));
        assert!(service.oneshot(Request::new(())).await.is_ok());

        assert_eq!(told(&layer).await, SECOND * 120);
    }

    /// Of four calls at once on a service with room for two, which are answered at once.
    fn answered_at_once<S, B>(service: &S) -> Vec<bool>
    where
        S: Service<Request<()>, Response = Response<B>> + Clone,
    {
        let call = |_| tokio_test::task::spawn(service.clone().oneshot(Request::new(())));
        let mut calls: Vec<_> = (0..4).map(call).collect();
        let polled = calls.iter_mut().map(|call| match call.poll() {
            Poll::Pending => false,
            Poll::Ready(answer) => {
                assert!(answer.is_err());
                true
            }
        });
        polled.collect()
    }

    #[tokio::test]
    async fn it_sheds_what_towers_sheds() {
        let two = || {
            let hang = ScriptedService::new((0..9).map(|_| Step::Hang));
            tower::limit::ConcurrencyLimit::new(hang, 2)
        };
        let ours = answered_at_once(&LoadShed::new(two()));
        let towers = answered_at_once(&tower::load_shed::LoadShed::new(two()));

        assert_eq!(ours, [false, false, true, true]);
        assert_eq!(ours, towers);
    }

    #[tokio::test]
    async fn a_clone_is_not_ready_because_its_original_is() {
        let mut service = LoadShed::new(ScriptedService::default());
        ServiceExt::<Request<()>>::ready(&mut service)
            .await
            .unwrap();

        let shed = service.clone().call(Request::new(())).await.unwrap_err();
        assert!(shed.is::<Overloaded>());
        assert!(service.call(Request::new(())).await.is_ok());
    }
}
