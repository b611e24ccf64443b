use std::{
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::types::Deadline;

/// Applies [`GrpcTimeout`].
///
/// It stands in two places: outside the retries it makes a deadline of what the caller says, inside
/// them it tells the upstream what is left of it.
///
/// ```
/// use std::time::Duration;
///
/// # use blossom_layers::retry::RetryLayer;
/// # use blossom_layers::timeout::{GrpcTimeoutLayer, TotalTimeoutLayer};
/// # use tower::ServiceBuilder;
/// let stack = ServiceBuilder::new()
///     .layer(GrpcTimeoutLayer::new()) // the caller's `grpc-timeout` is a deadline
///     .layer(TotalTimeoutLayer::new(Duration::from_secs(600))) // ends the call at the earlier one
///     .layer(RetryLayer::default()) // never waits past it
///     .layer(GrpcTimeoutLayer::new()); // each attempt says what is left
/// # let _ = stack;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct GrpcTimeoutLayer {
    always: bool,
}

impl GrpcTimeoutLayer {
    /// A layer that lowers the `grpc-timeout` of requests that have one.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::ScriptedService,
    /// #     timeout::GrpcTimeoutLayer,
    /// #     types::Deadline,
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::default();
    /// let service = GrpcTimeoutLayer::new().layer(upstream.clone());
    /// let request = Request::builder().header("grpc-timeout", "5S").body(())?;
    /// service.oneshot(request).await?;
    /// assert!(Deadline::of(&upstream.seen()[0].extensions).is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { always: false }
    }

    /// Also adds one to requests that have none, where there is a [`Deadline`]. Default: no, since a
    /// field that nobody asked for is not sent to services that may not be gRPC.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::Request;
    /// # use tokio::time::Instant;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use blossom_layers::{
    /// #     test_util::ScriptedService,
    /// #     timeout::GrpcTimeoutLayer,
    /// #     types::Deadline,
    /// # };
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::default();
    /// let service = GrpcTimeoutLayer::new().always().layer(upstream.clone());
    /// let mut request = Request::new(());
    /// let deadline = Instant::now() + Duration::from_millis(20);
    /// request.extensions_mut().insert(Deadline::at(deadline.into_std()));
    /// service.oneshot(request).await?;
    /// assert_eq!(upstream.seen()[0].headers["grpc-timeout"], "20000000n");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.always = true;
        self
    }
}

impl<S> Layer<S> for GrpcTimeoutLayer {
    type Service = GrpcTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcTimeout {
            inner,
            always: self.always,
        }
    }
}

/// Keeps the [`Deadline`] of a request and its `grpc-timeout` at the earlier of both.
///
/// The field says how long the caller of a gRPC method still waits: up to 8 digits and a unit, by the
/// [protocol]. It is a span and not an instant, so whoever sends it later has to lower it: after a wait
/// in a queue or for another attempt less is left. It is never raised. What is left is rounded down to
/// the finest unit that 8 digits hold; a deadline that has passed is told as `1n`, since the protocol
/// wants a positive number.
///
/// A value that is not in this form passes as it is, and is the upstream's to refuse. The layer ends
/// nothing itself: clocks do, here [`TotalTimeout`](super::TotalTimeout) further in and there the
/// upstream.
///
/// Readiness is forwarded, the future and the body are the inner service's own: nothing is left to
/// release when they are dropped. A request without the field costs one lookup.
///
/// [protocol]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
///
/// ```
/// # use std::time::Duration;
/// # use http::Request;
/// # use tokio::time::Instant;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     test_util::ScriptedService,
///     timeout::{GrpcTimeout, GrpcTimeoutLayer},
///     types::Deadline,
/// };
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let upstream = ScriptedService::default();
/// let service: GrpcTimeout<ScriptedService> = GrpcTimeoutLayer::new().layer(upstream.clone());
///
/// // Of the 5 seconds that the caller gave, 20 ms are left.
/// let mut request = Request::builder().header("grpc-timeout", "5S").body(())?;
/// let deadline = Instant::now() + Duration::from_millis(20);
/// request.extensions_mut().insert(Deadline::at(deadline.into_std()));
/// service.oneshot(request).await?;
/// assert_eq!(upstream.seen()[0].headers["grpc-timeout"], "20000000n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GrpcTimeout<S> {
    inner: S,
    always: bool,
}

impl<S> GrpcTimeout<S> {
    /// Wraps `inner`, and lowers the `grpc-timeout` of requests that have one.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::ServiceExt as _;
    /// # use blossom_layers::{test_util::ScriptedService, timeout::GrpcTimeout};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::default();
    /// let service = GrpcTimeout::new(upstream.clone());
    /// service.oneshot(Request::new(())).await?;
    /// // Nobody has asked for it.
    /// assert!(!upstream.seen()[0].headers.contains_key("grpc-timeout"));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(inner: S) -> Self {
        Self {
            inner,
            always: false,
        }
    }

    /// Brings both into line.
    fn lower<B>(&self, request: &mut Request<B>) {
        let asked = match asked(request.headers()) {
            Asked::Nothing if self.always => None,
            Asked::Nothing | Asked::Nonsense => return,
            Asked::Wait(wait) => Some(wait),
        };
        let now = Instant::now().into_std();
        let own = asked.and_then(|wait| Deadline::after(now, wait));
        let given = Deadline::of(request.extensions());
        let deadline = match (own, given) {
            (Some(own), Some(given)) => own.min(given),
            (Some(deadline), None) | (None, Some(deadline)) => deadline,
            (None, None) => return,
        };
        if given != Some(deadline) {
            request.extensions_mut().insert(deadline);
        }
        let left = deadline.remaining(now);
        if asked.is_none_or(|wait| left < wait)
            && let Ok(value) = HeaderValue::try_from(written(left))
        {
            request.headers_mut().insert(FIELD, value);
        }
    }
}

impl<S, B> Service<Request<B>> for GrpcTimeout<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.lower(&mut request);
        self.inner.call(request)
    }
}

/// What a request says of its time.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// It is not in the form of the protocol.
    Nonsense,
    Wait(Duration),
}

/// The shortest of what the fields of a request say.
fn asked(headers: &HeaderMap) -> Asked {
    let mut asked = Asked::Nothing;
    for value in headers.get_all(FIELD) {
        let Some(wait) = value.to_str().ok().and_then(read) else {
            return Asked::Nonsense;
        };
        asked = match asked {
            Asked::Wait(other) => Asked::Wait(other.min(wait)),
            _ => Asked::Wait(wait),
        };
    }
    asked
}

/// A time in the form of the protocol.
fn read(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !number || digits.len() > DIGITS {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// `left` in the finest unit in which it fits, rounded down.
fn written(left: Duration) -> String {
    let seconds = u128::from(left.as_secs());
    let units = [
        (left.as_nanos().max(1), 'n'),
        (left.as_micros(), 'u'),
        (left.as_millis(), 'm'),
        (seconds, 'S'),
        (seconds / 60, 'M'),
        (seconds / 3600, 'H'),
    ];
    let fits = units.iter().find(|(number, _)| *number <= MOST);
    // Eleven thousand years are as good as for ever.
    let (number, unit) = fits.copied().unwrap_or((MOST, 'H'));
    format!("{number}{unit}")
}

const FIELD: HeaderName = HeaderName::from_static("grpc-timeout");
const DIGITS: usize = 8;
/// The largest number of so many digits.
const MOST: u128 = 99_999_999;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tower::ServiceExt;

    use super::*;
    use crate::test_util::ScriptedService;

    const SECOND: Duration = Duration::from_secs(1);

    fn deadline(after: Duration) -> Deadline {
        Deadline::after(Instant::now().into_std(), after).unwrap()
    }

    fn request(fields: &[&str]) -> Request<()> {
        let mut request = Request::new(());
        for field in fields {
            let value = HeaderValue::from_str(field).unwrap();
            request.headers_mut().append(FIELD, value);
        }
        request
    }

    /// What the upstream sees: the field, and what is left until the deadline.
    async fn seen(
        layer: GrpcTimeoutLayer,
        request: Request<()>,
    ) -> (Vec<String>, Option<Duration>) {
        let inner = ScriptedService::default();
        layer.layer(inner.clone()).oneshot(request).await.unwrap();
        let seen = inner.seen();
        let head = seen.first().unwrap();
        let fields = head.headers.get_all(FIELD).iter();
        let fields = fields.map(|value| value.to_str().unwrap().to_owned());
        let now = Instant::now().into_std();
        let left = Deadline::of(&head.extensions).map(|deadline| deadline.remaining(now));
        (fields.collect(), left)
    }

    #[tokio::test(start_paused = true)]
    async fn g5_a_time_that_is_longer_than_the_deadline_is_lowered() {
        let mut request = request(&["5S"]);
        request.extensions_mut().insert(deadline(SECOND * 2));
        tokio::time::advance(SECOND / 2).await;

        let (fields, left) = seen(GrpcTimeoutLayer::new(), request).await;

        assert_eq!(fields, ["1500000u"]);
        assert_eq!(left, Some(SECOND * 3 / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn g5_a_time_that_is_shorter_is_never_raised_and_becomes_the_deadline() {
        let mut before = request(&["300m"]);
        before.extensions_mut().insert(deadline(SECOND));
        let expected = Some(Duration::from_millis(300));
        let as_it_was = |field: &str| (vec![field.to_owned()], expected);

        assert_eq!(
            seen(GrpcTimeoutLayer::new(), before).await,
            as_it_was("300m")
        );
        let alone = request(&["300m"]);
        assert_eq!(
            seen(GrpcTimeoutLayer::new(), alone).await,
            as_it_was("300m")
        );
        let (_, left) = seen(GrpcTimeoutLayer::new(), request(&["2S", "1S"])).await;
        assert_eq!(left, Some(SECOND), "the shortest of several holds");
    }

    #[tokio::test(start_paused = true)]
    async fn g5_a_request_without_a_time_gets_one_only_where_it_is_asked_for() {
        let with_deadline = || {
            let mut request = request(&[]);
            request.extensions_mut().insert(deadline(SECOND));
            request
        };
        let none = Vec::<String>::new();

        let (fields, left) = seen(GrpcTimeoutLayer::new(), with_deadline()).await;
        assert_eq!((fields, left), (none.clone(), Some(SECOND)));
        let (fields, _) = seen(GrpcTimeoutLayer::new().always(), with_deadline()).await;
        assert_eq!(fields, ["1000000u"]);
        let (fields, left) = seen(GrpcTimeoutLayer::new().always(), request(&[])).await;
        assert_eq!((fields, left), (none, None));
    }

    #[tokio::test(start_paused = true)]
    async fn g5_what_is_no_time_passes_as_it_is() {
        for odd in [
            "",
            "S",
            "5",
            "5s",
            "+5S",
            "-5S",
            "1.5S",
            "123456789S",
            "5 S",
            "5SS",
            "ö",
        ] {
            let mut request = request(&[]);
            let value = HeaderValue::from_bytes(odd.as_bytes()).unwrap();
            request.headers_mut().insert(FIELD, value.clone());
            request.extensions_mut().insert(deadline(SECOND));
            let inner = ScriptedService::default();
            let layer = GrpcTimeoutLayer::new().always();

            layer.layer(inner.clone()).oneshot(request).await.unwrap();

            assert_eq!(inner.seen().first().unwrap().headers[FIELD], value);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn g5_a_deadline_that_has_passed_is_told_as_the_shortest_time() {
        let mut late = request(&["5S"]);
        late.extensions_mut().insert(deadline(SECOND));
        tokio::time::advance(SECOND * 2).await;

        let (fields, left) = seen(GrpcTimeoutLayer::new(), late).await;

        assert_eq!(
            (fields, left),
            (vec!["1n".to_owned()], Some(Duration::ZERO))
        );
    }

    #[test]
    fn the_finest_unit_that_fits_is_written() {
        for (left, text) in [
            (Duration::ZERO, "1n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_000), "100000u"),
            (Duration::from_nanos(100_000_999), "100000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_millis(100_000_999), "100000S"),
            (Duration::from_secs(99_999_999), "99999999S"),
            (Duration::from_secs(100_000_019), "1666666M"),
            (Duration::from_secs(6_000_000_000), "1666666H"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(written(left), text, "{left:?}");
        }
    }

    proptest! {
        #[test]
        fn g5_what_is_written_can_be_read_and_is_never_more(
            left in (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s >> (n % 64), n)),
        ) {
            let text = written(left);
            let back = read(&text).unwrap();
            prop_assert!(text.len() <= 9 && text.is_ascii());
            prop_assert!(back <= left.max(Duration::from_nanos(1)));
            // Of what takes 8 digits no more than one unit in a hundred thousand is lost.
            if left < Duration::from_secs(99_999_999 * 3600) {
                prop_assert!(left.abs_diff(back).as_secs_f64() <= left.as_secs_f64() / 1e4);
            }
        }

        #[test]
        fn g5_no_value_is_a_panic(text in ".{0,12}") {
            if let Some(time) = read(&text) {
                prop_assert!(text.len() <= 9 && time <= Duration::from_secs(360_000_000_000));
            }
        }
    }
}
