//! What the transport must hold, in full numbers: `cargo bench --bench transport`.
//!
//! Prints each figure beside its limit, and ends with 1 when one is over it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures, and ends where it cannot"
)]

use std::{process::ExitCode, time::Duration};

use blossom::{
    Blossom,
    layers::{BoxError, body::ReqBody},
    sandbox::Sandbox,
    transport::Transport,
};
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::ServiceExt;

const UPLOADS: usize = 1_000;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut within = true;
    let mut check = |what: &str, figure: f64, limit: f64| {
        println!("{what}: {figure:.1}, at most {limit:.1}");
        within &= figure <= limit;
    };
    let sandbox = Sandbox::start().unwrap();
    // First, because what counts is the most that there ever was.
    check(
        "mebibytes that a bomb of 1 GiB adds",
        bomb(&sandbox).await,
        16.0,
    );
    for (what, body) in [
        ("that stall", stalled as fn() -> ReqBody),
        ("that go on", endless),
        ("from memory", in_memory),
    ] {
        let left = connections_left(&sandbox, body).await;
        check(
            &format!("connections left after {UPLOADS} uploads {what}"),
            left,
            0.0,
        );
    }
    if within {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// How much resident memory the process has taken at most for a mebibyte of gzip, the sandbox's
/// part included.
async fn bomb(sandbox: &Sandbox) -> f64 {
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .decompression(true)
        .build()
        .unwrap();
    let call = || client.text().generate("Hi");
    call().await.unwrap();
    let before = peak();
    let error = call()
        .header("x-sandbox-fault", "bomb;mib=1024")
        .await
        .unwrap_err();
    println!("{error}");
    (peak() - before) / MEBIBYTE
}

/// Sends uploads that are answered early, and counts the sockets that are there a second later.
async fn connections_left(sandbox: &Sandbox, body: fn() -> ReqBody) -> f64 {
    const AT_ONCE: usize = 50;
    let transport = Transport::builder().build().unwrap();
    let before = sockets();
    for _ in 0..UPLOADS / AT_ONCE {
        let uploads = (0..AT_ONCE).map(|_| async {
            let request = Request::post(format!("{}/v1/chat/completions", sandbox.base_url()))
                .header("x-sandbox-fault", "early")
                .body(body())
                .unwrap();
            let response = transport.clone().oneshot(request).await?;
            let answer = response.into_body().collect().await?;
            Ok::<_, BoxError>(answer)
        });
        for answer in future::join_all(uploads).await {
            answer.unwrap();
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = sockets();
    drop(transport);
    f64::from(after.saturating_sub(before))
}

fn frames(data: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> ReqBody {
    ReqBody::stream(StreamBody::new(
        data.map(|data| Ok::<_, BoxError>(Frame::data(data))),
    ))
}

fn stalled() -> ReqBody {
    frames(stream::iter([Bytes::from_static(b"x")]).chain(stream::pending()))
}

fn endless() -> ReqBody {
    frames(stream::repeat(Bytes::from(vec![b'x'; 64 * 1024])))
}

fn in_memory() -> ReqBody {
    Bytes::from(vec![b'x'; 16 << 20]).into()
}

/// The most memory that was ever resident, in bytes.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kibibytes = line.split_whitespace().nth(1).unwrap();
    kibibytes.parse::<f64>().unwrap() * 1024.0
}

/// The sockets of this process, both ends of each connection.
fn sockets() -> u32 {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let sockets = targets.filter(|target| target.to_string_lossy().starts_with("socket:"));
    u32::try_from(sockets.count()).unwrap()
}
