//! What a text call gives.

use std::fmt;

use http::response::Parts;

use super::exchange::attempts_of;
use crate::{
    layers::types::{CacheStatus, FinishReason, Nanos, Outcome, Timing, Usage, Warning, Warnings},
    protocol::{Accumulator, ChatAudio, Message, ToolCall},
};

/// The answer to a text call.
///
/// `Display` shows its content.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let answer = client.text().chat(["What is Rust?"]).await?;
/// println!("{answer}");
/// if let Some(usage) = answer.usage() {
///     println!("{} tokens, by {:?}", usage.total_tokens, answer.model());
/// }
/// assert_eq!(answer.content(), answer.to_string());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Text {
    pub(super) content: String,
    pub(super) reasoning: Option<String>,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) finish_reason: Option<FinishReason>,
    pub(super) citations: Vec<String>,
    pub(super) audio: Option<ChatAudio>,
    pub(super) meta: Meta,
}

/// What is known of a reply beside its content.
#[derive(Debug, Clone, Default)]
pub(super) struct Meta {
    pub(super) usage: Option<Usage>,
    pub(super) model: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) cache_status: Option<CacheStatus>,
    pub(super) outcome: Option<Outcome>,
    pub(super) warnings: Option<Warnings>,
    pub(super) attempts: u32,
}

impl Meta {
    pub(super) fn of(head: &Parts) -> Self {
        Self {
            request_id: crate::protocol::request_id(&head.headers).map(str::to_owned),
            cache_status: head.extensions.get().copied(),
            outcome: head.extensions.get().cloned(),
            warnings: head.extensions.get().cloned(),
            attempts: attempts_of(head),
            ..Self::default()
        }
    }

    pub(super) fn cost(&self) -> Option<Nanos> {
        if !is_own(self.cache_status) {
            return Some(Nanos::ZERO);
        }
        self.outcome.as_ref()?.read(|record| record.cost)
    }

    pub(super) fn warnings(&self) -> &[Warning] {
        self.warnings.as_ref().map_or(&[], Warnings::as_slice)
    }

    pub(super) fn timing(&self) -> Option<Timing> {
        let mut timing = self.outcome.as_ref()?.timing();
        if !is_own(self.cache_status) {
            timing.sent = None;
            timing.queue = None;
        }
        Some(timing)
    }
}

/// Whether a reply was made for this call, and not stored before or shared with another.
pub(super) const fn is_own(cache_status: Option<CacheStatus>) -> bool {
    matches!(
        cache_status,
        None | Some(CacheStatus::Miss | CacheStatus::Bypass)
    )
}

impl Text {
    /// The text; empty where the model calls tools instead.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let answer = client.text().generate("What is Rust?").await?;
    /// assert!(!answer.content().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// The text, taken out.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let text: String = client.text().generate("What is Rust?").await?.into_content();
    /// # assert!(!text.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn into_content(self) -> String {
        self.content
    }

    /// What the model thought before it answered, if it tells.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let answer = client.text().chat(["9 * 7?"]).reasoning_effort(blossom::protocol::ReasoningEffort::Low).await?;
    /// println!("{}", answer.reasoning().unwrap_or("it did not tell"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn reasoning(&self) -> Option<&str> {
        self.reasoning.as_deref()
    }

    /// The tools that the model asks to call.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::protocol::Tool;
    ///
    /// let answer = client.text().chat(["Weather?"]).tools([Tool::function("weather")]).await?;
    /// assert_eq!(answer.tool_calls()[0].name(), "weather");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.tool_calls
    }

    /// The tokens that the upstream counted, if it says so.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let answer = client.text().chat(["What is Rust?"]).await?;
    /// println!("{} tokens", answer.usage().map_or(0, |usage| usage.total_tokens));
    /// # assert!(answer.usage().is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.meta.usage
    }

    /// The model that answered, which may be another than was asked for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let answer = client.text().chat(["What is Rust?"]).model("openai").await?;
    /// println!("by {}", answer.model().unwrap_or("a model that is not named"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.meta.model.as_deref()
    }

    /// Why the generation ended; unknown for plain text.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::layers::types::FinishReason;
    ///
    /// let answer = client.text().chat(["A long story"]).max_tokens(5).await?;
    /// assert_eq!(answer.finish_reason(), Some(&FinishReason::Length));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn finish_reason(&self) -> Option<&FinishReason> {
        self.finish_reason.as_ref()
    }

    /// The sources of a model that searches.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let answer = client.text().chat(["News?"]).model("searcher").await?;
    /// assert!(answer.citations()[0].starts_with("https://"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn citations(&self) -> &[String] {
        &self.citations
    }

    /// What the model says aloud, where it was asked to speak; [`content`](Self::content) is empty
    /// then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::protocol::Modality;
    ///
    /// let answer = client.text().chat(["Hi"]).modalities([Modality::Text, Modality::Audio]).await?;
    /// let audio = answer.audio().ok_or("it was to speak")?;
    /// assert!(!audio.bytes().is_empty());
    /// assert_eq!(answer.content(), "");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn audio(&self) -> Option<&ChatAudio> {
        self.audio.as_ref()
    }

    /// The answer as a message of the history, calls of tools included.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::protocol::Message;
    ///
    /// let question = Message::user("What is Rust?");
    /// let answer = client.text().chat([question.clone()]).await?;
    /// let next = [question, answer.to_message(), Message::user("And what is it not?")];
    /// println!("{}", client.text().chat(next).await?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn to_message(&self) -> Message {
        Message::assistant(self.content()).tool_calls(self.tool_calls.iter().cloned())
    }

    /// The upstream's name for the request; where it gave none, the id that the call bore with
    /// [`request_ids`](crate::Builder::request_ids). An answer from a cache has that of the call that
    /// made it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
    /// let client = builder.request_ids(true).build()?;
    /// let answer = client.text().generate("Hi").await?;
    /// assert_eq!(answer.request_id(), sandbox.requests()[0].header("x-request-id"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.meta.request_id.as_deref()
    }

    /// Where the answer came from; `None` without a cache in the stack.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::layers::types::CacheStatus;
    ///
    /// let ask = client.text().generate("What is Rust?");
    /// assert_eq!(ask.clone().await?.cache_status(), Some(CacheStatus::Miss));
    /// assert_eq!(ask.await?.cache_status(), Some(CacheStatus::Hit));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn cache_status(&self) -> Option<CacheStatus> {
        self.meta.cache_status
    }

    /// When the parts of the reply arrived; `None` without `observe` in the stack.
    ///
    /// Of an answer from a cache they are the times of the reply when it was made, and nothing is
    /// known of a queue.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let answer = client.text().chat(["What is Rust?"]).await?;
    /// println!("{:?}", answer.timing().ok_or("the client measures it")?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn timing(&self) -> Option<Timing> {
        self.meta.timing()
    }

    /// What it cost, in billionths of the service's currency. An answer from a cache costs nothing.
    /// `None` without [`prices`](crate::Builder::prices), or where that of the model is not among them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::policy::Prices;
    ///
    /// let prices = Prices::from_models(&client.models().await?);
    /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
    /// let client = builder.prices(prices).build()?;
    /// let answer = client.text().chat(["What is Rust?"]).model("openai").await?;
    /// println!("{}", answer.cost().ok_or("its price is known")?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cost(&self) -> Option<Nanos> {
        self.meta.cost()
    }

    /// What you should know of this call, though it stopped nothing: that the prompt was long.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let long = "Tell me about this garden. ".repeat(300);
    /// for warning in client.text().chat([long]).await?.warnings() {
    ///     println!("{warning}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.meta.warnings()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.content)
    }
}

impl Text {
    /// What a stream has given so far.
    pub(super) fn of_stream(deltas: Accumulator, meta: Meta) -> Self {
        let usage = deltas.usage().or(meta.usage);
        let model = deltas.model().map(str::to_owned).or(meta.model);
        Self {
            finish_reason: deltas.finish_reason().cloned(),
            meta: Meta {
                usage,
                model,
                ..meta
            },
            reasoning: deltas.reasoning().map(str::to_owned),
            citations: deltas.citations().to_vec(),
            tool_calls: deltas.tool_calls().to_vec(),
            audio: deltas.audio().cloned(),
            content: deltas.into_content(),
        }
    }
}
