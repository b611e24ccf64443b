//! A model that fails is left alone, and tried again when it may have healed.

use std::{num::NonZeroU32, time::Duration};

use blossom::{
    Blossom, ErrorKind,
    layers::{
        breaker::{Broken, Rules},
        cause_ref,
    },
    sandbox::Sandbox,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    // Left alone, the rules are half of at least 20 calls in 30 s, or 10 in a row, for 15 s.
    let rules = Rules::new()
        .in_a_row(NonZeroU32::MIN.saturating_add(2))
        .probes(NonZeroU32::MIN)
        .open(Duration::from_millis(200));
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .breaker(rules)
        .build()?;
    let ask = |model: &str| client.text().chat(["Are you well?"]).model(model);

    for call in 1..=5 {
        let failing = ask("openai").header("x-sandbox-fault", "status;code=503");
        let Err(error) = failing.await else {
            return Err("the sandbox was to fail".into());
        };
        let refused = cause_ref::<Broken>(&error).is_some();
        println!("call {call}: {error}");
        assert_eq!(error.kind(), ErrorKind::Upstream);
        assert_eq!(refused, call > 3);
    }
    println!("the upstream has seen {} of them", sandbox.count());
    assert_eq!(sandbox.count(), 3);

    // Another model has a circuit of its own.
    println!("mistral: {}", ask("mistral").await?);

    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("openai, after a while: {}", ask("openai").await?);
    Ok(())
}
