//! The client without async: calls from several threads, and a stream as an iterator.

use std::{io::Write as _, thread};

use blossom::{Blossom, sandbox::Sandbox};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .build_blocking()?;

    let answer = client.text().generate("What is Rust?").seed(1).send()?;
    println!("{answer}\n");

    for delta in client.text().generate("Write a story").stream()? {
        print!("{}", delta?);
        std::io::stdout().flush()?;
    }
    println!("\n");

    // Clones share connections and the thread that makes the calls.
    let threads = ["one", "two", "three"].map(|topic| {
        let client = client.clone();
        thread::spawn(move || client.text().generate(format!("A word on {topic}")).send())
    });
    for thread in threads {
        let answer = thread.join().map_err(|_| "a thread has panicked")??;
        println!("{answer}");
    }
    Ok(())
}
