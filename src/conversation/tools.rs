//! Tools that answer by themselves.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Text,
    protocol::{Message, Tool, ToolCall},
};

/// What a tool tells the model: a text, a JSON value, or a `Result` of either, whose error is told
/// too.
///
/// ```
/// use blossom::conversation::ToolOutput;
///
/// // Texts, results of texts, and whatever serializes.
/// fn is_output(_: &impl ToolOutput) {}
/// is_output(&"sunny");
/// ```
pub trait ToolOutput {
    /// The text that the model reads.
    ///
    /// ```
    /// use blossom::conversation::ToolOutput as _;
    ///
    /// assert_eq!(serde_json::json!({ "sky": "clear" }).into_text(), r#"{"sky":"clear"}"#);
    /// let failed: Result<&str, &str> = Err("no such city");
    /// assert_eq!(failed.into_text(), "error: no such city");
    /// ```
    fn into_text(self) -> String;
}

impl ToolOutput for String {
    fn into_text(self) -> String {
        self
    }
}

impl ToolOutput for &'static str {
    fn into_text(self) -> String {
        self.to_owned()
    }
}

impl ToolOutput for Value {
    fn into_text(self) -> String {
        self.to_string()
    }
}

impl<T: ToolOutput, E: fmt::Display> ToolOutput for Result<T, E> {
    fn into_text(self) -> String {
        match self {
            Ok(output) => output.into_text(),
            Err(error) => format!("error: {error}"),
        }
    }
}

type Answering = Pin<Box<dyn Future<Output = String> + Send>>;
type Handler = Arc<dyn Fn(&ToolCall) -> Answering + Send + Sync>;

#[derive(Clone, Default)]
pub(super) struct Tools(Vec<(Tool, Handler)>);

impl Tools {
    pub(super) fn add<A, F, O>(
        &mut self,
        tool: Tool,
        handler: impl Fn(A) -> F + Send + Sync + 'static,
    ) where
        A: DeserializeOwned,
        F: Future<Output = O> + Send + 'static,
        O: ToolOutput,
    {
        let handler: Handler = Arc::new(move |call| match call.parse::<A>() {
            Ok(arguments) => {
                let answer = handler(arguments);
                Box::pin(async move { answer.await.into_text() })
            }
            // Models write what they like, and correct it when they are told.
            Err(error) => Box::pin(std::future::ready(format!(
                "error: wrong arguments: {error}"
            ))),
        });
        self.0.retain(|(known, _)| known.name() != tool.name());
        self.0.push((tool, handler));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn definitions(&self) -> impl Iterator<Item = Tool> + '_ {
        self.0.iter().map(|(tool, _)| tool.clone())
    }

    /// Whether the answer calls tools, and there are handlers at all: a name that no tool has is told
    /// to the model.
    pub(super) fn can_answer(&self, answer: &Text) -> bool {
        !answer.tool_calls().is_empty() && !self.0.is_empty()
    }

    /// The results of all calls, in their order.
    pub(super) fn answer(
        &self,
        answer: &Text,
    ) -> impl Future<Output = Vec<Message>> + Send + use<> {
        let answering: Vec<_> = calls(answer)
            .map(|call| {
                let known = self.0.iter().find(|(tool, _)| tool.name() == call.name());
                let result = match known {
                    Some((_, handler)) => handler(&call),
                    None => Box::pin(std::future::ready(
                        "error: there is no such tool".to_owned(),
                    )),
                };
                (call, result)
            })
            .collect();
        async move {
            let mut results = Vec::with_capacity(answering.len());
            for (call, result) in answering {
                results.push(Message::tool(call.id(), result.await));
            }
            results
        }
    }
}

/// The answer as a message of the history.
pub(super) fn message(answer: &Text) -> Message {
    Message::assistant(answer.content()).tool_calls(calls(answer))
}

/// The calls of an answer. One without an id gets one: its result must say which call it answers.
fn calls(answer: &Text) -> impl Iterator<Item = ToolCall> + '_ {
    let calls = answer.tool_calls().iter().enumerate();
    calls.map(|(position, call)| {
        if call.id().is_empty() {
            ToolCall::new(format!("call_{position}"), call.name(), call.arguments())
        } else {
            call.clone()
        }
    })
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(tool, _)| tool.name());
        f.debug_list().entries(names).finish()
    }
}
