//! Two layers in an axum application that has nothing to do with Blossom: a slow handler becomes an
//! honest 504 with problem details.

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use blossom::layers::{respond::RespondLayer, timeout::HeadTimeoutLayer};
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
    Router::new()
        .route("/fast", get(|| async { "done\n" }))
        .route("/slow", get(slow))
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
    Ok(())
}
