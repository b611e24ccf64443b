//! Memory stays flat, however much is asked for: measured by what the operating system says of a process
//! that does nothing else.
//!
//! Each test runs itself once more, as a process of its own, and there compares the most memory that it
//! ever took after a warm-up with what it took at its end. The upstream stays with the parent.
#![cfg(target_os = "linux")]

use std::{
    convert::Infallible,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use blossom::{Blossom, Body};
use http::{Request, Response};
use tower::service_fn;

use crate::support::{alone, given, succeeds};

/// The lines of `/proc/self/status` that are sizes, in KiB.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What is taken now; the most that is taken is counted from here on.
fn warm() -> u64 {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    status("VmRSS:")
}

/// How much more than `before` was taken at most, in KiB.
fn more_than(before: u64) -> u64 {
    status("VmHWM:").saturating_sub(before)
}

/// What a batch over an iterator may add. It keeps 4 MiB of results at most for equal inputs; the rest
/// is what the allocator does not give back.
const BATCH_KIB: u64 = 8 * 1024;

#[tokio::test]
async fn a_batch_of_100000_inputs_stays_within_eight_mebibytes() {
    const WARM_UP: usize = 10_000;
    const INPUTS: usize = 100_000;

    if given().is_none() {
        let name = "memory::a_batch_of_100000_inputs_stays_within_eight_mebibytes";
        return succeeds(alone(name, "").spawn().unwrap());
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let upstream = service_fn(move |request: Request<Body>| {
        counter.fetch_add(1, Ordering::Relaxed);
        let body = Body::from(format!("{} {}", request.uri().path(), "words ".repeat(50)));
        let response = Response::builder().header("content-type", "text/plain");
        async move { Ok::<_, Infallible>(response.body(body).unwrap()) }
    });
    let client = Blossom::from_service(upstream).build();
    let mut batch = client
        .batch((0..WARM_UP + INPUTS).map(|n| format!("Prompt {n}")))
        .concurrency(16)
        .start();
    for _ in 0..WARM_UP {
        batch.next().await.unwrap().result.unwrap();
    }

    let before = warm();
    while let Some(item) = batch.next().await {
        item.result.unwrap();
    }
    let more = more_than(before);

    println!("{INPUTS} inputs: {more} KiB more than {before} KiB");
    assert_eq!(calls.load(Ordering::Relaxed), WARM_UP + INPUTS);
    assert!(more <= BATCH_KIB, "{more} KiB");
}

/// What images may add: up to ten under way. The cache of 2 MiB and the 4 MiB that a batch keeps are
/// full before it is measured, and the rest is what the allocator does not give back. A thousand images
/// are 125 MiB.
const IMAGES_KIB: u64 = 8 * 1024;
const IMAGE_BYTES: usize = 128 * 1024;

#[tokio::test]
async fn a_thousand_images_leave_memory_as_it_was() {
    const WARM_UP: usize = 100;
    const IMAGES: usize = 1_000;

    let Some(base_url) = given() else {
        let name = "memory::a_thousand_images_leave_memory_as_it_was";
        return succeeds(alone(name, &image_server()).spawn().unwrap());
    };
    let client = Blossom::builder()
        .base_url(base_url)
        .cache_bytes(2 << 20)
        .build()
        .unwrap();
    let images = (0..WARM_UP + IMAGES).map({
        let client = client.clone();
        move |n| client.image().generate(format!("Test {n}")).size(512, 512)
    });
    let mut batch = client.batch(images).concurrency(10).start();
    for _ in 0..WARM_UP {
        batch.next().await.unwrap().result.unwrap();
    }

    let before = warm();
    while let Some(item) = batch.next().await {
        assert_eq!(item.result.unwrap().bytes().len(), IMAGE_BYTES);
    }
    let more = more_than(before);

    println!("{IMAGES} images: {more} KiB more than {before} KiB");
    let (done, cached) = (batch.progress().done, batch.progress().cached);
    assert_eq!((done, cached), ((WARM_UP + IMAGES) as u64, 0));
    assert!(more <= IMAGES_KIB, "{more} KiB");
}

/// A server that answers whatever it is asked with an image, on threads of its own until the process
/// ends; its base URL. (To draw a thousand of this size would take minutes.)
fn image_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length:";
    let mut reply = format!("{head} {IMAGE_BYTES}\r\n\r\n").into_bytes();
    let body = reply.len();
    reply.resize(body + IMAGE_BYTES, 0x5a);
    reply[body..body + 4].copy_from_slice(&[0xff, 0xd8, 0xff, 0xe0]);
    let reply = Arc::new(reply);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, reply) = (connection.unwrap(), reply.clone());
            thread::spawn(move || {
                let reader = BufReader::new(connection.try_clone().unwrap());
                for line in reader.lines() {
                    // A request without a body ends with its head. The client may be gone.
                    let Ok(line) = line else { return };
                    if line.is_empty() && connection.write_all(&reply).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("http://{address}")
}
