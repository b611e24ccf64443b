//! A hundred equal streams at once: one call of the upstream, and all of them live.

use std::time::Duration;

use blossom::{Blossom, layers::types::CacheStatus, sandbox::Sandbox};
use futures_util::future::try_join_all;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder()
        .event(Duration::from_millis(10))
        .start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;

    let start = Instant::now();
    let readers = (0..100).map(|_| {
        let call = client.text().generate("Tell me of a river.").stream();
        async move {
            let mut stream = call.await?;
            let first = stream.next().await.transpose()?;
            let began = start.elapsed();
            let whole = stream.finish().await?;
            Ok::<_, blossom::Error>((first.is_some(), began, start.elapsed(), whole))
        }
    });
    let read = try_join_all(readers).await?;

    let (_, _, _, text) = read.first().ok_or("nobody has read")?;
    for (begun, began, ended, whole) in &read {
        assert!(*begun && began < ended, "it was live");
        assert_eq!(whole.content(), text.content());
    }
    let shared = |status| {
        read.iter()
            .filter(|r| r.3.cache_status() == Some(status))
            .count()
    };
    println!(
        "{} called, {} joined; the service saw {} request, and wrote {} characters once",
        shared(CacheStatus::Miss),
        shared(CacheStatus::Coalesced),
        sandbox.generations(),
        text.content().len(),
    );
    println!("{:?}", client.cache());
    assert_eq!(sandbox.generations(), 1);
    Ok(())
}
