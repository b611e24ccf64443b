//! The upstreams: one that is called over a socket, and one in the same process.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    task::{Context, Poll},
    thread,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;
use tower::Service;

/// The reply of a chat, of 1 KiB.
pub(super) fn reply() -> Bytes {
    let with = |content: &str| {
        format!(
            concat!(
                r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1732400000,"#,
                r#""model":"openai","choices":[{{"index":0,"message":{{"role":"assistant","#,
                r#""content":"{}"}},"finish_reason":"stop"}}],"#,
                r#""usage":{{"prompt_tokens":42,"completion_tokens":150,"total_tokens":192}}}}"#,
            ),
            content
        )
    };
    let missing = 1024_usize.saturating_sub(with("").len());
    let content: String = "abcdefgh ".chars().cycle().take(missing).collect();
    with(&content).into()
}

/// Starts what answers the first call, one connection for each; returns its port.
pub(super) fn start() -> std::io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    // It lives as long as the program.
    thread::spawn(move || {
        for stream in listener.incoming() {
            stream.and_then(|stream| answer(&stream))?;
        }
        std::io::Result::Ok(())
    });
    Ok(port)
}

fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut request = BufReader::new(stream);
    let mut body_bytes = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(length) = line.strip_prefix("content-length:") {
            body_bytes = length.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    request.take(body_bytes).read_to_end(&mut body)?;
    let reply = reply();
    write!(
        stream,
        concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            "connection: close\r\n\r\n"
        ),
        reply.len()
    )?;
    stream.write_all(&reply)
}

/// Answers at once with a reply that may be kept for an hour, as far as HTTP's own rules go.
#[derive(Clone)]
pub(super) struct Noop(pub(super) Bytes);

impl<B> Service<Request<B>> for Noop {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new(Full::new(self.0.clone()));
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ready(Ok(response))
    }
}
