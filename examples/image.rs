//! An image: drawn, looked at, saved, and its URL without a call.

use blossom::{Blossom, Quality, sandbox::Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // An upstream in this process, at no cost; for the real one: Blossom::from_env()?.
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    let call = client
        .image()
        .generate("a lantern in the rain")
        .size(320, 240)
        .quality(Quality::Medium)
        .seed(7);

    // Anyone can open this URL; it never holds a key.
    println!("url:   {}", call.url()?);

    let image = call.await?;
    println!("type:  {}", image.content_type());
    println!("bytes: {}", image.bytes().len());

    // Written beside and renamed: there is never half a file.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("lantern.jpg");
    image.save(&path).await?;
    assert_eq!(std::fs::read(&path)?, image.bytes());
    println!("saved: {}", path.display());
    Ok(())
}
