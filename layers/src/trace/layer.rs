use std::fmt;

use tower_layer::Layer;

use super::{NoContent, NoContext, Trace};
use crate::types::{ErrorWords, Undescribed};

/// Applies [`Trace`].
///
/// See the [module docs](super) for an example.
///
/// ```
/// use blossom_layers::trace::TraceLayer;
///
/// let (call, attempt) = (TraceLayer::call(), TraceLayer::attempt());
/// ```
#[derive(Clone, Copy)]
pub struct TraceLayer<D = Undescribed, E = ErrorWords, P = NoContext, C = NoContent> {
    pub(super) kind: Kind,
    pub(super) describe: D,
    pub(super) errors: E,
    pub(super) propagate: P,
    pub(super) content: C,
}

/// What the spans of a layer stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Attempt,
}

impl TraceLayer {
    /// A layer that opens a span for each call: for outside of everything.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower::{Layer as _, ServiceExt as _, service_fn};
    /// # use blossom_layers::{body::ReqBody, trace::TraceLayer};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let _on = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// let service = TraceLayer::call().layer(service_fn(|_: Request<()>| async {
    ///     assert_eq!(tracing::Span::current().metadata().map(|it| it.name()), Some("call"));
    ///     Ok::<_, std::convert::Infallible>(Response::new(ReqBody::empty()))
    /// }));
    /// service.oneshot(Request::new(())).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn call() -> Self {
        Self::new(Kind::Call)
    }

    /// A layer that opens a span for each attempt, as a child of its call's: for inside retries.
    /// Which attempt it is says the [`Attempt`](crate::types::Attempt) that a retry layer places in
    /// the request.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower::{Layer as _, ServiceExt as _, service_fn};
    /// # use blossom_layers::{body::ReqBody, trace::TraceLayer};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let _on = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// let service = TraceLayer::attempt().layer(service_fn(|_: Request<()>| async {
    ///     assert_eq!(tracing::Span::current().metadata().map(|it| it.name()), Some("attempt"));
    ///     Ok::<_, std::convert::Infallible>(Response::new(ReqBody::empty()))
    /// }));
    /// service.oneshot(Request::new(())).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn attempt() -> Self {
        Self::new(Kind::Attempt)
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            describe: Undescribed::default(),
            errors: ErrorWords::default(),
            propagate: NoContext::default(),
            content: NoContent::default(),
        }
    }
}

impl<D, E, P, C> TraceLayer<D, E, P, C> {
    /// Says what a request asks for: a [`Describe`](crate::types::Describe). A request
    /// that it says nothing of has no span. Default: all are an operation `request`.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower::{Layer as _, ServiceExt as _, service_fn};
    /// # use blossom_layers::{body::ReqBody, trace::TraceLayer, types::Description};
    /// fn chats(request: &Request<()>) -> Option<Description<'_>> {
    ///     (request.uri().path() == "/chat").then(|| Description::new("chat"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let _on = tracing::subscriber::set_default(tracing_subscriber::registry());
    /// let upstream = service_fn(|request: Request<()>| async move {
    ///     let has_span = !tracing::Span::current().is_none();
    ///     assert_eq!(has_span, request.uri().path() == "/chat");
    ///     Ok::<_, std::convert::Infallible>(Response::new(ReqBody::empty()))
    /// });
    /// let service = TraceLayer::call().describe(chats).layer(upstream);
    /// service.clone().oneshot(Request::get("/chat").body(())?).await?;
    /// service.oneshot(Request::get("/health").body(())?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn describe<T>(self, describe: T) -> TraceLayer<T, E, P, C> {
        TraceLayer {
            kind: self.kind,
            describe,
            errors: self.errors,
            propagate: self.propagate,
            content: self.content,
        }
    }

    /// Says which word an error is: an [`ErrorType`](crate::types::ErrorType). Default: [`ErrorWords`].
    ///
    /// ```
    /// # use std::{borrow::Cow, fs, sync::Mutex};
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use tracing_subscriber::fmt::format::FmtSpan;
    /// # use blossom_layers::{test_util::{ScriptedService, Step}, trace::TraceLayer, types::Ended};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let file = tempfile::NamedTempFile::new()?;
    /// # let log = tracing_subscriber::fmt()
    /// #     .with_ansi(false)
    /// #     .with_span_events(FmtSpan::CLOSE)
    /// #     .with_writer(Mutex::new(file.reopen()?))
    /// #     .finish();
    /// # let _on = tracing::subscriber::set_default(log);
    /// let lost = |ended: &Ended<'_>| ended.error.map(|_| Cow::Borrowed("lost"));
    /// let upstream = ScriptedService::new([Step::Fail("connection reset")]);
    /// let service = TraceLayer::call().error_type(lost).layer(upstream);
    /// assert!(service.oneshot(Request::new(())).await.is_err());
    /// # let log = fs::read_to_string(file.path())?;
    /// assert!(log.contains(r#"error.type="lost""#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn error_type<T>(self, errors: T) -> TraceLayer<D, T, P, C> {
        TraceLayer {
            kind: self.kind,
            describe: self.describe,
            errors,
            propagate: self.propagate,
            content: self.content,
        }
    }

    /// Sends the trace context on: a [`Propagate`](super::Propagate), such as [`W3c`](super::W3c). Default: none is
    /// added.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// use blossom_layers::{test_util::ScriptedService, trace::{TraceLayer, W3c}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let upstream = ScriptedService::default();
    /// let service = TraceLayer::call().propagate(W3c::default()).layer(upstream.clone());
    /// service.oneshot(Request::new(())).await?;
    /// assert!(upstream.seen()[0].headers.contains_key("traceparent"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn propagate<T>(self, propagate: T) -> TraceLayer<D, E, T, C> {
        TraceLayer {
            kind: self.kind,
            describe: self.describe,
            errors: self.errors,
            propagate,
            content: self.content,
        }
    }

    /// Shows what is asked, in the field `gen_ai.input.messages`: a [`Content`](super::Content).
    /// Default: nothing.
    ///
    /// Prompts are personal data, and whoever reads the traces reads them. Line ends and other
    /// control characters are shown escaped; at most 8 KiB are shown.
    ///
    /// ```
    /// # use std::{borrow::Cow, fs, sync::Mutex};
    /// # use http::Request;
    /// # use tower::{Layer as _, ServiceExt as _};
    /// # use tracing_subscriber::fmt::format::FmtSpan;
    /// # use blossom_layers::{test_util::{ScriptedService, Step}, trace::TraceLayer, types::Ended};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let file = tempfile::NamedTempFile::new()?;
    /// # let log = tracing_subscriber::fmt()
    /// #     .with_ansi(false)
    /// #     .with_span_events(FmtSpan::CLOSE)
    /// #     .with_writer(Mutex::new(file.reopen()?))
    /// #     .finish();
    /// # let _on = tracing::subscriber::set_default(log);
    /// fn prompt(request: &Request<String>) -> Option<Cow<'_, str>> {
    ///     Some(Cow::Borrowed(request.body()))
    /// }
    /// let service = TraceLayer::call().content(prompt).layer(ScriptedService::default());
    /// service.oneshot(Request::new("What is\na flower?".to_owned())).await?;
    /// # let log = fs::read_to_string(file.path())?;
    /// assert!(log.contains("a flower?") && !log.contains("\na flower?"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn content<T>(self, content: T) -> TraceLayer<D, E, P, T> {
        TraceLayer {
            kind: self.kind,
            describe: self.describe,
            errors: self.errors,
            propagate: self.propagate,
            content,
        }
    }
}

impl<S, D, E, P, C> Layer<S> for TraceLayer<D, E, P, C>
where
    Self: Clone,
{
    type Service = Trace<S, D, E, P, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace::new(inner, self.clone())
    }
}

// Policies may be closures, which have no form to show.
impl<D, E, P, C> fmt::Debug for TraceLayer<D, E, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceLayer").finish_non_exhaustive()
    }
}
