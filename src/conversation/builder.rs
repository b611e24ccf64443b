//! What a conversation begins with.

use std::{fmt, path::Path};

use super::{
    Conversation,
    saved::{self, Saved},
    tools::{ToolOutput, Tools},
};
use crate::{
    Blossom, Result,
    layers::types::Usage,
    protocol::{ChatRequest, Message, Tool},
};

/// How often in a row a model may ask for tools before it must answer.
const MAX_ROUNDS: usize = 8;

/// Begins a [`Conversation`].
///
/// | setting | default | why |
/// | --- | --- | --- |
/// | `system` | none | the model's own manner |
/// | `history_tokens` | none | the whole history goes with each question |
/// | `max_rounds` | 8 | a model that asks for tools again and again would never end |
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let mut talk = client
///     .conversation()
///     .system("You are helpful")
///     .model("openai")
///     .history_tokens(2_000)
///     .start();
/// println!("{}", talk.ask("What is Rust?").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it is started"]
pub struct ConversationBuilder {
    pub(super) client: Blossom,
    pub(super) system: Option<Message>,
    pub(super) template: ChatRequest,
    pub(super) tools: Tools,
    pub(super) history_tokens: Option<u64>,
    pub(super) max_rounds: usize,
}

impl ConversationBuilder {
    pub(crate) fn new(client: Blossom) -> Self {
        Self {
            client,
            system: None,
            template: ChatRequest::default(),
            tools: Tools::default(),
            history_tokens: None,
            max_rounds: MAX_ROUNDS,
        }
    }

    /// The system message. It stands before everything else, and is never trimmed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().system("You are helpful").start();
    /// println!("{}", talk.ask("What is Rust?").await?);
    /// assert!(talk.messages().iter().all(|message| message.text() != "You are helpful"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.system = Some(Message::system(text));
        self
    }

    /// The model. Not sent unless set: the service has a default of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().model("mistral").start();
    /// assert_eq!(talk.ask("Hi").await?.model(), Some("mistral"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn model(self, model: impl Into<String>) -> Self {
        self.request(|request| request.model(model))
    }

    /// Sets what else each request has: temperature, seed, limits of tokens, the form of answers.
    ///
    /// Messages that are set here are replaced by those of the conversation, and tools by those that
    /// have a handler, if there is one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().request(|request| request.temperature(0.1).seed(7)).start();
    /// println!("{}", talk.ask("What is Rust?").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(mut self, change: impl FnOnce(ChatRequest) -> ChatRequest) -> Self {
        self.template = change(self.template);
        self
    }

    /// A tool that the model may call, and what answers it.
    ///
    /// `handler` gets the arguments as a value of its own type, and gives what the model is told: a
    /// text, a JSON value, or a `Result` of one, whose error is told to the model too. So is what is
    /// wrong with arguments that are not of this type: models correct themselves. A tool of the same
    /// name takes the place of an earlier one. The handlers of one answer run one after the other.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::protocol::Tool;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Weather {
    ///     city: String,
    /// }
    ///
    /// let tool = Tool::function("weather").parameters(serde_json::json!({
    ///     "type": "object",
    ///     "properties": { "city": { "type": "string" } },
    ///     "required": ["city"],
    /// }));
    /// let weather = |place: Weather| async move { format!("sunny in {}", place.city) };
    /// let mut talk = client.conversation().tool(tool, weather).start();
    /// let answer = talk.ask("Weather in Paris?").await?;
    /// assert!(answer.tool_calls().is_empty(), "they are answered already");
    /// # Ok(())
    /// # }
    /// ```
    pub fn tool<A, F, O>(
        mut self,
        tool: Tool,
        handler: impl Fn(A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: serde::de::DeserializeOwned,
        F: Future<Output = O> + Send + 'static,
        O: ToolOutput,
    {
        self.tools.add(tool, handler);
        self
    }

    /// The most tokens of the system message, the history and the question together, as they are
    /// estimated: about four bytes each, and 765 for a picture.
    ///
    /// What is over is dropped from the history, oldest first: whole questions with all that came of
    /// them, so that no call of a tool is parted from its answer. Never the system message, and never
    /// the question. Default: none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().system("Be brief").history_tokens(30).start();
    /// for n in 0..5 {
    ///     talk.ask(format!("Question {n}")).await?;
    /// }
    /// assert!(talk.dropped() > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn history_tokens(mut self, tokens: u64) -> Self {
        self.history_tokens = Some(tokens);
        self
    }

    /// How often in a row the model may ask for tools before it must answer. Default: 8.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::{ErrorKind, protocol::Tool};
    ///
    /// let dice = |_: serde_json::Value| async { "4" };
    /// let talk = client.conversation().tool(Tool::function("dice"), dice);
    /// let error = talk.max_rounds(0).start().ask("Throw the dice").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Upstream);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn max_rounds(mut self, rounds: usize) -> Self {
        self.max_rounds = rounds;
        self
    }

    /// Begins without a history.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = blossom::Blossom::builder().base_url("http://127.0.0.1:8080").build()?;
    /// let talk = client.conversation().system("You are helpful").start();
    /// assert!(talk.messages().is_empty(), "the system message is no part of the history");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn start(self) -> Conversation {
        Conversation {
            settings: self,
            history: Vec::new(),
            dropped: 0,
            usage: Usage::default(),
        }
    }

    /// Goes on with a conversation that [`Conversation::to_json`] wrote. Its system message is taken
    /// unless one is set here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if it is no such JSON.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().start();
    /// talk.ask("What is Rust?").await?;
    /// let kept = talk.to_json()?;
    ///
    /// let mut later = client.conversation().resume(&kept)?;
    /// println!("{}", later.ask("And what is it not?").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(mut self, json: &str) -> Result<Conversation> {
        let saved = Saved::from_json(json)?;
        self.system = self.system.or(saved.system);
        Ok(Conversation {
            history: saved.messages,
            ..self.start()
        })
    }

    /// Goes on with a conversation that [`Conversation::save`] wrote.
    ///
    /// # Errors
    ///
    /// As [`resume`](Self::resume); [`ErrorKind::Io`](crate::ErrorKind::Io) if the file cannot be read.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("talk.json");
    /// let mut talk = client.conversation().start();
    /// talk.ask("What is Rust?").await?;
    /// talk.save(&path).await?;
    ///
    /// let talk = client.conversation().load(&path).await?;
    /// assert_eq!(talk.messages().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn load(self, path: impl AsRef<Path> + Send) -> Result<Conversation> {
        let json = saved::read(path.as_ref()).await?;
        self.resume(&json)
    }
}

impl fmt::Debug for ConversationBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConversationBuilder")
            .field("system", &self.system.is_some())
            .field("tools", &self.tools)
            .field("history_tokens", &self.history_tokens)
            .field("max_rounds", &self.max_rounds)
            .finish_non_exhaustive()
    }
}
