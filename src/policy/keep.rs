use std::time::Duration;

use http::{
    Request, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    response::Parts,
};

use crate::{
    layers::cache::{CachePolicy, Lifetime, Storage},
    protocol,
};

/// Keeps every answer of the Blossom protocol for a time of one's own, samples as well.
///
/// The service does the same by its own cache, whatever the temperature: the same request gets the
/// same answer, for far longer. To get another answer, change the seed.
///
/// What is no whole answer is not kept whatever is said here; see
/// [`CachePolicy`].
///
/// ```
/// use std::time::Duration;
///
/// use blossom::{
///     Dialect,
///     layers::{cache::{CacheLayer, tier::MemoryTier}, types::Scope},
///     policy::{KeepAnswers, KeyRequest},
/// };
///
/// let cache = CacheLayer::new(MemoryTier::new(1 << 20), KeyRequest::new(Dialect::Gen), Scope::fixed("team-a"))
///     .policy(KeepAnswers::new(Duration::from_secs(3600)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAnswers {
    time_to_live: Duration,
}

impl KeepAnswers {
    /// Keeps answers for `time_to_live`. Zero keeps none.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use blossom::{layers::cache::{CachePolicy, Lifetime, Storage}, policy::KeepAnswers};
    /// use http::Response;
    ///
    /// let hour = Duration::from_secs(3600);
    /// let (head, ()) = Response::builder().header("content-length", 5).body(())?.into_parts();
    /// let storage = CachePolicy::<()>::reply(&KeepAnswers::new(hour), &head);
    /// assert_eq!(storage, Storage::For(Lifetime::new(hour)));
    /// # Ok::<_, http::Error>(())
    /// ```
    #[must_use]
    pub const fn new(time_to_live: Duration) -> Self {
        Self { time_to_live }
    }
}

impl<B> CachePolicy<B> for KeepAnswers {
    fn request(&self, _request: &Request<B>) -> bool {
        true
    }

    fn reply(&self, head: &Parts) -> Storage {
        if head.status != StatusCode::OK || may_be_cut(head) {
            return Storage::Never;
        }
        Storage::For(Lifetime::new(self.time_to_live))
    }
}

/// Whether a body that was cut would look whole: it ends with its connection, and nothing in it says
/// that it is at its end.
fn may_be_cut(head: &Parts) -> bool {
    let framed = head.version > Version::HTTP_11
        || head.headers.contains_key(CONTENT_LENGTH)
        || head.headers.contains_key(TRANSFER_ENCODING);
    let says_its_end = matches!(
        protocol::media_type(&head.headers),
        "application/json" | "text/event-stream"
    );
    !framed && !says_its_end
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn reply(version: Version, fields: &[(&str, &str)]) -> Storage {
        let mut response = Response::builder().version(version);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let head = response.body(()).unwrap().into_parts().0;
        let policy = KeepAnswers::new(Duration::from_secs(60));
        CachePolicy::<()>::reply(&policy, &head)
    }

    #[test]
    fn directives_do_not_matter_and_framing_does() {
        let kept = Storage::For(Lifetime::new(Duration::from_secs(60)));
        let no_cache = ("cache-control", "no-cache");
        let text = ("content-type", "text/plain");
        let stream = ("content-type", "text/event-stream; charset=utf-8");
        assert_eq!(reply(Version::HTTP_11, &[no_cache, stream]), kept);
        assert_eq!(reply(Version::HTTP_2, &[text]), kept);
        assert_eq!(
            reply(Version::HTTP_11, &[text, ("content-length", "3")]),
            kept
        );
        assert_eq!(
            reply(Version::HTTP_11, &[text, ("transfer-encoding", "chunked")]),
            kept
        );
        assert_eq!(reply(Version::HTTP_11, &[text]), Storage::Never);
    }
}
