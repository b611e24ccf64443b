use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blossom::transport::{ConnectCause, ConnectError, Interrupted, Transport, nothing_was_sent};
use tokio::io::AsyncWriteExt;

use super::{
    built, cause, get,
    server::{OK, Server, closed_port, closes_within, read_head},
    text, transport,
};

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::answering(OK);
    let transport = transport();

    for _ in 0..5 {
        text(get(&transport.clone(), &server.uri()).await.unwrap()).await;
    }

    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_the_idle_timeout() {
    let (closed, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            let in_time = closes_within(&mut stream, Duration::from_millis(700)).await;
            closed.send(in_time).unwrap();
        }
    });
    let short = Some(Duration::from_millis(90));
    let transport = built(Transport::builder().pool_idle_timeout(short));

    text(get(&transport, &server.uri()).await.unwrap()).await;

    assert!(seen.recv().await.unwrap());
    drop(transport);
}

#[tokio::test]
async fn k6_a_connection_that_was_closed_while_idle_is_not_noticed() {
    // Each connection serves one request and is closed, though it said nothing of closing.
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
    });
    let transport = transport();

    for connections in 1..=5 {
        text(get(&transport, &server.uri()).await.unwrap()).await;
        assert_eq!(server.accepted(), connections);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn k6_a_close_just_before_use_never_sends_a_request_twice() {
    let received = Arc::new(AtomicUsize::new(0));
    let count = received.clone();
    let server = Server::start(move |mut stream, _| {
        let count = count.clone();
        async move {
            if read_head(&mut stream).await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    });
    let transport = transport();

    // Without a pause the next request meets the close at every possible moment.
    let mut answered = 0;
    for _ in 0..300 {
        match get(&transport, &server.uri()).await {
            Ok(response) => {
                text(response).await;
                answered += 1;
            }
            Err(error) => assert!(cause::<Interrupted>(&error).was_sent(), "{error:?}"),
        }
    }

    assert!(answered > 0);
    assert_eq!(received.load(Ordering::SeqCst), answered);
}

#[tokio::test]
async fn k6_a_request_that_was_sent_is_not_sent_again() {
    let received = Arc::new(AtomicUsize::new(0));
    let count = received.clone();
    let server = Server::start(move |mut stream, _| {
        let count = count.clone();
        async move {
            while read_head(&mut stream).await.is_some() {
                // The second request of a connection is read, and the connection closed.
                if count.fetch_add(1, Ordering::SeqCst) == 1 {
                    return;
                }
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    });
    let transport = transport();
    text(get(&transport, &server.uri()).await.unwrap()).await;

    let error = get(&transport, &server.uri()).await.unwrap_err();

    assert!(cause::<Interrupted>(&error).was_sent());
    assert!(!nothing_was_sent(&*error));
    assert_eq!(received.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn h3_where_nobody_listens_nothing_was_sent() {
    let uri = format!("http://{}/", closed_port().await);

    let error = get(&transport(), &uri).await.unwrap_err();

    let connect: &ConnectError = cause(&error);
    assert_eq!(connect.cause(), ConnectCause::Refused);
    assert_eq!(connect.host(), "127.0.0.1");
    assert!(nothing_was_sent(&*error));
}

/// Runs in a process of its own, since the limit is the process's.
#[test]
fn k14_without_file_descriptors_calls_fail_typed_and_recover() {
    if std::env::var_os(CHILD).is_some() {
        return with_few_descriptors();
    }
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg("ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture")
        .arg(program)
        .arg("transport::pool::k14_without_file_descriptors_calls_fail_typed_and_recover")
        .env(CHILD, "1")
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("recovered"), "{said}");
}

const CHILD: &str = "BLOSSOM_TEST_FEW_DESCRIPTORS";

#[expect(clippy::print_stderr, reason = "it tells the parent that it has run")]
#[tokio::main(flavor = "current_thread")]
async fn with_few_descriptors() {
    let server = Server::start(|mut stream, _| async move {
        while read_head(&mut stream).await.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    });
    let (transport, uri) = (transport(), server.uri());
    text(get(&transport, &uri).await.unwrap()).await;

    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    // The connection in the pool still serves; while it is busy another would be needed.
    let (first, second) = tokio::join!(get(&transport, &uri), get(&transport, &uri));
    text(first.unwrap()).await;
    let error = second.unwrap_err();
    assert_eq!(cause::<ConnectError>(&error).cause(), ConnectCause::Other);
    assert!(nothing_was_sent(&*error));

    drop(hoard);
    let (first, second) = tokio::join!(get(&transport, &uri), get(&transport, &uri));
    text(first.unwrap()).await;
    text(second.unwrap()).await;
    eprintln!("recovered");
}
