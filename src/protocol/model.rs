//! One model of a list.

use std::collections::BTreeMap;

use serde_json::Value;

use super::decimal;
use crate::layers::types::Nanos;

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
    pub(super) id: String,
    title: Option<String>,
    description: Option<String>,
    category: Option<String>,
    pub(super) aliases: Vec<String>,
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.models().await?;
    /// assert_eq!(models[0].id(), "openai");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What people call it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.script([(200, r#"[{"name": "flux", "title": "Flux Schnell"}]"#)]);
    /// let models = client.models().await?;
    /// assert_eq!(models[0].title(), Some("Flux Schnell"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// What it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.script([(200, r#"[{"name": "flux", "description": "Draws fast"}]"#)]);
    /// let models = client.models().await?;
    /// assert_eq!(models[0].description(), Some("Draws fast"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// What the service files it under.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.script([(200, r#"[{"name": "flux", "category": "image"}]"#)]);
    /// let models = client.models().await?;
    /// assert_eq!(models[0].category(), Some("image"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.category.as_deref()
    }

    /// Other names for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.image().models().await?;
    /// let flux = models.find("sana").ok_or("an alias will do")?;
    /// assert_eq!((flux.id(), flux.aliases()), ("flux", &["zimage".to_owned(), "sana".to_owned()][..]));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// What it takes, such as `text` and `image`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.models().await?;
    /// let model = models.find("openai").ok_or("it is there")?;
    /// assert_eq!(model.input_modalities(), ["text", "image"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn input_modalities(&self) -> &[String] {
        &self.input_modalities
    }

    /// What it gives.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.models().await?;
    /// let model = models.find("openai-audio").ok_or("it is there")?;
    /// assert_eq!(model.output_modalities(), ["text", "audio"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn output_modalities(&self) -> &[String] {
        &self.output_modalities
    }

    /// What it can do in the service's words, such as `tool_calling`. See [`can`](Self::can).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.models().await?;
    /// let model = models.find("openai-large").ok_or("it is there")?;
    /// assert_eq!(model.capabilities(), ["tool_calling", "reasoning"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn capabilities(&self) -> &[String] {
        &self.capabilities
    }

    /// The parameters that it heeds, where the service tells.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.script([(200, r#"[{"name": "m", "supported_parameters": ["seed", "stop"]}]"#)]);
    /// let models = client.models().await?;
    /// assert_eq!(models[0].supported_parameters(), ["seed", "stop"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn supported_parameters(&self) -> &[String] {
        &self.supported_parameters
    }

    /// The routes that it answers on, where the service tells.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.models().await?;
    /// let model = models.find("openai").ok_or("it is there")?;
    /// assert_eq!(model.supported_endpoints(), ["/v1/chat/completions"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn supported_endpoints(&self) -> &[String] {
        &self.supported_endpoints
    }

    /// The voices that it speaks with.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.audio().models().await?;
    /// let model = models.find("tts-1").ok_or("it is there")?;
    /// assert!(model.voices().contains(&"nova".to_owned()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn voices(&self) -> &[String] {
        &self.voices
    }

    /// How many tokens fit into a conversation.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.models().await?;
    /// let model = models.find("openai").ok_or("it is there")?;
    /// assert_eq!(model.context_length(), Some(128_000));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn context_length(&self) -> Option<u64> {
        self.context_length
    }

    /// The most tokens of an answer.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.script([(200, r#"[{"name": "m", "max_completion_tokens": 4096}]"#)]);
    /// let models = client.models().await?;
    /// assert_eq!(models[0].max_completion_tokens(), Some(4096));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn max_completion_tokens(&self) -> Option<u64> {
        self.max_completion_tokens
    }

    /// How many requests a minute each user may send, where the model has a limit of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.script([(200, r#"[{"name": "m", "per_user_rpm": 10}]"#)]);
    /// let models = client.models().await?;
    /// assert_eq!(models[0].requests_per_minute(), Some(10));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn requests_per_minute(&self) -> Option<u64> {
        self.requests_per_minute
    }

    /// Whether it wants a balance that was paid for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.script([(200, r#"[{"name": "veo", "paid_only": true}, {"name": "flux"}]"#)]);
    /// let models = client.models().await?;
    /// assert!(models[0].is_paid_only() && !models[1].is_paid_only());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn is_paid_only(&self) -> bool {
        self.paid_only
    }

    /// Whether it is run by a user of the service.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.script([(200, r#"[{"name": "ada/mine", "community": true}, {"name": "openai"}]"#)]);
    /// let models = client.models().await?;
    /// assert!(models[0].is_community() && !models[1].is_community());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn is_community(&self) -> bool {
        self.community
    }

    /// The prices as the service writes them: decimal numbers by kind of unit, such as
    /// `promptTextTokens`, and the `currency`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.models().await?;
    /// let model = models.find("mistral").ok_or("it is there")?;
    /// assert_eq!(model.pricing()["promptTextTokens"], "0.0000001");
    /// assert_eq!(model.pricing()["currency"], "pollen");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn pricing(&self) -> &BTreeMap<String, String> {
        &self.pricing
    }

    /// The price of a million units of this kind, such as `promptTextTokens`, exact to a billionth of
    /// the currency; `None` if there is none or it is no price.
    ///
    /// A million, because a single token costs less than a billionth can tell apart.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.models().await?;
    /// let model = models.find("mistral").ok_or("it is there")?;
    /// let price = model.price_per_million("promptTextTokens").ok_or("it has a price")?;
    /// assert_eq!(price.to_string(), "0.100000000");
    /// assert_eq!(model.price_per_million("completionImageTokens"), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn price_per_million(&self, unit: &str) -> Option<Nanos> {
        self.pricing
            .get(unit)
            .and_then(|price| decimal::per_million(price))
            .map(Nanos)
    }

    /// Whether it can do this, as far as the service tells.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::protocol::Capability;
    ///
    /// let models = client.models().await?;
    /// let model = models.find("openai").ok_or("it is there")?;
    /// assert!(model.can(Capability::Tools) && model.can(Capability::Vision));
    /// assert!(!model.can(Capability::Video));
    /// # Ok(())
    /// # }
    /// ```
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
    pub(super) fn weight(&self) -> Option<u64> {
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

/// One entry; one without a name is left out.
pub(super) fn model(entry: &Value) -> Option<Model> {
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
