//! Whole chat replies.

use serde::{Deserialize, de::Error as _};
use serde_json::value::RawValue;

use super::{
    ChatAudio, Delta, ToolCall,
    lenient::{Text, elements, first, lenient},
    sound::WireAudio,
    usage::{WireUsage, wire_usage},
};
use crate::layers::types::{FinishReason, Usage};

/// A whole chat reply, read tolerantly: everything but `choices` may be absent or null.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom::protocol::ChatReply;
///
/// let reply = ChatReply::decode(br#"{
///     "model": "openai",
///     "choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]
/// }"#)?;
/// assert_eq!(reply.content(), "Hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChatReply {
    pub(crate) content: String,
    pub(crate) reasoning: Option<String>,
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) audio: Option<ChatAudio>,
    pub(crate) finish_reason: Option<FinishReason>,
    pub(crate) usage: Option<Usage>,
    pub(crate) model: Option<String>,
    pub(crate) citations: Vec<String>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    // A bare message, as the plain text route gives it for tool calls, has no choices.
    #[serde(borrow, default, deserialize_with = "first")]
    choices: Option<Choice<'a>>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(default, deserialize_with = "wire_usage")]
    usage: Option<WireUsage>,
    #[serde(default, deserialize_with = "lenient")]
    citations: Option<Vec<String>>,
    #[serde(borrow, default)]
    role: Text<'a>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// What a reply tells beside the answer.
#[derive(Default)]
pub(crate) struct Told<'a> {
    pub(crate) finish_reason: Text<'a>,
    pub(crate) error: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    content_blocks: Option<Vec<Block<'a>>>,
    #[serde(default, deserialize_with = "elements")]
    tool_calls: Vec<ToolCall>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    audio: Option<WireAudio<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(borrow, default)]
    pub(super) thinking: Text<'a>,
}

impl ChatReply {
    /// Reads a reply.
    ///
    /// # Errors
    ///
    /// The JSON cannot be read, is nested deeper than 128, or holds no message.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// let reply = ChatReply::decode(br#"{"choices": [{"message": {"content": "Hello"}}]}"#)?;
    /// assert_eq!(reply.content(), "Hello");
    /// assert!(ChatReply::decode(br#"{"error": "no"}"#).is_err());
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    pub fn decode(body: &[u8]) -> Result<Self, serde_json::Error> {
        // One check for UTF-8 and a parse of text is faster than a parse of bytes, which checks each
        // string.
        let text = std::str::from_utf8(body).map_err(serde_json::Error::custom)?;
        Self::read(text).map(|(reply, _)| reply)
    }

    /// The reply, and what else it tells of how it ended.
    pub(crate) fn read(text: &str) -> Result<(Self, Told<'_>), serde_json::Error> {
        let wire: Wire<'_> = serde_json::from_str(text)?;
        let mut told = Told {
            error: wire.error,
            ..Told::default()
        };
        let message = match wire.choices {
            Some(first) => {
                told.error = first.error.or(told.error);
                told.finish_reason = first.finish_reason;
                let message = first.message;
                message.ok_or_else(|| serde_json::Error::custom("no message"))?
            }
            None if !wire.role.is_empty() => serde_json::from_str(text)?,
            None => return Err(serde_json::Error::custom("no choices")),
        };
        let audio = message.audio.as_ref().map(WireAudio::decode);
        let audio = audio.transpose().map_err(serde_json::Error::custom)?;
        let reasoning = match message.reasoning_content.some() {
            Some(reasoning) => Some(reasoning.to_owned()),
            None => message.content_blocks.and_then(|blocks| thinking(&blocks)),
        };
        let tool_calls = message.tool_calls;
        // The service's own rule: calls of tools are why it ended.
        let finish_reason = match told.finish_reason.some() {
            None if !tool_calls.is_empty() => Some(FinishReason::ToolCalls),
            reason => reason.map(FinishReason::from),
        };
        let reply = Self {
            content: message.content.0.into_owned(),
            reasoning,
            tool_calls,
            audio,
            finish_reason,
            usage: wire.usage.map(|usage| usage.normalize()),
            model: wire.model.some().map(str::to_owned),
            citations: wire.citations.unwrap_or_default(),
        };
        Ok((reply, told))
    }

    /// The text; empty with tool calls.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// let reply = ChatReply::decode(br#"{"choices": [{"message": {"content": null}}]}"#)?;
    /// assert_eq!(reply.content(), "");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// The text, taken out.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// let reply = ChatReply::decode(br#"{"choices": [{"message": {"content": "Hello"}}]}"#)?;
    /// let text: String = reply.into_content();
    /// assert_eq!(text, "Hello");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn into_content(self) -> String {
        self.content
    }

    /// What the model thought.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// let message = r#"{"content": "63", "reasoning_content": "9 times 7"}"#;
    /// let reply = ChatReply::decode(format!(r#"{{"choices": [{{"message": {message}}}]}}"#).as_bytes())?;
    /// assert_eq!(reply.reasoning(), Some("9 times 7"));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn reasoning(&self) -> Option<&str> {
        self.reasoning.as_deref()
    }

    /// The tools that the model asks to call.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// let call = r#"{"id": "call-1", "function": {"name": "weather", "arguments": "{}"}}"#;
    /// let message = format!(r#"{{"content": null, "tool_calls": [{call}]}}"#);
    /// let reply = ChatReply::decode(format!(r#"{{"choices": [{{"message": {message}}}]}}"#).as_bytes())?;
    /// assert_eq!(reply.tool_calls()[0].name(), "weather");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.tool_calls
    }

    /// What the model says aloud.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// let message = r#"{"audio": {"data": "AQID", "transcript": "Hello"}}"#;
    /// let reply = ChatReply::decode(format!(r#"{{"choices": [{{"message": {message}}}]}}"#).as_bytes())?;
    /// let audio = reply.audio().ok_or("it speaks")?;
    /// assert_eq!((audio.bytes(), audio.transcript()), (&[1, 2, 3][..], "Hello"));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn audio(&self) -> Option<&ChatAudio> {
        self.audio.as_ref()
    }

    /// Why the generation ended.
    ///
    /// ```
    /// # use blossom::{layers::types::FinishReason, protocol::ChatReply};
    /// let cut = br#"{"choices": [{"message": {"content": "Once"}, "finish_reason": "length"}]}"#;
    /// assert_eq!(ChatReply::decode(cut)?.finish_reason(), Some(&FinishReason::Length));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub const fn finish_reason(&self) -> Option<&FinishReason> {
        self.finish_reason.as_ref()
    }

    /// The tokens that were counted.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// let reply = br#"{"choices": [{"message": {}}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#;
    /// assert_eq!(ChatReply::decode(reply)?.usage().map(|usage| usage.total_tokens), Some(15));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The model that answered.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// let reply = ChatReply::decode(br#"{"model": "openai", "choices": [{"message": {}}]}"#)?;
    /// assert_eq!(reply.model(), Some("openai"));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The sources of a model that searches.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// let reply = br#"{"choices": [{"message": {}}], "citations": ["https://example.com/a"]}"#;
    /// assert_eq!(ChatReply::decode(reply)?.citations(), ["https://example.com/a"]);
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn citations(&self) -> &[String] {
        &self.citations
    }

    /// The reply as the only piece of a stream.
    ///
    /// ```
    /// use blossom::protocol::{Accumulator, ChatReply};
    ///
    /// let reply = ChatReply::decode(br#"{"choices": [{"message": {"content": "Hello"}}]}"#)?;
    /// let mut all = Accumulator::default();
    /// all.push(&reply.to_delta());
    /// assert_eq!((all.content(), all.is_complete()), ("Hello", true));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn to_delta(&self) -> Delta {
        Delta::whole(self)
    }
}

pub(super) fn thinking(blocks: &[Block<'_>]) -> Option<String> {
    let all: String = blocks.iter().map(|block| &*block.thinking.0).collect();
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_full_reply() {
        let reply = ChatReply::decode(
            br#"{"id":"x","created":1795469939000,"model":"m","choices":[{"index":0,"message":{
                "role":"assistant","content":"Hello","reasoning_content":"hm"},
                "finish_reason":"stop","logprobs":null}],
                "usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7},
                "citations":["https://example.com"]}"#,
        )
        .unwrap();

        assert_eq!(reply.content(), "Hello");
        assert_eq!(reply.reasoning(), Some("hm"));
        assert_eq!(reply.finish_reason(), Some(&FinishReason::Stop));
        assert_eq!(reply.usage().unwrap().total_tokens, 7);
        assert_eq!(reply.model(), Some("m"));
        assert_eq!(reply.citations(), ["https://example.com"]);
    }

    #[test]
    fn only_choices_and_message_are_needed() {
        let reply = ChatReply::decode(br#"{"choices":[{"message":{"content":"Hi"}}]}"#).unwrap();
        assert_eq!(reply.content(), "Hi");

        let nulls = br#"{"choices":[{"message":{"content":null,"tool_calls":null},
            "finish_reason":null}],"usage":null,"model":null}"#;
        assert_eq!(ChatReply::decode(nulls).unwrap().content(), "");

        for broken in [
            "{}",
            "[]",
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            "hello",
            "",
        ] {
            assert!(ChatReply::decode(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn tool_calls_with_null_content_are_a_success() {
        let reply = ChatReply::decode(
            br#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"c1","type":"function",
                "function":{"name":"f","arguments":"{}"}}]}}]}"#,
        )
        .unwrap();

        assert_eq!(reply.tool_calls()[0].name(), "f");
        assert_eq!(reply.finish_reason(), Some(&FinishReason::ToolCalls));
    }

    #[test]
    fn an_odd_call_costs_no_other_and_arguments_may_stand_unpacked() {
        let reply = ChatReply::decode(
            br#"{"choices":[{"message":{"content":"","tool_calls":[7,{"id":"c1","type":"function",
                "function":{"name":"f","arguments":{"a":1}}}]}}]}"#,
        )
        .unwrap();

        assert_eq!(reply.tool_calls().len(), 1);
        assert_eq!(reply.tool_calls()[0].arguments(), r#"{"a":1}"#);
    }

    #[test]
    fn an_answer_may_be_spoken() {
        let body = r#"{"choices":[{"message":{"content":null,"audio":{"id":"a1","data":"YWI=",
            "transcript":"Hello","expires_at":9}},"finish_reason":"stop"}]}"#;
        let reply = ChatReply::decode(body.as_bytes()).unwrap();
        let audio = reply.audio().unwrap();

        assert_eq!(
            (audio.bytes(), audio.transcript()),
            (b"ab".as_slice(), "Hello")
        );
        let broken = body.replace("YWI=", "?!");
        assert!(ChatReply::decode(broken.as_bytes()).is_err());
    }

    #[test]
    fn reasoning_may_come_in_blocks_and_content_in_parts() {
        let reply = ChatReply::decode(
            br#"{"choices":[{"message":{"content":[{"type":"text","text":"a"}],
                "content_blocks":[{"type":"thinking","thinking":"hm"},
                {"type":"redacted_thinking","data":""}]}}]}"#,
        )
        .unwrap();

        assert_eq!((reply.content(), reply.reasoning()), ("a", Some("hm")));
    }

    #[test]
    fn a_bare_message_is_a_reply() {
        let reply = ChatReply::decode(
            br#"{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function",
                "function":{"name":"f","arguments":""}}]}"#,
        );

        assert_eq!(reply.unwrap().tool_calls().len(), 1);
    }

    #[test]
    fn k13_deep_json_is_an_error_and_no_crash() {
        let deep = format!(r#"{{"choices":{}"#, "[".repeat(200_000));

        assert!(ChatReply::decode(deep.as_bytes()).is_err());
    }
}
