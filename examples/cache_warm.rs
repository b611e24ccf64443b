//! Answers that are there before anybody asks.

use std::time::Duration;

use blossom::{Blossom, sandbox::Sandbox};
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder()
        .latency(Duration::from_millis(100))
        .start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    let questions = [
        "When are you open?",
        "Where do I find you?",
        "How do I return something?",
        "Do you ship abroad?",
    ];

    let start = Instant::now();
    let warmed = client
        .warm(questions)
        .cache_ttl(DAY)
        .cache_tag("faq")
        .concurrency(2)
        .on_progress(|progress| println!("  {} done", progress.done))
        .await;
    println!(
        "{} filled, {} there already, {} failed, in {:.0?}",
        warmed.filled,
        warmed.already,
        warmed.failed.len(),
        start.elapsed()
    );

    let start = Instant::now();
    let answer = client.text().generate(questions[2]).await?;
    println!(
        "{} in {:.1?}",
        answer.cache_status().ok_or("there is a cache")?,
        start.elapsed()
    );

    // What is there already is not asked for again; what has changed is.
    assert_eq!(client.warm(questions).await.already, 4);
    client.cache().invalidate_tag("faq");
    assert_eq!(client.warm(questions).await.filled, 4);
    println!("{:?}", client.cache());
    Ok(())
}
