//! Typed calls over one stack.
//!
//! A call is a value until it is awaited: it can be changed, cloned and stored.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sandbox = blossom::sandbox::Sandbox::start()?;
//! # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
//! use blossom::client::Generate;
//!
//! let call: Generate = client.text().generate("What is Rust?").max_tokens(50);
//! assert_eq!(sandbox.count(), 0);
//! call.await?;
//! assert_eq!(sandbox.count(), 1);
//! # Ok(())
//! # }
//! ```

mod answer;
mod audio;
#[cfg(feature = "cache-memory")]
mod cache;
#[cfg(test)]
mod errors_in_guide;
mod exchange;
mod failure;
pub(crate) mod file;
mod image;
mod judge;
mod limits;
mod live;
mod macros;
mod media;
mod models;
mod options;
mod partial;
mod request_id;
mod service;
mod settings;
mod stored;
mod stream;
mod text;
mod typed;
#[cfg(feature = "cache-memory")]
mod warm;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

#[cfg(feature = "cache-memory")]
pub(crate) use self::cache::CacheView;
use self::exchange::{Decode, Exchange};
use self::request_id::RequestId;
#[cfg(feature = "blocking")]
pub(crate) use self::settings::{
    chat_settings, draw_settings, example, generate_settings, speak_settings,
};
#[cfg(feature = "schema")]
#[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
pub use self::typed::{ParseCall, Typed};
pub use self::{
    answer::Text,
    audio::{AudioCalls, Speak, Speech, SpeechCall},
    file::Save,
    image::{Draw, Image, ImageCall, ImageCalls},
    limits::Limits,
    models::{Models, ModelsCall},
    partial::Partial,
    service::{ResponseBody, ResponseFuture},
    stream::TextStream,
    text::{Chat, Generate, StreamCall, TextCall, TextCalls},
};
#[cfg(feature = "cache-memory")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache-memory")))]
pub use self::{
    cache::ClientCache,
    warm::{Warm, WarmInput, WarmOptions, Warmed, Warming},
};
pub(crate) use self::{live::Live, service::Stack};
use crate::{
    Builder, Endpoint, Result,
    builder::{FromService, Settings},
    conversation::ConversationBuilder,
    layers::{BoxError, body::ReqBody},
    protocol::ModelKind,
};

/// The client.
///
/// Cheap to clone, and clones share everything: connections, limits, caches. Make one and keep it,
/// one for each tokio runtime: connections belong to the runtime that opened them.
///
/// It is also a `tower::Service` for raw requests with an absolute URI, through the same stack.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom::{Blossom, sandbox::Sandbox};
///
/// let sandbox = Sandbox::start()?;
/// let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let answer = client.text().generate("What is Rust?").await?;
/// println!("{answer}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Blossom {
    shared: Arc<Shared>,
}

struct Shared {
    stack: Stack,
    settings: Settings,
    #[cfg(feature = "cache-memory")]
    cache: Option<CacheView>,
}

impl Blossom {
    /// Begins a client with the preset.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use blossom::Blossom;
    ///
    /// let client = Blossom::builder().base_url(sandbox.base_url()).max_in_flight(8).build()?;
    /// println!("{}", client.text().generate("What is Rust?").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A client with the preset, for the key and base URL that the environment gives: the key in
    /// `BLOSSOM_API_KEY`, else `POLLINATIONS_API_KEY`; the URL in `BLOSSOM_BASE_URL`, else the
    /// public service. Nothing else reads the environment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Builder`](crate::ErrorKind::Builder) as [`Builder::build`].
    ///
    /// ```
    /// use blossom::{Blossom, ErrorKind};
    ///
    /// match Blossom::from_env() {
    ///     Ok(client) => println!("{}", client.endpoint()),
    ///     Err(error) => assert_eq!(error.kind(), ErrorKind::Builder, "there is no key, say"),
    /// }
    /// ```
    pub fn from_env() -> Result<Self> {
        Builder::from_env().build()
    }

    /// Begins a client over a stack of your own.
    ///
    /// The stack gets requests with an absolute URI and without a key. Its requirements are those of
    /// every layer here: `Clone + Send + Sync + 'static`, a `Send` future, bodies of
    /// [`Bytes`](bytes::Bytes), errors that convert into a boxed one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use std::time::Duration;
    ///
    /// use blossom::{
    ///     Blossom, Dialect, Endpoint, layers::timeout::HeadTimeoutLayer, transport::Transport,
    /// };
    /// use tower::ServiceBuilder;
    ///
    /// let stack = ServiceBuilder::new()
    ///     .layer(HeadTimeoutLayer::new(Duration::from_secs(5)))
    ///     .service(Transport::builder().build()?);
    /// let client = Blossom::from_service(stack)
    ///     .endpoint(Endpoint::new(Dialect::Gen, sandbox.base_url())?)
    ///     .build();
    /// client.text().generate("Hi").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_service<S, R>(service: S) -> FromService
    where
        S: Service<Request<ReqBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        R: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        FromService::new(Stack::new(service))
    }

    pub(crate) fn assemble(
        stack: Stack,
        settings: Settings,
        #[cfg(feature = "cache-memory")] cache: Option<CacheView>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                stack,
                settings,
                #[cfg(feature = "cache-memory")]
                cache,
            }),
        }
    }

    /// Whether some calls are answered without waiting for anybody.
    #[cfg(feature = "blocking")]
    pub(crate) fn has_cache(&self) -> bool {
        #[cfg(feature = "cache-memory")]
        return self.shared.cache.is_some();
        #[cfg(not(feature = "cache-memory"))]
        false
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Where its calls go. `Display` shows the base URL.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// assert_eq!(client.endpoint().to_string(), sandbox.base_url());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.settings.endpoint
    }

    /// Text calls.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// println!("{}", client.text().generate("What is Rust?").await?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn text(&self) -> TextCalls<'_> {
        TextCalls::new(self)
    }

    /// Image calls.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let image = client.image().generate("a cat").size(64, 64).await?;
    /// # assert!(!image.bytes().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn image(&self) -> ImageCalls<'_> {
        ImageCalls::new(self)
    }

    /// Speech calls.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let speech = client.audio().speak("Hello").await?;
    /// # assert!(!speech.bytes().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn audio(&self) -> AudioCalls<'_> {
        AudioCalls::new(self)
    }

    /// Begins a conversation: a system message once, the history kept, tools answered by themselves.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut talk = client.conversation().system("You are helpful").start();
    /// println!("{}", talk.ask("What is Rust?").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn conversation(&self) -> ConversationBuilder {
        ConversationBuilder::new(self.clone())
    }

    /// The text models of the service; for others see [`ImageCalls::models`] and
    /// [`AudioCalls::models`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.models().await?;
    /// assert!(!models.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn models(&self) -> Models {
        Models::new(self.clone(), ModelKind::Text)
    }

    fn exchange<D: Decode>(&self, request: Result<Request<ReqBody>>, decode: D) -> Exchange<D> {
        let Shared {
            stack, settings, ..
        } = &*self.shared;
        Exchange::new(stack, request, decode, settings)
    }
}

impl Service<Request<ReqBody>> for Blossom {
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> ResponseFuture {
        if self.settings().request_ids {
            // The caller has the head of the reply, and what it says.
            RequestId::of(&mut request);
        }
        self.shared.stack.call(request)
    }
}

impl fmt::Debug for Blossom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blossom")
            .field(&self.shared.settings)
            .finish()
    }
}
