//! The list of models.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::response::Parts;

use super::{
    Blossom,
    exchange::{Decode, Exchange},
    failure::unexpected,
    options::Options,
};
use crate::{
    Result,
    protocol::{Model, ModelsRequest, decode_models},
};

/// A call for the models of the service; see [`Blossom::models`].
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Models {
    client: Blossom,
    options: Options,
}

impl Models {
    pub(super) fn new(client: Blossom) -> Self {
        Self {
            client,
            options: Options::default(),
        }
    }

    /// Adds a header to the request. One that is not legal is refused when the call is made.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.options.header(name, value);
        self
    }

    /// Gives this call `timeout` in all.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }
}

impl IntoFuture for Models {
    type Output = Result<Vec<Model>>;
    type IntoFuture = ModelsCall;

    fn into_future(self) -> ModelsCall {
        let encoded = ModelsRequest::default().encode(&self.client.settings().endpoint);
        let request = self.options.finish(encoded);
        ModelsCall(self.client.exchange(request, DecodeModels))
    }
}

/// A call for models on its way. Dropping it cancels the request.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ModelsCall(Exchange<DecodeModels>);

impl Future for ModelsCall {
    type Output = Result<Vec<Model>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

#[derive(Debug, Clone, Copy)]
struct DecodeModels;

impl Decode for DecodeModels {
    type Output = Vec<Model>;

    fn decode(self, head: &Parts, body: &Bytes) -> Result<Vec<Model>> {
        decode_models(body)
            .map_err(|error| unexpected(head, body, "a list of models").with_source(error))
    }
}
