//! Streams: from the data of an event to deltas.

use std::{borrow::Cow, fmt};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ChatAudio, ChatReply, Failure,
    lenient::{Count, Packed, Text, elements, first, lenient},
    reply::{Block, thinking},
    sound::WireAudio,
    usage::{WireUsage, wire_usage},
};
use crate::layers::types::{FinishReason, Usage};

/// What a gateway says when it has lost a stream and pretends that it has not.
pub(super) const FAKE_SUCCESS: &str = "Streaming response could not be processed.";

/// What one event of a stream says.
///
/// ```
/// use blossom::protocol::StreamEvent;
///
/// let event = StreamEvent::decode(r#"{"choices": [{"delta": {"content": "Hel"}}]}"#);
/// assert!(matches!(event, StreamEvent::Delta(delta) if delta.content() == "Hel"));
/// ```
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
    /// A chunk that cannot be read, so that a piece of the answer is lost.
    Broken,
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
    #[serde(borrow, default)]
    delta: Option<WireDelta<'a>>,
    // A whole message in its place is taken for it. Some repeat what there is so far beside it.
    #[serde(borrow, default, deserialize_with = "raw")]
    message: Option<&'a str>,
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
    #[serde(borrow, default, deserialize_with = "elements")]
    tool_calls: Vec<WireCall<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    audio: Option<WireAudio<'a>>,
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
    arguments: Packed<'a>,
}

/// A member as it stands; `null` is as good as absent.
fn raw<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de str>, D::Error> {
    let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
    Ok(Some(raw.get()).filter(|text| *text != "null"))
}

impl StreamEvent {
    /// Reads the data of one event.
    ///
    /// [`StreamDecoder`](super::StreamDecoder) does the same for the events of one stream, several
    /// times faster.
    ///
    /// ```
    /// use blossom::protocol::StreamEvent;
    ///
    /// assert!(matches!(StreamEvent::decode("[DONE]"), StreamEvent::Done));
    /// assert!(matches!(StreamEvent::decode("ping"), StreamEvent::Ignored));
    /// assert!(matches!(StreamEvent::decode(r#"{"choices": [{"del"#), StreamEvent::Broken));
    /// ```
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
        match serde_json::from_str::<Chunk<'a>>(data) {
            Ok(chunk) => chunk.event(plain),
            Err(_) => Self::decode_odd(data),
        }
    }

    /// Data that is no chunk as it should be: of another shape, broken, or a keep-alive.
    #[cold]
    fn decode_odd(data: &str) -> Self {
        if let Ok(value) = serde_json::from_str::<Value>(data) {
            let chunk = reshaped(&value).to_string();
            let chunk = serde_json::from_str::<Chunk<'_>>(&chunk);
            return chunk.map_or(Self::Ignored, |chunk| chunk.event(|_, _| {}));
        }
        // A keep-alive has no choices.
        if data.starts_with('{') && data.contains("\"choices\"") {
            Self::Broken
        } else {
            Self::Ignored
        }
    }
}

/// The members that matter, each where a chunk has it.
fn reshaped(value: &Value) -> Value {
    let member = |name: &str| value.get(name).cloned().unwrap_or(Value::Null);
    let choice = match value.get("choices") {
        Some(Value::Array(choices)) => choices.iter().find(|choice| choice.is_object()),
        other => other.filter(|choice| choice.is_object()),
    };
    let choices = choice.map(|choice| {
        let member = |name: &str| match choice.get(name) {
            Some(Value::String(text)) if name != "finish_reason" => json!({ "content": text }),
            Some(value) if value.is_object() || value.is_string() => value.clone(),
            _ => Value::Null,
        };
        json!({
            "delta": member("delta"),
            "message": member("message"),
            "finish_reason": member("finish_reason"),
            "error": choice.get("error"),
        })
    });
    json!({
        "model": member("model"),
        "usage": member("usage"),
        "error": member("error"),
        "citations": member("citations"),
        "choices": choices.into_iter().collect::<Vec<_>>(),
    })
}

impl<'a> Chunk<'a> {
    /// `plain` is told the content and the id as they stand in the chunk, if it is made of nothing
    /// else.
    fn event(self, plain: impl FnOnce(&'a str, &'a str)) -> StreamEvent {
        if let Some(error) = self.error {
            return StreamEvent::Error(Failure::in_stream(error));
        }
        let mut delta = Delta {
            model: self.model.some().map(str::to_owned),
            usage: self.usage.map(|usage| usage.normalize()),
            citations: self.citations.unwrap_or_default(),
            ..Delta::default()
        };
        let mut content = "";
        if let Some(choice) = self.choices {
            if let Some(error) = choice.error {
                return StreamEvent::Error(Failure::in_stream(error));
            }
            delta.finish_reason = choice.finish_reason.some().map(FinishReason::from);
            let message = choice.message;
            let wire = choice
                .delta
                .or_else(|| message.and_then(|message| serde_json::from_str(message).ok()));
            if let Some(wire) = wire {
                if let Cow::Borrowed(text) = wire.content.0 {
                    content = text;
                }
                if delta.take(wire).is_err() {
                    return StreamEvent::Broken;
                }
            }
        }
        if delta.content == FAKE_SUCCESS {
            return StreamEvent::Error(Failure::fake_success());
        }
        if !content.is_empty() && delta.is_plain() {
            let id = match self.id.0 {
                Cow::Borrowed(id) => id,
                Cow::Owned(_) => "",
            };
            plain(content, id);
        }
        StreamEvent::Delta(delta)
    }
}

/// A piece of an answer. `Display` shows its content.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let mut stream = client.text().generate("Write a story").stream().await?;
/// while let Some(delta) = stream.next().await {
///     let delta = delta?;
///     print!("{}{}", delta.reasoning().unwrap_or_default(), delta.content());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    pub(super) content: String,
    pub(super) reasoning: Option<String>,
    pub(super) tool_calls: Vec<ToolCallDelta>,
    pub(super) audio: Option<ChatAudio>,
    pub(super) finish_reason: Option<FinishReason>,
    pub(super) usage: Option<Usage>,
    pub(super) model: Option<String>,
    pub(super) citations: Vec<String>,
}

impl Delta {
    fn take(&mut self, wire: WireDelta<'_>) -> Result<(), ::base64::DecodeError> {
        self.audio = wire.audio.as_ref().map(WireAudio::decode).transpose()?;
        self.content = wire.content.0.into_owned();
        self.reasoning = match wire.reasoning_content.some() {
            Some(reasoning) => Some(reasoning.to_owned()),
            None => wire.content_blocks.and_then(|blocks| thinking(&blocks)),
        };
        let calls = wire.tool_calls.into_iter().map(|call| ToolCallDelta {
            index: call.index.and_then(|index| usize::try_from(index.0).ok()),
            id: call.id.0.into_owned(),
            name: call.function.name.0.into_owned(),
            arguments: call.function.arguments.0.into_owned(),
        });
        self.tool_calls = calls.collect();
        Ok(())
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
            audio: reply.audio().cloned(),
            // A whole reply is complete, also where it does not say why it ended.
            finish_reason: reply.finish_reason().cloned().or(Some(FinishReason::Stop)),
            usage: reply.usage(),
            model: reply.model().map(str::to_owned),
            citations: reply.citations().to_vec(),
        }
    }

    /// The text of this piece; may be empty.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// let delta = delta(r#"{"choices": [{"delta": {"content": "Hel"}}]}"#);
    /// assert_eq!((delta.content(), delta.to_string()), ("Hel", "Hel".to_owned()));
    /// ```
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// What the model thought.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// let delta = delta(r#"{"choices": [{"delta": {"reasoning_content": "Let me see"}}]}"#);
    /// assert_eq!((delta.reasoning(), delta.content()), (Some("Let me see"), ""));
    /// ```
    #[must_use]
    pub fn reasoning(&self) -> Option<&str> {
        self.reasoning.as_deref()
    }

    /// Pieces of calls of tools.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// let call = r#"{"index": 0, "id": "call-1", "function": {"name": "weather"}}"#;
    /// let delta = delta(&format!(r#"{{"choices": [{{"delta": {{"tool_calls": [{call}]}}}}]}}"#));
    /// assert_eq!(delta.tool_calls()[0].name(), "weather");
    /// ```
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
            && self.audio.is_none()
            && self.finish_reason.is_none()
            && self.usage.is_none()
            && self.citations.is_empty()
    }

    /// A piece of what the model says aloud.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// let delta = delta(r#"{"choices": [{"delta": {"audio": {"data": "AQID"}}}]}"#);
    /// assert_eq!(delta.audio().map(|audio| audio.bytes()), Some(&[1, 2, 3][..]));
    /// ```
    #[must_use]
    pub const fn audio(&self) -> Option<&ChatAudio> {
        self.audio.as_ref()
    }

    /// Whether it holds no piece of the answer itself, as the first and the last chunk do.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// assert!(delta(r#"{"choices": [{"delta": {"role": "assistant"}}]}"#).is_empty());
    /// assert!(!delta(r#"{"choices": [{"delta": {"content": "Hel"}}]}"#).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
            && self.reasoning.is_none()
            && self.tool_calls.is_empty()
            && self.audio.is_none()
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.content)
    }
}

/// A piece of the call of a tool.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::protocol::{Tool, ToolCallDelta};
///
/// let call = client.text().chat(["Weather in Ulm?"]).tools([Tool::function("weather")]);
/// let mut stream = call.stream().await?;
/// let mut arguments = String::new();
/// while let Some(delta) = stream.next().await {
///     arguments.extend(delta?.tool_calls().iter().map(ToolCallDelta::arguments));
/// }
/// assert!(arguments.starts_with('{') && arguments.ends_with('}'));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCallDelta {
    pub(super) index: Option<usize>,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl ToolCallDelta {
    /// Which call it belongs to.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let delta = |function: &str| {
    /// #     let call = format!(r#"{{"index": 0, "id": "call-1", "function": {function}}}"#);
    /// #     delta(&format!(r#"{{"choices": [{{"delta": {{"tool_calls": [{call}]}}}}]}}"#))
    /// # };
    /// assert_eq!(delta(r#"{"name": "weather"}"#).tool_calls()[0].index(), Some(0));
    /// ```
    #[must_use]
    pub const fn index(&self) -> Option<usize> {
        self.index
    }

    /// The id of the call; only in the first piece.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let delta = |function: &str| {
    /// #     let call = format!(r#"{{"index": 0, "id": "call-1", "function": {function}}}"#);
    /// #     delta(&format!(r#"{{"choices": [{{"delta": {{"tool_calls": [{call}]}}}}]}}"#))
    /// # };
    /// assert_eq!(delta(r#"{"name": "weather"}"#).tool_calls()[0].id(), "call-1");
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of the tool; only in the first piece.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let delta = |function: &str| {
    /// #     let call = format!(r#"{{"index": 0, "id": "call-1", "function": {function}}}"#);
    /// #     delta(&format!(r#"{{"choices": [{{"delta": {{"tool_calls": [{call}]}}}}]}}"#))
    /// # };
    /// assert_eq!(delta(r#"{"name": "weather"}"#).tool_calls()[0].name(), "weather");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A piece of the arguments' JSON text.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let delta = |function: &str| {
    /// #     let call = format!(r#"{{"index": 0, "id": "call-1", "function": {function}}}"#);
    /// #     delta(&format!(r#"{{"choices": [{{"delta": {{"tool_calls": [{call}]}}}}]}}"#))
    /// # };
    /// let delta = delta(r#"{"arguments": "{\"city\": "}"#);
    /// assert_eq!(delta.tool_calls()[0].arguments(), r#"{"city": "#);
    /// ```
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Accumulator, ToolCall},
        *,
    };

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
    fn calls_that_are_all_numbered_alike_are_told_apart_by_id() {
        let merged = merged(&[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\""}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}"#,
        ]);

        let calls: Vec<_> = merged
            .tool_calls()
            .iter()
            .map(ToolCall::arguments)
            .collect();
        assert_eq!(calls, ["{}", r#"{"x":1}"#]);
    }

    #[test]
    fn arguments_that_are_not_packed_and_odd_neighbours_lose_nothing() {
        let merged = merged(&[
            r#"{"choices":[{"delta":{"tool_calls":[7,{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}]}}]}"#,
        ]);

        assert_eq!(merged.tool_calls()[0].arguments(), r#"{"x":1}"#);
    }

    #[test]
    fn sound_joins_piece_by_piece() {
        let merged = merged(&[
            r#"{"choices":[{"delta":{"audio":{"id":"a1","data":"YWI=","transcript":"Hel"}}}]}"#,
            r#"{"choices":[{"delta":{"audio":{"data":"Yw==","transcript":"lo"}}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
        ]);

        let audio = merged.audio().unwrap();
        assert_eq!(
            (audio.bytes(), audio.transcript()),
            (b"abc".as_slice(), "Hello")
        );
    }

    #[test]
    fn a_message_beside_or_instead_of_a_delta_is_not_counted_twice() {
        let merged = merged(&[
            r#"{"choices":[{"message":{"content":"Hel"},"delta":{"content":"Hel"}}]}"#,
            r#"{"choices":[{"message":{"content":"Hello"},"delta":{"content":"lo"}}]}"#,
            r#"{"choices":[{"message":{"content":"!"},"finish_reason":"stop"}]}"#,
        ]);

        assert_eq!(merged.content(), "Hello!");
    }

    #[test]
    fn chunks_of_another_shape_lose_nothing() {
        for odd in [
            r#"{"choices":{"delta":{"content":"a"},"finish_reason":"stop"}}"#,
            r#"{"choices":[7,{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":"a","finish_reason":"stop"}]}"#,
            r#"{"choices":[],"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
        ] {
            let merged = merged(&[odd]);
            assert_eq!(merged.content(), "a", "{odd}");
            assert_eq!(merged.finish_reason(), Some(&FinishReason::Stop), "{odd}");
        }
    }

    #[test]
    fn k13_a_chunk_that_cannot_be_read_is_told_and_a_keep_alive_is_not() {
        let deep = format!(r#"{{"choices":[{{"delta":{}"#, r#"{"a":"#.repeat(200_000));
        for broken in [
            r#"{"choices":[{"delta":{"content":"a"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"n":NaN}"#,
            r#"{"choices":[{"delta":{"audio":{"data":"?!"}}}]}"#,
            &deep,
        ] {
            assert!(matches!(StreamEvent::decode(broken), StreamEvent::Broken));
        }
        for ignored in ["ping", "{keep-alive}", "[", "{", "\u{0}"] {
            assert!(matches!(StreamEvent::decode(ignored), StreamEvent::Ignored));
        }
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
