//! A conversation: the system message is given once, and the history is kept.
//!
//! The service keeps nothing, so all of it is sent with each question: a long conversation costs
//! more with each, until the history is trimmed.

use blossom::{Blossom, sandbox::Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    let begin = || client.conversation().system("You are a helpful assistant");
    let questions = [
        "What is Rust?",
        "Who uses it?",
        "What for?",
        "Since when?",
        "Why?",
    ];

    let mut whole = begin().start();
    let mut trimmed = begin().history_tokens(250).start();
    println!("question         prompt tokens   with 250 at most");
    for question in questions {
        let mut tokens = [0; 2];
        for (talk, tokens) in [&mut whole, &mut trimmed].into_iter().zip(&mut tokens) {
            let answer = talk.ask(question).await?;
            *tokens = answer.usage().map_or(0, |usage| usage.prompt_tokens);
        }
        println!("{question:15} {:14} {:18}", tokens[0], tokens[1]);
    }
    println!("dropped: {} messages", trimmed.dropped());

    // A fork goes on by itself; the other does not hear of it.
    let mut fork = whole.fork();
    fork.ask("And Go?").await?;
    assert_eq!(fork.messages().len(), whole.messages().len() + 2);

    // Kept over a restart.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("talk.json");
    whole.save(&path).await?;
    let mut again = client.conversation().load(&path).await?;
    let answer = again.ask("Where were we?").await?;
    println!("{answer}");
    Ok(())
}
