//! A batch with a bar: a hundred items, ten at a time, one bar over all of them.
//!
//! It keeps a checkpoint: when it is killed and started again, it goes on where it was.

use std::time::Duration;

use blossom::{Blossom, sandbox::Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder()
        .latency(Duration::from_millis(50))
        .start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    let folder = tempfile::tempdir()?;
    let checkpoint = folder.path().join("batch.jsonl");
    let items = || (0..100).map(|n| format!("Process: item {n}"));

    // Enough of it for now: as if it were killed.
    let mut batch = client
        .batch(items())
        .concurrency(10)
        .checkpoint(&checkpoint)
        .start();
    for _ in 0..40 {
        batch.next().await.ok_or("too short")?.result?;
    }
    drop(batch);
    println!("stopped after {} calls", sandbox.count());

    let mut batch = client
        .batch(items())
        .concurrency(10)
        .checkpoint(&checkpoint)
        .progress_bar()
        .start();
    while let Some(item) = batch.next().await {
        item.result?;
    }
    let progress = batch.progress();
    println!(
        "{} done, {} of them from the checkpoint, {} tokens, {:.0} for each second",
        progress.done,
        progress.cached,
        progress.tokens,
        progress.rate(),
    );
    assert_eq!(progress.done, 100);
    // What was under way when it stopped may have been called twice.
    assert!(sandbox.count() <= 110);
    Ok(())
}
