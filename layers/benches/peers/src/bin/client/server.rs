//! The upstream: a chat reply of 1 KiB at once, or one event and then silence.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

const EVENT: &str = concat!(
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",",
    "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},",
    "\"finish_reason\":null}]}\n\n",
);

/// One frame, then the end or silence.
struct Once {
    frame: Option<Bytes>,
    hold: bool,
}

impl Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.frame.take() {
            Some(frame) => Poll::Ready(Some(Ok(Frame::data(frame)))),
            None if self.hold => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.frame {
            Some(frame) if !self.hold => SizeHint::with_exact(frame.len() as u64),
            _ => SizeHint::new(),
        }
    }
}

fn reply() -> Bytes {
    let with = |content: &str| {
        format!(
            concat!(
                r#"{{"id":"chatcmpl-AbCdEf0123456789","object":"chat.completion","created":1732400000,"#,
                r#""model":"openai","choices":[{{"index":0,"message":{{"role":"assistant","#,
                r#""content":"{}","refusal":null,"annotations":[]}},"logprobs":null,"#,
                r#""finish_reason":"stop"}}],"usage":{{"prompt_tokens":42,"completion_tokens":150,"#,
                r#""total_tokens":192,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"#,
                r#""completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0}}}},"#,
                r#""service_tier":"default","system_fingerprint":"fp_0123456789"}}"#,
            ),
            content
        )
    };
    let missing = 1024_usize.saturating_sub(with("").len());
    let content: String = "abcdefgh ".chars().cycle().take(missing).collect();
    with(&content).into()
}

async fn answer(request: Request<Incoming>, reply: Bytes) -> Result<Response<Once>, hyper::Error> {
    let wants_stream = request
        .headers()
        .get("accept")
        .is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    request.into_body().collect().await?;
    let (content_type, body) = if wants_stream {
        let frame = Some(Bytes::from_static(EVENT.as_bytes()));
        ("text/event-stream", Once { frame, hold: true })
    } else {
        (
            "application/json",
            Once {
                frame: Some(reply),
                hold: false,
            },
        )
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static(content_type));
    headers.insert(
        "x-request-id",
        http::HeaderValue::from_static("req_0123456789abcdef"),
    );
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn run() -> Result<(), super::Error> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener: TcpListener = socket.listen(8192)?;
    println!("{}", listener.local_addr()?.port());
    let reply = reply();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let reply = reply.clone();
        let service = service_fn(move |request| answer(request, reply.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
