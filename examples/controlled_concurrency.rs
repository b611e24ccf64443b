//! A hundred prompts, five at a time: the sandbox counts how many are under way at once.

use std::time::Duration;

use blossom::{Blossom, sandbox::Sandbox};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let latency = Duration::from_millis(50);
    let sandbox = Sandbox::builder().latency(latency).start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    let prompts = (0..100).map(|n| format!("Prompt {n}"));

    let start = Instant::now();
    let results = client.batch(prompts).concurrency(5).run().await;

    let answered = results.iter().filter(|result| result.is_ok()).count();
    println!("answered            {answered:>6}");
    println!("most at once        {:>6}", sandbox.max_in_flight());
    println!("connections opened  {:>6}", sandbox.connections());
    println!("took                {:>6.0?}", start.elapsed());
    println!("at best             {:>6.0?}", latency * 20);
    assert_eq!(answered, 100);
    assert!(sandbox.max_in_flight() <= 5);
    Ok(())
}
