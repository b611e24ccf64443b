//! A quota of tokens under concurrency: thirty calls at once, and no window gets more than its quota.
//!
//! Each call reserves what it may take at most, before it is sent; what it did not use comes back when
//! its reply ends.

use std::time::Duration;

use blossom::{
    Blossom, Body, Dialect, Endpoint,
    layers::{
        limit::rate::{Quota, RateLimitLayer},
        observe::ObserveLayer,
        types::TokenEstimate,
    },
    policy::ObserveReply,
    sandbox::Sandbox,
    transport::Transport,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::Request;
use tokio::time::Instant;
use tower::ServiceBuilder;

/// A second instead of a minute, so that there is something to see.
const WINDOW: Duration = Duration::from_secs(1);
const TOKENS: u64 = 800;
const CALLS: u64 = 30;
/// What a call reserves, and about what it takes.
const RESERVED: u64 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let limit = RateLimitLayer::new([Quota::tokens(TOKENS, WINDOW).exact()])
        .estimate(|_: &Request<Body>| Some(TokenEstimate::new(RESERVED)));
    let quotas = limit.handle();
    let stack = ServiceBuilder::new()
        .layer(limit)
        .layer(ObserveLayer::new(ObserveReply))
        .service(Transport::builder().build()?);
    let client = Blossom::from_service(stack)
        .endpoint(Endpoint::new(Dialect::Gen, sandbox.base_url())?)
        .build();

    let start = Instant::now();
    let mut calls: FuturesUnordered<_> = (0..CALLS)
        .map(|number| {
            let call = client.text().chat([format!("Tell me of river {number}.")]);
            async move { call.await.map(|answer| (start.elapsed(), answer)) }
        })
        .collect();
    let mut spent = 0;
    while let Some(ended) = calls.next().await {
        let (at, answer) = ended?;
        let used = answer.usage().map_or(RESERVED, |usage| usage.total_tokens);
        spent += used;
        println!(
            "{:>5} ms: {used:>3} tokens, {spent:>4} in all, {:>3} left, {:>2} waiting",
            at.as_millis(),
            quotas.available(None).first().unwrap_or(&0),
            quotas.waiting()
        );
    }
    // Of the first window and of each that has begun since.
    let windows = start.elapsed().as_secs() + 1;
    println!("{spent} tokens in {windows} windows of {TOKENS}");
    assert!(spent <= windows * TOKENS);
    Ok(())
}
