use std::{borrow::Cow, fmt, sync::Arc};

use http::Request;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::layers::{
    body::Known,
    trace::{Content, Propagate, TraceContext},
};

/// Which trace context requests bear, if any: a choice of the builder.
#[derive(Clone, Default)]
pub(crate) struct Propagation(Option<Arc<dyn Propagate + Send + Sync>>);

impl Propagation {
    pub(crate) fn new(propagate: impl Propagate + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(propagate)))
    }
}

impl Propagate for Propagation {
    fn context(&self, incoming: Option<TraceContext>) -> Option<TraceContext> {
        self.0.as_ref()?.context(incoming)
    }

    fn is_on(&self) -> bool {
        self.0.as_ref().is_some_and(|propagate| propagate.is_on())
    }
}

impl fmt::Debug for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "on" } else { "off" })
    }
}

/// The messages of a request, for spans, where they are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ShowContent {
    Never,
    InSpans,
}

#[derive(Deserialize)]
struct Messages<'a> {
    #[serde(borrow)]
    messages: &'a RawValue,
}

impl<B: Known> Content<B> for ShowContent {
    fn content<'a>(&self, request: &'a Request<B>) -> Option<Cow<'a, str>> {
        if matches!(self, Self::Never) {
            return None;
        }
        let body = request.body().bytes()?;
        if let Ok(Messages { messages }) = serde_json::from_slice(body) {
            return Some(Cow::Borrowed(messages.get()));
        }
        // The prompt is the last part of the path.
        let (_, prompt) = request.uri().path().rsplit_once('/')?;
        Some(percent_decode_str(prompt).decode_utf8_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::body::ReqBody;

    fn shown(content: ShowContent, uri: &str, body: &'static str) -> Option<String> {
        let request = Request::get(uri).body(ReqBody::from(body)).unwrap();
        content.content(&request).map(Cow::into_owned)
    }

    #[test]
    fn messages_and_prompts_are_shown_only_where_they_are_asked_for() {
        let chat = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;
        let messages = r#"[{"role":"user","content":"Hi"}]"#;
        let shows = |uri, body| shown(ShowContent::InSpans, uri, body);

        assert_eq!(
            shows("/v1/chat/completions", chat).as_deref(),
            Some(messages)
        );
        assert_eq!(shows("/text/a%20b?key=sk_1", "").as_deref(), Some("a b"));
        assert_eq!(shown(ShowContent::Never, "/text/a", chat), None);
    }
}
