//! A proxy with the client's stack, for any client in any language.
//!
//! The caller's key goes on to the upstream, and nowhere else. The upstream is chosen by the one who
//! starts the gateway, never by a caller.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::State,
    middleware::{Next, from_fn},
    routing::{get, post},
};
use blossom::{
    Blossom, Body, Builder, Endpoint,
    layers::{
        BoxError, buffer::BufferLayer, metrics::METRICS, respond::RespondLayer,
        server_timing::ServerTimingLayer, spend::Budget, trace::TraceContext, types::Nanos,
    },
    policy::{Prices, Quotas},
    protocol::Dialect,
    sandbox::Sandbox,
};
use clap::Parser;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{self, AUTHORIZATION},
};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, sync::watch};
use tower::{ServiceExt, service_fn};

/// A gateway that speaks the Blossom protocol on both sides.
#[derive(Parser)]
struct Arguments {
    /// Where callers come in. Only loopback, until the gateway knows its callers.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where operators come in: /healthz, and /metrics for Prometheus.
    #[arg(long, default_value = "127.0.0.1:8081")]
    admin: SocketAddr,
    /// The base URL of the upstream.
    #[arg(long, default_value = Endpoint::PUBLIC)]
    upstream: String,
    /// The most that all callers together may spend in 24 hours, in the upstream's currency. Prices
    /// are those of its list of models.
    #[arg(long)]
    spend_limit: Option<Nanos>,
    /// How long answers are kept, in seconds; 0 for no cache. Each caller's key has answers of its
    /// own.
    #[arg(long, default_value_t = 3600)]
    cache_ttl: u64,
    /// How many bytes of answers are kept in memory.
    #[arg(long, default_value_t = 64 * 1024 * 1024)]
    cache_bytes: u64,
    /// Keeps answers in this folder too, where they survive a restart.
    #[arg(long)]
    cache_dir: Option<std::path::PathBuf>,
    /// How often a request is sent at most, the first time included.
    #[arg(long, default_value_t = 3)]
    max_attempts: u32,
    #[command(flatten)]
    stack: StackArguments,
    /// Starts on free ports over a sandbox, calls itself once, prints the answer and ends.
    #[arg(long)]
    check: bool,
}

/// The settings of the client's builder. Times are in seconds, such as 2.5, or `none`.
#[derive(clap::Args)]
struct StackArguments {
    /// How many calls go to the upstream at once, to the end of their bodies.
    #[arg(long)]
    max_in_flight: Option<usize>,
    /// How many calls may wait for that, or for quota; others are refused with 503 or 429.
    #[arg(long)]
    max_waiting: Option<usize>,
    /// How many requests go to the upstream in any minute.
    #[arg(long)]
    requests_per_minute: Option<u64>,
    /// How many tokens go to the upstream in any minute.
    #[arg(long)]
    tokens_per_minute: Option<u64>,
    /// What the upstream lets through, where all callers share one account.
    #[arg(long, value_enum)]
    quotas: Option<ReadyQuotas>,
    /// How long to wait for a connection.
    #[arg(long, value_parser = seconds)]
    connect_timeout: Option<Duration>,
    /// How long to wait for the head of a stream.
    #[arg(long, value_parser = seconds)]
    head_timeout: Option<Duration>,
    /// How long to wait for the head of any other reply.
    #[arg(long, value_parser = seconds)]
    unary_timeout: Option<Duration>,
    /// How long to wait for the first event of a stream.
    #[arg(long, value_parser = seconds)]
    first_event_timeout: Option<Duration>,
    /// How long a body may be silent.
    #[arg(long, value_parser = seconds)]
    idle_timeout: Option<Duration>,
    /// How long a call may take in all.
    #[arg(long, value_parser = seconds)]
    total_timeout: Option<Duration>,
    /// How long a caller may leave a stream unread.
    #[arg(long, value_parser = seconds)]
    max_unread: Option<Duration>,
}

/// The quotas of the public service.
#[derive(Clone, Copy, clap::ValueEnum)]
enum ReadyQuotas {
    /// A publishable key.
    Publishable,
    /// An account without balance: one generation at a time.
    Unpaid,
}

fn seconds(text: &str) -> Result<Duration, String> {
    if text == "none" {
        return Ok(Duration::MAX);
    }
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds, or none")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl StackArguments {
    /// What was given; all else stays at its default.
    fn apply(&self, mut builder: Builder) -> Builder {
        macro_rules! given {
            ($($name:ident),*) => {$(
                if let Some(value) = self.$name {
                    builder = builder.$name(value);
                }
            )*};
        }
        given!(
            max_in_flight,
            max_waiting,
            requests_per_minute,
            tokens_per_minute
        );
        given!(
            connect_timeout,
            head_timeout,
            unary_timeout,
            first_event_timeout
        );
        given!(idle_timeout, total_timeout, max_unread);
        match self.quotas {
            Some(ReadyQuotas::Publishable) => builder.quotas(Quotas::publishable()),
            Some(ReadyQuotas::Unpaid) => builder.quotas(Quotas::unpaid()),
            None => builder,
        }
    }
}

/// What a stop waits for.
const GRACE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut arguments = Arguments::parse();
    // The sandbox lives as long as its value.
    let sandbox = if arguments.check {
        Some(Sandbox::start()?)
    } else {
        None
    };
    if let Some(sandbox) = &sandbox {
        arguments.upstream = sandbox.base_url().to_owned();
        arguments.listen.set_port(0);
        arguments.admin.set_port(0);
    }
    for address in [arguments.listen, arguments.admin] {
        if !address.ip().is_loopback() {
            return Err(
                format!("{address} is not loopback: anybody could spend their keys here").into(),
            );
        }
    }
    let endpoint = Endpoint::new(Dialect::Gen, &arguments.upstream)?;
    let listener = TcpListener::bind(arguments.listen).await?;
    let admin = TcpListener::bind(arguments.admin).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let admin_base = format!("http://{}", admin.local_addr()?);
    println!("listening on {base}, admin on {admin_base}");

    let (stop, stopped) = watch::channel(());
    let until = |mut stopped: watch::Receiver<()>| async move {
        drop(stopped.changed().await);
    };
    let client = client(&endpoint, &arguments).await?;
    let serve = axum::serve(listener, app(client.clone(), endpoint))
        .with_graceful_shutdown(until(stopped.clone()));
    let figures = prometheus()?;
    let levels = client;
    let health = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/metrics",
            get(move || {
                levels.publish_levels(); // permits, queues, breakers and spend of this moment
                std::future::ready(page(&figures))
            }),
        );
    let admin = axum::serve(admin, health).with_graceful_shutdown(until(stopped));
    let both = async { tokio::try_join!(serve.into_future(), admin.into_future()) };
    let mut both = std::pin::pin!(both);

    tokio::select! {
        ended = &mut both => return ended.map(drop).map_err(Into::into),
        checked = check(base, admin_base), if arguments.check => return checked,
        () = asked_to_stop() => println!("stopping; streams under way have {GRACE:?}"),
    }
    drop(stop);
    match tokio::time::timeout(GRACE, both).await {
        Ok(ended) => ended.map(drop).map_err(Into::into),
        Err(_) => Err("streams were still under way at the end of the grace".into()),
    }
}

/// A recorder of figures, with the buckets that the conventions advise.
fn prometheus() -> Result<PrometheusHandle, BoxError> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS.iter().filter(|metric| !metric.buckets.is_empty()) {
        let name = Matcher::Full(metric.name.to_owned());
        builder = builder.set_buckets_for_metric(name, metric.buckets)?;
    }
    Ok(builder.install_recorder()?)
}

/// The figures as Prometheus reads them.
fn page(figures: &PrometheusHandle) -> ([(HeaderName, &'static str); 1], String) {
    figures.run_upkeep();
    let text = "text/plain; version=0.0.4";
    ([(header::CONTENT_TYPE, text)], figures.render())
}

/// Ends with Ctrl-C, or SIGTERM where there is one.
async fn asked_to_stop() {
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    interrupted.await;
}

#[derive(Clone)]
struct Upstream {
    client: Blossom,
    endpoint: Endpoint,
}

/// The client behind the gateway, within a limit if there is one.
async fn client(endpoint: &Endpoint, arguments: &Arguments) -> Result<Blossom, BoxError> {
    let mut builder = Blossom::builder()
        .endpoint(endpoint.clone())
        .without_api_key()
        .max_attempts(arguments.max_attempts);
    builder = arguments.stack.apply(builder);
    builder = match arguments.cache_ttl {
        0 => builder.cache(false),
        seconds => builder
            .cache_ttl(Duration::from_secs(seconds))
            .cache_bytes(arguments.cache_bytes),
    };
    if let Some(folder) = &arguments.cache_dir {
        builder = builder.cache_dir(folder);
    }
    let Some(limit) = arguments.spend_limit else {
        return Ok(builder.build()?);
    };
    let models = builder.clone().build()?.models().await?;
    let prices = Prices::from_models(&models);
    println!(
        "{limit} may be spent in 24 hours, by {} prices",
        prices.len()
    );
    Ok(builder
        .prices(prices)
        .spend_limit(Budget::new(limit, Duration::from_secs(24 * 3600)))
        .build()?)
}

fn app(client: Blossom, endpoint: Endpoint) -> Router {
    let upstream = Upstream { client, endpoint };
    let chat = post(|State(upstream): State<Upstream>, request| async move {
        upstream.forward("/v1/chat/completions", request).await
    });
    let models = get(|State(upstream): State<Upstream>, request| async move {
        upstream.forward("/v1/models", request).await
    });
    Router::new()
        .route("/v1/chat/completions", chat)
        .route("/v1/models", models)
        .layer(from_fn(harden))
        .layer(from_fn(name_request))
        .with_state(upstream)
}

/// Answers belong to their caller, and are what they say they are.
async fn harden(request: Request<axum::body::Body>, next: Next) -> Response<axum::body::Body> {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "private, no-store"),
        (header::VARY, "authorization"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Each request has an id: the caller's, if it is one, or a new one. It goes to the upstream, stands in
/// the spans, and comes back with the answer where the upstream gives none.
async fn name_request(
    mut request: Request<axum::body::Body>,
    next: Next,
) -> Response<axum::body::Body> {
    let given = request.headers().get(&X_REQUEST_ID).filter(|id| {
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(legal)
    });
    let id = given.cloned().unwrap_or_else(|| {
        let random = TraceContext::random().trace_id();
        HeaderValue::try_from(format!("{random:032x}")).unwrap_or(HeaderValue::from_static("none"))
    });
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().entry(X_REQUEST_ID).or_insert(id);
    response
}

impl Upstream {
    /// Sends a request on, and its answer back, frame by frame.
    async fn forward(
        self,
        path: &'static str,
        request: Request<axum::body::Body>,
    ) -> Response<axum::body::Body> {
        let (head, body) = request.into_parts();
        let keyless = !head.headers.contains_key(AUTHORIZATION);
        if keyless && !self.endpoint.is_loopback() {
            return problem(
                StatusCode::UNAUTHORIZED,
                "Send your key as Authorization: Bearer.",
            );
        }
        let Ok(uri) = format!("{}{path}", self.endpoint.base()).parse::<Uri>() else {
            return problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The upstream cannot be named.",
            );
        };
        let mut onward = Request::new(Body::stream(body));
        *onward.method_mut() = head.method;
        *onward.uri_mut() = uri;
        *onward.headers_mut() = passed_on(&head.headers, &ONWARD);
        if let Some(te) = head.headers.get(header::TE) {
            onward.headers_mut().insert(header::TE, te.clone());
        }

        let client = self.client;
        let stack = tower::ServiceBuilder::new()
            .layer(RespondLayer::new())
            // Where the time went: queue and head at once, the rest as a trailer to whoever takes one.
            .layer(ServerTimingLayer::new())
            // Outside the client, so that its figures and spans know which model is asked for.
            .layer(BufferLayer::new())
            .service(service_fn(move |mut request: Request<Body>| {
                // Of this hop alone.
                request.headers_mut().remove(header::TE);
                client.clone().oneshot(request)
            }));
        let Ok(answer) = stack.oneshot(onward).await;
        let (head, body) = answer.into_parts();
        let mut response = Response::new(axum::body::Body::new(body));
        *response.status_mut() = head.status;
        *response.headers_mut() = passed_on(&head.headers, &BACK);
        response
    }
}

/// What goes to the upstream. Everything else stays here: cookies, hop-by-hop fields, who the caller
/// is, and where it came in.
const ONWARD: [HeaderName; 6] = [
    X_REQUEST_ID,
    AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::USER_AGENT,
    HeaderName::from_static("x-sandbox-fault"),
];

/// What comes back.
const BACK: [HeaderName; 11] = [
    header::CONTENT_TYPE,
    header::TRAILER,
    HeaderName::from_static("server-timing"),
    header::AGE,
    HeaderName::from_static("cache-status"),
    header::RETRY_AFTER,
    HeaderName::from_static("grpc-status"),
    X_REQUEST_ID,
    HeaderName::from_static("x-model-used"),
    HeaderName::from_static("x-usage-prompt-text-tokens"),
    HeaderName::from_static("x-usage-completion-text-tokens"),
];

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn passed_on(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let named = |name: &HeaderName| headers.get(name).map(|value| (name.clone(), value.clone()));
    names.iter().filter_map(named).collect()
}

fn problem(status: StatusCode, detail: &str) -> Response<axum::body::Body> {
    let title = status.canonical_reason().unwrap_or_default();
    let code = status.as_u16();
    let body = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{code},"detail":"{detail}"}}"#
    );
    let mut response = Response::new(axum::body::Body::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/problem+json");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// Calls the gateway as any client would: a list, an answer, a stream, a stream that is cut. Then the
/// figures must tell of them.
async fn check(base: String, admin: String) -> Result<(), BoxError> {
    let client = Blossom::builder()
        .base_url(base)
        .api_key("sk_check")
        .cache(false) // the gateway has one
        .build()?;
    println!("{} models", client.models().await?.len());
    let answer = client.text().chat(["What is a gateway?"]).await?;
    println!("{answer}");
    println!("request id: {}", answer.request_id().unwrap_or("none"));
    let stream = client.text().chat(["Tell me of a river."]).stream().await?;
    println!("{}", stream.finish().await?);
    let call = client.text().chat(["Tell me of a river."]);
    let cut = call
        .header("x-sandbox-fault", "cut;after-events=6")
        .stream()
        .await?;
    match cut.finish().await {
        Ok(_) => return Err("a stream that was cut must not look whole".into()),
        Err(error) => println!("cut: {error}"),
    }
    let request = Request::get(format!("{admin}/metrics")).body(Body::empty())?;
    let page = client.oneshot(request).await?.into_body().collect().await?;
    let page = String::from_utf8(page.to_bytes().into())?;
    let counted = page.lines().filter(|line| line.contains("interrupted"));
    for line in counted.filter(|line| line.contains("_count")) {
        println!("{line}");
    }
    let levels = page.lines().filter(|line| line.starts_with("blossom_"));
    for line in levels.filter(|line| !line.contains(['{', '#'])) {
        println!("{line}");
    }
    for figure in ["gen_ai_client_token_usage_bucket", "blossom_permits_in_use"] {
        if !page.contains(figure) {
            return Err(format!("the figures must tell of {figure}").into());
        }
    }
    Ok(())
}
