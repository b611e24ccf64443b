//! A chat, printed as it arrives; then one that is cut, which is an error with what had arrived.

use std::io::Write as _;

use blossom::{Blossom, ErrorKind, protocol::Message, sandbox::Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder()
        .event(std::time::Duration::from_millis(20))
        .start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    let messages = [
        Message::system("You tell stories."),
        Message::user("Tell me of a river."),
    ];

    let mut stream = client.text().chat(messages.clone()).stream().await?;
    while let Some(delta) = stream.next().await {
        print!("{}", delta?);
        std::io::stdout().flush()?;
    }
    let whole = stream.finish().await?;
    println!(
        "\n-- finished: {:?}, usage: {:?}",
        whole.finish_reason(),
        whole.usage()
    );

    let call = client.text().chat(messages);
    let cut = call
        .header("x-sandbox-fault", "cut;after-events=6")
        .stream()
        .await?;
    let Err(error) = cut.finish().await else {
        return Err("a stream that was cut must not look whole".into());
    };
    assert_eq!(error.kind(), ErrorKind::Truncated);
    println!("-- {error}");
    if let Some(partial) = error.partial() {
        println!("-- {} events had arrived: {partial}", partial.events());
    }
    Ok(())
}
