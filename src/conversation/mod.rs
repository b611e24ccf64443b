//! Conversations: a system message once, the history kept, tools answered by themselves.
//!
//! A [`Conversation`] is begun by [`Blossom::conversation`](crate::Blossom::conversation).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sandbox = blossom::sandbox::Sandbox::start()?;
//! # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
//! let mut talk = client.conversation().system("You are helpful").start();
//! talk.ask("What is Rust?").await?;
//! let answer = talk.ask("And what is it not?").await?;
//! println!("{answer}");
//! assert_eq!(talk.messages().len(), 4);
//! # Ok(())
//! # }
//! ```
//!
//! # What is sent
//!
//! The service keeps nothing: each question goes with the system message and the history before it,
//! so a long conversation costs more with each question. [`history_tokens`](ConversationBuilder::history_tokens)
//! bounds that.
//!
//! # What is kept
//!
//! A question and all that came of it join the history together when its answer is whole. A question
//! that failed, or whose future or stream was dropped, leaves the history as it was, so that it can be
//! asked again.

mod builder;
mod saved;
mod stream;
mod tools;
mod trim;

use std::{fmt, path::Path};

pub use self::{builder::ConversationBuilder, stream::Asking, tools::ToolOutput};
use crate::{
    Error, ErrorKind, Result, Text, client::Chat, layers::types::Usage, protocol::Message,
};

/// A conversation. See the [module docs](self).
///
/// A clone is a fork: both go on from here, each with a history of its own. `Debug` shows how much
/// there is, never what.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let mut talk = client.conversation().system("You are helpful").start();
/// talk.ask("What is Rust?").await?;
/// let mut other = talk.clone(); // a fork
/// println!("{}", other.ask("And Go?").await?);
/// assert_eq!((talk.messages().len(), other.messages().len()), (2, 4));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Conversation {
    settings: ConversationBuilder,
    history: Vec<Message>,
    dropped: usize,
    usage: Usage,
}

impl Conversation {
    /// Asks, and gives the answer. Calls of tools that have a handler are answered on the way; where
    /// the model calls one without, its answer is given as it is, and the next question may be the
    /// tool's result, [`Message::tool`].
    ///
    /// # Errors
    ///
    /// As a chat; and [`ErrorKind::Upstream`] if the model asks for tools too often in a row. The
    /// history is then as it was before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the history as it was. What was under way may still be billed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().start();
    /// println!("{}", talk.ask("What is Rust?").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ask(&mut self, question: impl Into<Message>) -> Result<Text> {
        let mut turn = Turn::new(self, question.into());
        loop {
            let answer = self.chat(&turn).await?;
            match self.next_step(&mut turn, &answer)? {
                Step::Done => {
                    self.commit(turn);
                    return Ok(answer);
                }
                Step::Tools => turn
                    .messages
                    .extend(self.settings.tools.answer(&answer).await),
            }
        }
    }

    /// Asks, and gives the answer as it arrives: a stream of deltas, those of answers that call tools
    /// included. The question joins the history when the stream has been read to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().start();
    /// let mut answer = talk.ask_stream("Tell me a story");
    /// while let Some(delta) = answer.next().await {
    ///     print!("{}", delta?);
    /// }
    /// let whole = answer.finish().await?;
    /// assert_eq!(talk.messages().len(), 2);
    /// # assert!(!whole.content().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn ask_stream(&mut self, question: impl Into<Message>) -> Asking<'_> {
        let turn = Turn::new(self, question.into());
        Asking::new(self, turn)
    }

    /// Another conversation that goes on from here, as [`Clone`] does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().start();
    /// talk.ask("What is Rust?").await?;
    /// let mut other = talk.fork();
    /// other.ask("And Go?").await?;
    /// assert_eq!((talk.messages().len(), other.messages().len()), (2, 4));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn fork(&self) -> Self {
        self.clone()
    }

    /// The history, oldest first, without the system message.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().start();
    /// talk.ask("What is Rust?").await?;
    /// assert_eq!(talk.messages().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.history
    }

    /// Adds a message to the history as if it had been said: an example to follow, a document.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::protocol::Message;
    ///
    /// let mut talk = client.conversation().start();
    /// talk.push(Message::user("My name is Ada"));
    /// talk.push(Message::assistant("Hello Ada"));
    /// println!("{}", talk.ask("What is my name?").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn push(&mut self, message: impl Into<Message>) {
        self.history.push(message.into());
    }

    /// Forgets the history, and keeps the system message.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().system("Be brief").start();
    /// talk.ask("What is Rust?").await?;
    /// talk.clear();
    /// assert!(talk.messages().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(&mut self) {
        self.history.clear();
    }

    /// Drops the oldest of the history until system message and history have about `tokens` at most,
    /// as [`history_tokens`](ConversationBuilder::history_tokens) does before each question, and says
    /// how many messages were dropped. The newest question and all that came of it stays.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().system("Be brief").start();
    /// for n in 0..5 {
    ///     talk.ask(format!("Question {n}")).await?;
    /// }
    /// let dropped = talk.trim(30);
    /// assert!(dropped > 0 && talk.messages().len() == 10 - dropped);
    /// # Ok(())
    /// # }
    /// ```
    pub fn trim(&mut self, tokens: u64) -> usize {
        let start = trim::start(self.settings.system.as_ref(), &self.history, None, tokens);
        self.drop_oldest(start);
        start
    }

    /// How many messages were dropped so far to stay within the tokens that were allowed.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = blossom::Blossom::builder().base_url("http://127.0.0.1:8080").build()?;
    /// use blossom::protocol::Message;
    ///
    /// let mut talk = client.conversation().start();
    /// for text in ["What is Rust?", "A language", "And Go?", "Another"] {
    ///     let is_question = text.ends_with('?');
    ///     talk.push(if is_question { Message::user(text) } else { Message::assistant(text) });
    /// }
    /// talk.trim(1); // the newest question stays, and its answer
    /// assert_eq!((talk.dropped(), talk.messages().len()), (2, 2));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    /// What all answers so far took together.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().start();
    /// talk.ask("What is Rust?").await?;
    /// println!("{} tokens so far", talk.usage().total_tokens);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.usage
    }

    /// System message and history as JSON. Model, tools and limits are not among it: they are code.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] if a message holds a part that could not be sent either.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = blossom::Blossom::builder().base_url("http://127.0.0.1:8080").build()?;
    /// let mut talk = client.conversation().system("Be brief").start();
    /// talk.push("What is Rust?");
    /// let json = talk.to_json()?;
    /// assert!(json.contains("Be brief") && json.contains("What is Rust?"));
    /// assert_eq!(client.conversation().resume(&json)?.messages().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_json(&self) -> Result<String> {
        saved::to_json(self.settings.system.as_ref(), &self.history)
    }

    /// Writes [`to_json`](Self::to_json) to a file, beside it first and then renamed.
    ///
    /// # Errors
    ///
    /// As [`to_json`](Self::to_json); [`ErrorKind::Io`] if it cannot be written.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = blossom::Blossom::builder().base_url("http://127.0.0.1:8080").build()?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("talk.json");
    /// let mut talk = client.conversation().start();
    /// talk.push("What is Rust?");
    /// talk.save(&path).await?;
    /// assert_eq!(std::fs::read_to_string(&path)?, talk.to_json()?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn save(&self, path: impl AsRef<Path> + Send) -> Result<()> {
        saved::write(path.as_ref(), self.to_json()?).await
    }

    /// The chat for what was asked and what has come of it so far.
    fn chat(&self, turn: &Turn) -> Chat {
        let settings = &self.settings;
        let kept = self.history.get(turn.start..).unwrap_or_default();
        let messages = settings
            .system
            .iter()
            .chain(kept)
            .chain(&turn.messages)
            .cloned();
        let request = settings.template.clone().messages(messages);
        let request = if settings.tools.is_empty() {
            request
        } else {
            request.tools(settings.tools.definitions())
        };
        settings.client.text().chat([""; 0]).request(|_| request)
    }

    /// What is to be done with an answer, which joins the turn.
    fn next_step(&self, turn: &mut Turn, answer: &Text) -> Result<Step> {
        turn.usage = turn
            .usage
            .saturating_add(answer.usage().unwrap_or_default());
        turn.messages.push(tools::message(answer));
        if !self.settings.tools.can_answer(answer) {
            return Ok(Step::Done);
        }
        turn.rounds += 1;
        if turn.rounds <= self.settings.max_rounds {
            return Ok(Step::Tools);
        }
        let message = format!("the model asked for tools {} times in a row", turn.rounds);
        Err(Error::new(ErrorKind::Upstream, message)
            .with_retryable(false)
            .with_suggestion("raise max_rounds, or tell the model when to stop"))
    }

    fn commit(&mut self, turn: Turn) {
        self.drop_oldest(turn.start);
        self.history.extend(turn.messages);
        self.usage = self.usage.saturating_add(turn.usage);
    }

    fn drop_oldest(&mut self, count: usize) {
        self.history.drain(..count.min(self.history.len()));
        self.dropped += count;
    }
}

/// A question and what has come of it so far.
#[derive(Default)]
struct Turn {
    /// Where the part of the history begins that is sent with it.
    start: usize,
    messages: Vec<Message>,
    rounds: usize,
    usage: Usage,
}

enum Step {
    Done,
    Tools,
}

impl Turn {
    fn new(talk: &Conversation, question: Message) -> Self {
        let settings = &talk.settings;
        let start = settings.history_tokens.map_or(0, |tokens| {
            let system = settings.system.as_ref();
            trim::start(system, &talk.history, Some(&question), tokens)
        });
        Self {
            start,
            messages: vec![question],
            ..Self::default()
        }
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("messages", &self.history.len())
            .field("dropped", &self.dropped)
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}
