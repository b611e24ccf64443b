use blossom::{
    Blossom, ErrorKind,
    layers::{BoxError, body::ReqBody},
    sandbox::Sandbox,
    transport::decompress::{
        CorruptBody, DecompressLayer, DecompressionLimit, UnsupportedEncoding,
    },
};
use bytes::Bytes;
use compression_codecs::{
    BrotliEncoder, EncodeV2, GzipEncoder, ZstdEncoder,
    brotli::params::EncoderParams,
    core::{
        Level,
        util::{PartialBuffer, WriteBuffer},
    },
};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tower::{ServiceBuilder, ServiceExt};

use super::{
    cause,
    server::{Server, read_head},
    transport,
};

const MIB: usize = 1 << 20;

fn gzip() -> GzipEncoder {
    GzipEncoder::new(Level::Default.into())
}

fn brotli() -> BrotliEncoder {
    BrotliEncoder::new(EncoderParams::default().quality(Level::Precise(5)))
}

fn encode(mut encoder: impl EncodeV2, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; data.len() + 4096];
    let mut output = WriteBuffer::new_initialized(&mut out);
    let mut input = PartialBuffer::new(data);
    while !input.unwritten().is_empty() {
        encoder.encode(&mut input, &mut output).unwrap();
    }
    while !encoder.finish(&mut output).unwrap() {}
    output.written().to_vec()
}

fn answer(encoding: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend(body);
    answer
}

async fn get(
    layer: DecompressLayer,
    server: &Server,
) -> Result<Response<impl Body<Data = Bytes, Error = BoxError> + use<>>, BoxError> {
    let request = Request::get(server.uri()).body(ReqBody::empty()).unwrap();
    ServiceBuilder::new()
        .layer(layer)
        .service(transport())
        .oneshot(request)
        .await
}

/// Reads a body and drops what was read: how much came, and how it ended.
async fn drain(body: impl Body<Data = Bytes, Error = BoxError>) -> (usize, Result<(), BoxError>) {
    let mut body = std::pin::pin!(body);
    let mut read = 0;
    while let Some(frame) = body.as_mut().frame().await {
        match frame {
            Ok(frame) => read += frame.data_ref().map_or(0, Bytes::len),
            Err(error) => return (read, Err(error)),
        }
    }
    (read, Ok(()))
}

#[tokio::test]
async fn an_encoded_answer_is_read_as_it_was() {
    let text = "the same words again, ".repeat(5_000);
    for (name, wire) in [
        ("gzip", encode(gzip(), text.as_bytes())),
        ("GZIP", encode(gzip(), text.as_bytes())),
        ("br", encode(brotli(), text.as_bytes())),
        ("zstd", encode(ZstdEncoder::new(3), text.as_bytes())),
        ("identity", text.clone().into_bytes()),
    ] {
        let server = Server::answering(answer(name, &wire));

        let response = get(DecompressLayer::new(), &server).await.unwrap();

        let decoded = name != "identity";
        assert_eq!(response.headers().contains_key("content-length"), !decoded);
        assert_eq!(
            response.headers().contains_key("content-encoding"),
            !decoded
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, text, "{name}");
    }
}

#[tokio::test]
async fn k8_a_mebibyte_of_zeros_in_gzip_never_becomes_more_than_sixteen() {
    // 1 MiB on the wire that would be 1 GiB.
    let one = encode(gzip(), &vec![0; 64 * MIB]);
    let mut wire = one.repeat(MIB / one.len() + 1);
    wire.truncate(MIB);
    let server = Server::answering(answer("gzip", &wire));
    let response = get(DecompressLayer::new(), &server).await.unwrap();

    let (read, end) = drain(response.into_body()).await;

    let error = end.unwrap_err();
    let limit: &DecompressionLimit = cause(&error);
    assert!(limit.wire_bytes() <= MIB as u64);
    // Who joins the frames holds them twice for a moment.
    assert!(2 * limit.limit_bytes() < 15 * MIB as u64);
    assert!(read as u64 <= limit.limit_bytes());
}

#[tokio::test]
async fn k8_an_event_stream_may_grow_to_twice_as_much() {
    let wire = encode(gzip(), &vec![b'\n'; 4 * MIB]);
    let mut answer = answer("gzip", &wire);
    answer.splice(
        17..17,
        *b"content-type: Text/Event-Stream; charset=utf-8\r\n",
    );
    let server = Server::answering(answer);
    let layer = DecompressLayer::new().free_bytes(100_000).max_ratio(10);
    let response = get(layer, &server).await.unwrap();

    let (_, end) = drain(response.into_body()).await;

    let error = end.unwrap_err();
    let limit: &DecompressionLimit = cause(&error);
    assert_eq!(limit.limit_bytes(), 2 * (100_000 + 10 * limit.wire_bytes()));
}

#[tokio::test]
async fn a_layer_that_is_off_asks_for_nothing_and_touches_nothing() {
    let server = Server::answering(answer("gzip", b"whatever"));

    let response = get(DecompressLayer::new().enabled(false), &server)
        .await
        .unwrap();

    assert_eq!(response.headers()["content-encoding"], "gzip");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "whatever");
}

#[tokio::test]
async fn the_client_decompresses_when_it_is_told_to() {
    let sandbox = Sandbox::builder().compress(true).start().unwrap();
    let client = |on| {
        let builder = Blossom::builder()
            .base_url(sandbox.base_url())
            .max_attempts(1);
        builder.decompression(on).build().unwrap()
    };

    let plain = client(false).text().generate("Hi").await.unwrap();
    let decoded = client(true).text().generate("Hi").await.unwrap();
    let stream = client(true).text().generate("Hi").stream().await.unwrap();
    let streamed = stream.finish().await.unwrap();

    assert_eq!(decoded.content(), plain.content());
    assert_eq!(streamed.content(), plain.content());
    let asked = sandbox.requests();
    let asked: Vec<_> = asked
        .iter()
        .map(|request| request.header("accept-encoding"))
        .collect();
    let all = Some("gzip, br, zstd");
    assert_eq!(asked, [None, all, all]);
}

#[tokio::test]
async fn k8_a_bomb_is_a_typed_error_of_the_client() {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .decompression(true)
        .build()
        .unwrap();

    let call = client
        .text()
        .generate("Hi")
        .header("x-sandbox-fault", "bomb;mib=64");
    let error = call.await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(!error.is_retryable());
    cause::<DecompressionLimit>(&BoxError::from(error));
    assert!(sandbox.bytes_sent() < 100_000);
}

#[tokio::test]
async fn k8_bombs_of_every_kind_meet_the_limit_that_is_set() {
    let zeros = vec![0; 4 * MIB];
    for (name, wire) in [
        ("gzip", encode(gzip(), &zeros)),
        ("br", encode(brotli(), &zeros)),
        ("zstd", encode(ZstdEncoder::new(3), &zeros)),
    ] {
        let server = Server::answering(answer(name, &wire));
        let layer = DecompressLayer::new().free_bytes(100_000).max_ratio(10);
        let response = get(layer, &server).await.unwrap();

        let (read, end) = drain(response.into_body()).await;

        let error = end.unwrap_err();
        let limit: &DecompressionLimit = cause(&error);
        assert_eq!(limit.limit_bytes(), 100_000 + 10 * limit.wire_bytes());
        assert!(read as u64 <= limit.limit_bytes(), "{name}");
    }
}

#[tokio::test]
async fn k8_encodings_upon_each_other_and_unknown_ones_are_refused() {
    for encoding in ["gzip, gzip", "gzip\r\ncontent-encoding: br", "deflate", ""] {
        let server = Server::answering(answer(encoding, b"whatever"));

        let Err(error) = get(DecompressLayer::new(), &server).await else {
            panic!("{encoding} passed");
        };

        cause::<UnsupportedEncoding>(&error);
    }
}

#[tokio::test]
async fn k8_a_truncated_body_is_an_error_after_what_it_gave() {
    let text = "some words, ".repeat(100);
    let mut wire = encode(gzip(), text.as_bytes());
    wire.truncate(wire.len() - 4);
    let server = Server::answering(answer("gzip", &wire));
    let response = get(DecompressLayer::new(), &server).await.unwrap();

    let (read, end) = drain(response.into_body()).await;

    assert!(cause::<CorruptBody>(&end.unwrap_err()).is_cut());
    assert_eq!(read, text.len());
}

#[tokio::test]
async fn an_event_is_passed_on_before_the_next_one_comes() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut encoder = gzip();
        let mut out = vec![0; 4096];
        let mut output = WriteBuffer::new_initialized(&mut out);
        let mut input = PartialBuffer::new(&b"data: one\n\n"[..]);
        encoder.encode(&mut input, &mut output).unwrap();
        while !encoder.flush(&mut output).unwrap() {}
        stream.write_all(output.written()).await.unwrap();
        // The second event never comes, and the connection stays.
        std::future::pending::<()>().await;
    });
    let mut body = get(DecompressLayer::new(), &server)
        .await
        .unwrap()
        .into_body();
    let mut body = std::pin::pin!(&mut body);

    let first = body.as_mut().frame().await.unwrap().unwrap();

    assert_eq!(first.into_data().unwrap(), "data: one\n\n");
}

#[tokio::test]
async fn who_asks_for_an_encoding_gets_it_untouched() {
    let wire = encode(gzip(), b"text");
    let server = Server::answering(answer("gzip", &wire));
    for (name, value) in [("accept-encoding", "gzip"), ("range", "bytes=0-99")] {
        let request = Request::get(server.uri())
            .header(name, value)
            .body(ReqBody::empty())
            .unwrap();
        let response = ServiceBuilder::new()
            .layer(DecompressLayer::new())
            .service(transport())
            .oneshot(request)
            .await
            .unwrap();

        assert_eq!(response.headers()["content-encoding"], "gzip");
        assert_eq!(response.body().size_hint().exact(), Some(wire.len() as u64));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, wire);
    }
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_headers() {
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 99\r\n\r\n";
    let server = Server::answering(head);
    let request = Request::head(server.uri()).body(ReqBody::empty()).unwrap();
    let response = ServiceBuilder::new()
        .layer(DecompressLayer::new())
        .service(transport())
        .oneshot(request)
        .await
        .unwrap();

    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert!(response.body().is_end_stream());
}
