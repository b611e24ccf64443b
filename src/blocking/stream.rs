use std::{fmt, pin::Pin, sync::Arc};

use futures_core::Stream as _;

use super::workers::Workers;
use crate::{Result, client, client::Text, protocol::Delta};

/// An answer that arrives piece by piece: an iterator of its pieces.
///
/// It reads from the upstream only when it is asked for the next piece, so a slow reader slows the
/// upstream and nothing piles up. The errors are those of [`crate::TextStream`]; after one the stream
/// is at its end. Dropping it cancels the generation.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
/// let stream = client.text().generate("Write a story").stream()?;
/// let story: String = stream.map(|delta| Ok(delta?.content().to_owned())).collect::<blossom::Result<_>>()?;
/// assert!(!story.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct TextStream {
    workers: Arc<Workers>,
    // `None` only once it is finished or dropped.
    inner: Option<client::TextStream>,
}

impl TextStream {
    pub(super) const fn new(workers: Arc<Workers>, inner: client::TextStream) -> Self {
        Self {
            workers,
            inner: Some(inner),
        }
    }

    /// Reads what is left and gives the whole answer.
    ///
    /// # Errors
    ///
    /// As [`TextStream::finish`](crate::TextStream::finish).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let stream = client.text().generate("Write a story").stream()?;
    /// assert!(stream.finish()?.usage().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(mut self) -> Result<Text> {
        match self.inner.take() {
            Some(inner) => self.workers.call(inner.finish())?,
            None => Ok(Text::default()),
        }
    }
}

impl Iterator for TextStream {
    type Item = Result<Delta>;

    fn next(&mut self) -> Option<Result<Delta>> {
        let inner = self.inner.as_mut()?;
        self.workers.poll(|cx| Pin::new(&mut *inner).poll_next(cx))
    }
}

impl Drop for TextStream {
    fn drop(&mut self) {
        self.workers.release(self.inner.take());
    }
}

impl fmt::Debug for TextStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TextStream").field(&self.inner).finish()
    }
}
