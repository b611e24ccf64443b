//! The list of models.

use std::future::IntoFuture;

use bytes::Bytes;
use http::response::Parts;

use super::{
    Blossom,
    exchange::Decode,
    failure,
    macros::{calls, options},
    options::Options,
};
use crate::{
    Result,
    protocol::{ModelKind, ModelList, ModelsRequest, decode_models},
};

/// A call for the models of the service; see [`Blossom::models`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::protocol::Capability;
///
/// let models = client.models().await?;
/// let cheapest = models.cheapest(|model| model.can(Capability::Tools)).ok_or("none")?;
/// println!("{}", cheapest.id());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Models {
    client: Blossom,
    request: ModelsRequest,
    options: Options,
}

impl Models {
    pub(super) fn new(client: Blossom, kind: ModelKind) -> Self {
        Self {
            client,
            request: ModelsRequest::new(kind),
            options: Options::default(),
        }
    }

    options! {}
}

impl IntoFuture for Models {
    type Output = Result<ModelList>;
    type IntoFuture = ModelsCall;

    fn into_future(self) -> ModelsCall {
        let encoded = self.request.encode(&self.client.settings().endpoint);
        let request = self.options.finish(encoded);
        ModelsCall(self.client.exchange(request, DecodeModels))
    }
}

calls! {
    /// A call for models on its way. Dropping it cancels the request.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::client::ModelsCall;
    ///
    /// let call: ModelsCall = client.models().into_future();
    /// assert!(!call.await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ModelsCall(DecodeModels) -> ModelList;
}

#[derive(Debug, Clone, Copy)]
struct DecodeModels;

impl Decode for DecodeModels {
    type Output = ModelList;

    fn decode(self, head: &Parts, body: &Bytes) -> Result<ModelList> {
        decode_models(body).map_err(|error| {
            failure::in_json(head, body).unwrap_or_else(|| {
                failure::unexpected(head, body, "a list of models").with_source(error)
            })
        })
    }
}
