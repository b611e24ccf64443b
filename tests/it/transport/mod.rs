//! The transport against servers that misbehave.

mod connect;
#[cfg(feature = "decompression")]
mod decompress;
mod http1;
mod http2;
mod pool;
mod server;
#[cfg(any(feature = "tls-ring", feature = "tls-aws-lc"))]
mod tls;
mod upload;

use std::error::Error;

use blossom::{
    layers::{BoxError, body::ReqBody},
    transport::{Body, Builder, Transport},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// A transport as it comes.
fn transport() -> Transport {
    built(Transport::builder())
}

fn built(builder: Builder) -> Transport {
    builder.build().unwrap()
}

async fn get(transport: &Transport, uri: &str) -> Result<Response<Body>, BoxError> {
    let request = Request::get(uri).body(ReqBody::empty()).unwrap();
    transport.clone().oneshot(request).await
}

async fn post(transport: &Transport, uri: &str, body: ReqBody) -> Result<Response<Body>, BoxError> {
    let request = Request::post(uri).body(body).unwrap();
    transport.clone().oneshot(request).await
}

async fn text(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// The error of type `E` among the causes of `error`.
fn cause<E: Error + 'static>(error: &BoxError) -> &E {
    blossom::layers::cause_ref(&**error)
        .unwrap_or_else(|| panic!("not a {}: {error:?}", std::any::type_name::<E>()))
}
