//! Speech: a voice, a format, a file.

use blossom::{Blossom, protocol::SpeechFormat, sandbox::Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;

    let speech = client
        .audio()
        .speak("The lantern crosses the harbor at dawn.")
        .voice("nova")
        .format(SpeechFormat::Wav)
        .await?;
    println!(
        "{} bytes of {}",
        speech.bytes().len(),
        speech.content_type()
    );

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("lantern.wav");
    speech.save(&path).await?;
    println!("saved: {}", path.display());
    Ok(())
}
