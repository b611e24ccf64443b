//! Smaller requests: short prompts, a bound on the answer, a low temperature, images of the size that
//! is needed. What each of them changes, and what it does not.

use blossom::{Blossom, Quality, Text, sandbox::Sandbox, tokens};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;

    // A prompt costs what it weighs, before anything is answered.
    let long = "Please explain to me in great detail, with many examples, and comprehensive coverage \
                of all aspects, what exactly is the concept of variables in programming languages.";
    let short = "Explain variables in programming briefly";
    println!(
        "prompt tokens: {} and {}",
        tokens::estimate(long),
        tokens::estimate(short)
    );

    // The bound is what saves: an answer is cut at it, and says so.
    let used = |answer: &Text| answer.usage().map_or(0, |usage| usage.total_tokens);
    let wide = client.text().generate(long).max_tokens(2000).await?;
    let narrow = client.text().generate(short).max_tokens(20).await?;
    println!("tokens in all: {} and {}", used(&wide), used(&narrow));

    // A low temperature and a seed make an answer repeatable. Neither makes it faster or cheaper.
    let question = client
        .text()
        .generate("What is 2+2?")
        .temperature(0.1)
        .seed(7);
    let (once, again) = (question.clone().fresh().await?, question.fresh().await?);
    println!(
        "the same answer twice: {}",
        once.content() == again.content()
    );
    assert_eq!(once.content(), again.content());

    // Pixels cost time and bytes.
    let large = client
        .image()
        .generate("a cat")
        .size(1024, 1024)
        .quality(Quality::Hd)
        .await?;
    let small = client
        .image()
        .generate("a cat")
        .size(512, 512)
        .quality(Quality::Medium)
        .await?;
    println!(
        "image bytes: {} and {}",
        large.bytes().len(),
        small.bytes().len()
    );
    assert!(small.bytes().len() < large.bytes().len());
    Ok(())
}
