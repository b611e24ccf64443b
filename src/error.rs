//! The error of the client.

use std::{error, fmt, sync::Arc, time::Duration};

use http::StatusCode;

use crate::{client::Partial, layers::BoxError};

/// `std::result::Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed.
///
/// Small and opaque: [`kind`](Self::kind) says what it is, the getters what is known of it.
/// `Display` is one line; neither it nor `Debug` shows a key, a prompt or a query string. Cloning it,
/// as calls that were one do, shares its source.
///
/// ```
/// use blossom::{Blossom, ErrorKind};
///
/// let error = Blossom::builder().build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Builder);
/// assert!(error.to_string().contains("set BLOSSOM_API_KEY"));
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    attempts: u32,
    elapsed: Option<Duration>,
    partial: Option<Partial>,
    retryable: Option<bool>,
    suggestion: Option<&'static str>,
    source: Option<Arc<dyn error::Error + Send + Sync>>,
}

/// What kind of failure an [`Error`] is.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::ErrorKind;
///
/// let call = client.text().generate("Hi").header("x-sandbox-fault", "status;code=402");
/// let error = call.await.unwrap_err();
/// match error.kind() {
///     ErrorKind::Payment => println!("top up: {error}"),
///     ErrorKind::RateLimited => println!("wait {:?}", error.retry_after()),
///     kind => println!("{kind:?}: {error}"),
/// }
/// # assert_eq!(error.kind(), ErrorKind::Payment);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client cannot be built like this.
    Builder,
    /// No connection to the upstream could be made, or it broke before anything was received.
    Connect,
    /// A clock fired: connect, head, first event, idle or total.
    Timeout,
    /// Refused here because too much is under way.
    Overloaded,
    /// The upstream, or a quota here, allows no more for now.
    RateLimited,
    /// The key is missing, wrong, or not allowed to do this.
    Unauthorized,
    /// The request is not one that can succeed: a parameter, the model, the size.
    InvalidRequest,
    /// The upstream failed.
    Upstream,
    /// The reply could not be understood.
    Decode,
    /// The call was given up by its caller.
    Canceled,
    /// A budget here is spent.
    Spend,
    /// The reply ended before it was complete; [`Error::partial`] holds what had arrived.
    Truncated,
    /// The stream was closed because nobody read it for too long.
    Unread,
    /// The stream was shared with faster readers and fell too far behind.
    Lagged,
    /// The upstream refuses the content of the request or of the answer.
    ContentPolicy,
    /// The account or the key has no balance left.
    Payment,
    /// A file of the caller's could not be read or written.
    Io,
}

impl ErrorKind {
    const fn describe(self) -> &'static str {
        match self {
            Self::Builder => "cannot build the client",
            Self::Connect => "cannot connect",
            Self::Timeout => "timed out",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate limited",
            Self::Unauthorized => "not authorized",
            Self::InvalidRequest => "invalid request",
            Self::Upstream => "the upstream failed",
            Self::Decode => "cannot decode the reply",
            Self::Canceled => "canceled",
            Self::Spend => "the budget is spent",
            Self::Truncated => "the reply is incomplete",
            Self::Unread => "the stream was not read",
            Self::Lagged => "the stream fell behind",
            Self::ContentPolicy => "refused by the content policy",
            Self::Payment => "payment required",
            Self::Io => "a file cannot be used",
        }
    }

    /// Whether the same request may succeed when it is sent again, if nothing more is known.
    const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Connect
                | Self::Timeout
                | Self::Overloaded
                | Self::RateLimited
                | Self::Upstream
                | Self::Truncated
                | Self::Lagged
        )
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                status: None,
                retry_after: None,
                request_id: None,
                attempts: 0,
                elapsed: None,
                partial: None,
                retryable: None,
                suggestion: None,
                source: None,
            }),
        }
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner.source = Some(Arc::from(source.into()));
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.inner.status = Some(status);
        self
    }

    pub(crate) fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.inner.retry_after = after;
        self
    }

    pub(crate) fn with_request_id(mut self, id: Option<String>) -> Self {
        self.inner.request_id = id;
        self
    }

    pub(crate) fn with_partial(mut self, partial: Partial) -> Self {
        self.inner.partial = Some(partial);
        self
    }

    pub(crate) fn with_retryable(mut self, retryable: bool) -> Self {
        self.inner.retryable = Some(retryable);
        self
    }

    pub(crate) fn with_suggestion(mut self, suggestion: &'static str) -> Self {
        self.inner.suggestion = Some(suggestion);
        self
    }

    pub(crate) fn after(mut self, attempts: u32, elapsed: Duration) -> Self {
        self.inner.attempts = attempts;
        self.inner.elapsed = Some(elapsed);
        self
    }

    /// What kind of failure it is.
    ///
    /// ```
    /// use blossom::{Blossom, ErrorKind};
    ///
    /// let error = Blossom::builder().base_url("not a URL").build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Builder);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether the same request may succeed when it is sent again.
    ///
    /// It says nothing about what has been paid: a stream that broke may have been billed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let call = client.text().generate("Hi").header("x-sandbox-fault", "status;code=400");
    /// assert!(!call.await.unwrap_err().is_retryable());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.inner
            .retryable
            .unwrap_or_else(|| self.inner.kind.is_transient())
    }

    /// The status of the upstream's answer, if there was one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let call = client.text().generate("Hi").header("x-sandbox-fault", "status;code=400");
    /// assert_eq!(call.await.unwrap_err().status().ok_or("it was answered")?, 400);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// How long the upstream asks to wait.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// use std::time::Duration;
    ///
    /// let builder = blossom::Blossom::builder().base_url(sandbox.base_url());
    /// let client = builder.max_attempts(1).build()?;
    /// let fault = "status;code=429;retry-after=7";
    /// let call = client.text().generate("Hi").header("x-sandbox-fault", fault);
    /// assert_eq!(call.await.unwrap_err().retry_after(), Some(Duration::from_secs(7)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// The upstream's name for the request, for questions to its operators; where it gave none, the id
    /// that the call bore with [`request_ids`](crate::Builder::request_ids).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let call = client.text().generate("Hi").header("x-sandbox-fault", "status;code=400");
    /// assert_eq!(call.await.unwrap_err().request_id(), Some("req_sandbox"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        let of_reply = || self.inner.partial.as_ref()?.text().request_id();
        self.inner.request_id.as_deref().or_else(of_reply)
    }

    /// How often the request was sent, or it was tried to connect for it; 0 if that never was.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let call = client.text().generate("Hi").header("x-sandbox-fault", "status;code=400");
    /// assert_eq!(call.await.unwrap_err().attempts(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    /// How long the call took until it failed; `None` if it never began.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let call = client.text().generate("Hi").header("x-sandbox-fault", "status;code=400");
    /// assert!(call.await.unwrap_err().elapsed().is_some());
    /// let never_began = blossom::Blossom::builder().build().unwrap_err();
    /// assert_eq!(never_began.elapsed(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.inner.elapsed
    }

    /// What a stream had delivered before it broke.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let cut = client.text().chat(["A story"]).header("x-sandbox-fault", "cut;after-events=3");
    /// let error = cut.stream().await?.finish().await.unwrap_err();
    /// println!("as far as it came: {}", error.partial().ok_or("it began")?.content());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn partial(&self) -> Option<&Partial> {
        self.inner.partial.as_ref()
    }

    /// What may help, in a sentence.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let call = client.text().generate("Hi").header("x-sandbox-fault", "status;code=402");
    /// let error = call.await.unwrap_err();
    /// assert!(error.suggestion().is_some_and(|text| text.starts_with("add balance")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.inner.suggestion
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.inner.kind.describe())?;
        if let Some(status) = self.inner.status {
            write!(f, " ({})", status.as_u16())?;
        }
        if !self.inner.message.is_empty() {
            write!(f, ": {}", self.inner.message)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("message", &inner.message)
            .field("status", &inner.status.map(|status| status.as_u16()))
            .field("retryable", &self.is_retryable())
            .field("retry_after", &inner.retry_after)
            .field("request_id", &inner.request_id)
            .field("attempts", &inner.attempts)
            .field("elapsed", &inner.elapsed)
            .field("partial", &inner.partial)
            .field("suggestion", &inner.suggestion)
            .finish_non_exhaustive()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.inner
            .source
            .as_deref()
            .map(|source| source as &(dyn error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn shows_one_line_and_keeps_its_source() {
        let error = Error::new(ErrorKind::Upstream, "no provider")
            .with_status(StatusCode::BAD_GATEWAY)
            .with_source("inner");

        assert_eq!(error.to_string(), "the upstream failed (502): no provider");
        assert_eq!(error::Error::source(&error).unwrap().to_string(), "inner");
        assert!(error.is_retryable());
        assert!(!error.with_retryable(false).is_retryable());
    }
}
