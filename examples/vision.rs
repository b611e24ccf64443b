//! Vision: a question about several images, by URL, by bytes and from a file.

use blossom::{
    Blossom,
    protocol::{ImageDetail, Message, Part},
    sandbox::Sandbox,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;

    let drawn = client.image().generate("a cat").size(64, 64).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cat.jpg");
    drawn.save(&path).await?;

    // Types are read from the bytes, and sizes are checked before anything is sent.
    let question = Message::user("Which of these is a cat?")
        .part(Part::image_url("https://example.com/dog.png").detail(ImageDetail::Low))
        .part(Part::image_bytes(&drawn)?)
        .part(Part::image_file(&path).await?);
    let answer = client.text().chat([question]).await?;
    println!("{answer}");

    if let Err(refused) = Part::image_bytes("not an image") {
        println!("refused: {refused}");
    }
    Ok(())
}
