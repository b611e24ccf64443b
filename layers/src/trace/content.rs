use std::borrow::Cow;

use http::Request;

/// The content of a request that may be shown in its span, as `gen_ai.input.messages`.
///
/// Implemented for closures. Asked only where the span is wanted; at most 8 KiB are shown.
///
/// ```
/// # use std::{fs, sync::Mutex};
/// # use http::{Request, Response};
/// # use tower::{Layer as _, ServiceExt as _, service_fn};
/// use std::borrow::Cow;
///
/// use blossom_layers::{body::ReqBody, trace::TraceLayer};
///
/// // A `Content`, as any function of this form is.
/// fn prompt(request: &Request<String>) -> Option<Cow<'_, str>> {
///     Some(Cow::Borrowed(request.body()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// # let file = tempfile::NamedTempFile::new()?;
/// # let log = tracing_subscriber::fmt().with_writer(Mutex::new(file.reopen()?)).finish();
/// # let _on = tracing::subscriber::set_default(log);
/// let layer = TraceLayer::call().content(prompt);
/// let service = layer.layer(service_fn(|_: Request<String>| async {
///     tracing::info!("what is logged in here shows the span");
///     Ok::<_, std::convert::Infallible>(Response::new(ReqBody::empty()))
/// }));
/// service.oneshot(Request::new("What is a flower?".to_owned())).await?;
/// # let log = fs::read_to_string(file.path())?;
/// assert!(log.contains("What is a flower?"));
/// # Ok(())
/// # }
/// ```
pub trait Content<B> {
    /// The content, or `None` if there is none to be shown.
    ///
    /// ```
    /// use std::borrow::Cow;
    ///
    /// use blossom_layers::trace::Content;
    /// use http::Request;
    ///
    /// /// Shows what is asked in tests, and nothing of what users ask.
    /// struct OfTests;
    ///
    /// impl Content<String> for OfTests {
    ///     fn content<'a>(&self, request: &'a Request<String>) -> Option<Cow<'a, str>> {
    ///         request.headers().contains_key("x-test").then(|| request.body().into())
    ///     }
    /// }
    /// assert_eq!(OfTests.content(&Request::new("What do I earn?".to_owned())), None);
    /// ```
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
///
/// ```
/// use blossom_layers::trace::{Content as _, NoContent};
/// use http::Request;
///
/// assert_eq!(NoContent::default().content(&Request::new("What do I earn?")), None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoContent;

impl<B> Content<B> for NoContent {
    fn content<'a>(&self, _request: &'a Request<B>) -> Option<Cow<'a, str>> {
        None
    }
}
