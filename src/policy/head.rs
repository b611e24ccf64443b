use std::time::Duration;

use http::{Request, header::ACCEPT};

use crate::{layers::timeout::After, protocol};

/// How long to wait for the head of a reply.
///
/// The head of a stream comes when the generation begins, that of any other reply when it is done,
/// so the two have a time of their own. A request that accepts `text/event-stream` wants a stream.
///
/// ```
/// use std::time::Duration;
///
/// use blossom::{layers::timeout::{After, HeadTimeoutLayer}, policy::HeadAfter};
///
/// let (stream, unary) = (Duration::from_secs(60), Duration::from_secs(300));
/// let after = HeadAfter::new(stream, unary);
/// assert_eq!(after.after(&http::Request::new(())), unary);
/// let layer = HeadTimeoutLayer::new(after);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadAfter {
    stream: Duration,
    unary: Duration,
}

impl HeadAfter {
    /// Waits `stream` for the head of a stream, and `unary` for any other.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use blossom::{layers::timeout::After, policy::HeadAfter, protocol::{Endpoint, TextRequest}};
    ///
    /// let after = HeadAfter::new(Duration::from_secs(60), Duration::from_secs(300));
    /// let request = TextRequest::new("Hi").stream(true).encode(&Endpoint::default())?;
    /// assert_eq!(after.after(&request), Duration::from_secs(60));
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub const fn new(stream: Duration, unary: Duration) -> Self {
        Self { stream, unary }
    }
}

impl<B> After<B> for HeadAfter {
    fn after(&self, request: &Request<B>) -> Duration {
        let wants_stream = protocol::header(request.headers(), &ACCEPT)
            .is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
        if wants_stream {
            self.stream
        } else {
            self.unary
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_told_by_what_the_request_accepts() {
        let policy = HeadAfter::new(Duration::from_secs(1), Duration::from_secs(2));
        let stream = Request::get("/")
            .header(ACCEPT, "text/event-stream")
            .body(())
            .unwrap();

        assert_eq!(policy.after(&stream), Duration::from_secs(1));
        assert_eq!(policy.after(&Request::new(())), Duration::from_secs(2));
    }
}
