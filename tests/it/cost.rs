//! What calls cost, over real sockets: the client's books beside the sandbox's own.

use std::time::Duration;

use blossom::{
    Blossom, Builder, ErrorKind, Text,
    layers::{
        cause_ref,
        estimate::PromptTooLarge,
        spend::{Budget, SpendExceeded, Totals, Unknown},
        types::{Nanos, Warning},
    },
    policy::{Prices, Rates},
    protocol::Message,
    sandbox::Sandbox,
};
use tokio::time::Instant;

const FAULT: &str = "x-sandbox-fault";

async fn priced(sandbox: &Sandbox) -> Builder {
    let models = Blossom::builder().base_url(sandbox.base_url()).build();
    let models = models.unwrap().models().await.unwrap();
    sandbox.reset();
    Blossom::builder()
        .base_url(sandbox.base_url())
        .prices(Prices::from_models(&models).default_model("openai"))
}

/// What the sandbox says that all of it cost, in billionths.
fn billed(sandbox: &Sandbox) -> Nanos {
    let nanos = (sandbox.pollen() * 1e9).round();
    Nanos(format!("{nanos}").parse().unwrap())
}

/// The books when this many calls have ended: the end of a stream is read in the background.
async fn settled(client: &Blossom, calls: u64) -> Totals {
    let start = Instant::now();
    loop {
        let totals = client.spend().unwrap().totals();
        if totals.calls >= calls {
            return totals;
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{totals:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Beginning with the source, the one of this type.
fn cause<E: std::error::Error + 'static>(error: &blossom::Error) -> &E {
    cause_ref::<E>(error).unwrap()
}

#[tokio::test]
async fn every_answer_tells_what_the_upstream_charges_for_it() {
    let sandbox = Sandbox::start().unwrap();
    let client = priced(&sandbox).await.build().unwrap();

    let whole = client.text().generate("What is a flower?").await.unwrap();
    let chat = client.text().chat(["And a rose?"]).model("mistral");
    let chat = chat.await.unwrap();
    let stream = client.text().chat(["A story"]).stream().await.unwrap();
    let stream = stream.finish().await.unwrap();
    let image = client.image().generate("a rose").await.unwrap();

    let costs = [whole.cost(), chat.cost(), stream.cost(), image.cost()];
    let sum = costs.into_iter().fold(Nanos::ZERO, |sum, cost| {
        assert!(cost.unwrap() > Nanos::ZERO);
        sum.saturating_add(cost.unwrap())
    });
    // Each answer is rounded to a billionth.
    assert!(sum.0.abs_diff(billed(&sandbox).0) <= 4, "{sum}");

    let totals = settled(&client, 4).await;
    assert_eq!(totals.spent, sum);
    assert_eq!(totals.reserved, Nanos::ZERO);
    let models = client.spend().unwrap().models();
    assert!(
        models
            .iter()
            .any(|(model, _)| model.as_deref() == Some("mistral"))
    );
}

#[tokio::test]
async fn what_is_not_known_stays_unknown() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .build()
        .unwrap();
    let answer = client.text().generate("What is a flower?").await.unwrap();
    assert_eq!(answer.cost(), None);
    assert!(client.spend().is_none());

    let others = Prices::from_json(r#"{"other":{"promptTextTokens":"1"}}"#).unwrap();
    let builder = Blossom::builder()
        .base_url(sandbox.base_url())
        .prices(others);
    let client = builder.clone().build().unwrap();
    let answer = client.text().generate("What is a flower?").await.unwrap();
    assert_eq!(answer.cost(), None);
    assert_eq!(client.spend().unwrap().totals().unpriced, 1);

    let strict = builder.unknown_prices(Unknown::Refuse).build().unwrap();
    let error = strict
        .text()
        .generate("What is a flower?")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Spend);
    assert!(strict.models().await.is_ok(), "lists cost nothing");
}

#[tokio::test]
async fn a_stream_that_is_given_up_costs_what_it_had_produced() {
    let sandbox = Sandbox::start().unwrap();
    let client = priced(&sandbox).await.build().unwrap();
    let ask = || {
        client
            .text()
            .chat([Message::user("Tell me of rivers")])
            .max_tokens(400)
    };
    let cost = |answer: &Text| answer.cost().unwrap();

    let whole = ask().stream().await.unwrap().finish().await.unwrap();
    let before = settled(&client, 1).await.spent;
    let slow = ask().header(FAULT, "stall;after-events=4");
    let mut stream = slow.stream().await.unwrap();
    for _ in 0..3 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);

    let totals = settled(&client, 2).await;
    let part = totals.spent.saturating_sub(before);
    // More than the prompt alone, and less than the whole.
    assert!(Nanos(3_000) < part && part < cost(&whole), "{part}");
    assert_eq!(totals.reserved, Nanos::ZERO);

    // One that breaks off is counted the same.
    let cut = ask().header(FAULT, "cut;after-events=3").stream().await;
    cut.unwrap().finish().await.unwrap_err();
    let broken = settled(&client, 3).await.spent.saturating_sub(totals.spent);
    assert!(Nanos(2_500) < broken && broken < cost(&whole), "{broken}");
}

#[tokio::test]
async fn what_failed_costs_nothing() {
    let sandbox = Sandbox::start().unwrap();
    let client = priced(&sandbox).await.build().unwrap();
    let call = client
        .text()
        .generate("Hi")
        .header(FAULT, "status;code=400");
    call.await.unwrap_err();
    let nobody = priced(&sandbox).await.base_url("http://127.0.0.1:1");
    let nobody = nobody.build().unwrap();
    nobody.text().generate("Hi").await.unwrap_err();

    for client in [client, nobody] {
        let balance = client.spend().unwrap().balance();
        assert_eq!((balance.settled, balance.open), (0, 0));
        assert!(balance.refunded > 0 && balance.reserved == balance.refunded);
    }
}

#[tokio::test]
async fn a_limit_refuses_before_the_call_and_says_what_is_left() {
    let sandbox = Sandbox::start().unwrap();
    let limit = Budget::new(Nanos(1_000), Duration::from_secs(3600));
    let client = priced(&sandbox).await.spend_limit(limit).build().unwrap();

    let large = client
        .text()
        .generate("What is a flower?")
        .max_tokens(9_000);
    let error = large.await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Spend);
    assert!(!error.is_retryable());
    assert!(error.retry_after().is_some());
    assert!(error.suggestion().unwrap().contains("raise the budget"));
    let exceeded = cause::<SpendExceeded>(&error);
    assert_eq!(
        (exceeded.limit(), exceeded.left()),
        (Nanos(1_000), Nanos(1_000))
    );
    assert!(exceeded.resets().unwrap() <= Duration::from_secs(3600));
    assert_eq!(sandbox.generations(), 0);
}

#[tokio::test]
async fn long_prompts_are_told_and_longer_ones_refused() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder().base_url(sandbox.base_url());
    let client = client.max_prompt_tokens(5_000).build().unwrap();
    let of_tokens = |tokens: usize| "flower ".repeat(tokens);

    let short = client.text().chat([of_tokens(500)]).await.unwrap();
    assert!(short.warnings().is_empty());
    let long = client.text().chat([of_tokens(2_000)]).await.unwrap();
    let [warning] = long.warnings() else {
        panic!("{:?}", long.warnings());
    };
    assert!(matches!(
        warning,
        Warning::LargePrompt {
            estimated_tokens: 1_800..2_200,
            limit_tokens: 1_000,
            ..
        }
    ));

    let stream = client
        .text()
        .chat([of_tokens(2_001)])
        .stream()
        .await
        .unwrap();
    assert_eq!(stream.warnings().len(), 1, "before its first delta");
    assert_eq!(stream.finish().await.unwrap().warnings().len(), 1);

    let error = client.text().chat([of_tokens(9_000)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    let refused = cause::<PromptTooLarge>(&error);
    assert!(refused.estimated() > 8_000 && refused.limit() == 5_000);
    assert_eq!(sandbox.generations(), 3);
}

#[tokio::test]
async fn answers_are_clamped_where_that_is_asked_for() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder().base_url(sandbox.base_url());
    let client = client.clamp_max_tokens(3).build().unwrap();

    let chat = client
        .text()
        .chat(["A story"])
        .max_tokens(500)
        .await
        .unwrap();
    let prompt = client.text().generate("A story").await.unwrap();

    for answer in [chat, prompt] {
        assert!(answer.usage().unwrap().completion_tokens <= 3);
    }
}

#[tokio::test]
async fn two_clients_have_books_of_their_own_and_clones_share() {
    let sandbox = Sandbox::start().unwrap();
    let mut prices = Prices::new();
    prices.insert(
        "openai",
        Rates::per_million(Nanos(1_000_000_000), Nanos(1_000_000_000)),
    );
    let builder = Blossom::builder()
        .base_url(sandbox.base_url())
        .prices(prices);
    let (one, other) = (builder.clone().build().unwrap(), builder.build().unwrap());

    one.clone().text().generate("Hi").await.unwrap();

    assert_eq!(one.spend().unwrap().totals().calls, 1);
    assert_eq!(other.spend().unwrap().totals().calls, 0);
}
