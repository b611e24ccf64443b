//! The embedded upstream as a program, for any client in any language.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use blossom::sandbox::Sandbox;
use clap::Parser;

/// The Blossom protocol on loopback, with faults on demand: see GET /__sandbox/faults.
#[derive(Parser)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
struct Arguments {
    /// The port of loopback; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Milliseconds before the head of a reply that is no stream.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Milliseconds before the first event of a stream.
    #[arg(long, default_value_t = 0)]
    first_event_ms: u64,
    /// Milliseconds before each further event.
    #[arg(long, default_value_t = 0)]
    event_ms: u64,
    /// The only key that generates; without it any key or none will do.
    #[arg(long)]
    api_key: Option<String>,
    /// Compresses replies, where the request accepts it.
    #[arg(long)]
    compress: bool,
    /// Puts the service's cache before the models.
    #[arg(long)]
    server_cache: bool,
    /// Gives each key one generation at a time.
    #[arg(long)]
    unpaid: bool,
    /// What a publishable key may spend in an hour.
    #[arg(long, default_value_t = 1.0)]
    pollen_per_hour: f64,
    /// A fault for every request that asks for none of its own, such as "cut;after-events=3".
    #[arg(long, default_value = "")]
    fault: String,
    /// Starts on a free port, calls itself once, prints the answer and ends.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let mut builder = Sandbox::builder()
        .port(if arguments.check { 0 } else { arguments.port })
        .latency(Duration::from_millis(arguments.latency_ms))
        .first_event(Duration::from_millis(arguments.first_event_ms))
        .event(Duration::from_millis(arguments.event_ms))
        .compress(arguments.compress)
        .server_cache(arguments.server_cache)
        .unpaid(arguments.unpaid)
        .pollen_per_hour(arguments.pollen_per_hour);
    if let Some(key) = arguments.api_key {
        builder = builder.api_key(key);
    }
    let sandbox = builder.start()?;
    sandbox.fault(&arguments.fault)?;
    println!("listening on {}", sandbox.base_url());
    if arguments.check {
        let authority = sandbox.base_url().trim_start_matches("http://").to_owned();
        let mut socket = TcpStream::connect(&authority)?;
        let request = "GET /text/What%20is%20Rust%3F HTTP/1.1\r\n";
        write!(
            socket,
            "{request}host: {authority}\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        println!("{answer}");
        let good = answer.starts_with("HTTP/1.1 200");
        return if good {
            Ok(())
        } else {
            Err("no answer".into())
        };
    }
    sandbox.wait();
    Ok(())
}
