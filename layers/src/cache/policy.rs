use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, HeaderName, Method, Request,
    header::{DATE, EXPIRES},
    response::Parts,
};

use super::Lifetime;
use crate::directives::Directives;

/// What a [`CachePolicy`] says of a reply.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::cache::{ByDirectives, CachePolicy, Lifetime, Storage};
/// use http::Response;
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// let storage = |said| {
///     let (head, _) = Response::builder().header("cache-control", said).body(())?.into_parts();
///     Ok::<_, http::Error>(CachePolicy::<()>::reply(&ByDirectives::new(), &head))
/// };
/// assert_eq!(storage("max-age=60")?, Storage::For(Lifetime::new(Duration::from_secs(60))));
/// assert_eq!(storage("public")?, Storage::Unsaid);
/// assert_eq!(storage("no-store")?, Storage::Never);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Storage {
    /// It must not be stored.
    Never,
    /// Nothing speaks against it, and nothing says for how long: the layer's own time to live
    /// holds, if it has one.
    Unsaid,
    /// It may be used so long.
    For(Lifetime),
}

/// Which replies may be stored, and for how long.
///
/// Whatever it says, a reply is never stored that is incomplete, says `no-store` or `private`, sets a
/// cookie, is partial, or has a status that is no answer.
///
/// ```
/// use std::time::Duration;
///
/// use blossom_layers::cache::{CachePolicy, Lifetime, Storage};
/// use http::{Request, response::Parts};
///
/// /// Keeps everything for a minute.
/// struct Minute;
///
/// impl<B> CachePolicy<B> for Minute {
///     fn request(&self, _: &Request<B>) -> bool {
///         true
///     }
///     fn reply(&self, _: &Parts) -> Storage {
///         Storage::For(Lifetime::new(Duration::from_secs(60)))
///     }
/// }
/// ```
pub trait CachePolicy<B> {
    /// Whether the reply to `request` may be stored, as far as the request says. Asked on a miss.
    ///
    /// ```
    /// # use blossom_layers::cache::{ByDirectives, CachePolicy};
    /// # use http::Request;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// assert!(ByDirectives::new().request(&Request::get("/models").body(())?));
    /// assert!(!ByDirectives::new().request(&Request::post("/chat").body(())?));
    /// # Ok(())
    /// # }
    /// ```
    fn request(&self, request: &Request<B>) -> bool;

    /// Whether and for how long the reply with this head may be stored.
    ///
    /// ```
    /// # use blossom_layers::cache::{ByDirectives, CachePolicy, Storage};
    /// # use http::Response;
    /// let (head, _) = Response::new(()).into_parts();
    /// assert_eq!(CachePolicy::<()>::reply(&ByDirectives::new(), &head), Storage::Unsaid);
    /// ```
    fn reply(&self, head: &Parts) -> Storage;
}

/// Stores what the reply's own directives allow ([RFC 9111]), and of replies to requests that are
/// not GET or HEAD only those that are said to be deterministic.
///
/// A generated text is a sample: asked again, the upstream would say something else. So a reply to a
/// POST is stored only if [`deterministic`](Self::deterministic) is told how to know, for instance by
/// a seed or a temperature of 0.
///
/// `s-maxage`, `max-age` and `Expires` say how long, in that order; a reply with none of them leaves
/// it to the layer. `no-cache` is as `no-store`, since replies are not revalidated.
///
/// ```
/// use blossom_layers::cache::{ByDirectives, CachePolicy};
/// use http::Request;
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// let seeded = |request: &Request<()>| request.headers().contains_key("x-seed");
/// let policy = ByDirectives::new().deterministic(seeded);
/// assert!(policy.request(&Request::post("/chat").header("x-seed", 7).body(())?));
/// assert!(!policy.request(&Request::post("/chat").body(())?));
/// # Ok(())
/// # }
/// ```
///
/// [RFC 9111]: https://www.rfc-editor.org/rfc/rfc9111
#[derive(Debug, Clone, Copy, Default)]
pub struct ByDirectives<D = Unknown> {
    deterministic: D,
}

/// Nothing is known of replies to requests that are not GET or HEAD.
///
/// ```
/// use blossom_layers::cache::{Deterministic, Unknown};
/// use http::Request;
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// assert!(!Unknown::default().deterministic(&Request::post("/chat").body(())?));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Unknown(());

/// Whether a request that is not GET or HEAD has but one answer. Implemented for closures.
///
/// ```
/// use blossom_layers::cache::Deterministic;
/// use http::Request;
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// /// Vectors of a text are always the same.
/// struct Embeddings;
///
/// impl<B> Deterministic<B> for Embeddings {
///     fn deterministic(&self, request: &Request<B>) -> bool {
///         request.uri().path() == "/embeddings"
///     }
/// }
///
/// assert!(Embeddings.deterministic(&Request::post("/embeddings").body(())?));
/// # Ok(())
/// # }
/// ```
pub trait Deterministic<B> {
    /// Whether the same request would get the same answer.
    ///
    /// ```
    /// # use blossom_layers::cache::Deterministic;
    /// # use http::Request;
    /// let always = |_: &Request<()>| true;
    /// assert!(always.deterministic(&Request::new(())));
    /// ```
    fn deterministic(&self, request: &Request<B>) -> bool;
}

impl<B> Deterministic<B> for Unknown {
    fn deterministic(&self, _request: &Request<B>) -> bool {
        false
    }
}

impl<B, F: Fn(&Request<B>) -> bool> Deterministic<B> for F {
    fn deterministic(&self, request: &Request<B>) -> bool {
        self(request)
    }
}

impl ByDirectives {
    /// Stores replies to GET and HEAD only.
    ///
    /// ```
    /// # use blossom_layers::cache::{ByDirectives, CachePolicy};
    /// # use http::Request;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// assert!(!ByDirectives::new().request(&Request::post("/chat").body(())?));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            deterministic: Unknown(()),
        }
    }
}

impl<D> ByDirectives<D> {
    /// Stores also replies to other requests that `known` says have but one answer.
    ///
    /// ```
    /// # use blossom_layers::cache::{ByDirectives, CachePolicy};
    /// # use http::Request;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// let policy = ByDirectives::new().deterministic(|_: &Request<()>| true);
    /// assert!(policy.request(&Request::post("/chat").body(())?));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn deterministic<E>(self, known: E) -> ByDirectives<E> {
        ByDirectives {
            deterministic: known,
        }
    }
}

impl<B, D: Deterministic<B>> CachePolicy<B> for ByDirectives<D> {
    fn request(&self, request: &Request<B>) -> bool {
        matches!(*request.method(), Method::GET | Method::HEAD)
            || self.deterministic.deterministic(request)
    }

    fn reply(&self, head: &Parts) -> Storage {
        let directives = Directives::of(&head.headers);
        if directives.no_store || directives.private || directives.no_cache {
            return Storage::Never;
        }
        let Some(fresh_for) = directives
            .s_maxage
            .or(directives.max_age)
            .or_else(|| expires(&head.headers))
        else {
            return Storage::Unsaid;
        };
        Storage::For(Lifetime::new(fresh_for))
    }
}

/// From `Date`, or now, to `Expires`. One that cannot be read is past.
fn expires(headers: &HeaderMap) -> Option<Duration> {
    let date = |name: &HeaderName| {
        let value = headers.get(name)?;
        Some(
            value
                .to_str()
                .ok()
                .and_then(|text| httpdate::parse_http_date(text).ok()),
        )
    };
    let expires = date(&EXPIRES)?;
    let now = date(&DATE).flatten().unwrap_or_else(SystemTime::now);
    Some(
        expires
            .and_then(|at| at.duration_since(now).ok())
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn reply(fields: &[(&str, &str)]) -> Storage {
        let mut response = Response::builder();
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let head = response.body(()).unwrap().into_parts().0;
        CachePolicy::<()>::reply(&ByDirectives::new(), &head)
    }

    fn seconds(seconds: u64) -> Storage {
        Storage::For(Lifetime::new(Duration::from_secs(seconds)))
    }

    #[test]
    fn the_most_specific_directive_says_how_long() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let expires = ("expires", "Sun, 06 Nov 1994 08:49:47 GMT");
        assert_eq!(reply(&[]), Storage::Unsaid);
        assert_eq!(
            reply(&[("cache-control", "max-age=5, s-maxage=7"), expires]),
            seconds(7)
        );
        assert_eq!(
            reply(&[("cache-control", "max-age=5"), date, expires]),
            seconds(5)
        );
        assert_eq!(reply(&[date, expires]), seconds(10));
        assert_eq!(reply(&[("expires", "0")]), seconds(0));
    }

    #[test]
    fn a9_what_forbids_storing_is_obeyed() {
        for value in ["no-store", "private", "no-cache", "max-age=60, No-Store"] {
            assert_eq!(reply(&[("cache-control", value)]), Storage::Never);
        }
    }

    #[test]
    fn a10_a_sample_is_not_stored_unless_it_is_known_to_be_the_only_one() {
        let post = Request::post("/").body(()).unwrap();
        assert!(ByDirectives::new().request(&Request::new(())));
        assert!(!ByDirectives::new().request(&post));

        let seeded = |request: &Request<()>| request.headers().contains_key("x-seed");
        let policy = ByDirectives::new().deterministic(seeded);
        assert!(!policy.request(&post));
        let post = Request::post("/").header("x-seed", "7").body(()).unwrap();
        assert!(policy.request(&post));
    }
}
