//! The five quick wins, each measured against the sandbox: cache, calls at once, streams, fewer
//! tokens, one client.

use std::{future::IntoFuture, time::Duration};

use blossom::{Blossom, sandbox::Sandbox};
use futures_util::future::try_join_all;
use tokio::time::Instant;

type Error = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // A tenth of what a real service takes.
    let sandbox = Sandbox::builder()
        .latency(Duration::from_millis(200))
        .first_event(Duration::from_millis(20))
        .event(Duration::from_millis(5))
        .start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    println!("{:<34}{:>12}{:>12}{:>10}", "", "without", "with", "times");

    // 1. The second equal call is answered from the cache, which is on by default.
    let first = timed(client.text().generate("What is Python?")).await?;
    let second = timed(client.text().generate("What is Python?")).await?;
    row("a repeated call: cached", first, second);

    // 2. Calls at once take the time of one.
    let questions = |round: u32| (1..=3).map(move |n| format!("Question {n} of round {round}"));
    let start = Instant::now();
    for question in questions(1) {
        client.text().generate(question).await?;
    }
    let in_turn = start.elapsed();
    let start = Instant::now();
    try_join_all(questions(2).map(|question| client.text().generate(question).into_future()))
        .await?;
    row("three calls: at once", in_turn, start.elapsed());

    // 3. A stream shows its first words long before its last.
    let story = client.text().generate("Write a story").fresh();
    let whole = timed(story.clone().seed(1)).await?;
    let start = Instant::now();
    let mut stream = story.seed(2).stream().await?;
    let first_words = match stream.next().await {
        Some(delta) => delta.map(|_| start.elapsed())?,
        None => return Err("an empty stream".into()),
    };
    stream.finish().await?;
    row("a story: until its first words", whole, first_words);

    // 4. Ask for what is needed.
    let long = client
        .text()
        .generate("Explain quantum computing")
        .max_tokens(2000);
    let short = client
        .text()
        .generate("Explain quantum computing briefly")
        .max_tokens(20);
    let tokens = |answer: &blossom::Text| answer.usage().map_or(0, |usage| usage.total_tokens);
    println!(
        "{:<34}{:>12}{:>12}",
        "tokens: a short answer asked for",
        tokens(&long.await?),
        tokens(&short.await?)
    );

    one_client(&sandbox, &client).await
}

/// 5. One client keeps its connections.
async fn one_client(sandbox: &Sandbox, client: &Blossom) -> Result<(), Error> {
    let before = sandbox.connections();
    for n in 0..10 {
        let own = Blossom::builder().base_url(sandbox.base_url()).build()?;
        own.text().generate(format!("Own client {n}")).await?;
    }
    let many = sandbox.connections() - before;
    let before = sandbox.connections();
    for n in 0..10 {
        client.text().generate(format!("Same client {n}")).await?;
    }
    println!(
        "{:<34}{many:>12}{:>12}",
        "connections: one client",
        sandbox.connections() - before
    );
    Ok(())
}

async fn timed<F>(call: F) -> Result<Duration, Error>
where
    F: IntoFuture<Output = blossom::Result<blossom::Text>>,
{
    let start = Instant::now();
    call.await?;
    Ok(start.elapsed())
}

fn row(name: &str, without: Duration, with: Duration) {
    println!(
        "{name:<34}{without:>12.1?}{with:>12.1?}{:>10.0}",
        without.as_secs_f64() / with.as_secs_f64()
    );
}
