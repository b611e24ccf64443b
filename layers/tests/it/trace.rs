//! What the spans say, when they close, and whose children they are.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use blossom_layers::{
    BoxError,
    body::{End, ReqBody},
    cache::{CacheLayer, tier::MemoryTier},
    coalesce::CoalesceLayer,
    observe::ObserveLayer,
    test_util::{ScriptedBody, ScriptedService, Step},
    timeout::IdleTimeoutLayer,
    trace::{TraceContext, TraceLayer, W3c},
    types::{
        Attempt, CacheKey, CacheStatus, Deferred, Description, FinishReason, Record, Scope, Usage,
        Watch,
    },
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, response::Parts};
use http_body_util::BodyExt;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt, service_fn};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt},
    registry::LookupSpan,
};

const SECOND: Duration = Duration::from_secs(1);

/// What is seen of one span.
#[derive(Debug, Clone, Default)]
struct Seen {
    id: u64,
    name: &'static str,
    parent: Option<u64>,
    fields: BTreeMap<&'static str, String>,
    closed: usize,
    entered: usize,
    follows: Vec<u64>,
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

impl Spans {
    fn install() -> (Self, tracing::subscriber::DefaultGuard) {
        let spans = Self::default();
        let subscriber = tracing_subscriber::registry().with(spans.clone());
        (spans, tracing::subscriber::set_default(subscriber))
    }

    fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    fn only(&self) -> Seen {
        let mut all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Of ids that are used again, the last one.
    fn change(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        let mut all = self.0.lock().unwrap();
        let of_id = all.iter_mut().rfind(|seen| seen.id == id.into_u64());
        if let Some(seen) = of_id {
            change(seen);
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut seen = Seen {
            id: id.into_u64(),
            name: attributes.metadata().name(),
            parent: context
                .span(id)
                .unwrap()
                .parent()
                .map(|span| span.id().into_u64()),
            ..Seen::default()
        };
        attributes.record(&mut Fields(&mut seen.fields));
        self.0.lock().unwrap().push(seen);
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, _: Context<'_, S>) {
        self.change(id, |seen| values.record(&mut Fields(&mut seen.fields)));
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.change(id, |seen| seen.entered += 1);
    }

    fn on_follows_from(&self, id: &Id, first: &Id, context: Context<'_, S>) {
        assert!(context.span(first).is_some(), "it is still open");
        self.change(id, |seen| seen.follows.push(first.into_u64()));
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change(&id, |seen| seen.closed += 1);
    }
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

fn describe(request: &Request<ReqBody>) -> Option<Description<'_>> {
    let model = request.uri().path().trim_start_matches('/');
    Some(Description::new("chat").provider("ours").model(model))
}

fn request() -> Request<ReqBody> {
    Request::get("https://example.com/small?key=canary")
        .body(ReqBody::from("a prompt"))
        .unwrap()
}

struct Learns;

impl Watch for Learns {
    fn data(&mut self, _: &Bytes, record: &mut Record) -> bool {
        record.usage = Some(Usage::new(7, 9));
        record.finish_reason = Some(FinishReason::Stop);
        record.model = Some("small-2".into());
        true
    }

    fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> {
        None
    }
}

fn learns(_: &Parts) -> Option<Learns> {
    Some(Learns)
}

#[tokio::test(start_paused = true)]
async fn a_span_is_open_until_the_body_ends_and_says_what_was_learnt() {
    let (spans, _installed) = Spans::install();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::call().describe(describe))
        .layer(ObserveLayer::new(learns))
        .service(ScriptedService::once(
            ScriptedBody::new().wait(SECOND).data("a"),
        ));

    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(spans.only().closed, 0);
    response.into_body().collect().await.unwrap();

    let span = spans.only();
    assert_eq!((span.name, span.closed), ("call", 1));
    for (field, value) in [
        ("otel.name", "chat small"),
        ("otel.kind", "client"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "ours"),
        ("gen_ai.request.model", "small"),
        ("gen_ai.response.model", "small-2"),
        ("gen_ai.response.finish_reasons", "stop"),
        ("gen_ai.response.time_to_first_chunk", "1.0"),
        ("gen_ai.usage.input_tokens", "7"),
        ("gen_ai.usage.output_tokens", "9"),
        ("server.address", "example.com"),
        ("server.port", "443"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(span.field(field), Some(value), "{field}");
    }
    assert_eq!(span.field("error.type"), None);
    assert!(
        span.entered >= 3,
        "the call, its poll, and those of the body"
    );
}

/// How a call ends, and what its span says.
async fn ended(step: Step, read: usize) -> Seen {
    let (spans, _installed) = Spans::install();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::call().describe(describe))
        .layer(IdleTimeoutLayer::new(SECOND))
        .service(ScriptedService::new([step]));
    let mut call = Box::pin(service.oneshot(request()));
    let answer = tokio::time::timeout(SECOND * 5, &mut call).await;
    drop(call);
    if let Ok(Ok(response)) = answer {
        let mut body = pin!(response.into_body());
        for _ in 0..read {
            match body.frame().await {
                Some(Ok(_)) => {}
                _ => break,
            }
        }
    }
    spans.only()
}

#[tokio::test(start_paused = true)]
async fn j9_a_span_is_closed_exactly_once_however_it_ends() {
    let respond = |body| Step::Respond(Response::new(body));
    let all = usize::MAX;
    let cases = [
        ("empty", respond(ScriptedBody::new().sized()), 0, None),
        (
            "last frame",
            respond(ScriptedBody::new().data("a").sized()),
            all,
            None,
        ),
        ("none", respond(ScriptedBody::new().data("a")), all, None),
        (
            "error",
            respond(ScriptedBody::new().error("x")),
            all,
            Some("_OTHER"),
        ),
        (
            "drop",
            respond(ScriptedBody::new().data("a").data("b")),
            1,
            Some("canceled"),
        ),
        (
            "clock",
            respond(ScriptedBody::new().stall()),
            all,
            Some("timeout"),
        ),
        ("call", Step::Fail("x"), all, Some("_OTHER")),
        ("given up", Step::Hang, all, Some("canceled")),
    ];
    for (case, step, read, error) in cases {
        let span = ended(step, read).await;
        assert_eq!(
            (span.closed, span.field("error.type")),
            (1, error),
            "{case}"
        );
        let status = error.map(|_| "ERROR");
        assert_eq!(span.field("otel.status_code"), status, "{case}");
    }
}

#[tokio::test]
async fn j9_a_panic_within_closes_the_span() {
    let (spans, _installed) = Spans::install();
    let panics = service_fn(|request: Request<ReqBody>| async move {
        assert!(request.uri().path().is_empty(), "the answer panics");
        Ok::<_, Infallible>(Response::new(ScriptedBody::new()))
    });

    let answer = TraceLayer::call().layer(panics).oneshot(request());
    assert!(AssertUnwindSafe(answer).catch_unwind().await.is_err());

    assert_eq!(spans.only().closed, 1);
}

/// Repeats a failed call once, as a retry layer does.
fn repeating<S>(
    inner: S,
) -> impl Service<Request<ReqBody>, Response = S::Response, Error = BoxError>
where
    S: Service<Request<ReqBody>, Error = BoxError> + Clone,
{
    service_fn(move |request: Request<ReqBody>| {
        let inner = inner.clone();
        async move {
            let mut again = Request::new(ReqBody::empty());
            *again.uri_mut() = request.uri().clone();
            *again.extensions_mut() = request.extensions().clone();
            again.extensions_mut().insert(Attempt::FIRST.next());
            match inner.clone().oneshot(request).await {
                Ok(response) => Ok(response),
                Err(_) => inner.oneshot(again).await,
            }
        }
    })
}

#[tokio::test]
async fn attempts_are_children_of_their_call_and_close_before_it() {
    let (spans, _installed) = Spans::install();
    let body = ScriptedBody::new().data("a");
    let inner = ScriptedService::new([Step::Fail("gone"), Step::Respond(Response::new(body))]);
    let attempts = TraceLayer::attempt().describe(describe).layer(inner);
    let service = TraceLayer::call()
        .describe(describe)
        .layer(repeating(attempts));

    let response = service.oneshot(request()).await.unwrap();
    response.into_body().collect().await.unwrap();

    let all = spans.all();
    let [call, first, second] = &all[..] else {
        panic!("{all:?}");
    };
    assert_eq!(
        (call.name, first.name, second.name),
        ("call", "attempt", "attempt")
    );
    assert_eq!(
        (first.parent, second.parent),
        (Some(call.id), Some(call.id))
    );
    assert_eq!(first.field("blossom.attempt"), Some("1"));
    assert_eq!(first.field("error.type"), Some("_OTHER"));
    assert_eq!(second.field("blossom.attempt"), Some("2"));
    assert_eq!(second.field("error.type"), None);
    assert!(all.iter().all(|span| span.closed == 1), "{all:?}");
}

#[tokio::test]
async fn an_attempt_that_another_call_drives_is_a_child_of_the_call_that_made_it() {
    let (spans, _installed) = Spans::install();
    let attempt = TraceLayer::attempt().layer(ScriptedService::default());
    let made = Arc::new(Mutex::new(None));
    let keeps = made.clone();
    let call = TraceLayer::call().layer(service_fn(move |request: Request<ReqBody>| {
        *keeps.lock().unwrap() = Some(request);
        async { Ok::<_, Infallible>(Response::new(ScriptedBody::new().sized())) }
    }));
    call.oneshot(request()).await.unwrap();
    let flown = made.lock().unwrap().take().unwrap();

    let other = tracing::info_span!("other");
    {
        let _entered = other.enter();
        attempt.oneshot(flown).now_or_never().unwrap().unwrap();
    }

    let all = spans.all();
    assert_eq!(all[2].name, "attempt");
    assert_eq!(all[2].parent, Some(all[0].id), "{all:?}");
}

#[tokio::test]
async fn where_an_answer_came_from_stands_in_the_span() {
    let (spans, _installed) = Spans::install();
    let mut response = Response::new(ScriptedBody::new().sized());
    response.extensions_mut().insert(CacheStatus::Hit);
    let service = ScriptedService::new([Step::Respond(response)]);

    TraceLayer::call()
        .layer(service)
        .oneshot(request())
        .await
        .unwrap();

    assert_eq!(spans.only().field("blossom.cache.result"), Some("hit"));
}

/// The trace context that the inner service sees.
async fn sent(
    layer: TraceLayer<
        impl blossom_layers::types::Describe<ReqBody> + Clone,
        blossom_layers::types::ErrorWords,
        W3c,
    >,
    incoming: Option<&'static str>,
) -> TraceContext {
    let inner = ScriptedService::default();
    let mut request = request();
    if let Some(incoming) = incoming {
        let value = http::HeaderValue::from_static(incoming);
        request.headers_mut().insert("traceparent", value);
    }
    layer.layer(inner.clone()).oneshot(request).await.unwrap();
    let seen = inner.seen();
    let text = seen[0].headers["traceparent"].to_str().unwrap();
    TraceContext::parse(text).unwrap()
}

#[tokio::test]
async fn a_trace_that_came_in_is_continued_and_without_one_begun() {
    const INCOMING: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let layer = || TraceLayer::attempt().propagate(W3c::default());
    let incoming = TraceContext::parse(INCOMING).unwrap();

    // With and without a subscriber.
    let begun = sent(layer(), None).await;
    let (spans, _installed) = Spans::install();
    let continued = sent(layer(), Some(INCOMING)).await;
    let broken = sent(layer(), Some("00-not-a-context")).await;

    assert_eq!(continued.trace_id(), incoming.trace_id());
    assert_ne!(continued.span_id(), incoming.span_id());
    assert_ne!(begun.trace_id(), broken.trace_id());
    let id = format!("{:016x}", continued.span_id());
    assert_eq!(spans.all()[0].field("span_id"), Some(&*id));
}

#[tokio::test]
async fn nothing_is_added_to_the_request_unless_it_is_asked() {
    let inner = ScriptedService::default();
    let service = TraceLayer::call().layer(TraceLayer::attempt().layer(inner.clone()));

    service.oneshot(request()).await.unwrap();

    let seen = inner.seen();
    assert!(seen[0].headers.is_empty());
    assert!(seen[0].extensions.is_empty());
}

#[tokio::test]
async fn content_is_shown_only_when_asked_and_on_one_line() {
    fn content(request: &Request<ReqBody>) -> Option<Cow<'_, str>> {
        use blossom_layers::body::Known;
        Some(String::from_utf8_lossy(request.body().bytes()?))
    }
    let (spans, _installed) = Spans::install();
    let ask = || {
        let mut request = request();
        *request.body_mut() = ReqBody::from("tell\r\nme\x1b[31m");
        request
    };

    let silent = TraceLayer::call().layer(ScriptedService::default());
    silent.oneshot(ask()).await.unwrap();
    let open = TraceLayer::call()
        .content(content)
        .layer(ScriptedService::default());
    open.oneshot(ask()).await.unwrap();

    let all = spans.all();
    assert_eq!(all[0].field("gen_ai.input.messages"), None);
    let shown = all[1].field("gen_ai.input.messages").unwrap();
    assert_eq!(shown, "tell\\r\\nme\\u{1b}[31m");
}

/// Panics at whatever it is asked.
struct Broken;

impl Subscriber for Broken {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &tracing::span::Record<'_>) {
        panic!("record")
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {
        panic!("follows")
    }
    fn event(&self, _: &tracing::Event<'_>) {
        panic!("event")
    }
    fn enter(&self, _: &Id) {
        panic!("enter")
    }
    fn exit(&self, _: &Id) {
        panic!("exit")
    }
    fn try_close(&self, _: Id) -> bool {
        panic!("close")
    }
}

#[tokio::test]
async fn j8_a_subscriber_that_panics_does_no_harm() {
    let _installed = tracing::subscriber::set_default(Broken);
    let body = ScriptedBody::new().data("a").data("b");
    let service = TraceLayer::call()
        .propagate(W3c::default())
        .layer(TraceLayer::attempt().layer(ScriptedService::once(body)));

    let response = service.oneshot(request()).await.unwrap();
    let whole = response.into_body().collect().await.unwrap();

    assert_eq!(whole.to_bytes(), "ab");
}

#[tokio::test]
async fn j8_a_policy_that_panics_does_no_harm() {
    fn broken(_: &Request<ReqBody>) -> Option<Description<'_>> {
        panic!("the policy is broken")
    }
    let (spans, _installed) = Spans::install();
    let service = TraceLayer::call()
        .describe(broken)
        .layer(ScriptedService::default());

    assert!(service.oneshot(request()).await.is_ok());
    assert!(spans.all().is_empty());
}

fn same_key(_: &Request<ReqBody>) -> Option<CacheKey> {
    Some(CacheKey::new([7; 32]))
}

/// One call begins, one joins while it waits for its head, one while its body comes.
macro_rules! joins {
    ($name:ident, $layer:expr) => {
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let (spans, _installed) = Spans::install();
            let body = ScriptedBody::new().data("a").wait(SECOND).data("b");
            let service = ServiceBuilder::new()
                .layer(TraceLayer::call().describe(describe))
                .layer($layer)
                .layer(TraceLayer::attempt().describe(describe))
                .service(ScriptedService::new([Step::RespondAfter(
                    SECOND,
                    Response::new(body),
                )]));

            let mut first = Box::pin(service.clone().oneshot(request()));
            assert!((&mut first).now_or_never().is_none());
            let mut second = Box::pin(service.clone().oneshot(request()));
            assert!((&mut second).now_or_never().is_none());
            // Whoever drives the flight, its attempt is the first one's.
            let second = second.await.unwrap();
            let third = service.oneshot(request()).await.unwrap();
            let first = first.await.unwrap();
            for response in [third, second, first] {
                assert_eq!(
                    response.into_body().collect().await.unwrap().to_bytes(),
                    "ab"
                );
            }

            let all = spans.all();
            let calls: Vec<_> = all.iter().filter(|seen| seen.name == "call").collect();
            let attempts: Vec<_> = all.iter().filter(|seen| seen.name == "attempt").collect();
            assert_eq!((calls.len(), attempts.len()), (3, 1));
            assert_eq!(attempts[0].parent, Some(calls[0].id));
            let follows: Vec<_> = calls.iter().map(|seen| &seen.follows[..]).collect();
            let link = [calls[0].id];
            assert_eq!(follows, [&[][..], &link, &link]);
            assert!(all.iter().all(|seen| seen.closed == 1), "{all:?}");
        }
    };
}

joins!(
    who_joins_a_flight_is_linked_to_who_began_it,
    CoalesceLayer::new(same_key, Scope::shared())
);
joins!(
    who_joins_the_flight_of_a_cache_is_linked_too,
    CacheLayer::new(MemoryTier::new(1 << 20), same_key, Scope::shared())
);

#[tokio::test(start_paused = true)]
async fn a_flight_that_is_over_keeps_no_span_open() {
    let (spans, _installed) = Spans::install();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::call().describe(describe))
        .layer(CoalesceLayer::new(same_key, Scope::shared()))
        .service(ScriptedService::new([Step::Respond(Response::new(
            ScriptedBody::new().data("a").data("b"),
        ))]));

    let mut first = Box::pin(service.clone().oneshot(request()));
    let first_response = (&mut first).await.unwrap();
    let second_response = service.oneshot(request()).await.unwrap();
    first_response.into_body().collect().await.unwrap();

    // The second has not read a byte.
    let all = spans.all();
    assert_eq!(
        all.iter().map(|seen| seen.closed).collect::<Vec<_>>(),
        [1, 0]
    );
    assert_eq!(all[1].follows, [all[0].id]);
    drop(second_response);
    assert!(spans.all().iter().all(|seen| seen.closed == 1));
}

#[tokio::test(start_paused = true)]
async fn the_id_of_a_request_stands_in_both_spans() {
    let (spans, _installed) = Spans::install();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::call())
        .layer(TraceLayer::attempt())
        .service(ScriptedService::new([Step::Hang]));
    let mut request = request();
    let id = http::HeaderValue::from_static("id-7");
    request.headers_mut().insert("x-request-id", id);
    assert!(service.oneshot(request).now_or_never().is_none());
    for seen in spans.all() {
        assert_eq!(
            seen.field("blossom.request.id"),
            Some("id-7"),
            "{}",
            seen.name
        );
    }
}
