//! What is left of a reply that broke.

use std::fmt;

use bytes::Bytes;
use http::response::Parts;

use super::{Text, answer::Meta};

/// What a reply had delivered before it broke.
///
/// `Debug` tells how much it is; `Display` shows the content.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let cut = client.text().chat(["A story"]).header("x-sandbox-fault", "cut;after-events=3");
/// let error = cut.stream().await?.finish().await.unwrap_err();
///
/// let partial = error.partial().ok_or("something had arrived")?;
/// assert!(!partial.content().is_empty());
/// println!("{} events, {} bytes", partial.events(), partial.bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Partial {
    text: Text,
    body: Bytes,
    events: u64,
    bytes: u64,
}

impl Partial {
    pub(super) fn of_stream(text: Text, events: u64, bytes: u64) -> Self {
        Self {
            text,
            body: Bytes::new(),
            events,
            bytes,
        }
    }

    /// Of an answer that came whole, and is not what was asked for.
    pub(super) const fn of_text(text: Text) -> Self {
        Self {
            text,
            body: Bytes::new(),
            events: 0,
            bytes: 0,
        }
    }

    /// Of a reply that is no stream only plain text can be shown before it is whole.
    pub(super) fn of_body(head: &Parts, arrived: &Bytes) -> Self {
        let mut text = Text {
            meta: Meta::of(head),
            ..Text::default()
        };
        if crate::protocol::media_type(&head.headers) == "text/plain" {
            text.content = String::from_utf8_lossy(arrived).into_owned();
        }
        Self {
            text,
            body: arrived.clone(),
            events: 0,
            bytes: arrived.len() as u64,
        }
    }

    /// The text that had arrived.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let cut = client.text().chat(["A story"]).header("x-sandbox-fault", "cut;after-events=3");
    /// let error = cut.stream().await?.finish().await.unwrap_err();
    /// let partial = error.partial().ok_or("something had arrived")?;
    /// assert!(partial.content().starts_with("The "));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn content(&self) -> &str {
        &self.text.content
    }

    /// All that had arrived, as an answer. Arguments of tools may be cut.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let cut = client.text().chat(["A story"]).header("x-sandbox-fault", "cut;after-events=3");
    /// let error = cut.stream().await?.finish().await.unwrap_err();
    /// let partial = error.partial().ok_or("something had arrived")?;
    /// assert_eq!(partial.text().content(), partial.content());
    /// assert!(partial.text().finish_reason().is_none(), "it was not finished");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn text(&self) -> &Text {
        &self.text
    }

    /// What had arrived of a reply that is no stream, as it came; empty for a stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// # sandbox.script([(200, "{\"choices\": broken")]);
    /// // A reply of `{"choices": broken`, which cannot be decoded:
    /// let error = client.text().chat(["Hi"]).await.unwrap_err();
    /// let partial = error.partial().ok_or("it came whole")?;
    /// assert_eq!(partial.body(), b"{\"choices\": broken");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// How many events had arrived; 0 if the reply is no stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let cut = client.text().chat(["A story"]).header("x-sandbox-fault", "cut;after-events=3");
    /// let error = cut.stream().await?.finish().await.unwrap_err();
    /// let partial = error.partial().ok_or("something had arrived")?;
    /// assert_eq!(partial.events(), 3);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// How many bytes of the body had arrived; of a stream, those of its events' data.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let cut = client.text().chat(["A story"]).header("x-sandbox-fault", "cut;after-events=3");
    /// let error = cut.stream().await?.finish().await.unwrap_err();
    /// let partial = error.partial().ok_or("something had arrived")?;
    /// assert!(partial.bytes() > partial.content().len() as u64, "the events' JSON counts");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.content())
    }
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partial")
            .field("events", &self.events)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
