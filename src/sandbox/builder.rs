use std::{io, sync::Arc, thread, time::Duration};

use super::{
    Sandbox,
    log::Log,
    server::{Config, Server},
};

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
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::sandbox::Sandbox;
    /// let sandbox = Sandbox::start()?;
    /// let port = sandbox.base_url().rsplit(':').next().unwrap_or_default().parse()?;
    /// assert!(Sandbox::builder().port(port).start().is_err(), "the port is taken");
    /// # Ok(())
    /// # }
    /// ```
    pub const fn port(mut self, port: u16) -> Self {
        self.config.port = port;
        self
    }

    /// How long the head of a reply that is no stream takes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::{Duration, Instant};
    /// # use blossom::{Blossom, sandbox::Sandbox};
    /// let latency = Duration::from_millis(5);
    /// let sandbox = Sandbox::builder().latency(latency).start()?;
    /// # let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let begun = Instant::now();
    /// client.text().generate("Hi").await?;
    /// assert!(begun.elapsed() >= latency);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn latency(mut self, latency: Duration) -> Self {
        self.config.latency = latency;
        self
    }

    /// How long the first event of a stream takes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::{Duration, Instant};
    /// # use blossom::{Blossom, sandbox::Sandbox};
    /// let first = Duration::from_millis(5);
    /// let sandbox = Sandbox::builder().first_event(first).start()?;
    /// # let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let begun = Instant::now();
    /// client.text().generate("Hi").stream().await?.next().await.transpose()?;
    /// assert!(begun.elapsed() >= first);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn first_event(mut self, first_event: Duration) -> Self {
        self.config.first_event = first_event;
        self
    }

    /// How long each further event of a stream takes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::{Duration, Instant};
    /// # use blossom::{Blossom, sandbox::Sandbox};
    /// let event = Duration::from_millis(1);
    /// let sandbox = Sandbox::builder().event(event).start()?;
    /// # let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let begun = Instant::now();
    /// client.text().generate("Hi").stream().await?.finish().await?;
    /// assert!(begun.elapsed() >= event, "it has more events than one");
    /// # Ok(())
    /// # }
    /// ```
    pub const fn event(mut self, event: Duration) -> Self {
        self.config.event = event;
        self
    }

    /// The only key that generates; others get 401.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Blossom, ErrorKind, sandbox::Sandbox};
    /// let sandbox = Sandbox::builder().api_key("sk_mine").start()?;
    /// let client = Blossom::builder().base_url(sandbox.base_url());
    /// let text = |client: Blossom| async move { client.text().generate("Hi").await };
    /// assert!(text(client.clone().api_key("sk_mine").build()?).await.is_ok());
    /// let error = text(client.api_key("sk_yours").build()?).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unauthorized);
    /// # Ok(())
    /// # }
    /// ```
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.config.api_key = Some(key.into());
        self
    }

    /// Whether replies are compressed: zstd, br or gzip, whichever the request accepts best.
    /// Default: no.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom::layers::BoxError> {
    /// # use blossom::{Body, sandbox::Sandbox, transport::Transport};
    /// # use http::Request;
    /// # use tower::ServiceExt;
    /// let sandbox = Sandbox::builder().compress(true).start()?;
    /// let request = Request::get(format!("{}/models", sandbox.base_url()))
    ///     .header("accept-encoding", "gzip")
    ///     .body(Body::empty())?;
    /// let response = Transport::builder().build()?.oneshot(request).await?;
    /// assert_eq!(response.headers()["content-encoding"], "gzip");
    /// # Ok(())
    /// # }
    /// ```
    pub const fn compress(mut self, compress: bool) -> Self {
        self.config.compress = compress;
        self
    }

    /// Whether the service's cache stands before the models. Default: no.
    ///
    /// It keeps whole replies and streams and gives them again with `X-Cache: HIT`, whoever asks;
    /// identical requests in flight are joined, unless they ask for a stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Blossom, sandbox::Sandbox};
    /// let sandbox = Sandbox::builder().server_cache(true).start()?;
    /// # let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let ask = client.text().generate("What is Rust?");
    /// ask.clone().await?;
    /// ask.fresh().await?;
    /// assert_eq!((sandbox.count(), sandbox.generations()), (2, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn server_cache(mut self, server_cache: bool) -> Self {
        self.config.server_cache = server_cache;
        self
    }

    /// Whether accounts have no paid balance. Default: no.
    ///
    /// Such an account, which is a key here, has one generation at a time; the slot is held until
    /// the body of the answer has ended, and a second request gets 429 in form C.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Blossom, ErrorKind, sandbox::Sandbox};
    /// let sandbox = Sandbox::builder().unpaid(true).start()?;
    /// # let client = Blossom::builder().base_url(sandbox.base_url()).api_key("pk_mine").max_attempts(1).build()?;
    /// let stalled = client.text().generate("One").header("x-sandbox-fault", "stall").stream().await?;
    /// let error = client.text().generate("Two").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::RateLimited);
    /// # drop(stalled);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn unpaid(mut self, unpaid: bool) -> Self {
        self.config.unpaid = unpaid;
        self
    }

    /// How much pollen a publishable key (`pk_..`) may spend in an hour; prices stand in the model
    /// lists. Default: 1.
    ///
    /// What a request costs is booked after it; the next one waits, which is 429 in form B. With
    /// zero a key that has spent its burst waits for a year.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use blossom::{Blossom, sandbox::Sandbox};
    /// let sandbox = Sandbox::builder().pollen_per_hour(60.0).pollen_burst(0.0).start()?;
    /// sandbox.fault("pollen")?; // each answer costs one
    /// # let client = Blossom::builder().base_url(sandbox.base_url()).api_key("pk_mine").max_attempts(1).build()?;
    /// client.text().generate("One").await?;
    /// let error = client.text().generate("Two").await.unwrap_err();
    /// assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn pollen_per_hour(mut self, pollen: f64) -> Self {
        self.config.pollen_per_hour = pollen;
        self
    }

    /// How much pollen a publishable key that was idle has saved up. Default: 10.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{Blossom, ErrorKind, sandbox::Sandbox};
    /// let sandbox = Sandbox::builder().pollen_burst(0.0).start()?;
    /// sandbox.fault("pollen")?; // each answer costs one
    /// # let client = Blossom::builder().base_url(sandbox.base_url()).api_key("pk_mine").max_attempts(1).build()?;
    /// client.text().generate("One").await?;
    /// let error = client.text().generate("Two").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::RateLimited);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn pollen_burst(mut self, pollen: f64) -> Self {
        self.config.pollen_burst = pollen;
        self
    }

    /// Starts it; it listens when this returns.
    ///
    /// # Errors
    ///
    /// Those of the operating system: the port is taken, or no thread can be had.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::sandbox::Sandbox;
    /// let (one, two) = (Sandbox::builder().start()?, Sandbox::builder().start()?);
    /// assert_ne!(one.base_url(), two.base_url());
    /// # Ok(())
    /// # }
    /// ```
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
