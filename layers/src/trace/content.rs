use std::borrow::Cow;

use http::Request;

/// The content of a request that may be shown in its span, as `gen_ai.input.messages`.
///
/// Implemented for closures. Asked only where the span is wanted; at most 8 KiB are shown.
pub trait Content<B> {
    /// The content, or `None` if there is none to be shown.
    fn content<'a>(&self, request: &'a Request<B>) -> Option<Cow<'a, str>>;
}

impl<B, F> Content<B> for F
where
    F: for<'a> Fn(&'a Request<B>) -> Option<Cow<'a, str>>,
{
    fn content<'a>(&self, request: &'a Request<B>) -> Option<Cow<'a, str>> {
        self(request)
    }
}

/// Shows nothing of what is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoContent;

impl<B> Content<B> for NoContent {
    fn content<'a>(&self, _request: &'a Request<B>) -> Option<Cow<'a, str>> {
        None
    }
}
