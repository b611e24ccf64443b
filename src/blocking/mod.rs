//! The client without async, for programs and threads that have no runtime.
//!
//! [`Blossom`] makes the same calls as [`crate::Blossom`], with the same settings; in place of
//! `.await` stands [`send()`](Call::send), and a stream is an iterator.
//!
//! It can be used from any thread, also from one that runs a runtime: calls are made on a runtime of
//! its own, on one thread, which a client shares with its clones, and the caller's thread is parked
//! meanwhile. What the client's cache has is answered on the caller's thread, which then neither wakes
//! another nor waits for one. (Inside a runtime that thread is a worker which does nothing else as long: it delays
//! other tasks, but it never waits for itself.)
//!
//! A call costs at most two thread wake-ups over the async one: the runtime's, and the caller's when
//! its answer is there. A piece of a stream costs the latter only. Measured by `cargo bench --bench
//! blocking` on two cores of an AMD EPYC virtual machine, 2026-11-25: none for an answer from the cache,
//! 1.0 for one that an upstream takes 1 ms to give, and 1.5 where a cache was asked before.
//!
//! What has no method here is done by [`block_on`](Blossom::block_on) with the
//! [async client](Blossom::client) inside.
//!
//! # Example
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("cat.jpg");
//! use blossom::{Blossom, sandbox::Sandbox};
//!
//! let sandbox = Sandbox::start()?;
//! let client = Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
//!
//! let answer = client.text().generate("What is Rust?").max_tokens(200).send()?;
//! println!("{answer}");
//!
//! let mut stream = client.text().generate("Write a story").stream()?;
//! for delta in &mut stream {
//!     print!("{}", delta?);
//! }
//! let whole = stream.finish()?; // an error if the stream was cut
//! # assert!(whole.usage().is_some());
//!
//! let image = client.image().generate("a cat").size(64, 64).send()?;
//! image.save(path).wait()?;
//! # Ok(())
//! # }
//! ```

mod call;
mod stream;
mod workers;

use std::{fmt, future::Future, sync::Arc};

use self::workers::Workers;
pub(crate) use self::workers::park_on;
pub use self::{
    call::{AudioCalls, Call, ImageCalls, TextCalls},
    stream::TextStream,
};
use crate::{Builder, Endpoint, Result, client::Models};

/// The client without async. See the [module docs](self).
///
/// Cheap to clone, and clones share everything: connections, limits, caches, and the thread
/// that makes the calls. It ends with the last clone.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
/// let threads = ["one", "two", "three"].map(|topic| {
///     let client = client.clone();
///     std::thread::spawn(move || client.text().generate(topic).send())
/// });
/// for thread in threads {
///     println!("{}", thread.join().map_err(|_| "it has panicked")??);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Blossom {
    client: crate::Blossom,
    workers: Arc<Workers>,
}

impl Blossom {
    /// A client for the key and base URL that the environment gives, as
    /// [`Blossom::from_env`](crate::Blossom::from_env).
    ///
    /// # Errors
    ///
    /// As [`Builder::build_blocking`].
    ///
    /// ```
    /// use blossom::{ErrorKind, blocking::Blossom};
    ///
    /// match Blossom::from_env() {
    ///     Ok(client) => println!("{}", client.endpoint()),
    ///     Err(error) => assert_eq!(error.kind(), ErrorKind::Builder, "there is no key, say"),
    /// }
    /// ```
    pub fn from_env() -> Result<Self> {
        Builder::from_env().build_blocking()
    }

    /// A client without async around one that may have a stack of its own.
    ///
    /// `client` must not have made a call yet on another runtime: connections belong to the runtime
    /// that opened them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Builder`](crate::ErrorKind::Builder) if no thread can be had.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use blossom::{Blossom, Dialect, Endpoint, blocking, transport::Transport};
    ///
    /// // A stack of your own, here of one layer.
    /// let client = Blossom::from_service(Transport::builder().build()?)
    ///     .endpoint(Endpoint::new(Dialect::Gen, sandbox.base_url())?)
    ///     .build();
    /// let client = blocking::Blossom::new(client)?;
    /// println!("{}", client.text().generate("What is Rust?").send()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(client: crate::Blossom) -> Result<Self> {
        let workers = Workers::start(client.has_cache())?;
        Ok(Self {
            client,
            workers: Arc::new(workers),
        })
    }

    /// The async client inside, for what has no method here; see [`block_on`](Self::block_on).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// client.text().generate("What is Rust?").send()?;
    /// client.text().generate("What is Rust?").send()?;
    /// assert_eq!(client.client().cache().stats().hits, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn client(&self) -> &crate::Blossom {
        &self.client
    }

    /// Where its calls go. `Display` shows the base URL.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// assert_eq!(client.endpoint().to_string(), sandbox.base_url());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }

    /// Text calls.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let answer = client.text().chat(["What is Rust?"]).temperature(0.1).send()?;
    /// println!("{answer}");
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
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let image = client.image().generate("a cat").size(64, 64).send()?;
    /// assert_eq!(image.content_type(), "image/jpeg");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn image(&self) -> ImageCalls<'_> {
        ImageCalls::new(self)
    }

    /// Audio calls.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let speech = client.audio().speak("Hello").voice("nova").send()?;
    /// assert!(!speech.bytes().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn audio(&self) -> AudioCalls<'_> {
        AudioCalls::new(self)
    }

    /// The text models of the service.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let models = client.models().send()?;
    /// println!("{} models", models.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn models(&self) -> Call<Models> {
        self.call(self.client.models())
    }

    /// Does anything async on the client's own runtime, and waits for it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let batch = client.client().batch(["What is Rust?", "What is Tower?"]).concurrency(2);
    /// let results = client.block_on(batch.run())?;
    /// assert_eq!(results.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Canceled`](crate::ErrorKind::Canceled) if `future` has panicked.
    pub fn block_on<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.workers.wait(future)
    }

    fn call<C>(&self, call: C) -> Call<C> {
        Call::new(self.workers.clone(), call)
    }
}

impl fmt::Debug for Blossom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

impl Builder {
    /// Builds the client without async. Opens no connection.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build); also if the thread of its runtime cannot be had.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// println!("{}", client.text().generate("What is Rust?").send()?);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
    pub fn build_blocking(self) -> Result<Blossom> {
        Blossom::new(self.build()?)
    }
}
