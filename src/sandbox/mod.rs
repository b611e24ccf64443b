//! The embedded upstream: the Blossom protocol on loopback, for tests and examples.
//!
//! It serves chats, texts, pictures, speech and model lists over real sockets, on a thread and a
//! runtime of its own, so it can be started from anywhere. Everything is made from prompt, model and
//! seed: the same request has the same answer, in every process.
//!
//! It has a parser of its own, which knows nothing of the client's types: what it understood of a
//! request is in its log, with keys redacted, and what the service would refuse is refused.
//!
//! # Routes
//!
//! | route | what |
//! | --- | --- |
//! | `POST /v1/chat/completions`, `/openai`, `/openai/*` | chat, whole or streamed |
//! | `GET /text/{prompt}`, `GET /{prompt}`, `POST /text`, `POST /` | plain text, or a stream |
//! | `GET /image/{prompt}`, `GET /prompt/{prompt}` | a JPEG or PNG of the size that was asked for |
//! | `POST /v1/images/generations` | the same as base64 or by a URL |
//! | `GET /audio/{text}`, `POST /v1/audio/speech` | a tone for each word, as WAV or another format |
//! | `GET /v1/models`, `/openai/models` | the models as an object |
//! | `GET /models`, `/text/models`, `/image/models`, `/audio/models` | the models as an array |
//! | `GET /__sandbox/faults` | the faults, with their keys |
//! | `GET /__sandbox/requests`, `DELETE` | the log and the counters; forgets them |
//!
//! The prefixes `/api/generate` and `/generate` are taken for the same routes. At the host
//! `image.localhost`, `/models` are the names of the image models, and at `text.localhost` the text
//! models, as the two hosts of v1 have it. A key may come as `Authorization: Bearer`, as `X-API-KEY`,
//! or as `?key=` or `?token=`.
//!
//! # What a request calls for
//!
//! | in the request | in the answer |
//! | --- | --- |
//! | `tools` | calls of the tools that the prompt names, else of the first, until results are there |
//! | `response_format` | JSON; with a schema, a value that fits it |
//! | `reasoning_effort`, or a model that reasons | `reasoning_content` |
//! | `web_search_options`, or a model that searches | `citations` |
//! | `modalities` with `audio` | sound and its transcript |
//! | `model=gptimage`, `transparent=true` | PNG instead of JPEG |
//!
//! # Faults
//!
//! A request asks for a fault by the header `x-sandbox-fault: NAME;key=value;...`, or by the model
//! `fault:NAME;key=value;...` where headers do not get through; [`Sandbox::fault`] sets one for all
//! requests. A name or a key that is not known is answered with 400 and the list.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use blossom::{Blossom, ErrorKind, sandbox::Sandbox};
//!
//! let sandbox = Sandbox::start()?;
//! let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
//! let call = client.text().generate("Hi");
//! assert!(call.clone().await.is_ok());
//!
//! let error = call.header("x-sandbox-fault", "status;code=501").await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Upstream);
//! assert_eq!(sandbox.requests().len(), 2);
//! # Ok(())
//! # }
//! ```

#![expect(
    clippy::indexing_slicing,
    reason = "a member that a JSON value does not have is null, never a panic"
)]

mod answer;
mod body;
mod builder;
mod cache;
mod chat;
mod check;
mod encode;
mod fault;
mod generate;
mod generation;
mod limits;
mod log;
mod make;
mod models;
mod parse;
mod pattern;
mod picture;
mod reply;
mod route;
mod rules;
mod schema;
mod server;
mod sound;
mod stream;

use std::{io, sync::Arc, thread};

pub use self::{builder::SandboxBuilder, log::Recorded};
use self::{fault::Fault, log::Log};

/// The embedded upstream. See the [module docs](self).
///
/// Dropping it closes its connections and ends its thread.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// client.text().generate("Hi").await?;
/// assert_eq!((sandbox.count(), sandbox.generations()), (1, 1));
/// assert_eq!(sandbox.requests()[0].prompt(), Some("Hi"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sandbox {
    base_url: String,
    log: Arc<Log>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Sandbox {
    /// Starts on a free port of loopback, without any delay.
    ///
    /// # Errors
    ///
    /// Those of the operating system, when no port or thread can be had.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use blossom::sandbox::Sandbox;
    ///
    /// let sandbox = Sandbox::start()?;
    /// assert!(sandbox.base_url().starts_with("http://127.0.0.1:"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Begins a sandbox with delays, a key, or a port of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Blossom, ErrorKind, sandbox::Sandbox};
    /// let sandbox = Sandbox::builder().api_key("sk_mine").start()?;
    /// let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let error = client.text().generate("Hi").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unauthorized);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Where it listens, such as `http://127.0.0.1:40123`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// assert_eq!(client.endpoint().base(), sandbox.base_url());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The requests so far, oldest first, keys redacted; the newest 10,000. Control routes are not
    /// among them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("Hi").await?;
    /// assert_eq!(sandbox.requests()[0].prompt(), Some("Hi"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.log.requests()
    }

    /// How many requests there were.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("Hi").await?;
    /// client.models().await?;
    /// assert_eq!(sandbox.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.log.counts().count
    }

    /// How many connections were opened.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("One").await?;
    /// client.text().generate("Two").await?;
    /// assert_eq!(sandbox.connections(), 1, "the second call uses it again");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.log.counts().connections
    }

    /// How many requests are under way: until their response body has ended or its connection is
    /// gone.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.fault("stall")?;
    /// let stream = client.text().generate("Hi").stream().await?;
    /// assert_eq!(sandbox.in_flight(), 1);
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.log.counts().in_flight
    }

    /// The most requests that were under way at once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.batch((0..20).map(|n| format!("Prompt {n}"))).concurrency(5).run().await;
    /// assert!(sandbox.max_in_flight() <= 5);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn max_in_flight(&self) -> u64 {
        self.log.counts().max_in_flight
    }

    /// How many answers were generated: what comes from the server's cache or is joined is not.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("Hi").await?;
    /// client.models().await?;
    /// assert_eq!((sandbox.count(), sandbox.generations()), (2, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn generations(&self) -> u64 {
        self.log.counts().generations
    }

    /// What they cost, in pollen, by the prices of the model lists.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.models().await?;
    /// assert_eq!(sandbox.pollen(), 0.0);
    /// client.text().generate("Hi").await?;
    /// assert!(sandbox.pollen() > 0.0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pollen(&self) -> f64 {
        self.log.counts().pollen
    }

    /// How many bytes of response bodies were handed to connections.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let image = client.image().generate("a cat").size(64, 64).await?;
    /// assert_eq!(sandbox.bytes_sent(), image.bytes().len() as u64);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.log.counts().bytes_sent
    }

    /// Forgets requests and counters. What is under way stays counted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("Hi").await?;
    /// sandbox.reset();
    /// assert_eq!(sandbox.count(), 0);
    /// assert!(sandbox.requests().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn reset(&self) {
        self.log.reset();
    }

    /// Sets a fault for every request that asks for none of its own, in the form of the header:
    /// `"status;code=503;times=2"`. The empty string sets none.
    ///
    /// # Errors
    ///
    /// The list of faults, if it is not one of them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.fault("status;code=400")?;
    /// assert!(client.text().generate("Hi").await.is_err());
    /// sandbox.fault("")?;
    /// assert!(client.text().generate("Hi").await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn fault(&self, fault: &str) -> Result<(), UnknownFault> {
        let fault = match fault {
            "" => None,
            fault => Some(Fault::parse(fault).map_err(UnknownFault)?),
        };
        self.log.set_fault(fault);
        Ok(())
    }

    /// Answers the next requests with these statuses and JSON bodies, in turn, before anything
    /// else.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// sandbox.script([(400, r#"{"error": {"message": "no"}}"#)]);
    /// assert!(client.text().generate("Hi").await.is_err());
    /// assert!(client.text().generate("Hi").await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn script<B: Into<String>>(&self, replies: impl IntoIterator<Item = (u16, B)>) {
        self.log.script(
            replies
                .into_iter()
                .map(|(status, body)| (status, body.into())),
        );
    }

    /// Waits until the sandbox ends, which it does by itself only when its runtime fails.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// let url = sandbox.base_url().to_owned();
    /// std::thread::spawn(|| sandbox.wait());
    ///
    /// let client = blossom::Blossom::builder().base_url(url).build()?;
    /// assert!(client.text().generate("Hi").await.is_ok(), "it goes on to serve");
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The thread waits for the other half to be sent to or dropped.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The fault is not one that the sandbox knows; `Display` lists them.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = blossom::sandbox::Sandbox::start()?;
/// let error = sandbox.fault("stale").unwrap_err();
/// assert!(error.to_string().contains("stall"), "it lists them");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct UnknownFault(String);

impl std::fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnknownFault {}
