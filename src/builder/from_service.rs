//! A client over a stack of the user's own.

use std::fmt;

use super::Settings;
use crate::{Blossom, Endpoint, client::Stack};

/// Begins a client over a stack of your own; see [`Blossom::from_service`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// use blossom::{Blossom, Dialect, Endpoint, transport::Transport};
///
/// let client = Blossom::from_service(Transport::builder().build()?)
///     .endpoint(Endpoint::new(Dialect::Gen, sandbox.base_url())?)
///     .max_response_bytes(1 << 20)
///     .build();
/// println!("{}", client.text().generate("What is Rust?").await?);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct FromService {
    stack: Stack,
    settings: Settings,
}

impl FromService {
    pub(crate) fn new(stack: Stack) -> Self {
        Self {
            stack,
            settings: Settings {
                preset: false,
                ..Settings::default()
            },
        }
    }

    /// Where the requests go. Default: gen, `https://gen.pollinations.ai`.
    ///
    /// ```
    /// use blossom::{Blossom, Dialect, Endpoint, transport::Transport};
    ///
    /// let stack = Transport::builder().build()?;
    /// let client = Blossom::from_service(stack).endpoint(Endpoint::v1()).build();
    /// assert_eq!(client.endpoint().dialect(), Dialect::V1);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.settings.endpoint = endpoint;
        self
    }

    /// The largest reply that is read whole; streams have no such limit. Default: 64 MiB.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use blossom::{Blossom, Dialect, Endpoint, transport::Transport};
    ///
    /// let client = Blossom::from_service(Transport::builder().build()?)
    ///     .endpoint(Endpoint::new(Dialect::Gen, sandbox.base_url())?)
    ///     .max_response_bytes(10)
    ///     .build();
    /// assert!(client.text().generate("A long story").await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub const fn max_response_bytes(mut self, max_response_bytes: usize) -> Self {
        self.settings.max_response_bytes = max_response_bytes;
        self
    }

    /// Builds the client.
    ///
    /// ```
    /// use blossom::{Blossom, transport::Transport};
    ///
    /// let client = Blossom::from_service(Transport::builder().build()?).build();
    /// assert!(client.limits().is_none(), "of a stack of your own nothing is known");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn build(self) -> Blossom {
        Blossom::assemble(
            self.stack,
            self.settings,
            #[cfg(feature = "cache-memory")]
            None,
        )
    }
}

impl fmt::Debug for FromService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromService")
            .field("endpoint", &self.settings.endpoint)
            .finish_non_exhaustive()
    }
}
