use std::future::Future;

use http::Request;

use crate::{
    cause_ref,
    types::{Attempt, Refusal, RefusalKind, Reply},
};

/// Whether and when a request is sent again.
///
/// A policy is cloned for each call, as tower's is: what it keeps in itself belongs to the call, what it
/// keeps behind an `Arc` to all of them.
///
/// ```
/// use std::future::{Ready, ready};
///
/// use blossom_layers::{body::{Known, ReqBody}, retry::Policy, types::Reply};
/// use http::Request;
///
/// /// Tries once more, at once, whatever failed.
/// #[derive(Clone)]
/// struct OnceMore { tried: bool }
///
/// impl Policy<ReqBody> for OnceMore {
///     type Wait = Ready<()>;
///
///     fn clone_request(&mut self, request: &Request<ReqBody>) -> Option<Request<ReqBody>> {
///         let body = request.body().try_clone()?;
///         let mut clone = Request::new(body);
///         *clone.uri_mut() = request.uri().clone();
///         *clone.method_mut() = request.method().clone();
///         *clone.headers_mut() = request.headers().clone();
///         Some(clone)
///     }
///
///     fn retry(&mut self, _: &Request<ReqBody>, reply: &Reply<'_>) -> Option<Ready<()>> {
///         let failed = reply.status().is_none_or(|status| status.is_server_error());
///         let first = !std::mem::replace(&mut self.tried, true);
///         (failed && first).then(|| ready(()))
///     }
/// }
/// let mut policy = OnceMore { tried: false };
/// let request = Request::new(ReqBody::empty());
/// let failed = Reply::ended(http::StatusCode::BAD_GATEWAY);
/// assert!(policy.retry(&request, &failed).is_some());
/// assert!(policy.retry(&request, &failed).is_none());
/// ```
pub trait Policy<B> {
    /// The wait before the next attempt.
    type Wait: Future<Output = ()>;

    /// A request that sends the same bytes and headers, or `None` if there can be none: then it is sent
    /// once, and nothing more is asked.
    ///
    /// ```
    /// use blossom_layers::{body::ReqBody, retry::{Policy, Standard}, test_util::ScriptedBody};
    /// use http::Request;
    ///
    /// let whole = Request::new(ReqBody::from("hello"));
    /// assert!(Standard::new().clone_request(&whole).is_some());
    /// let stream = Request::new(ReqBody::stream(ScriptedBody::new()));
    /// assert!(Standard::new().clone_request(&stream).is_none());
    /// ```
    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>>;

    /// The wait before `request` is sent again because of this reply, or `None` if the reply is to be
    /// passed on.
    ///
    /// Asked for every reply, also for those that succeeded. For a stream whose head is held it is asked
    /// a second time if the stream fails before its first content.
    ///
    /// ```
    /// use blossom_layers::{body::ReqBody, retry::{Policy, Standard}, types::Reply};
    /// use http::{Request, StatusCode};
    ///
    /// let request = Request::new(ReqBody::empty());
    /// let retries = |status| Standard::new().retry(&request, &Reply::ended(status)).is_some();
    /// assert!(retries(StatusCode::BAD_GATEWAY));
    /// assert!(!retries(StatusCode::OK) && !retries(StatusCode::BAD_REQUEST));
    /// ```
    fn retry(&mut self, request: &Request<B>, reply: &Reply<'_>) -> Option<Self::Wait>;

    /// Whether [`retry`](Self::retry) wants to see the beginning of the body of this answer, which failed
    /// by its status. By default it does not.
    ///
    /// ```
    /// use blossom_layers::{
    ///     body::ReqBody,
    ///     retry::{Policy, Standard},
    ///     types::{Class, Classify, Reply},
    /// };
    /// use http::StatusCode;
    ///
    /// struct ByText;
    ///
    /// impl Classify for ByText {
    /// #   fn classify(&self, _: &Reply<'_>) -> Class { Class::Transient }
    ///     fn wants_body(&self, reply: &Reply<'_>) -> bool {
    ///         reply.status() == Some(StatusCode::TOO_MANY_REQUESTS)
    ///     }
    /// }
    /// // The policy asks what it classifies by.
    /// let policy = Standard::new().classify(ByText);
    /// let reply = Reply::ended(StatusCode::TOO_MANY_REQUESTS);
    /// assert!(Policy::<ReqBody>::wants_body(&policy, &reply));
    /// ```
    fn wants_body(&self, reply: &Reply<'_>) -> bool {
        let _ = reply;
        false
    }

    /// Whether [`retry`](Self::retry) has just passed a reply on only because no more retries may be made
    /// for now. Then the reply says so, and retry layers further out do not make them either. By default
    /// it has not.
    ///
    /// ```
    /// use blossom_layers::{body::ReqBody, retry::{Budget, Policy, Standard}, types::Reply};
    /// use http::{Request, StatusCode};
    ///
    /// let mut policy = Standard::new().budget(Budget::new(0, 0));
    /// let reply = Reply::ended(StatusCode::BAD_GATEWAY);
    /// assert!(policy.retry(&Request::new(ReqBody::empty()), &reply).is_none());
    /// assert!(Policy::<ReqBody>::is_out_of_budget(&policy));
    /// ```
    fn is_out_of_budget(&self) -> bool {
        false
    }
}

/// Whether a request may be sent again after a reply that another try could mend.
///
/// Sending again is not harmless where the first one may still be at work, or may be paid for.
///
/// Implemented for closures that take the attempt that failed, the request and the reply.
///
/// ```
/// use blossom_layers::{retry::Repeat, types::{Attempt, Reply}};
/// use http::{Request, StatusCode};
///
/// // Only what was refused for a while, and only once.
/// let busy = |attempt: Attempt, _: &Request<()>, reply: &Reply<'_>| {
///     attempt == Attempt::FIRST && reply.status() == Some(StatusCode::TOO_MANY_REQUESTS)
/// };
/// let reply = Reply::ended(StatusCode::TOO_MANY_REQUESTS);
/// assert!(busy.may_repeat(Attempt::FIRST, &Request::new(()), &reply));
/// assert!(!busy.may_repeat(Attempt::FIRST.next(), &Request::new(()), &reply));
/// ```
pub trait Repeat<B> {
    /// Whether `request` may be sent again.
    ///
    /// ```
    /// # fn main() -> Result<(), http::Error> {
    /// use blossom_layers::{retry::{Idempotent, Repeat}, types::{Attempt, Reply}};
    /// use http::Request;
    ///
    /// let lost = std::io::Error::other("connection reset");
    /// let reply = Reply::failed(&lost);
    /// let get = Request::get("/models").body(())?;
    /// assert!(Idempotent.may_repeat(Attempt::FIRST, &get, &reply));
    /// let post = Request::post("/chat").header("idempotency-key", "7f").body(())?;
    /// assert!(Idempotent.may_repeat(Attempt::FIRST, &post, &reply));
    /// # Ok(())
    /// # }
    /// ```
    fn may_repeat(&self, attempt: Attempt, request: &Request<B>, reply: &Reply<'_>) -> bool;
}

impl<B, F: Fn(Attempt, &Request<B>, &Reply<'_>) -> bool> Repeat<B> for F {
    fn may_repeat(&self, attempt: Attempt, request: &Request<B>, reply: &Reply<'_>) -> bool {
        self(attempt, request, reply)
    }
}

/// Sends again what is idempotent, and else only what the upstream itself says has failed.
///
/// That is: methods that are idempotent by RFC 9110 section 9.2.2, requests with an `Idempotency-Key`,
/// replies whose status or event says that they failed, and refusals of layers, after which nothing was
/// sent. A `POST` whose connection was lost, or whose clock fired, is not sent again.
///
/// ```
/// # fn main() -> Result<(), http::Error> {
/// use blossom_layers::{retry::{Idempotent, Repeat as _}, types::{Attempt, Reply}};
/// use http::{Request, StatusCode};
///
/// let post = Request::post("/chat").body(())?;
/// let told = Reply::ended(StatusCode::BAD_GATEWAY);
/// assert!(Idempotent.may_repeat(Attempt::FIRST, &post, &told));
/// let lost = std::io::Error::other("connection reset");
/// assert!(!Idempotent.may_repeat(Attempt::FIRST, &post, &Reply::failed(&lost)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Idempotent;

impl<B> Repeat<B> for Idempotent {
    fn may_repeat(&self, _: Attempt, request: &Request<B>, reply: &Reply<'_>) -> bool {
        let refused =
            |error| cause_ref::<Refusal>(error).is_some_and(|it| it.kind() != RefusalKind::Timeout);
        request.method().is_idempotent()
            || request.headers().contains_key("idempotency-key")
            || reply.is_told_to_have_failed()
            || reply.error().is_some_and(refused)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, StatusCode};

    use super::*;

    fn may(request: &Request<()>, reply: &Reply<'_>) -> bool {
        Idempotent.may_repeat(Attempt::FIRST, request, reply)
    }

    #[test]
    fn h3_a_post_that_was_lost_is_not_sent_again_without_a_key() {
        let lost = std::io::Error::other("lost");
        let reply = Reply::failed(&lost);
        let mut request = Request::new(());
        assert!(may(&request, &reply), "a GET is");

        *request.method_mut() = Method::POST;
        assert!(!may(&request, &reply));
        let key = http::HeaderValue::from_static("7");
        request.headers_mut().insert("idempotency-key", key);
        assert!(may(&request, &reply));
    }

    #[test]
    fn h3_a_post_is_sent_again_where_the_answer_or_a_layer_says_so() {
        let request = Request::post("/").body(()).unwrap();
        let headers = HeaderMap::new();
        let refused = Refusal::new(RefusalKind::Overloaded);
        let late = Refusal::new(RefusalKind::Timeout);

        let busy = Reply::head(StatusCode::SERVICE_UNAVAILABLE, &headers);
        assert!(may(&request, &busy));
        assert!(may(&request, &Reply::failed(&refused)));
        assert!(!may(&request, &Reply::failed(&late)));
    }
}
