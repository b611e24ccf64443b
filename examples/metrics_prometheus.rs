//! Figures for Prometheus: makes some calls, serves the page on loopback, reads it and prints it.

use axum::{Router, routing::get};
use blossom::{Blossom, Body, layers::BoxError, layers::metrics::METRICS, sandbox::Sandbox};
use http::Request;
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tokio::net::TcpListener;
use tower::ServiceExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // Any recorder of the `metrics` facade will do. This one wants to know the buckets.
    let mut recorder = PrometheusBuilder::new();
    for metric in METRICS.iter().filter(|metric| !metric.buckets.is_empty()) {
        let name = Matcher::Full(metric.name.to_owned());
        recorder = recorder.set_buckets_for_metric(name, metric.buckets)?;
    }
    let figures = recorder.install_recorder()?;

    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    for question in ["What is Rust?", "What is Tower?"] {
        client.text().chat([question]).model("openai").await?;
    }
    let stream = client.text().generate("Write a story").stream().await?;
    stream.finish().await?;
    let refused = client.text().generate("And again");
    let refused = refused.header("x-sandbox-fault", "status;code=429").await;
    println!(
        "# {}",
        refused
            .err()
            .map_or_else(String::new, |error| error.to_string())
    );

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/metrics", listener.local_addr()?);
    let levels = client.clone();
    let page = get(move || {
        levels.publish_levels(); // permits, queues, breakers and spend of this moment
        figures.run_upkeep();
        std::future::ready(figures.render())
    });
    let server = axum::serve(listener, Router::new().route("/metrics", page));
    tokio::select! {
        ended = server.into_future() => ended?,
        printed = print(client, url) => printed?,
    }
    Ok(())
}

/// Reads the page as Prometheus does.
async fn print(client: Blossom, url: String) -> Result<(), BoxError> {
    println!("# {url}");
    let request = Request::get(url).body(Body::empty())?;
    let page = client.oneshot(request).await?.into_body().collect().await?;
    print!("{}", String::from_utf8_lossy(&page.to_bytes()));
    Ok(())
}
