//! Ten streams over a limit of three, shown live: a place is free when a stream ends, not when it
//! begins.

use std::time::Duration;

use blossom::{Blossom, sandbox::Sandbox};
use futures_util::{StreamExt, stream::FuturesUnordered};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder()
        .event(Duration::from_millis(15))
        .start()?;
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_in_flight(3)
        .build()?;
    let limits = client
        .limits()
        .ok_or("the preset has limits")?
        .concurrency();

    let mut streams: FuturesUnordered<_> = (1..=10)
        .map(|number| {
            let call = client.text().chat([format!("Tell me of river {number}.")]);
            async move { Ok::<_, blossom::Error>((number, call.stream().await?.finish().await?)) }
        })
        .collect();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut most = 0;
    loop {
        tokio::select! {
            ended = streams.next() => match ended {
                Some(ended) => {
                    let (number, text) = ended?;
                    println!("stream {number:>2} ended with {} characters", text.content().len());
                }
                None => break,
            },
            _ = tick.tick() => {
                let (running, waiting) = (limits.in_flight(), limits.waiting());
                most = most.max(running);
                println!("running {} waiting {}", "#".repeat(running), ".".repeat(waiting));
            }
        }
    }
    println!(
        "at most {most} at once here, {} there",
        sandbox.max_in_flight()
    );
    assert!(most <= 3 && sandbox.max_in_flight() <= 3);
    Ok(())
}
