use crate::layers::limit::{concurrency, rate};

/// A live view of the limits of a client; see [`Blossom::limits`](super::Blossom::limits).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let limits = client.limits().ok_or("the preset has limits")?;
/// assert_eq!(limits.concurrency().limit(), 64);
/// limits.concurrency().set_limit(8); // from now on
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Limits {
    concurrency: concurrency::Handle,
    rate: rate::Handle,
}

impl Limits {
    pub(crate) const fn new(concurrency: concurrency::Handle, rate: rate::Handle) -> Self {
        Self { concurrency, rate }
    }

    /// Calls under way and waiting; can change how many may be under way at once.
    #[must_use]
    pub const fn concurrency(&self) -> &concurrency::Handle {
        &self.concurrency
    }

    /// What is left of the quotas, and who waits for them.
    #[must_use]
    pub const fn rate(&self) -> &rate::Handle {
        &self.rate
    }
}
