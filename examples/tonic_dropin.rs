//! The same layers on a tonic server and under a tonic client: a slow method ends in
//! `DEADLINE_EXCEEDED`, and the status and trailers of a method that fails pass through.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use blossom::layers::{
    BoxError,
    respond::RespondLayer,
    timeout::{HeadTimeoutLayer, TotalTimeoutLayer},
};
use bytes::{Buf as _, BufMut as _, Bytes};
use clap::Parser;
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{BoxFuture, http},
    server::{NamedService, UnaryService},
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::{Service, ServiceBuilder};

/// A tonic server with Blossom's layers.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// Starts on a free port, calls itself once, prints the answer and ends.
    #[arg(long)]
    check: bool,
}

/// Messages that are bytes, so that the example needs no generated code.
#[derive(Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

/// What generated code would be: three methods, by their path.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "echo.Echo";
}

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        ready(if request.get_ref() == "fail" {
            let mut status = Status::failed_precondition("the echo is tired");
            status
                .metadata_mut()
                .insert("x-mood", "low".parse().expect("a legal value"));
            Err(status)
        } else {
            Ok(Response::new(request.into_inner()))
        })
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path().ends_with("/Slow") {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            let mut grpc = tonic::server::Grpc::new(BytesCodec);
            Ok(grpc.unary(Self, request).await)
        })
    }
}

async fn say<S>(service: S, method: &'static str, text: &'static str) -> Result<Bytes, Status>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = BoxError>,
{
    let mut client = tonic::client::Grpc::new(service);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let request = Request::new(Bytes::from_static(text.as_bytes()));
    let path = PathAndQuery::from_static(method);
    Ok(client.unary(request, path, BytesCodec).await?.into_inner())
}

async fn check(base: String) -> Result<(), Box<dyn std::error::Error>> {
    let channel = Channel::from_shared(base)?.connect().await?;
    let service = ServiceBuilder::new()
        .layer(HeadTimeoutLayer::new(Duration::from_secs(2)))
        .service(channel);

    let said = say(service.clone(), "/echo.Echo/Say", "hello").await?;
    println!("Say: {}", String::from_utf8_lossy(&said));

    let failed = say(service.clone(), "/echo.Echo/Say", "fail").await;
    let failed = failed.expect_err("the method fails");
    assert_eq!(failed.code(), tonic::Code::FailedPrecondition);
    assert!(
        failed.metadata().contains_key("x-mood"),
        "trailers pass through"
    );
    println!("Say: {}: {}", failed.code(), failed.message());

    let slow = say(service, "/echo.Echo/Slow", "hello").await;
    let slow = slow.expect_err("the server gives up");
    assert_eq!(slow.code(), tonic::Code::DeadlineExceeded);
    println!("Slow: {}: {}", slow.code(), slow.message());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let listen = if arguments.check {
        "127.0.0.1:0"
    } else {
        &arguments.listen
    };
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");

    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(TotalTimeoutLayer::new(Duration::from_millis(200)))
        .into_inner();
    let server = Server::builder()
        .layer(layers)
        .add_service(Echo)
        .serve_with_incoming(TcpIncoming::from(listener));
    if !arguments.check {
        return Ok(server.await?);
    }
    tokio::select! {
        ended = server => Ok(ended?),
        checked = check(format!("http://{address}")) => checked,
    }
}
