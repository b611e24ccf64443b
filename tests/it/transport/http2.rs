use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blossom::transport::{
    BodyInterrupted, Interrupted, InvalidResponse, Transport, nothing_was_sent,
};
use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{Connection, SendResponse},
};
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

use super::{
    built, cause, get, post,
    server::{Server, spawn},
    text,
};

type Call = (Request<RecvStream>, SendResponse<Bytes>);

/// A server that gives each call to a function, with its number from 0 on its connection.
fn server<F, R>(answer: F) -> Server
where
    F: Fn(Call, usize) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let answer = Arc::new(answer);
    Server::start(move |stream, _| {
        let answer = answer.clone();
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut number = 0;
            while let Some(Ok(call)) = connection.accept().await {
                spawn(answer(call, number));
                number += 1;
            }
        }
    })
}

fn transport() -> Transport {
    built(Transport::builder().http2_prior_knowledge(true))
}

fn head() -> Response<()> {
    Response::new(())
}

/// A whole answer.
fn ok(mut respond: SendResponse<Bytes>) {
    let mut body = respond.send_response(head(), false).unwrap();
    body.send_data("ok".into(), true).unwrap();
}

#[tokio::test]
async fn calls_share_one_connection() {
    let server = server(|(_, respond), _| async move { ok(respond) });
    let transport = transport();

    for _ in 0..3 {
        let response = get(&transport, &server.uri()).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(text(response).await, "ok");
    }

    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn sixty_four_unread_streams_do_not_stop_the_next_call() {
    // Far more than a window for all but the last, which wants a window's worth at once.
    const WINDOW: usize = 64 * 1024;
    let filled = Arc::new(AtomicUsize::new(0));
    let count = filled.clone();
    let server = server(move |(_, mut respond), number| {
        let count = count.clone();
        async move {
            let mut body = respond.send_response(head(), false).unwrap();
            let last = number == 64;
            body.reserve_capacity(WINDOW);
            let mut left = WINDOW;
            while left > 0 {
                let Some(Ok(given)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await
                else {
                    return;
                };
                let part = given.min(left);
                left -= part;
                let end = last && left == 0;
                body.send_data(vec![b'x'; part].into(), end).unwrap();
            }
            count.fetch_add(1, Ordering::SeqCst);
            std::future::poll_fn(|cx| body.poll_reset(cx)).await.ok();
        }
    });
    let transport = transport();
    let mut unread = Vec::new();
    for _ in 0..64 {
        unread.push(get(&transport, &server.uri()).await.unwrap());
    }
    while filled.load(Ordering::SeqCst) < 64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let last = get(&transport, &server.uri()).await.unwrap();
    let bytes = timeout(Duration::from_millis(900), text(last))
        .await
        .unwrap();

    assert_eq!(bytes.len(), WINDOW);
    assert_eq!(server.accepted(), 1);
    drop(unread);
}

#[tokio::test]
async fn g6_dropping_the_body_resets_the_stream_and_not_the_connection() {
    let (reset, mut seen) = mpsc::unbounded_channel();
    let server = server(move |(_, mut respond), number| {
        let reset = reset.clone();
        async move {
            if number > 0 {
                return ok(respond);
            }
            let mut body = respond.send_response(head(), false).unwrap();
            body.send_data("a".into(), false).unwrap();
            let reason = std::future::poll_fn(|cx| body.poll_reset(cx))
                .await
                .unwrap();
            reset.send(reason).unwrap();
        }
    });
    let transport = transport();
    let mut body = get(&transport, &server.uri()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);

    let reason = timeout(Duration::from_millis(100), seen.recv())
        .await
        .unwrap();
    assert_eq!(reason, Some(Reason::CANCEL));
    text(get(&transport, &server.uri()).await.unwrap()).await;
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn k7_a_stream_that_is_reset_in_its_body_is_interrupted_for_every_reason() {
    for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR] {
        let server = server(move |(_, mut respond), _| async move {
            let mut body = respond.send_response(head(), false).unwrap();
            body.send_data("abc".into(), false).unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
            body.send_reset(reason);
        });

        let mut body = get(&transport(), &server.uri()).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "abc");
        let error: BodyInterrupted = body.frame().await.unwrap().unwrap_err();

        assert!(error.is_reset(), "{reason:?}");
        assert!(body.frame().await.is_none_or(|frame| frame.is_err()));
    }
}

#[tokio::test]
async fn k7_an_early_answer_that_is_whole_is_whole() {
    // RFC 9113 section 8.1: the answer, its end, and then a reset for the rest of the upload.
    let server = server(|(request, mut respond), _| async move {
        let mut early = head();
        *early.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        let mut body = respond.send_response(early, false).unwrap();
        body.send_data("too large".into(), true).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        respond.send_reset(Reason::NO_ERROR);
        drop(request);
    });
    let upload = Bytes::from(vec![b'x'; 1 << 20]);

    let response = post(&transport(), &server.uri(), upload.into())
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(text(response).await, "too large");
}

#[tokio::test]
async fn k7_a_refused_stream_was_not_worked_on_and_any_other_reset_may_have_been() {
    for (reason, sent) in [
        (Reason::REFUSED_STREAM, false),
        (Reason::CANCEL, true),
        (Reason::INTERNAL_ERROR, true),
        (Reason::ENHANCE_YOUR_CALM, true),
    ] {
        let server = server(move |(_, mut respond), _| async move {
            respond.send_reset(reason);
        });

        let error = get(&transport(), &server.uri()).await.unwrap_err();

        assert_eq!(cause::<Interrupted>(&error).was_sent(), sent, "{reason:?}");
        assert_eq!(nothing_was_sent(&*error), !sent);
    }
}

#[tokio::test]
async fn k7_calls_in_flight_survive_a_goaway_and_later_ones_take_a_new_connection() {
    let server = Server::start(|stream, connection| async move {
        let mut h2: Connection<TcpStream, Bytes> = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = h2.accept().await {
            if connection > 0 {
                ok(respond);
                continue;
            }
            let mut body = respond.send_response(head(), false).unwrap();
            body.send_data("o".into(), false).unwrap();
            h2.graceful_shutdown();
            spawn(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                body.send_data("k".into(), true).unwrap();
            });
        }
    });
    let transport = transport();
    let first = get(&transport, &server.uri()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;

    let second = get(&transport, &server.uri()).await.unwrap();

    assert_eq!(text(second).await, "ok");
    assert_eq!(text(first).await, "ok");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn k7_a_limit_of_one_stream_makes_calls_wait_for_each_other() {
    let open = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let server = Server::start(move |stream, _| {
        let (open, most) = (open.clone(), most.clone());
        async move {
            let mut h2: Connection<TcpStream, Bytes> = h2::server::Builder::new()
                .max_concurrent_streams(1)
                .handshake(stream)
                .await
                .unwrap();
            while let Some(Ok((_, respond))) = h2.accept().await {
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let open = open.clone();
                spawn(async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                    ok(respond);
                });
            }
        }
    });
    let transport = transport();
    // The settings are known from the first call on.
    text(get(&transport, &server.uri()).await.unwrap()).await;

    let uri = server.uri();
    let calls = (0..10).map(|_| async { text(get(&transport, &uri).await.unwrap()).await });
    let answers = futures_util::future::join_all(calls).await;

    assert!(answers.iter().all(|answer| answer == "ok"));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn g3_a_head_over_the_limit_is_refused() {
    let server = server(|(_, mut respond), _| async move {
        let mut large = head();
        for number in 0..40 {
            let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
            let value = "a".repeat(4096).parse().unwrap();
            large.headers_mut().insert(name, value);
        }
        drop(respond.send_response(large, true));
    });

    let error = get(&transport(), &server.uri()).await.unwrap_err();

    cause::<InvalidResponse>(&error);
    assert!(!nothing_was_sent(&*error));
}

/// A server made of bytes: greets, waits for the call, and then sends `flood` until nobody listens.
fn flooding(opening: Vec<u8>, flood: Vec<u8>) -> (Server, mpsc::UnboundedReceiver<u64>) {
    let (sent, seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let (opening, flood, sent) = (opening.clone(), flood.clone(), sent.clone());
        async move {
            // SETTINGS of ours, and the acknowledgement of theirs.
            stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
            stream.write_all(&frame(4, 1, 0, &[])).await.unwrap();
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 24, "the preface has come");
            // So that the call has come, too.
            tokio::time::sleep(Duration::from_millis(30)).await;
            stream.write_all(&opening).await.unwrap();
            let (mut reader, mut writer) = stream.into_split();
            spawn(async move { while let Ok(1..) = reader.read(&mut buffer).await {} });
            let mut bytes = 0;
            while bytes < FLOOD && writer.write_all(&flood).await.is_ok() {
                bytes += flood.len() as u64;
            }
            sent.send(bytes).unwrap();
        }
    });
    (server, seen)
}

const FLOOD: u64 = 64 << 20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn k7_a_flood_of_continuations_ends_the_connection() {
    // HEADERS without its end; then literal headers without end (RFC 7541 section 6.2.2).
    let opening = frame(1, 0, 1, &[0x88]);
    let mut header = vec![0x00, 1, b'x', 0x7f, 0x81, 0x7e];
    header.extend(vec![b'a'; 0x7f + 0x81 - 0x80 + (0x7e << 7)]);
    let (server, mut seen) = flooding(opening, frame(9, 0, 1, &header));

    let error = timeout(Duration::from_millis(900), get(&transport(), &server.uri()))
        .await
        .unwrap()
        .unwrap_err();

    cause::<InvalidResponse>(&error);
    assert!(seen.recv().await.unwrap() < FLOOD);
}

#[tokio::test]
async fn k7_a_flood_of_empty_data_ends_the_connection() {
    let opening = frame(1, 4, 1, &[0x88]);
    let (server, mut seen) = flooding(opening, frame(0, 0, 1, &[]).repeat(1_000));

    let response = get(&transport(), &server.uri()).await.unwrap();

    // The body is held and not read, so that what comes must be kept.
    assert!(seen.recv().await.unwrap() < FLOOD);
    drop(response);
}
