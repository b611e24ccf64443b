//! Lists of models.

use std::{cmp::Ordering, ops::Deref, slice, vec};

use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Dialect, Endpoint, Invalid, Model,
    encode::{self, JSON, Url},
    model::model,
};

/// A request for a list of models.
///
/// ```
/// use blossom::protocol::{Endpoint, ModelKind, ModelsRequest};
///
/// let http = ModelsRequest::new(ModelKind::Image).encode(&Endpoint::default())?;
/// assert_eq!(http.uri(), "https://gen.pollinations.ai/image/models");
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelsRequest {
    kind: ModelKind,
}

/// Which models a list is of.
///
/// ```
/// use blossom::protocol::{Endpoint, ModelKind, ModelsRequest};
///
/// let path = |kind| Ok(ModelsRequest::new(kind).encode(&Endpoint::default())?.uri().path().to_owned());
/// assert_eq!(path(ModelKind::Text)?, "/v1/models");
/// assert_eq!(path(ModelKind::Image)?, "/image/models");
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ModelKind {
    /// Those that write. In the gen dialect the service's own list, which may hold others too.
    #[default]
    Text,
    /// Those that draw.
    Image,
    /// Those that speak. Only the gen dialect lists them.
    Audio,
}

impl ModelsRequest {
    /// A request for the models of this kind.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = ModelsRequest::new(ModelKind::Audio).encode(&Endpoint::default())?;
    /// assert_eq!(http.uri(), "https://gen.pollinations.ai/audio/models");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub const fn new(kind: ModelKind) -> Self {
        Self { kind }
    }

    /// The request as it goes on the wire, without a key.
    ///
    /// # Errors
    ///
    /// [`Invalid`] where the dialect has no list of this kind.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let voices = ModelsRequest::new(ModelKind::Audio);
    /// assert_eq!(voices.encode(&Endpoint::default())?.method(), "GET");
    /// assert!(voices.encode(&Endpoint::v1()).is_err(), "it has no such list");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    pub fn encode(&self, endpoint: &Endpoint) -> Result<Request<Bytes>, Invalid> {
        let path = match (endpoint.dialect(), self.kind) {
            (Dialect::V1, ModelKind::Text | ModelKind::Image) => "/models",
            (Dialect::Enter, ModelKind::Text) => "/generate/v1/models",
            (Dialect::Enter, ModelKind::Image) => "/generate/image/models",
            (Dialect::Gen, ModelKind::Text) => "/v1/models",
            (Dialect::Gen, ModelKind::Image) => "/image/models",
            (Dialect::Gen, ModelKind::Audio) => "/audio/models",
            (dialect @ (Dialect::V1 | Dialect::Enter), ModelKind::Audio) => {
                let problem = format!("of audio are not listed in the {dialect} dialect");
                return Err(Invalid::new("models", problem));
            }
        };
        let base = match self.kind {
            ModelKind::Image => endpoint.image_base(),
            ModelKind::Text | ModelKind::Audio => endpoint.base(),
        };
        Ok(encode::get(Url::new(base, path).build()?, JSON))
    }
}

/// A list of models, in the service's order.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let models = client.models().await?;
/// let model = models.find("openai").ok_or("it is there")?;
/// println!("{} of {}", model.id(), models.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelList(Vec<Model>);

impl ModelList {
    /// The cheapest of those that `wanted` takes, by the price of prompt and answer together; the
    /// first of several with one price. A model whose price is not told is never the cheapest.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::protocol::Capability;
    ///
    /// let models = client.models().await?;
    /// if let Some(model) = models.cheapest(|model| model.can(Capability::Tools)) {
    ///     client.text().generate("Hi").model(model.id()).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn cheapest(&self, wanted: impl FnMut(&Model) -> bool) -> Option<&Model> {
        let mut wanted = wanted;
        let priced = self
            .0
            .iter()
            .filter(|model| wanted(model))
            .filter_map(|model| Some((model.weight()?, model)));
        let cheapest = priced.reduce(|best, next| match next.0.cmp(&best.0) {
            Ordering::Less => next,
            Ordering::Equal | Ordering::Greater => best,
        });
        cheapest.map(|(_, model)| model)
    }

    /// The model with this id or alias.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.image().models().await?;
    /// assert_eq!(models.find("gpt-image-1").map(|model| model.id()), Some("gptimage"));
    /// assert!(models.find("no-such-model").is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Model> {
        let by_id = self.0.iter().find(|model| model.id == name);
        by_id.or_else(|| {
            let named = |model: &&Model| model.aliases.iter().any(|alias| alias == name);
            self.0.iter().find(named)
        })
    }

    /// The models, taken out.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut models = client.image().models().await?.into_vec();
    /// models.sort_by(|a, b| a.id().cmp(b.id()));
    /// assert_eq!(models[0].id(), "flux");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn into_vec(self) -> Vec<Model> {
        self.0
    }
}

impl Deref for ModelList {
    type Target = [Model];

    fn deref(&self) -> &[Model] {
        &self.0
    }
}

impl IntoIterator for ModelList {
    type Item = Model;
    type IntoIter = vec::IntoIter<Model>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ModelList {
    type Item = &'a Model;
    type IntoIter = slice::Iter<'a, Model>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Reads a list of models: the `OpenAI` list object, an array of objects, or an array of names.
pub(crate) fn decode_models(body: &[u8]) -> Result<ModelList, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Object { data: Vec<Value> },
        Array(Vec<Value>),
    }
    let (List::Object { data } | List::Array(data)) = serde_json::from_slice(body)?;
    Ok(ModelList(data.iter().filter_map(model).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{layers::types::Nanos, protocol::Capability};

    fn ids(json: &str) -> Vec<String> {
        let models = decode_models(json.as_bytes()).unwrap();
        models.into_iter().map(|model| model.id).collect()
    }

    #[test]
    fn lists_come_in_three_shapes() {
        assert_eq!(
            ids(r#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#),
            ["a", "b"]
        );
        assert_eq!(ids(r#"[{"name":"a","aliases":["x"]},{"other":1}]"#), ["a"]);
        assert_eq!(ids(r#"["flux","turbo"]"#), ["flux", "turbo"]);
        assert!(decode_models(br#"{"error":"Endpoint moved"}"#).is_err());
    }

    #[test]
    fn every_dialect_has_its_lists_or_says_that_it_has_none() {
        let url = |dialect, kind| {
            let endpoint = match dialect {
                Dialect::V1 => Endpoint::v1(),
                Dialect::Enter => Endpoint::enter(),
                Dialect::Gen => Endpoint::default(),
            };
            let request = ModelsRequest::new(kind).encode(&endpoint);
            request.map(|http| http.uri().to_string())
        };
        for (dialect, kind, expected) in [
            (
                Dialect::V1,
                ModelKind::Text,
                "https://text.pollinations.ai/models",
            ),
            (
                Dialect::V1,
                ModelKind::Image,
                "https://image.pollinations.ai/models",
            ),
            (
                Dialect::Enter,
                ModelKind::Text,
                "https://enter.pollinations.ai/api/generate/v1/models",
            ),
            (
                Dialect::Enter,
                ModelKind::Image,
                "https://enter.pollinations.ai/api/generate/image/models",
            ),
            (
                Dialect::Gen,
                ModelKind::Text,
                "https://gen.pollinations.ai/v1/models",
            ),
            (
                Dialect::Gen,
                ModelKind::Image,
                "https://gen.pollinations.ai/image/models",
            ),
            (
                Dialect::Gen,
                ModelKind::Audio,
                "https://gen.pollinations.ai/audio/models",
            ),
        ] {
            assert_eq!(url(dialect, kind).as_deref(), Ok(expected));
        }
        for dialect in [Dialect::V1, Dialect::Enter] {
            let error = url(dialect, ModelKind::Audio).unwrap_err();
            assert!(error.to_string().contains(dialect.as_str()));
        }
    }

    #[test]
    fn prices_and_capabilities_are_kept() {
        let models = decode_models(
            br#"[{"id":"a","tools":true,"context_length":9,"input_modalities":["text","image"],
                "voices":["nova"],"paid_only":true,"per_user_rpm":3,"pricing":
                {"currency":"pollen","promptTextTokens":"0.00000015","n":2}}]"#,
        )
        .unwrap();

        let model = &models[0];
        assert_eq!(model.capabilities(), ["tool_calling"]);
        assert!(model.can(Capability::Tools) && model.can(Capability::Vision));
        assert!(!model.can(Capability::Speech));
        assert_eq!(model.voices(), ["nova"]);
        assert!(model.is_paid_only() && !model.is_community());
        assert_eq!(model.requests_per_minute(), Some(3));
        assert_eq!(model.pricing()["promptTextTokens"], "0.00000015");
        assert_eq!(model.pricing()["n"], "2");
        assert_eq!(model.context_length(), Some(9));
        assert_eq!(
            model.price_per_million("promptTextTokens"),
            Some(Nanos(150_000_000))
        );
        assert_eq!(model.price_per_million("currency"), None);
    }

    #[test]
    fn the_cheapest_is_the_first_of_the_lowest_price_among_those_wanted() {
        let models = decode_models(
            br#"[{"id":"dear","tools":true,"pricing":{"promptTextTokens":"0.1"}},
                {"id":"plain","pricing":{"promptTextTokens":"0.000001"}},
                {"id":"first","tools":true,"pricing":{"promptTextTokens":"0.01","completionTextTokens":"0.02"}},
                {"id":"second","tools":true,"pricing":{"promptTextTokens":"0.02","completionTextTokens":"0.01"}},
                {"id":"unknown","tools":true},
                {"id":"image","aliases":["img"],"pricing":{"currency":"pollen","completionImageTokens":"0.5"}}]"#,
        )
        .unwrap();

        let tools = models.cheapest(|model| model.can(Capability::Tools));
        assert_eq!(tools.map(Model::id), Some("first"));
        assert_eq!(models.cheapest(|_| true).map(Model::id), Some("plain"));
        let image = models.cheapest(|model| model.id() == "image");
        assert_eq!(image.map(Model::id), Some("image"));
        assert_eq!(models.cheapest(|model| model.id() == "unknown"), None);
        assert_eq!(models.find("img").map(Model::id), Some("image"));
    }
}
