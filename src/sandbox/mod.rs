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

use std::{io, sync::Arc, thread, time::Duration};

pub use self::log::Recorded;
use self::{
    fault::Fault,
    log::Log,
    server::{Config, Server},
};

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
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Begins a sandbox with delays, a key, or a port of its own.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Where it listens, such as `http://127.0.0.1:40123`.
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
    #[must_use]
    pub fn count(&self) -> u64 {
        self.log.counts().count
    }

    /// How many connections were opened.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.log.counts().connections
    }

    /// How many requests are under way: until their response body has ended or its connection is
    /// gone.
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
    #[must_use]
    pub fn generations(&self) -> u64 {
        self.log.counts().generations
    }

    /// What they cost, in pollen, by the prices of the model lists.
    #[must_use]
    pub fn pollen(&self) -> f64 {
        self.log.counts().pollen
    }

    /// How many bytes of response bodies were handed to connections.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.log.counts().bytes_sent
    }

    /// Forgets requests and counters. What is under way stays counted.
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

/// Begins a [`Sandbox`].
///
/// | setting | default |
/// | --- | --- |
/// | `port` | a free one |
/// | `latency` | 0: before the head of a reply that is no stream |
/// | `first_event` | 0: before the first event of a stream |
/// | `event` | 0: before each further event |
/// | `api_key` | none: any key or none will do |
/// | `compress` | no |
/// | `server_cache` | no |
/// | `unpaid` | no: as many generations at a time as are asked for |
/// | `pollen_per_hour`, `pollen_burst` | 1 and 10, for publishable keys |
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use blossom::sandbox::Sandbox;
///
/// let sandbox = Sandbox::builder()
///     .latency(Duration::from_millis(200))
///     .first_event(Duration::from_millis(20))
///     .event(Duration::from_millis(5))
///     .start()?;
/// println!("{}", sandbox.base_url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct SandboxBuilder {
    config: Config,
}

impl SandboxBuilder {
    /// The port of loopback to listen on; 0 takes a free one.
    pub const fn port(mut self, port: u16) -> Self {
        self.config.port = port;
        self
    }

    /// How long the head of a reply that is no stream takes.
    pub const fn latency(mut self, latency: Duration) -> Self {
        self.config.latency = latency;
        self
    }

    /// How long the first event of a stream takes.
    pub const fn first_event(mut self, first_event: Duration) -> Self {
        self.config.first_event = first_event;
        self
    }

    /// How long each further event of a stream takes.
    pub const fn event(mut self, event: Duration) -> Self {
        self.config.event = event;
        self
    }

    /// The only key that generates; others get 401.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.config.api_key = Some(key.into());
        self
    }

    /// Whether replies are compressed: zstd, br or gzip, whichever the request accepts best.
    /// Default: no.
    pub const fn compress(mut self, compress: bool) -> Self {
        self.config.compress = compress;
        self
    }

    /// Whether the service's cache stands before the models. Default: no.
    ///
    /// It keeps whole replies and streams and gives them again with `X-Cache: HIT`, whoever asks;
    /// identical requests in flight are joined, unless they ask for a stream.
    pub const fn server_cache(mut self, server_cache: bool) -> Self {
        self.config.server_cache = server_cache;
        self
    }

    /// Whether accounts have no paid balance. Default: no.
    ///
    /// Such an account, which is a key here, has one generation at a time; the slot is held until
    /// the body of the answer has ended, and a second request gets 429 in form C.
    pub const fn unpaid(mut self, unpaid: bool) -> Self {
        self.config.unpaid = unpaid;
        self
    }

    /// How much pollen a publishable key (`pk_..`) may spend in an hour; prices stand in the model
    /// lists. Default: 1.
    ///
    /// What a request costs is booked after it; the next one waits, which is 429 in form B. With
    /// zero a key that has spent its burst waits for a year.
    pub const fn pollen_per_hour(mut self, pollen: f64) -> Self {
        self.config.pollen_per_hour = pollen;
        self
    }

    /// How much pollen a publishable key that was idle has saved up. Default: 10.
    pub const fn pollen_burst(mut self, pollen: f64) -> Self {
        self.config.pollen_burst = pollen;
        self
    }

    /// Starts it; it listens when this returns.
    ///
    /// # Errors
    ///
    /// Those of the operating system: the port is taken, or no thread can be had.
    pub fn start(self) -> io::Result<Sandbox> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", self.config.port))?;
        listener.set_nonblocking(true)?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let log = Arc::new(Log::default());
        let server = Server::new(self.config, log.clone());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = thread::Builder::new()
            .name("blossom-sandbox".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = server.serve(listener) => {}
                        _ = stopped => {}
                    }
                });
                // Ends what is under way, so that nobody waits for it.
                runtime.shutdown_background();
            })?;
        Ok(Sandbox {
            base_url,
            log,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}
