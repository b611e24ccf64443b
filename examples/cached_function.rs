//! A function of yours whose results are kept: a hundred equal calls are one.

use std::time::Duration;

use blossom::{Blossom, CacheManager, cached, sandbox::Sandbox};
use futures_util::future::try_join_all;

const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    let ask = {
        let client = client.clone();
        move |prompt: String| {
            let client = client.clone();
            async move { client.text().generate(prompt).await }
        }
    };

    let fast = cached(HOUR, ask.clone());
    let calls = (0..100).map(|_| fast.call("What is AI?".to_owned()));
    let answers = try_join_all(calls).await?;
    println!("{}", answers[0]);
    let stats = fast.stats();
    println!(
        "{} calls saved, {} %",
        stats.calls_saved(),
        stats.hit_rate()
    );
    assert_eq!((sandbox.count(), stats.calls_saved()), (1, 99));

    // Several functions on one manager, which counts them all; their names keep them apart.
    let cache = CacheManager::builder().ttl(HOUR).build()?;
    let faq = cache.cached("faq", HOUR, ask);
    let length = cache.cached("length", HOUR, |text: String| async move {
        Ok::<_, blossom::Error>(text.len())
    });
    for _ in 0..2 {
        faq.call("How do I reset my password?".to_owned()).await?;
        length
            .call("How do I reset my password?".to_owned())
            .await?;
    }
    println!("{:.0} % of both were there", cache.stats().hit_rate());
    assert_eq!(cache.stats().calls_saved(), 2);
    Ok(())
}
