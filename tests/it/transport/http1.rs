use std::{sync::Arc, time::Duration};

use blossom::transport::{
    ApiKey, BodyInterrupted, InvalidResponse, PlainHttpRefused, Transport, nothing_was_sent,
};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::{io::AsyncWriteExt, sync::mpsc, time::timeout};
use tower::ServiceExt;

use super::{
    built, cause, get, post,
    server::{OK, Server, closes_within, read_head},
    text, transport,
};

#[tokio::test]
async fn k1_a_redirect_is_an_answer_and_nothing_follows_it() {
    let elsewhere = Server::answering(OK);
    let server = Server::answering(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.uri()
    ));
    let transport = built(Transport::builder().api_key(ApiKey::new("sk_secret").unwrap()));

    let response = post(&transport, &server.uri(), "a prompt".into())
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.headers()["location"], elsewhere.uri());
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn k1_cookies_are_not_kept() {
    let (heads, mut seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let heads = heads.clone();
        async move {
            while let Some(head) = read_head(&mut stream).await {
                heads.send(head).unwrap();
                let answer = "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    let transport = transport();

    for _ in 0..2 {
        text(get(&transport, &server.uri()).await.unwrap()).await;
        assert!(!seen.recv().await.unwrap().contains("cookie"));
    }
}

#[tokio::test]
async fn k2_plain_http_with_a_key_never_leaves_for_a_foreign_host() {
    let transport = built(Transport::builder().api_key(ApiKey::new("sk_secret").unwrap()));

    let error = get(&transport, "http://192.0.2.1/v1/models")
        .await
        .unwrap_err();

    assert_eq!(cause::<PlainHttpRefused>(&error).host(), "192.0.2.1");
    assert!(nothing_was_sent(&*error));
    assert!(!format!("{error:?} {transport:?}").contains("secret"));
}

#[tokio::test]
async fn k4_the_key_travels_as_one_header_and_not_in_the_url() {
    let (heads, mut seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let heads = heads.clone();
        async move {
            while let Some(head) = read_head(&mut stream).await {
                heads.send(head).unwrap();
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    });
    let transport = built(Transport::builder().api_key(ApiKey::new("sk_ours").unwrap()));

    text(get(&transport, &server.uri()).await.unwrap()).await;
    let head = seen.recv().await.unwrap();
    assert!(head.starts_with("get / http/1.1\r\n"), "{head}");
    assert_eq!(head.matches("sk_ours").count(), 1);
    assert!(head.contains("authorization: bearer sk_ours\r\n"));

    let request = Request::get(server.uri())
        .header("authorization", "Bearer sk_theirs")
        .body(().into())
        .unwrap();
    text(transport.oneshot(request).await.unwrap()).await;
    let head = seen.recv().await.unwrap();
    assert!(head.contains("sk_theirs") && !head.contains("sk_ours"));
}

#[tokio::test]
async fn g3_a_head_of_a_mebibyte_or_of_ten_thousand_lines_is_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    for head in [long, many] {
        let server = Server::answering(head);

        let error = get(&transport(), &server.uri()).await.unwrap_err();

        assert!(cause::<InvalidResponse>(&error).is_too_large(), "{error:?}");
        assert!(!nothing_was_sent(&*error));
    }
}

#[tokio::test]
async fn g3_a_head_that_dribbles_is_left_when_the_caller_gives_up() {
    let (closed, mut seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 2").await.unwrap();
            let in_time = closes_within(&mut stream, Duration::from_millis(300)).await;
            closed.send(in_time).unwrap();
        }
    });

    let given_up = timeout(Duration::from_millis(50), get(&transport(), &server.uri())).await;

    assert!(given_up.is_err());
    assert!(seen.recv().await.unwrap());
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_typed() {
    let server = Server::answering("SSH-2.0-OpenSSH_9.9\r\n\r\n");

    let error = get(&transport(), &server.uri()).await.unwrap_err();

    assert!(!cause::<InvalidResponse>(&error).is_too_large());
}

#[tokio::test]
async fn g6_dropping_the_body_closes_the_connection_and_it_is_not_used_again() {
    let (closed, mut seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let in_time = closes_within(&mut stream, Duration::from_millis(100)).await;
            closed.send(in_time).unwrap();
        }
    });
    let transport = transport();

    for connections in 1..=3 {
        let mut body = get(&transport, &server.uri()).await.unwrap().into_body();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "a"
        );
        drop(body);

        assert!(seen.recv().await.unwrap());
        assert_eq!(server.accepted(), connections);
    }
}

/// What a body gives: the text that arrived, and whether it ended in an error.
async fn read(server: &Server) -> (String, Option<BodyInterrupted>) {
    let mut body = get(&transport(), &server.uri()).await.unwrap().into_body();
    let mut arrived = String::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => arrived.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
            Err(error) => return (arrived, Some(error)),
        }
    }
    (arrived, None)
}

#[tokio::test]
async fn a_cut_body_is_an_error_and_what_arrived_is_kept() {
    for (head, cut) in [
        ("content-length: 9", true),
        ("content-length: 3", false),
        ("transfer-encoding: chunked", true),
        // Ended by the close alone: it cannot be told from a cut one.
        ("connection: close", false),
    ] {
        let server = Server::start(move |mut stream, _| async move {
            read_head(&mut stream).await;
            let chunk = if head.starts_with('t') {
                "3\r\nabc\r\n"
            } else {
                "abc"
            };
            let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{chunk}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });

        let (arrived, error) = read(&server).await;

        assert_eq!(arrived, "abc", "{head}");
        assert_eq!(error.is_some(), cut, "{head}");
        assert!(error.is_none_or(|error| !error.is_reset()));
    }
}

#[tokio::test]
async fn k12_informational_answers_are_skipped_however_many() {
    let mut answer = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(5_000);
    answer.push_str(OK);
    let server = Server::answering(answer);

    let response = get(&transport(), &server.uri()).await.unwrap();

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "ok");
}

#[tokio::test]
async fn k12_informational_answers_without_end_stop_when_the_caller_gives_up() {
    let (closed, mut seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
            while stream.write_all(hints.as_bytes()).await.is_ok() {
                tokio::task::yield_now().await;
            }
            closed.send(()).unwrap();
        }
    });

    let given_up = timeout(Duration::from_millis(50), get(&transport(), &server.uri())).await;

    assert!(given_up.is_err());
    timeout(Duration::from_millis(300), seen.recv())
        .await
        .unwrap();
}

/// Two requests in a row over one transport, the first answered with `answer`.
async fn twice(method: Method, answer: &'static str) -> (String, usize) {
    let server = Arc::new(Server::start(move |mut stream, connection| async move {
        let mut first = connection == 0;
        while read_head(&mut stream).await.is_some() {
            let answer = if first { answer } else { OK };
            first = false;
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }));
    let transport = transport();
    let request = Request::builder()
        .method(method)
        .uri(server.uri())
        .body(().into())
        .unwrap();
    let first = transport.clone().oneshot(request).await.unwrap();
    let body = first.into_body().collect().await.unwrap().to_bytes();
    // So that what comes unasked has come.
    tokio::time::sleep(Duration::from_millis(20)).await;

    let second = get(&transport, &server.uri()).await.unwrap();
    assert_eq!(second.status(), StatusCode::OK);
    assert_eq!(text(second).await, "ok");
    (String::from_utf8(body.to_vec()).unwrap(), server.accepted())
}

#[tokio::test]
async fn k12_a_no_content_answer_with_content_does_not_shift_the_next() {
    let smuggled = "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nHTTP/";

    assert_eq!(twice(Method::GET, smuggled).await, (String::new(), 2));
}

#[tokio::test]
async fn k12_an_answer_to_head_has_a_length_and_no_body() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";

    assert_eq!(twice(Method::HEAD, answer).await, (String::new(), 1));
}

#[tokio::test]
async fn k12_of_two_lengths_the_chunks_count_and_nothing_shifts() {
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
                5\r\nhello\r\n0\r\n\r\n";

    let (body, _) = twice(Method::GET, both).await;

    assert_eq!(body, "hello");
}
