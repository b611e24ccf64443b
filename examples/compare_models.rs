//! The same question to every model that can answer it: tokens, cost and time, the cheapest first.
//!
//! With `--live` it asks the real service, with the key in `BLOSSOM_API_KEY`, and costs what it
//! prints.

use std::cmp::Reverse;

use blossom::{Blossom, policy::Prices, protocol::Capability, sandbox::Sandbox};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let live = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--live") => true,
        Some(other) => return Err(format!("unknown argument {other}; there is --live").into()),
    };
    let sandbox = if live { None } else { Some(Sandbox::start()?) };
    let builder = match &sandbox {
        Some(sandbox) => Blossom::builder().base_url(sandbox.base_url()),
        None => Blossom::builder().api_key(std::env::var("BLOSSOM_API_KEY")?),
    };
    let models = builder.clone().build()?.models().await?;
    let prices = Prices::from_models(&models);
    let client = builder.prices(prices.clone()).build()?;
    println!("asking {}", client.endpoint());

    let mut rows = Vec::new();
    let writers = models.iter().filter(|model| model.can(Capability::Text));
    for model in writers.filter(|model| prices.rates(model.id()).is_some()) {
        let started = Instant::now();
        let call = client.text().generate("What is a flower?").max_tokens(100);
        match call.model(model.id()).await {
            Ok(answer) => rows.push((answer, model.id(), started.elapsed())),
            Err(error) => println!("{}: {error}", model.id()),
        }
    }

    rows.sort_by_key(|(answer, ..)| Reverse(answer.cost().map(Reverse)));
    println!("{:<20}{:>8}{:>14}{:>10}", "model", "tokens", "cost", "time");
    for (answer, model, took) in &rows {
        let tokens = answer.usage().map_or(0, |usage| usage.total_tokens);
        let cost = answer
            .cost()
            .map_or("unknown".to_owned(), |cost| cost.to_string());
        let millis = took.as_millis();
        println!("{model:<20}{tokens:>8}{cost:>14}{millis:>7} ms");
    }
    assert!(!rows.is_empty(), "no model answered");
    if let Some(books) = client.spend() {
        println!("all together: {}", books.totals().spent);
    }
    Ok(())
}
