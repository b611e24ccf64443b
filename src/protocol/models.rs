//! Lists of models.

use std::{cmp::Ordering, collections::BTreeMap, ops::Deref, slice, vec};

use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Dialect, Endpoint, Invalid, decimal,
    encode::{self, JSON, Url},
};
use crate::layers::types::Nanos;

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
/// use blossom::protocol::{ModelKind, ModelsRequest};
///
/// let request = ModelsRequest::new(ModelKind::Image);
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
    #[must_use]
    pub const fn new(kind: ModelKind) -> Self {
        Self { kind }
    }

    /// The request as it goes on the wire, without a key.
    ///
    /// # Errors
    ///
    /// [`Invalid`] where the dialect has no list of this kind.
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

/// Something that a model can do.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::protocol::Capability;
///
/// let models = client.models().await?;
/// println!("{} can call tools", models.iter().filter(|model| model.can(Capability::Tools)).count());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Ask for tools to be called.
    Tools,
    /// Think before it answers.
    Reasoning,
    /// Search the web.
    WebSearch,
    /// Run code.
    CodeExecution,
    /// Look at images.
    Vision,
    /// Listen to sound.
    Hearing,
    /// Write text.
    Text,
    /// Draw images.
    Images,
    /// Speak, or make other sounds.
    Speech,
    /// Make videos.
    Video,
}

/// A model of the service.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// for model in client.models().await?.iter() {
///     let price = model.price_per_million("completionTextTokens");
///     println!("{}: {:?}, {} for a million", model.id(), model.title(), price.unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    id: String,
    title: Option<String>,
    description: Option<String>,
    category: Option<String>,
    aliases: Vec<String>,
    input_modalities: Vec<String>,
    output_modalities: Vec<String>,
    capabilities: Vec<String>,
    supported_parameters: Vec<String>,
    supported_endpoints: Vec<String>,
    voices: Vec<String>,
    context_length: Option<u64>,
    max_completion_tokens: Option<u64>,
    requests_per_minute: Option<u64>,
    paid_only: bool,
    community: bool,
    pricing: BTreeMap<String, String>,
}

impl Model {
    /// The name to ask for it by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What people call it.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// What it is.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// What the service files it under.
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.category.as_deref()
    }

    /// Other names for it.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// What it takes, such as `text` and `image`.
    #[must_use]
    pub fn input_modalities(&self) -> &[String] {
        &self.input_modalities
    }

    /// What it gives.
    #[must_use]
    pub fn output_modalities(&self) -> &[String] {
        &self.output_modalities
    }

    /// What it can do in the service's words, such as `tool_calling`. See [`can`](Self::can).
    #[must_use]
    pub fn capabilities(&self) -> &[String] {
        &self.capabilities
    }

    /// The parameters that it heeds, where the service tells.
    #[must_use]
    pub fn supported_parameters(&self) -> &[String] {
        &self.supported_parameters
    }

    /// The routes that it answers on, where the service tells.
    #[must_use]
    pub fn supported_endpoints(&self) -> &[String] {
        &self.supported_endpoints
    }

    /// The voices that it speaks with.
    #[must_use]
    pub fn voices(&self) -> &[String] {
        &self.voices
    }

    /// How many tokens fit into a conversation.
    #[must_use]
    pub const fn context_length(&self) -> Option<u64> {
        self.context_length
    }

    /// The most tokens of an answer.
    #[must_use]
    pub const fn max_completion_tokens(&self) -> Option<u64> {
        self.max_completion_tokens
    }

    /// How many requests a minute each user may send, where the model has a limit of its own.
    #[must_use]
    pub const fn requests_per_minute(&self) -> Option<u64> {
        self.requests_per_minute
    }

    /// Whether it wants a balance that was paid for.
    #[must_use]
    pub const fn is_paid_only(&self) -> bool {
        self.paid_only
    }

    /// Whether it is run by a user of the service.
    #[must_use]
    pub const fn is_community(&self) -> bool {
        self.community
    }

    /// The prices as the service writes them: decimal numbers by kind of unit, such as
    /// `promptTextTokens`, and the `currency`.
    #[must_use]
    pub const fn pricing(&self) -> &BTreeMap<String, String> {
        &self.pricing
    }

    /// The price of a million units of this kind, such as `promptTextTokens`, exact to a billionth of
    /// the currency; `None` if there is none or it is no price.
    ///
    /// A million, because a single token costs less than a billionth can tell apart.
    #[must_use]
    pub fn price_per_million(&self, unit: &str) -> Option<Nanos> {
        self.pricing
            .get(unit)
            .and_then(|price| decimal::per_million(price))
            .map(Nanos)
    }

    /// Whether it can do this, as far as the service tells.
    #[must_use]
    pub fn can(&self, capability: Capability) -> bool {
        let among = |list: &[String], word: &str| list.iter().any(|known| known == word);
        let takes = |word: &str| among(&self.input_modalities, word);
        let gives = |word: &str| among(&self.output_modalities, word);
        let does = |word: &str| among(&self.capabilities, word);
        match capability {
            Capability::Tools => does("tool_calling") || does("tools"),
            Capability::Reasoning => does("reasoning"),
            Capability::WebSearch => does("web_search") || does("search"),
            Capability::CodeExecution => does("code_execution"),
            Capability::Vision => takes("image") || does("vision"),
            Capability::Hearing => takes("audio"),
            Capability::Text => gives("text"),
            Capability::Images => gives("image"),
            Capability::Speech => gives("audio"),
            Capability::Video => gives("video"),
        }
    }

    /// What a million units cost in all that the model counts: prompt and answer of text if it has
    /// them, else the sum of what there is.
    fn weight(&self) -> Option<u64> {
        let text = ["promptTextTokens", "completionTextTokens"].map(|unit| self.price(unit));
        match text {
            [None, None] => {
                let all = self.pricing.keys().filter_map(|unit| self.price(unit));
                all.reduce(u64::saturating_add)
            }
            [prompt, completion] => {
                Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0)))
            }
        }
    }

    fn price(&self, unit: &str) -> Option<u64> {
        self.price_per_million(unit).map(|price| price.0)
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
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Model> {
        let by_id = self.0.iter().find(|model| model.id == name);
        by_id.or_else(|| {
            let named = |model: &&Model| model.aliases.iter().any(|alias| alias == name);
            self.0.iter().find(named)
        })
    }

    /// The models, taken out.
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

/// One entry; one without a name is left out.
fn model(entry: &Value) -> Option<Model> {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    let texts = |name: &str| -> Vec<String> {
        let all = entry[name].as_array().into_iter().flatten();
        all.filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    };
    if let Some(name) = entry.as_str() {
        return Some(Model {
            id: name.to_owned(),
            ..Model::default()
        });
    }
    let mut capabilities = texts("capabilities");
    for (flag, capability) in [("tools", "tool_calling"), ("reasoning", "reasoning")] {
        if entry[flag] == true && !capabilities.iter().any(|known| known == capability) {
            capabilities.push(capability.to_owned());
        }
    }
    let prices = entry["pricing"].as_object().into_iter().flatten();
    Some(Model {
        id: text("id").or_else(|| text("name"))?,
        title: text("title"),
        description: text("description"),
        category: text("category"),
        aliases: texts("aliases"),
        input_modalities: texts("input_modalities"),
        output_modalities: texts("output_modalities"),
        capabilities,
        supported_parameters: texts("supported_parameters"),
        supported_endpoints: texts("supported_endpoints"),
        voices: texts("voices"),
        context_length: entry["context_length"].as_u64(),
        max_completion_tokens: entry["max_completion_tokens"].as_u64(),
        requests_per_minute: entry["per_user_rpm"].as_u64(),
        paid_only: entry["paid_only"] == true,
        community: entry["community"] == true,
        pricing: prices
            .filter_map(|(unit, price)| match price {
                Value::String(price) => Some((unit.clone(), price.clone())),
                Value::Number(price) => Some((unit.clone(), price.to_string())),
                _ => None,
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
