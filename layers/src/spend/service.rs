use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseFuture, Settle, SpendLayer, settle::Ticket};
use crate::{
    BoxError,
    body::Guarded,
    types::{Held, Partition, Price, QuoteCost, Unpartitioned, Unquoted},
};

/// Counts what calls cost, and refuses those that a budget does not allow.
///
/// See the [module docs](super) for an example.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     spend::{Spend, SpendLayer},
///     test_util::ScriptedService,
///     types::{Nanos, Quote, Record},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
/// let service: Spend<ScriptedService, _> = spend.layer(ScriptedService::default());
/// service.oneshot(Request::new(())).await?;
/// assert_eq!(spend.handle().totals().spent, Nanos(40));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Spend<S, P, Q = Unquoted, K = Unpartitioned> {
    inner: S,
    spend: SpendLayer<P, Q, K>,
}

impl<S, P, Q, K> Spend<S, P, Q, K> {
    /// Wraps `inner`. It shares the books of all services of `spend`.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::{
    /// #     spend::{Spend, SpendLayer},
    /// #     test_util::ScriptedService,
    /// #     types::{Nanos, Quote, Record},
    /// # };
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
    /// let service = Spend::new(ScriptedService::default(), spend.clone());
    /// service.oneshot(Request::new(())).await?;
    /// assert_eq!(spend.handle().totals().calls, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S, spend: SpendLayer<P, Q, K>) -> Self {
        Self { inner, spend }
    }
}

impl<P: Price + Clone, Q, K> SpendLayer<P, Q, K> {
    /// What hangs on the call of `request`, or why it is not made.
    fn admit<B>(&self, request: &mut Request<B>) -> Result<Settle<P>, BoxError>
    where
        Q: QuoteCost<B>,
        K: Partition<B>,
    {
        let Some(quote) = self.quote.quote(request) else {
            return Ok(Settle::new(None));
        };
        let part = self.partition.partition(request);
        let reservation = self.ledger.reserve(&quote, part)?;
        Ok(Settle::new(Some(Ticket {
            reservation,
            price: self.price.clone(),
            quote,
            outcome: None,
            held: Held::place(request.extensions_mut()),
        })))
    }
}

impl<S, P, Q, K, B, R> Service<Request<B>> for Spend<S, P, Q, K>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: Price + Clone,
    Q: QuoteCost<B>,
    K: Partition<B>,
    R: Body,
{
    type Response = Response<Guarded<R, Settle<P>>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, S::Future, P>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.spend.admit(&mut request) {
            Ok(settle) => ResponseFuture::calling(self.inner.clone(), request, settle),
            Err(error) => ResponseFuture::refused(error),
        }
    }
}

impl<S: fmt::Debug, P, Q, K> fmt::Debug for Spend<S, P, Q, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spend")
            .field("inner", &self.inner)
            .field("spend", &self.spend)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use http_body_util::BodyExt;
    use tokio::time::advance;
    use tower::{Layer, ServiceExt};

    use super::*;
    use crate::{
        cause_ref,
        spend::{Budget, PriceUnknown, SpendExceeded, Unknown},
        test_util::{ScriptedBody, ScriptedService, Step},
        types::{
            CacheStatus, Nanos, Outcome, PartitionKey, Quote, Record, Refusal, RefusalKind, Usage,
        },
    };

    const HOUR: Duration = Duration::from_secs(3600);

    /// One for each token that was reported, or had been produced.
    fn price(_: &Quote, record: &Record) -> Option<Nanos> {
        let usage = record.usage.map(|usage| usage.total_tokens);
        usage.or(record.produced_tokens).map(Nanos)
    }

    /// A quote of 50, unless the request says what.
    fn quote(request: &Request<()>) -> Option<Quote> {
        let Some(most) = request.headers().get("most") else {
            return Some(Quote::new().model("asked").most(Nanos(50)));
        };
        match most.to_str().unwrap() {
            "free" => None,
            "unknown" => Some(Quote::new()),
            number => Some(Quote::new().most(Nanos(number.parse().unwrap()))),
        }
    }

    fn tenant(request: &Request<()>) -> Option<PartitionKey> {
        let tenant = request.headers().get("tenant")?;
        Some(PartitionKey::new(tenant.to_str().unwrap()))
    }

    type Layered = SpendLayer<
        fn(&Quote, &Record) -> Option<Nanos>,
        fn(&Request<()>) -> Option<Quote>,
        fn(&Request<()>) -> Option<PartitionKey>,
    >;

    fn layer() -> Layered {
        SpendLayer::new(price as fn(&Quote, &Record) -> Option<Nanos>)
            .quote(quote as fn(&Request<()>) -> Option<Quote>)
            .partition(tenant as fn(&Request<()>) -> Option<PartitionKey>)
    }

    fn asking(name: &'static str, value: &'static str) -> Request<()> {
        Request::builder().header(name, value).body(()).unwrap()
    }

    /// A reply with an outcome that is as `record` says.
    fn reply(body: ScriptedBody, record: impl FnOnce(&mut Record)) -> Response<ScriptedBody> {
        let outcome = Outcome::new();
        outcome.update(record);
        let mut response = Response::new(body);
        response.extensions_mut().insert(outcome);
        response
    }

    fn used(tokens: u64) -> Response<ScriptedBody> {
        reply(ScriptedBody::new().data("a"), |record| {
            record.usage = Some(Usage::new(tokens, 0));
            record.model = Some("answered".into());
        })
    }

    async fn ask(
        layer: &Layered,
        response: Response<ScriptedBody>,
        request: Request<()>,
    ) -> Result<(), BoxError> {
        let inner = ScriptedService::new([Step::Respond(response)]);
        let response = layer.layer(inner).oneshot(request).await?;
        response.into_body().collect().await?;
        Ok(())
    }

    fn exceeded(error: &BoxError) -> &SpendExceeded {
        error.downcast_ref().unwrap()
    }

    #[tokio::test]
    async fn p9_each_of_the_four_ends_of_a_body_settles_once() {
        let frames = || ScriptedBody::new().data("a").data("b");
        for (body, reads) in [
            (frames().sized(), 2),
            (frames(), 3),
            (frames().error("cut"), 3),
            (frames(), 1),
        ] {
            let layer = layer();
            let response = reply(body, |record| record.produced_tokens = Some(30));
            let inner = ScriptedService::new([Step::Respond(response)]);
            let answer = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
            let outcome = answer.extensions().get::<Outcome>().unwrap().clone();
            let mut body = Box::pin(answer.into_body());
            assert_eq!(layer.handle().totals().reserved, Nanos(50));
            for _ in 0..reads {
                drop(body.frame().await);
            }
            drop(body);

            let (totals, balance) = (layer.handle().totals(), layer.handle().balance());
            assert_eq!((totals.calls, totals.spent), (1, Nanos(30)));
            assert_eq!((balance.refunded, balance.open), (20, 0));
            assert_eq!(outcome.read(|record| record.cost), Some(Nanos(30)));
        }
    }

    #[tokio::test]
    async fn the_cost_of_a_stream_is_told_with_its_usage_and_booked_at_its_end() {
        let layer = layer();
        let body = ScriptedBody::new().data("usage").data("last");
        let response = reply(body, |record| record.usage = Some(Usage::new(30, 0)));
        let inner = ScriptedService::new([Step::Respond(response)]);
        let answer = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
        let outcome = answer.extensions().get::<Outcome>().unwrap().clone();
        let mut body = Box::pin(answer.into_body());

        body.frame().await.unwrap().unwrap();
        assert_eq!(outcome.read(|record| record.cost), Some(Nanos(30)));
        assert_eq!(layer.handle().totals().spent, Nanos::ZERO);
        drop(body);
        assert_eq!(layer.handle().totals().spent, Nanos(30));
    }

    #[tokio::test]
    async fn f4_a_caller_who_leaves_gets_all_back_before_the_request_is_sent_and_nothing_after() {
        let layer = layer();
        let inner = ScriptedService::new([Step::Hang, Step::Hang]);

        drop(layer.layer(inner.clone()).oneshot(Request::new(())));
        let before = layer.layer(inner.clone()).call(Request::new(()));
        assert_eq!(layer.handle().totals().reserved, Nanos(50));
        drop(before);
        assert_eq!(layer.handle().totals().spent, Nanos::ZERO);
        assert_eq!(layer.handle().balance().refunded, 50);

        let mut after = tokio_test::task::spawn(layer.layer(inner).call(Request::new(())));
        assert!(after.poll().is_pending());
        drop(after);
        let balance = layer.handle().balance();
        assert_eq!((balance.settled, balance.refunded), (50, 50));
        assert_eq!(balance.reserved, balance.settled + balance.refunded);
    }

    #[tokio::test]
    async fn what_a_layer_further_in_refused_costs_nothing_and_what_was_lost_costs_the_quote() {
        let layer = layer();
        let refuse = tower::service_fn(|_: Request<()>| async {
            let refusal = Refusal::new(RefusalKind::Overloaded);
            Err::<Response<ScriptedBody>, BoxError>(refusal.into())
        });
        layer
            .layer(refuse)
            .oneshot(Request::new(()))
            .await
            .unwrap_err();
        assert_eq!(layer.handle().totals().spent, Nanos::ZERO);

        let lost = ScriptedService::new([Step::Fail("lost")]);
        layer
            .layer(lost)
            .oneshot(Request::new(()))
            .await
            .unwrap_err();
        assert_eq!(layer.handle().totals().spent, Nanos(50));
    }

    #[tokio::test]
    async fn a_failed_status_and_a_hit_cost_nothing() {
        let layer = layer();
        let mut failed = used(30);
        *failed.status_mut() = StatusCode::BAD_GATEWAY;
        ask(&layer, failed, Request::new(())).await.unwrap();
        let mut hit = used(30);
        hit.extensions_mut().insert(CacheStatus::Hit);
        ask(&layer, hit, Request::new(())).await.unwrap();

        let balance = layer.handle().balance();
        assert_eq!((balance.settled, balance.refunded), (0, 100));
    }

    #[tokio::test]
    async fn what_a_cache_answers_is_counted_as_saved() {
        let layer = layer();
        for status in [CacheStatus::Hit, CacheStatus::Coalesced, CacheStatus::Miss] {
            let mut response = used(30);
            response.extensions_mut().insert(status);
            let inner = ScriptedService::new([Step::Respond(response)]);
            let outside = layer.savings().layer(inner);
            let answer = outside.oneshot(asking("tenant", "a")).await.unwrap();
            answer.into_body().collect().await.unwrap();
        }

        let totals = layer.handle().totals();
        assert_eq!((totals.hits, totals.saved), (2, Nanos(60)));
        assert_eq!((totals.calls, totals.spent), (0, Nanos::ZERO));
        let (tenant, of_tenant) = layer.handle().partitions().remove(0);
        assert_eq!((tenant.unwrap().as_str(), of_tenant), ("a", totals));
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_refuses_says_what_is_left_and_begins_anew() {
        let layer = layer().budget(Budget::new(Nanos(100), HOUR));
        let started = layer.handle();
        ask(&layer, used(45), Request::new(())).await.unwrap();
        ask(&layer, used(20), Request::new(())).await.unwrap();
        advance(HOUR / 4).await;
        assert_eq!(started.left(), Some(Nanos(35)));

        let error = ask(&layer, used(1), Request::new(())).await.unwrap_err();
        let refused = exceeded(&error);
        assert_eq!((refused.spent(), refused.limit()), (Nanos(65), Nanos(100)));
        assert_eq!(
            (refused.left(), refused.asked()),
            (Nanos(35), Some(Nanos(50)))
        );
        assert_eq!(refused.resets(), Some(HOUR * 3 / 4));
        let refusal = cause_ref::<Refusal>(&*error).unwrap();
        assert_eq!(
            (refusal.kind(), refusal.wait()),
            (RefusalKind::Spent, refused.resets())
        );
        assert!(refusal.is_unsent());

        advance(HOUR * 3 / 4).await;
        assert_eq!(started.left(), Some(Nanos(100)));
        ask(&layer, used(1), Request::new(())).await.unwrap();
    }

    #[tokio::test]
    async fn calls_at_once_do_not_together_pass_a_budget() {
        let layer = layer().budget(Budget::in_all(Nanos(120)));
        let inner = ScriptedService::new((0..3).map(|_| Step::Hang));
        let mut calls: Vec<_> = (0..3)
            .map(|_| tokio_test::task::spawn(layer.layer(inner.clone()).call(Request::new(()))))
            .collect();

        let pending = calls.iter_mut().filter_map(|call| match call.poll() {
            Poll::Pending => Some(()),
            Poll::Ready(_) => None,
        });
        assert_eq!(pending.count(), 2);
    }

    #[tokio::test]
    async fn each_part_has_a_budget_of_its_own() {
        let layer = layer().budget_each(Budget::in_all(Nanos(60)));

        ask(&layer, used(50), asking("tenant", "a")).await.unwrap();
        let error = ask(&layer, used(1), asking("tenant", "a"))
            .await
            .unwrap_err();
        assert_eq!(exceeded(&error).partition().unwrap().as_str(), "a");
        ask(&layer, used(50), asking("tenant", "b")).await.unwrap();
        ask(&layer, used(50), Request::new(())).await.unwrap();

        let handle = layer.handle();
        assert_eq!(handle.left_of(&PartitionKey::new("a")), Some(Nanos(10)));
        assert_eq!(handle.left_of(&PartitionKey::new("c")), Some(Nanos(60)));
        assert_eq!(handle.totals().spent, Nanos(150));
    }

    #[tokio::test]
    async fn parts_and_models_are_bounded_and_those_beyond_share() {
        let layer = layer()
            .budget_each(Budget::in_all(Nanos(60)))
            .max_partitions(1)
            .max_models(0);
        ask(&layer, used(50), asking("tenant", "a")).await.unwrap();
        ask(&layer, used(50), asking("tenant", "b")).await.unwrap();
        assert!(ask(&layer, used(50), asking("tenant", "c")).await.is_err());

        let handle = layer.handle();
        assert_eq!(handle.partitions().len(), 2);
        let models = handle.models();
        assert_eq!((models.len(), models[0].0.clone()), (1, None));
        assert_eq!(models[0].1.spent, Nanos(100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_owes_nothing_makes_room_and_no_sum_is_lost() {
        let layer = layer()
            .budget_each(Budget::new(Nanos(60), HOUR))
            .max_partitions(1);
        ask(&layer, used(50), asking("tenant", "a")).await.unwrap();
        advance(HOUR).await;
        ask(&layer, used(40), asking("tenant", "b")).await.unwrap();

        let all = layer.handle().partitions();
        let spent: u64 = all.iter().map(|(_, totals)| totals.spent.0).sum();
        assert_eq!((all.len(), spent), (2, 90));
    }

    #[tokio::test]
    async fn totals_are_kept_for_the_model_that_answered_else_the_one_asked_for() {
        let layer = layer();
        ask(&layer, used(30), Request::new(())).await.unwrap();
        let silent = reply(ScriptedBody::new(), |record| {
            record.usage = Some(Usage::new(7, 0));
        });
        ask(&layer, silent, Request::new(())).await.unwrap();

        let mut models = layer.handle().models();
        models.sort_by_key(|(_, totals)| totals.spent);
        let names: Vec<_> = models.iter().map(|(name, _)| name.as_deref()).collect();
        assert_eq!(names, [Some("asked"), Some("answered")]);
    }

    #[tokio::test]
    async fn an_unknown_price_is_allowed_or_refused_as_told() {
        let unknown = || asking("most", "unknown");
        let strict = layer().unknown(Unknown::Refuse);
        let layer = layer().budget(Budget::in_all(Nanos(10)));
        let untold = reply(ScriptedBody::new(), |_| ());
        ask(&layer, untold, unknown()).await.unwrap();
        assert_eq!(layer.handle().totals().unpriced, 1);
        ask(&layer, used(30), unknown()).await.unwrap();
        assert_eq!(layer.handle().totals().spent, Nanos(30));
        // Nothing is left now.
        assert!(ask(&layer, used(1), unknown()).await.is_err());

        let error = ask(&strict, used(1), unknown()).await.unwrap_err();
        assert!(error.is::<PriceUnknown>());
        ask(&strict, used(1), Request::new(())).await.unwrap();
    }

    #[tokio::test]
    async fn what_costs_nothing_passes_a_budget_that_is_spent() {
        let layer = layer().budget(Budget::in_all(Nanos::ZERO));

        assert!(ask(&layer, used(0), asking("most", "1")).await.is_err());
        ask(&layer, used(0), asking("most", "0")).await.unwrap();
        ask(&layer, used(9), asking("most", "free")).await.unwrap();
        assert_eq!(layer.handle().totals().calls, 1);
    }

    #[tokio::test]
    async fn j3_usage_beyond_all_bounds_saturates() {
        let layer = layer().budget(Budget::in_all(Nanos(u64::MAX)));
        for _ in 0..3 {
            ask(&layer, used(u64::MAX), asking("most", "0"))
                .await
                .unwrap();
        }

        let handle = layer.handle();
        assert_eq!(handle.totals().spent, Nanos(u64::MAX));
        assert_eq!(handle.balance().settled, 3 * u128::from(u64::MAX));
        assert_eq!(handle.left(), Some(Nanos::ZERO));
    }

    #[tokio::test]
    async fn two_layers_share_nothing_and_clones_share_all() {
        let (one, other) = (layer(), layer());
        ask(&one.clone(), used(30), Request::new(())).await.unwrap();

        assert_eq!(one.handle().totals().spent, Nanos(30));
        assert_eq!(other.handle().totals().spent, Nanos::ZERO);
    }

    #[tokio::test]
    async fn a_reply_that_nobody_observes_costs_its_quote() {
        let layer = layer();
        let bare = Response::new(ScriptedBody::new().data("a"));
        ask(&layer, bare, Request::new(())).await.unwrap();

        assert_eq!(layer.handle().totals().spent, Nanos(50));
    }
}
