//! The main job: one text call, the same again from the cache, one streamed call, and an image.
//!
//! Without arguments it runs against the embedded sandbox, at no cost. With `--live` it uses the
//! real service, with the key in `BLOSSOM_API_KEY`.

use std::io::Write as _;

use blossom::{Blossom, sandbox::Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let live = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--live") => true,
        Some(other) => return Err(format!("unknown argument {other}; there is --live").into()),
    };
    // The sandbox lives as long as its value.
    let sandbox = if live { None } else { Some(Sandbox::start()?) };
    let client = match &sandbox {
        Some(sandbox) => Blossom::builder().base_url(sandbox.base_url()).build()?,
        None => Blossom::from_env()?,
    };
    match &sandbox {
        Some(sandbox) => println!("using the sandbox at {}", sandbox.base_url()),
        None => println!("using the live service at {}", client.endpoint()),
    }

    let answer = client
        .text()
        .generate("What is Rust?")
        .max_tokens(200)
        .await?;
    println!("\n{answer}");

    // The same again: from the client's cache, at once and at no cost.
    let start = tokio::time::Instant::now();
    let again = client
        .text()
        .generate("What is Rust?")
        .max_tokens(200)
        .await?;
    let status = again.cache_status().ok_or("there is a cache")?;
    println!("\nasked again: {status} in {:.1?}", start.elapsed());

    let mut stream = client
        .text()
        .generate("Write a short story")
        .stream()
        .await?;
    println!();
    while let Some(delta) = stream.next().await {
        print!("{}", delta?);
        std::io::stdout().flush()?;
    }
    let whole = stream.finish().await?;
    println!();

    let image = client.image().generate("a lantern").size(256, 256).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("lantern.jpg");
    image.save(&path).await?;
    println!(
        "\nimage: {} bytes of {}, saved to {} until the end",
        image.bytes().len(),
        image.content_type(),
        path.display()
    );

    for (name, text) in [("text", &answer), ("stream", &whole)] {
        if let Some(usage) = text.usage() {
            println!("{name}: {} tokens", usage.total_tokens);
        }
    }
    Ok(())
}
