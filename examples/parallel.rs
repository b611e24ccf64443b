//! Ten questions at once: they take the time of one.
//!
//! A call owns its client, so calls can be joined, stored and moved into tasks.

use std::{future::IntoFuture, time::Duration};

use blossom::{Blossom, sandbox::Sandbox};
use futures_util::future::try_join_all;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder()
        .latency(Duration::from_millis(200))
        .start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;

    // Three calls of different kinds: `join!`.
    let start = Instant::now();
    let (rust, tower, models) = tokio::join!(
        client.text().generate("What is Rust?").into_future(),
        client.text().generate("What is Tower?").into_future(),
        client.models().into_future(),
    );
    println!(
        "three calls      {:>6.0?}  {} + {} characters, {} models",
        start.elapsed(),
        rust?.content().len(),
        tower?.content().len(),
        models?.len(),
    );

    // Many of one kind: join them all.
    let questions: Vec<_> = (0..10).map(|n| format!("Question {n}")).collect();
    let one_after_another = Instant::now();
    for question in &questions[..3] {
        client.text().generate(question.as_str()).seed(1).await?;
    }
    println!("3 in turn        {:>6.0?}", one_after_another.elapsed());

    let start = Instant::now();
    let calls = questions
        .iter()
        .map(|question| client.text().generate(question.as_str()).into_future());
    let answers = try_join_all(calls).await?;
    println!("{} at once      {:>6.0?}", answers.len(), start.elapsed());
    Ok(())
}
