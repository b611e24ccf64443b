use std::{borrow::Cow, error::Error, fmt};

use http::{Request, StatusCode};

use super::{Outcome, Refusal, RefusalKind};
use crate::{body::End, cause_ref};

/// What a request asks for, in words that may stand in metrics and spans.
///
/// The words are those of the [OpenTelemetry conventions for generative AI]: an operation such as
/// `chat`, a provider, a model. Never a prompt, a key, or the name of a person.
///
/// [OpenTelemetry conventions for generative AI]:
///     https://github.com/open-telemetry/semantic-conventions-genai
///
/// ```
/// use blossom_layers::types::Description;
///
/// let chat = Description::new("chat").provider("ours").model("small");
/// assert_eq!((&*chat.operation, chat.model.as_deref()), ("chat", Some("small")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Description<'a> {
    /// `gen_ai.operation.name`: what is done.
    pub operation: Cow<'a, str>,
    /// `gen_ai.provider.name`: who does it.
    pub provider: Option<Cow<'a, str>>,
    /// `gen_ai.request.model`: the model that is asked for, if the request names one.
    pub model: Option<Cow<'a, str>>,
}

impl<'a> Description<'a> {
    /// An operation, of no known provider or model.
    ///
    /// ```
    /// use blossom_layers::types::Description;
    ///
    /// let description = Description::new("embeddings");
    /// assert_eq!(description.operation, "embeddings");
    /// assert_eq!(description.model, None);
    /// ```
    #[must_use]
    pub fn new(operation: impl Into<Cow<'a, str>>) -> Self {
        Self {
            operation: operation.into(),
            provider: None,
            model: None,
        }
    }

    /// Names the provider.
    ///
    /// ```
    /// use blossom_layers::types::Description;
    ///
    /// let description = Description::new("chat").provider("ours");
    /// assert_eq!(description.provider.as_deref(), Some("ours"));
    /// ```
    #[must_use]
    pub fn provider(mut self, provider: impl Into<Cow<'a, str>>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Names the model that is asked for.
    ///
    /// ```
    /// use blossom_layers::types::Description;
    ///
    /// let description = Description::new("chat").model("small");
    /// assert_eq!(description.model.as_deref(), Some("small"));
    /// ```
    #[must_use]
    pub fn model(mut self, model: impl Into<Cow<'a, str>>) -> Self {
        self.model = Some(model.into());
        self
    }
}

/// What a request asks for. Asked only where somebody listens.
///
/// Implemented for closures and functions:
///
/// ```
/// use blossom_layers::types::{Describe, Description};
/// use http::Request;
///
/// fn by_path(request: &Request<()>) -> Option<Description<'_>> {
///     let model = request.uri().path().strip_prefix("/models/")?;
///     Some(Description::new("chat").provider("ours").model(model))
/// }
///
/// let request = Request::get("/models/small").body(()).unwrap();
/// assert_eq!(by_path.describe(&request).unwrap().model.as_deref(), Some("small"));
/// ```
pub trait Describe<B> {
    /// The description of `request`, or `None` if it is nothing that is to be seen.
    ///
    /// ```
    /// # fn main() -> Result<(), http::Error> {
    /// use blossom_layers::types::{Describe, Description};
    /// use http::Request;
    ///
    /// // A probe of the health of a service is not to be seen.
    /// fn chats(request: &Request<()>) -> Option<Description<'_>> {
    ///     (request.uri().path() == "/chat").then(|| Description::new("chat"))
    /// }
    /// assert!(chats.describe(&Request::get("/chat").body(())?).is_some());
    /// assert!(chats.describe(&Request::get("/health").body(())?).is_none());
    /// # Ok(())
    /// # }
    /// ```
    fn describe<'a>(&self, request: &'a Request<B>) -> Option<Description<'a>>;
}

impl<B, F> Describe<B> for F
where
    F: for<'a> Fn(&'a Request<B>) -> Option<Description<'a>>,
{
    fn describe<'a>(&self, request: &'a Request<B>) -> Option<Description<'a>> {
        self(request)
    }
}

/// Describes every request as a `request`, of nobody and no model: for services of which no more is
/// known.
///
/// ```
/// use blossom_layers::types::{Describe as _, Undescribed};
///
/// let request = http::Request::new(());
/// let operation = Undescribed::default().describe(&request).map(|it| it.operation);
/// assert_eq!(operation.as_deref(), Some("request"));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undescribed;

impl<B> Describe<B> for Undescribed {
    fn describe<'a>(&self, _request: &'a Request<B>) -> Option<Description<'a>> {
        Some(Description::new("request"))
    }
}

/// How a call came to its end: all that is known when the last of it is gone.
///
/// ```
/// use blossom_layers::{body::End, types::{Ended, ErrorType as _, ErrorWords}};
/// use http::StatusCode;
///
/// let mut ended = Ended::new(End::Complete);
/// ended.status = Some(StatusCode::TOO_MANY_REQUESTS);
/// assert_eq!(ErrorWords::default().error_type(&ended).as_deref(), Some("429"));
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Ended<'a> {
    /// How the last of it ended; a call that is dropped before its head was dropped.
    pub end: End,
    /// The status, if a head arrived.
    pub status: Option<StatusCode>,
    /// The error of the call or of its body, if it can be looked into.
    pub error: Option<&'a (dyn Error + 'static)>,
    /// What was learnt of the reply, if somebody observes it.
    pub outcome: Option<&'a Outcome>,
}

impl Ended<'_> {
    /// A call of which no more is known than how it ended.
    ///
    /// ```
    /// use blossom_layers::{body::End, types::Ended};
    ///
    /// let ended = Ended::new(End::Dropped);
    /// assert!(ended.status.is_none() && ended.outcome.is_none());
    /// ```
    #[must_use]
    pub const fn new(end: End) -> Self {
        Self {
            end,
            status: None,
            error: None,
            outcome: None,
        }
    }
}

impl fmt::Debug for Ended<'_> {
    // An error's text may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("end", &self.end)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// What `error.type` is of a call that has ended: a word of a small set, or `None` of a success.
///
/// Implemented for closures. [`ErrorWords`] is the answer where nobody has another.
///
/// ```
/// use std::borrow::Cow;
///
/// use blossom_layers::{body::End, types::{Ended, ErrorType, ErrorWords}};
///
/// let words = |ended: &Ended<'_>| match ended.status {
///     Some(status) if status.as_u16() == 402 => Some(Cow::Borrowed("payment")),
///     _ => ErrorWords::default().error_type(ended),
/// };
/// assert_eq!(words.error_type(&Ended::new(End::Complete)), None);
/// assert_eq!(words.error_type(&Ended::new(End::Dropped)).unwrap(), "canceled");
/// ```
pub trait ErrorType {
    /// The word for `ended`.
    ///
    /// ```
    /// use blossom_layers::{body::End, types::{Ended, ErrorType, ErrorWords}};
    ///
    /// let word = ErrorWords::default().error_type(&Ended::new(End::Failed));
    /// assert_eq!(word.as_deref(), Some("_OTHER"));
    /// ```
    fn error_type(&self, ended: &Ended<'_>) -> Option<Cow<'static, str>>;
}

impl<F: Fn(&Ended<'_>) -> Option<Cow<'static, str>>> ErrorType for F {
    fn error_type(&self, ended: &Ended<'_>) -> Option<Cow<'static, str>> {
        self(ended)
    }
}

/// Names errors by what every stack knows of them.
///
/// | what happened | word |
/// | --- | --- |
/// | a layer refused | `timeout`, `overloaded`, `rate_limited`, `too_large`, `unavailable`, `budget_spent` |
/// | a status from 400 on | its number |
/// | the caller let go | `canceled` |
/// | the body came to its end, and is not whole | `incomplete` |
/// | anything else | `_OTHER`, as the conventions say |
///
/// ```
/// use blossom_layers::{
///     body::End,
///     types::{Ended, ErrorType as _, ErrorWords, Refusal, RefusalKind},
/// };
///
/// let refusal = Refusal::new(RefusalKind::Overloaded);
/// let mut ended = Ended::new(End::Failed);
/// ended.error = Some(&refusal);
/// assert_eq!(ErrorWords::default().error_type(&ended).as_deref(), Some("overloaded"));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorWords;

impl ErrorType for ErrorWords {
    fn error_type(&self, ended: &Ended<'_>) -> Option<Cow<'static, str>> {
        if let Some(refusal) = ended.error.and_then(cause_ref::<Refusal>) {
            return Some(Cow::Borrowed(match refusal.kind() {
                RefusalKind::Timeout => "timeout",
                RefusalKind::Overloaded => "overloaded",
                RefusalKind::RateLimited => "rate_limited",
                RefusalKind::TooLarge => "too_large",
                RefusalKind::Unavailable => "unavailable",
                RefusalKind::Spent => "budget_spent",
            }));
        }
        if let Some(status) = ended.status
            && (status.is_client_error() || status.is_server_error())
        {
            return Some(Cow::Owned(status.as_str().to_owned()));
        }
        match ended.end {
            End::Dropped => Some(Cow::Borrowed("canceled")),
            End::Failed => Some(Cow::Borrowed("_OTHER")),
            End::Complete => {
                let whole = ended.outcome.is_none_or(Outcome::complete);
                (!whole).then_some(Cow::Borrowed("incomplete"))
            }
        }
    }
}

/// The most bytes of a word that stands in a metric or a span.
#[cfg(any(feature = "metrics", feature = "trace"))]
const MAX_WORD_BYTES: usize = 128;

/// A word that can stand in a metric or a span whoever chose it: no control or bidirectional
/// characters, and not long.
#[cfg(any(feature = "metrics", feature = "trace"))]
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    let unfit = |char: char| {
        char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if text.len() <= MAX_WORD_BYTES && !text.contains(unfit) {
        return Cow::Borrowed(text);
    }
    let mut fit = String::with_capacity(MAX_WORD_BYTES);
    for char in text.chars() {
        let char = if unfit(char) {
            char::REPLACEMENT_CHARACTER
        } else {
            char
        };
        if fit.len() + char.len_utf8() > MAX_WORD_BYTES {
            break;
        }
        fit.push(char);
    }
    Cow::Owned(fit)
}

/// Runs what was given by a user, or calls into what a user has installed: a panic there is not the
/// request's.
#[cfg(any(feature = "metrics", feature = "trace"))]
pub(crate) fn quietly<T>(call: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word_of(ended: &Ended<'_>) -> Option<Cow<'static, str>> {
        ErrorWords.error_type(ended)
    }

    #[test]
    fn errors_have_few_words() {
        let mut ended = Ended::new(End::Complete);
        assert_eq!(word_of(&ended), None);

        ended.status = Some(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(word_of(&ended).unwrap(), "503");

        let refusal = Refusal::new(RefusalKind::Timeout);
        ended.error = Some(&refusal);
        assert_eq!(word_of(&ended).unwrap(), "timeout");

        let other = std::io::Error::other("secret");
        let mut failed = Ended::new(End::Failed);
        failed.error = Some(&other);
        assert_eq!(word_of(&failed).unwrap(), "_OTHER");
        assert!(!format!("{failed:?}").contains("secret"));
    }

    #[test]
    fn a_reply_that_is_not_proven_whole_is_an_error() {
        let outcome = Outcome::new();
        let mut ended = Ended::new(End::Complete);
        ended.outcome = Some(&outcome);
        assert_eq!(word_of(&ended).unwrap(), "incomplete");

        outcome.update(|record| record.complete = true);
        assert_eq!(word_of(&ended), None);
    }

    #[cfg(any(feature = "metrics", feature = "trace"))]
    #[test]
    fn j5_a_word_holds_nothing_that_moves_a_line_and_is_short() {
        assert_eq!(word("openai-large"), "openai-large");
        let evil = word("a\r\nb\x1b[31m\u{202e}\0c");
        assert_eq!(evil, "a\u{fffd}\u{fffd}b\u{fffd}[31m\u{fffd}\u{fffd}c");
        assert!(word(&"漢".repeat(1000)).len() <= MAX_WORD_BYTES);
    }
}
