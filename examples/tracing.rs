//! Spans of calls and attempts, printed when they close: what was asked, what it took, how it ended.

use blossom::{
    Blossom,
    layers::{BoxError, trace::W3c},
    sandbox::Sandbox,
};
use tracing_subscriber::fmt::format::FmtSpan;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_span_events(FmtSpan::CLOSE)
        .with_target(false)
        .init();

    let sandbox = Sandbox::start()?;
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .propagate_trace(W3c::default())
        .build()?;

    let answer = client
        .text()
        .chat(["What is Rust?"])
        .model("openai")
        .await?;
    println!("{answer}");
    if let Some(timing) = answer.timing() {
        println!(
            "queue {:?}, head {:?}, end {:?}",
            timing.queue, timing.head, timing.end
        );
    }

    // A stream that is cut is an error, in the span as well.
    let call = client.text().chat(["Tell me of rivers"]);
    let call = call.header("x-sandbox-fault", "cut;after-events=3");
    if let Err(error) = call.stream().await?.finish().await {
        println!("{error}");
    }

    // The upstream can join its own spans to ours.
    for request in sandbox.requests() {
        println!(
            "traceparent: {}",
            request.header("traceparent").unwrap_or("none")
        );
    }
    Ok(())
}
