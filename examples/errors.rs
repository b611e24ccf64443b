//! Errors: what went wrong, whether to try again, what may help, and what had arrived.

use blossom::{Blossom, Error, ErrorKind, sandbox::Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    // The sandbox fails on demand; a real service does so by itself.
    let call = |fault: &str| client.text().chat(["Hi"]).header("x-sandbox-fault", fault);

    // Refused before anything is sent.
    tell(
        &client
            .text()
            .chat(["Hi"])
            .temperature(9.0)
            .await
            .unwrap_err(),
    );
    for fault in [
        "status;code=401",
        "status;code=429;retry-after=2",
        "status;code=502;upstream=404",
        "form-e",
        "form-j",
        "form-h",
        "not-json",
    ] {
        tell(&call(fault).await.unwrap_err());
    }

    // A stream that breaks keeps what it gave.
    let stream = call("cut;after-events=6").stream().await?;
    let error = stream.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    tell(&error);
    if let Some(partial) = error.partial() {
        println!("  had arrived: {}", partial.content());
    }
    Ok(())
}

fn tell(error: &Error) {
    println!("{error}");
    let again = if error.is_retryable() {
        "may help"
    } else {
        "does not help"
    };
    println!(
        "  trying again {again}; {}",
        error.suggestion().unwrap_or_default()
    );
    if let Some(wait) = error.retry_after() {
        println!("  not before {wait:?}");
    }
}
