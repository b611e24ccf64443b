use std::{sync::Arc, time::Duration};

use blossom::layers::{BoxError, body::ReqBody};
use blossom::transport::RequestBodyFailed;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::{
    io::AsyncWriteExt,
    sync::{Semaphore, mpsc},
};

use super::{
    cause, post,
    server::{OK, Server, closes_within, read_head},
    text, transport,
};

const EARLY: &str = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 9\r\n\r\ntoo large";

/// A server that answers as soon as it has the head, reads nothing more, and closes nothing.
struct Early {
    server: Server,
    answered: Arc<Semaphore>,
    closed: mpsc::UnboundedReceiver<bool>,
}

impl Early {
    fn start() -> Self {
        let (report, closed) = mpsc::unbounded_channel();
        let answered = Arc::new(Semaphore::new(0));
        let permits = answered.clone();
        let server = Server::start(move |mut stream, _| {
            let (report, answered) = (report.clone(), permits.clone());
            async move {
                read_head(&mut stream).await;
                stream.write_all(EARLY.as_bytes()).await.unwrap();
                answered.acquire().await.unwrap().forget();
                // What the client had sent by then is read; only a close ends that in time.
                report
                    .send(closes_within(&mut stream, Duration::from_millis(900)).await)
                    .unwrap();
            }
        });
        Self {
            server,
            answered,
            closed,
        }
    }

    /// After the client is done with its answers: whether it closes that many connections.
    async fn all_closed(&mut self, connections: usize) -> bool {
        self.answered.add_permits(connections);
        let mut all = true;
        for _ in 0..connections {
            all &= self.closed.recv().await.unwrap();
        }
        all
    }
}

fn frames(data: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> ReqBody {
    ReqBody::stream(StreamBody::new(
        data.map(|data| Ok::<_, BoxError>(Frame::data(data))),
    ))
}

/// One chunk, and then nothing for ever.
fn stalled() -> ReqBody {
    frames(stream::iter([Bytes::from_static(b"x")]).chain(stream::pending()))
}

/// More than the sockets between hold, chunk after chunk.
fn endless() -> ReqBody {
    frames(stream::repeat(Bytes::from(vec![b'x'; 64 * 1024])))
}

/// `uploads` of `body`, some at a time; none of their connections may be left a second later.
async fn answered_early(uploads: usize, body: impl Fn() -> ReqBody) {
    const AT_ONCE: usize = 20;
    let mut early = Early::start();
    let transport = transport();
    for _ in 0..uploads / AT_ONCE {
        let batch = (0..AT_ONCE).map(|_| async {
            let response = post(&transport, &early.server.uri(), body()).await.unwrap();
            assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(text(response).await, "too large");
        });
        futures_util::future::join_all(batch).await;
        assert!(early.all_closed(AT_ONCE).await, "a connection was left");
    }
    assert_eq!(early.server.accepted(), uploads);
}

#[tokio::test]
async fn k5_uploads_that_stall_leave_no_connection_when_answered_early() {
    answered_early(400, stalled).await;
}

#[tokio::test]
async fn k5_uploads_that_go_on_leave_no_connection_when_answered_early() {
    answered_early(40, endless).await;
}

#[tokio::test]
async fn k5_large_bodies_in_memory_leave_no_connection_when_answered_early() {
    let whole = Bytes::from(vec![b'x'; 16 << 20]);

    answered_early(40, || whole.clone().into()).await;
}

#[tokio::test]
async fn k5_an_answer_that_is_dropped_unread_leaves_no_connection() {
    let mut early = Early::start();
    let transport = transport();

    drop(
        post(&transport, &early.server.uri(), endless())
            .await
            .unwrap(),
    );

    assert!(early.all_closed(1).await);
}

#[tokio::test]
async fn an_upload_that_is_read_to_its_end_leaves_its_connection_in_the_pool() {
    let server = Server::start(|mut stream, _| async move {
        while read_head(&mut stream).await.is_some() {
            // One chunk of three bytes, and the last one.
            let mut body = [0; "3\r\nabc\r\n0\r\n\r\n".len()];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut body)
                .await
                .unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
    });
    let transport = transport();

    for _ in 0..3 {
        let body = frames(stream::iter([Bytes::from_static(b"abc")]));
        text(post(&transport, &server.uri(), body).await.unwrap()).await;
    }

    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_request_body_that_fails_is_not_the_upstreams_fault() {
    // The server does not answer before the end of the body.
    let server = Server::start(|mut stream, _| async move {
        closes_within(&mut stream, Duration::from_secs(1)).await;
    });
    let fails = StreamBody::new(stream::iter([
        Ok(Frame::data(Bytes::from_static(b"x"))),
        Err(BoxError::from("the file ended early")),
    ]));

    let error = post(&transport(), &server.uri(), ReqBody::stream(fails))
        .await
        .unwrap_err();

    cause::<RequestBodyFailed>(&error);
    assert!(format!("{error:?}").contains("the file ended early"));
}
