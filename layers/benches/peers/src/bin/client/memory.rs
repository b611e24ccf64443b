//! Memory of an open stream: the first event is read, then it is held.

use blossom::{Blossom, protocol::Message};
use bytes::Bytes;
use http::{HeaderValue, Request, header::ACCEPT};
use http_body_util::{BodyExt as _, Full};

use super::calls::{bare_client, core_client};

#[tokio::main(flavor = "current_thread")]
pub(super) async fn run(name: &str, port: u16, streams: usize) -> Result<(), super::Error> {
    let base = format!("http://127.0.0.1:{port}");
    match name {
        "legacy" => {
            let client = bare_client();
            hold(streams, async || {
                let mut request = Request::new(Full::new(Bytes::from_static(b"{}")));
                *request.uri_mut() = format!("{base}/v1/chat/completions")
                    .parse()
                    .expect("legal");
                *request.method_mut() = http::Method::POST;
                let events = HeaderValue::from_static("text/event-stream");
                request.headers_mut().insert(ACCEPT, events);
                let mut body = client
                    .request(request)
                    .await
                    .expect("an answer")
                    .into_body();
                body.frame().await.expect("an event").expect("an event");
                body
            })
            .await
        }
        "blossom" | "blossom-core" => {
            let client = match name {
                "blossom-core" => core_client(&base)?,
                // Equal streams would be one, and thousands are more than the default lets go.
                _ => Blossom::builder()
                    .base_url(&base)
                    .cache(false)
                    .max_in_flight(2 * streams)
                    .build()?,
            };
            hold(streams, async || {
                let chat = client.text().chat([Message::user("Hi")]);
                let mut stream = chat.stream().await.expect("an answer");
                stream.next().await.expect("an event").expect("an event");
                stream
            })
            .await
        }
        _ => Err(format!("no client {name}").into()),
    }
}

/// Prints the bytes of resident memory that each stream adds.
async fn hold<S>(streams: usize, open: impl AsyncFn() -> S) -> Result<(), super::Error> {
    let mut held = Vec::with_capacity(streams + 50);
    for _ in 0..50 {
        held.push(open().await);
    }
    let before = resident()?;
    for _ in 0..streams {
        held.push(open().await);
    }
    println!("{}", (resident()? - before) / streams as f64);
    drop(held);
    Ok(())
}

fn resident() -> Result<f64, super::Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .ok_or("no VmRSS")?;
    let kib = line.split_whitespace().nth(1).ok_or("no figure")?;
    Ok(kib.parse::<f64>()? * 1024.0)
}
