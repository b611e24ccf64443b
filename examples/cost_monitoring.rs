//! What calls cost: an estimate before, a warning, the cost after, a limit, and what a cache saves.
//!
//! Prices are those of the upstream's own list of models. Everything here is counted in integers:
//! billionths of the upstream's currency.

use std::time::Duration;

use blossom::{
    Blossom, Dialect, Endpoint, ErrorKind,
    layers::{
        cache::{CacheLayer, key::CanonicalKey, tier::MemoryTier},
        cause_ref,
        observe::ObserveLayer,
        spend::{Budget, Handle, SpendExceeded, SpendLayer},
        types::{Nanos, Scope},
    },
    policy::{ObserveReply, Prices},
    sandbox::Sandbox,
    tokens,
    transport::Transport,
};
use tower::ServiceBuilder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let builder = Blossom::builder().base_url(sandbox.base_url());
    let models = builder.clone().build()?.models().await?;

    // A hundredth of a unit in any hour, and answers of at most 400 tokens.
    let client = builder
        .prices(Prices::from_models(&models).default_model("openai"))
        .spend_limit(Budget::new("0.01".parse()?, Duration::from_secs(3600)))
        .clamp_max_tokens(400)
        .build()?;
    let books = client.spend().ok_or("prices were given")?;

    println!("before: an estimate, and a warning where a prompt is long");
    let prompt = "What is a flower?";
    println!("  {prompt:?} is about {} tokens", tokens::estimate(prompt));
    let long = "Tell me about this garden. ".repeat(300);
    let answer = client.text().chat([long]).await?;
    for warning in answer.warnings() {
        println!("  warning: {warning}");
    }

    println!("after: what each answer cost, a broken one too");
    for model in ["openai", "openai-fast", "openai-large"] {
        let answer = client.text().generate(prompt).model(model).await?;
        let (cost, usage) = (answer.cost(), answer.usage());
        let tokens = usage.map_or(0, |usage| usage.total_tokens);
        println!("  {model}: {} for {tokens} tokens", shown(cost));
    }
    let mut stream = client.text().chat(["A long story"]).stream().await?;
    stream.next().await.ok_or("it has begun")??;
    let before = books.totals().spent;
    drop(stream);
    let given_up = books.totals().spent.saturating_sub(before);
    println!("  a stream that was given up: {given_up}");

    println!("the books: {} left in this hour", shown(books.left()));
    let mut by_model = books.models();
    by_model.sort_by_key(|(_, totals)| std::cmp::Reverse(totals.spent));
    for (model, totals) in by_model {
        let model = model.as_deref().unwrap_or("others");
        println!("  {model}: {} for {} calls", totals.spent, totals.calls);
    }

    println!("the limit: a call that may cost more than what is left is not sent");
    let sent = sandbox.generations();
    let error = loop {
        // The same question again would be a hit, and cost nothing.
        let call = client.text().generate(prompt).model("openai-large").fresh();
        if let Err(error) = call.await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Spend);
    let exceeded = cause_ref::<SpendExceeded>(&error).ok_or("it says what is left")?;
    println!("  after {} calls: {error}", sandbox.generations() - sent);
    println!("  left: {} of {}", exceeded.left(), exceeded.limit());

    println!("a cache: a hundred equal questions, and what they saved");
    let (client, books) = cached(&sandbox, Prices::from_models(&models))?;
    let sent = sandbox.generations();
    for _ in 0..100 {
        client.text().generate(prompt).seed(7).await?;
    }
    let totals = books.totals();
    println!("  calls of the upstream: {}", sandbox.generations() - sent);
    println!("  spent {}, saved {}", totals.spent, totals.saved);
    assert_eq!((totals.calls, totals.hits), (1, 99));
    Ok(())
}

/// A stack of one's own: what is inside the cache is paid, what is answered by it is saved.
fn cached(
    sandbox: &Sandbox,
    prices: Prices,
) -> Result<(Blossom, Handle), Box<dyn std::error::Error>> {
    let spend = SpendLayer::new(prices.clone()).quote(prices);
    let books = spend.handle();
    let tier = MemoryTier::new(16 * 1024 * 1024);
    let stack = ServiceBuilder::new()
        .layer(spend.savings())
        .layer(
            CacheLayer::new(tier, CanonicalKey::new(), Scope::fixed("cost_monitoring"))
                .time_to_live(Duration::from_secs(3600)),
        )
        .layer(spend)
        .layer(ObserveLayer::new(ObserveReply))
        .service(Transport::builder().build()?);
    let client = Blossom::from_service(stack)
        .endpoint(Endpoint::new(Dialect::Gen, sandbox.base_url())?)
        .build();
    Ok((client, books))
}

fn shown(cost: Option<Nanos>) -> String {
    cost.map_or_else(|| "unknown".to_owned(), |cost| cost.to_string())
}
