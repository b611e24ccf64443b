//! Layers in an axum application that has nothing to do with Blossom: a slow handler becomes an honest
//! 504, a third caller of two places a 503 with `Retry-After`, a fourth request of three a 429; and a
//! handler runs once for all who ask the same.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use blossom::layers::{
    buffer::BufferLayer,
    cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier},
    limit::{
        concurrency::ConcurrencyLimitLayer,
        rate::{Quota, RateLimitLayer},
    },
    respond::RespondLayer,
    timeout::HeadTimeoutLayer,
    types::Scope,
};
use clap::Parser;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::ServiceBuilder;

/// An axum application with Blossom's layers.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// Starts on a free port, calls itself once, prints the answer and ends.
    #[arg(long)]
    check: bool,
}

fn app() -> Router {
    // Kept for a minute and shared by all who ask at the same time. It is nobody's secret.
    let cache = CacheLayer::new(
        MemoryTier::new(1 << 20),
        CanonicalKey::new(),
        Scope::shared(),
    )
    .time_to_live(Duration::from_secs(60));
    let cached = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(BufferLayer::new())
        .layer(cache);
    // Two at once, to the end of their bodies; nobody waits.
    let two_at_once = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(ConcurrencyLimitLayer::new(2).max_waiting(0));
    // Three in any minute.
    let three_a_minute = ServiceBuilder::new().layer(RespondLayer::new()).layer(
        RateLimitLayer::new([Quota::requests(3, Duration::from_secs(60)).exact()]).max_waiting(0),
    );
    Router::new()
        .route("/stream", get(stream).layer(two_at_once))
        .route("/few", get(|| async { "done\n" }).layer(three_a_minute))
        .route("/fast", get(|| async { "done\n" }))
        .route("/slow", get(slow))
        .route("/report", get(report).layer(cached))
        .layer(
            ServiceBuilder::new()
                .layer(RespondLayer::new())
                .layer(HeadTimeoutLayer::new(Duration::from_millis(200))),
        )
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(5)).await;
    "too late\n"
}

/// Takes a while, and is the same for all.
async fn report() -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed) + 1;
    tokio::time::sleep(Duration::from_millis(50)).await;
    format!("the report of run {run}\n")
}

/// Has its head at once, and no end as long as somebody listens.
async fn stream() -> Body {
    Body::from_stream(futures_util::stream::repeat_with(|| {
        Ok::<_, std::convert::Infallible>("word ".repeat(1000))
    }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let listen = if arguments.check {
        "127.0.0.1:0"
    } else {
        &arguments.listen
    };
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    let base = format!("http://{address}");
    let server = axum::serve(listener, app());
    if !arguments.check {
        return Ok(server.await?);
    }
    tokio::select! {
        ended = server.into_future() => Ok(ended?),
        checked = check(&base) => checked,
    }
}

async fn check(base: &str) -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let call = async |path: &str| {
        let request = Request::get(format!("{base}{path}")).body(Body::empty())?;
        Ok::<_, Box<dyn std::error::Error>>(client.request(request).await?)
    };
    let paths = [("/fast", 200), ("/slow", 504)];
    let few = [("/few", 200), ("/few", 200), ("/few", 200), ("/few", 429)];
    // The bodies of the first two are open, and so their places are taken.
    let open = [call("/stream").await?, call("/stream").await?];
    for (path, status) in paths.into_iter().chain(few).chain([("/stream", 503)]) {
        let response = call(path).await?;
        assert_eq!(response.status().as_u16(), status, "{path}");
        let after = response.headers().get("retry-after").cloned();
        let body = response.into_body().collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body);
        println!("{path}: {status}, retry after {after:?}: {}", body.trim());
    }
    // Ten at once and one later: the handler runs once.
    let report = async || {
        let request = Request::get(format!("{base}/report")).body(Body::empty())?;
        let response = client.request(request).await?;
        let status = response.headers()["cache-status"].to_str()?.to_owned();
        let body = response.into_body().collect().await?.to_bytes();
        assert_eq!(body, "the report of run 1\n");
        Ok::<_, Box<dyn std::error::Error>>(status)
    };
    let ten = futures_util::future::try_join_all((0..10).map(|_| report())).await?;
    let shared = ten.iter().filter(|status| status.contains("collapsed"));
    println!("/report: {} of 10 shared one run", shared.count() + 1);
    println!("/report: later: {}", report().await?);
    drop(open);
    Ok(())
}
