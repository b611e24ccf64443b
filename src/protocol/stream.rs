//! Streams: from the data of an event to deltas, and deltas merged to an answer.

use std::{borrow::Cow, fmt};

use serde::Deserialize;

use super::{
    ChatReply, Failure, ToolCall,
    lenient::{Count, Text, first, lenient},
    reply::{Block, thinking},
    usage::{WireUsage, wire_usage},
};
use crate::layers::types::{FinishReason, Usage};

/// What a gateway says when it has lost a stream and pretends that it has not.
pub(super) const FAKE_SUCCESS: &str = "Streaming response could not be processed.";

/// What one event of a stream says.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamEvent {
    /// A piece of the answer, or what is known beside it.
    Delta(Delta),
    /// The upstream failed in mid-stream.
    Error(Failure),
    /// `[DONE]`. It proves nothing: gateways add it to streams that were cut.
    Done,
    /// A keep-alive, or anything else that is not JSON.
    Ignored,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    // There is never more than one.
    #[serde(borrow, default, deserialize_with = "first")]
    choices: Option<Choice<'a>>,
    #[serde(default, deserialize_with = "wire_usage")]
    usage: Option<WireUsage>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a str>,
    #[serde(default, deserialize_with = "lenient")]
    citations: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    // A whole message in its place is taken for it.
    #[serde(borrow, default, alias = "message", deserialize_with = "nullable")]
    delta: Option<WireDelta<'a>>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a str>,
}

#[derive(Deserialize, Default)]
struct WireDelta<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    content_blocks: Option<Vec<Block<'a>>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    tool_calls: Option<Vec<WireCall<'a>>>,
}

#[derive(Deserialize)]
struct WireCall<'a> {
    #[serde(default)]
    index: Option<Count>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    function: WireFunction<'a>,
}

#[derive(Deserialize, Default)]
struct WireFunction<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
}

/// A member as it stands; `null` is as good as absent.
fn raw<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de str>, D::Error> {
    let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
    Ok(Some(raw.get()).filter(|text| *text != "null"))
}

fn nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

impl StreamEvent {
    /// Reads the data of one event.
    ///
    /// [`StreamDecoder`](super::StreamDecoder) does the same for the events of one stream, several
    /// times faster.
    #[must_use]
    pub fn decode(data: &str) -> Self {
        Self::decode_noting(data.trim_ascii(), |_, _| {})
    }

    /// Reads `data`, which has no white space around it. `plain` is told the content and the id as they
    /// stand in `data`, if the delta is made of nothing else.
    pub(super) fn decode_noting<'a>(data: &'a str, plain: impl FnOnce(&'a str, &'a str)) -> Self {
        if data == "[DONE]" {
            return Self::Done;
        }
        let Ok(chunk) = serde_json::from_str::<Chunk<'a>>(data) else {
            return Self::Ignored;
        };
        if let Some(error) = chunk.error {
            return Self::Error(Failure::in_stream(error));
        }
        let mut delta = Delta {
            model: chunk.model.some().map(str::to_owned),
            usage: chunk.usage.map(|usage| usage.normalize()),
            citations: chunk.citations.unwrap_or_default(),
            ..Delta::default()
        };
        let mut content = "";
        if let Some(choice) = chunk.choices {
            if let Some(error) = choice.error {
                return Self::Error(Failure::in_stream(error));
            }
            delta.finish_reason = choice.finish_reason.some().map(FinishReason::from);
            if let Some(wire) = choice.delta {
                if let Cow::Borrowed(text) = wire.content.0 {
                    content = text;
                }
                delta.take(wire);
            }
        }
        if delta.content == FAKE_SUCCESS {
            return Self::Error(Failure::fake_success());
        }
        if !content.is_empty() && delta.is_plain() {
            let id = match chunk.id.0 {
                Cow::Borrowed(id) => id,
                Cow::Owned(_) => "",
            };
            plain(content, id);
        }
        Self::Delta(delta)
    }
}

/// A piece of an answer. `Display` shows its content.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    content: String,
    reasoning: Option<String>,
    tool_calls: Vec<ToolCallDelta>,
    finish_reason: Option<FinishReason>,
    usage: Option<Usage>,
    model: Option<String>,
    citations: Vec<String>,
}

impl Delta {
    fn take(&mut self, wire: WireDelta<'_>) {
        self.content = wire.content.0.into_owned();
        self.reasoning = match wire.reasoning_content.some() {
            Some(reasoning) => Some(reasoning.to_owned()),
            None => wire.content_blocks.and_then(|blocks| thinking(&blocks)),
        };
        let calls = wire
            .tool_calls
            .into_iter()
            .flatten()
            .map(|call| ToolCallDelta {
                index: call.index.and_then(|index| usize::try_from(index.0).ok()),
                id: call.id.0.into_owned(),
                name: call.function.name.0.into_owned(),
                arguments: call.function.arguments.0.into_owned(),
            });
        self.tool_calls = calls.collect();
    }

    pub(super) fn whole(reply: &ChatReply) -> Self {
        let calls = reply.tool_calls().iter().enumerate();
        Self {
            content: reply.content().to_owned(),
            reasoning: reply.reasoning().map(str::to_owned),
            tool_calls: calls
                .map(|(index, call)| ToolCallDelta {
                    index: Some(index),
                    id: call.id().to_owned(),
                    name: call.name().to_owned(),
                    arguments: call.arguments().to_owned(),
                })
                .collect(),
            // A whole reply is complete, also where it does not say why it ended.
            finish_reason: reply.finish_reason().cloned().or(Some(FinishReason::Stop)),
            usage: reply.usage(),
            model: reply.model().map(str::to_owned),
            citations: reply.citations().to_vec(),
        }
    }

    /// The text of this piece; may be empty.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// What the model thought.
    #[must_use]
    pub fn reasoning(&self) -> Option<&str> {
        self.reasoning.as_deref()
    }

    /// Pieces of calls of tools.
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCallDelta] {
        &self.tool_calls
    }

    /// A piece of nothing but text.
    pub(super) fn of_content(content: &str) -> Self {
        Self {
            content: content.to_owned(),
            ..Self::default()
        }
    }

    /// Whether it tells nothing but a piece of text; a model tells every chunk the same.
    fn is_plain(&self) -> bool {
        self.reasoning.is_none()
            && self.tool_calls.is_empty()
            && self.finish_reason.is_none()
            && self.usage.is_none()
            && self.citations.is_empty()
    }

    /// Whether it holds no piece of the answer itself, as the first and the last chunk do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.content.is_empty() && self.reasoning.is_none() && self.tool_calls.is_empty()
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.content)
    }
}

/// A piece of the call of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCallDelta {
    index: Option<usize>,
    id: String,
    name: String,
    arguments: String,
}

impl ToolCallDelta {
    /// Which call it belongs to.
    #[must_use]
    pub const fn index(&self) -> Option<usize> {
        self.index
    }

    /// The name of the tool; only in the first piece.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A piece of the arguments' JSON text.
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }
}

/// A finish that is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishFailure {
    /// The upstream's filter.
    ContentFilter,
    /// The upstream failed.
    Error,
}

/// Merges the deltas of a stream.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    content: String,
    reasoning: String,
    tool_calls: Vec<ToolCall>,
    /// The index of each call, as the stream numbers them.
    indices: Vec<usize>,
    finish_reason: Option<FinishReason>,
    usage: Option<Usage>,
    model: Option<String>,
    citations: Vec<String>,
}

impl Accumulator {
    /// Adds a delta.
    pub fn push(&mut self, delta: &Delta) {
        self.content.push_str(&delta.content);
        self.reasoning
            .push_str(delta.reasoning.as_deref().unwrap_or_default());
        for call in &delta.tool_calls {
            self.push_call(call);
        }
        if self.model.is_none() {
            self.model.clone_from(&delta.model);
        }
        if delta.finish_reason.is_some() {
            self.finish_reason.clone_from(&delta.finish_reason);
        }
        self.usage = delta.usage.or(self.usage);
        if !delta.citations.is_empty() {
            self.citations.clone_from(&delta.citations);
        }
    }

    /// By index; a piece without one begins a call if it has a name or a new id, else it goes on
    /// with the last.
    fn push_call(&mut self, piece: &ToolCallDelta) {
        let position = match piece.index {
            Some(index) => self.indices.iter().position(|known| *known == index),
            None => {
                let last = self.tool_calls.last();
                let same = last.is_some_and(|last| {
                    piece.id.is_empty() && piece.name.is_empty() || last.id == piece.id
                });
                same.then(|| self.tool_calls.len().saturating_sub(1))
            }
        };
        match position.and_then(|position| self.tool_calls.get_mut(position)) {
            Some(call) => {
                if call.id.is_empty() {
                    call.id.push_str(&piece.id);
                }
                if call.name.is_empty() {
                    call.name.push_str(&piece.name);
                }
                call.arguments.push_str(&piece.arguments);
            }
            None => {
                self.indices
                    .push(piece.index.unwrap_or(self.tool_calls.len()));
                self.tool_calls.push(ToolCall::new(
                    piece.id.as_str(),
                    piece.name.as_str(),
                    piece.arguments.as_str(),
                ));
            }
        }
    }

    /// The text so far.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// The text, taken out.
    #[must_use]
    pub fn into_content(self) -> String {
        self.content
    }

    /// What the model thought.
    #[must_use]
    pub fn reasoning(&self) -> Option<&str> {
        (!self.reasoning.is_empty()).then_some(&*self.reasoning)
    }

    /// The calls of tools so far; the arguments of the last may be cut.
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.tool_calls
    }

    /// Why the generation ended, once it did.
    #[must_use]
    pub const fn finish_reason(&self) -> Option<&FinishReason> {
        self.finish_reason.as_ref()
    }

    /// The tokens that were counted.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The model that answers.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The sources of a model that searches.
    #[must_use]
    pub fn citations(&self) -> &[String] {
        &self.citations
    }

    /// Whether a finish reason was seen, which is the only proof that the answer is whole.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// Whether the finish is a failure.
    #[must_use]
    pub fn failure(&self) -> Option<FinishFailure> {
        match &self.finish_reason {
            Some(FinishReason::ContentFilter) => Some(FinishFailure::ContentFilter),
            Some(FinishReason::Error) => Some(FinishFailure::Error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(events: &[&str]) -> Accumulator {
        let mut merged = Accumulator::default();
        for event in events {
            match StreamEvent::decode(event) {
                StreamEvent::Delta(delta) => merged.push(&delta),
                other => panic!("{other:?}"),
            }
        }
        merged
    }

    #[test]
    fn pieces_join_and_the_finish_may_come_with_content() {
        let merged = merged(&[
            r#"{"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":"Hel","reasoning_content":"h"},"finish_reason":null}],"usage":null}"#,
            r#"{"choices":[{"delta":{"content":"lo"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
        ]);

        assert_eq!((merged.content(), merged.reasoning()), ("Hello", Some("h")));
        assert_eq!(
            (
                merged.finish_reason().map(FinishReason::as_str),
                merged.model()
            ),
            (Some("stop"), Some("m"))
        );
        assert_eq!(merged.usage().unwrap().total_tokens, 7);
        assert!(merged.is_complete());
    }

    #[test]
    fn tool_calls_merge_by_index_also_when_they_alternate() {
        let call = |index: usize, id: &str, name: &str, arguments: &str| {
            serde_json::json!({ "choices": [{ "delta": { "tool_calls": [{
                "index": index, "id": id, "function": { "name": name, "arguments": arguments },
            }]}}]})
            .to_string()
        };
        let events = [
            call(1, "c1", "f", "{\"a\""),
            call(0, "c0", "g", ""),
            call(1, "", "", ":1}"),
            call(0, "c0", "", "{}"),
        ];
        let merged = merged(&events.each_ref().map(String::as_str));

        let seen: Vec<_> = merged
            .tool_calls()
            .iter()
            .map(|call| (call.id(), call.name(), call.arguments()))
            .collect();
        assert_eq!(seen, [("c1", "f", "{\"a\":1}"), ("c0", "g", "{}")]);
    }

    #[test]
    fn tool_calls_without_an_index_go_on_or_begin() {
        let merged = merged(&[
            r#"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"}"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"name":"f","arguments":"{}"}}]}}]}"#,
        ]);

        assert_eq!(merged.tool_calls().len(), 2);
        assert_eq!(merged.tool_calls()[0].arguments(), "{}");
    }

    #[test]
    fn done_keep_alives_and_errors_are_told_apart() {
        assert!(matches!(StreamEvent::decode("[DONE]"), StreamEvent::Done));
        assert!(matches!(StreamEvent::decode(" [DONE] "), StreamEvent::Done));
        assert!(matches!(StreamEvent::decode("ping"), StreamEvent::Ignored));
        assert!(matches!(StreamEvent::decode(""), StreamEvent::Ignored));
        for error in [
            r#"{"error":{"message":"gone","code":400}}"#,
            r#"{"error":"gone"}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"error","error":{"message":"gone"}}]}"#,
        ] {
            let StreamEvent::Error(failure) = StreamEvent::decode(error) else {
                panic!("{error}");
            };
            assert_eq!(failure.message(), "gone");
        }
        let fake = format!(r#"{{"choices":[{{"delta":{{"content":"{FAKE_SUCCESS}"}}}}]}}"#);
        assert!(matches!(StreamEvent::decode(&fake), StreamEvent::Error(_)));
    }

    #[test]
    fn odd_chunks_are_read_as_far_as_they_go() {
        for odd in [
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":[{"delta":null}]}"#,
            r#"{"choices":[{"delta":{"content":null,"tool_calls":7}}],"usage":"none"}"#,
        ] {
            assert!(merged(&[odd]).content().is_empty(), "{odd}");
        }
    }
}
