//! Layers in an axum application that has nothing to do with Blossom: a slow handler becomes an honest
//! 504 with problem details, and another runs once for all who ask the same.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use blossom::layers::{
    buffer::BufferLayer,
    cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier},
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
    Router::new()
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
    for (path, status) in [("/fast", 200), ("/slow", 504)] {
        let request = Request::get(format!("{base}{path}")).body(Body::empty())?;
        let response = client.request(request).await?;
        assert_eq!(response.status().as_u16(), status);
        let body = response.into_body().collect().await?.to_bytes();
        println!("{path}: {status} {}", String::from_utf8_lossy(&body).trim());
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
    Ok(())
}
