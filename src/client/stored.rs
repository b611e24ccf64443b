//! Answers as they are kept: by a cache, in a file.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Text, answer::Meta};
use crate::{
    layers::types::{FinishReason, Usage},
    protocol::{ChatAudio, ToolCall},
};

/// What is kept of a [`Text`]: the answer, and what the upstream said of it. How this one call went,
/// its timing and where it came from, is not.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    content: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "<[ToolCall]>::is_empty")]
    tool_calls: Cow<'a, [ToolCall]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    citations: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio: Option<Cow<'a, ChatAudio>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<StoredUsage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct StoredUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(default)]
    cached_prompt_tokens: u64,
    #[serde(default)]
    reasoning_tokens: u64,
}

impl From<Usage> for StoredUsage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.total_tokens,
            cached_prompt_tokens: usage.cached_prompt_tokens,
            reasoning_tokens: usage.reasoning_tokens,
        }
    }
}

impl From<StoredUsage> for Usage {
    fn from(stored: StoredUsage) -> Self {
        let mut usage = Self::new(stored.prompt_tokens, stored.completion_tokens);
        usage.total_tokens = stored.total_tokens;
        usage.cached_prompt_tokens = stored.cached_prompt_tokens;
        usage.reasoning_tokens = stored.reasoning_tokens;
        usage
    }
}

/// The answer and what the upstream said of it; not how the call went.
impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = Stored {
            content: Cow::Borrowed(&self.content),
            reasoning: self.reasoning.as_deref().map(Cow::Borrowed),
            tool_calls: Cow::Borrowed(&self.tool_calls),
            finish_reason: self
                .finish_reason
                .as_ref()
                .map(|reason| Cow::Borrowed(reason.as_str())),
            citations: Cow::Borrowed(&self.citations),
            audio: self.audio.as_ref().map(Cow::Borrowed),
            usage: self.meta.usage.map(StoredUsage::from),
            model: self.meta.model.as_deref().map(Cow::Borrowed),
            request_id: self.meta.request_id.as_deref().map(Cow::Borrowed),
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        Ok(Self {
            content: stored.content.into_owned(),
            reasoning: stored.reasoning.map(Cow::into_owned),
            tool_calls: stored.tool_calls.into_owned(),
            finish_reason: stored
                .finish_reason
                .map(|reason| FinishReason::from(&*reason)),
            citations: stored.citations.into_owned(),
            audio: stored.audio.map(Cow::into_owned),
            meta: Meta {
                usage: stored.usage.map(Usage::from),
                model: stored.model.map(Cow::into_owned),
                request_id: stored.request_id.map(Cow::into_owned),
                ..Meta::default()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_can_be_kept_and_read_again() {
        let mut usage = Usage::new(3, 4);
        usage.reasoning_tokens = 2;
        let text = Text {
            content: "Hello".into(),
            reasoning: Some("hm".into()),
            tool_calls: vec![ToolCall::new("c1", "f", "{}")],
            finish_reason: Some(FinishReason::Length),
            citations: vec!["https://example.com".into()],
            audio: Some(ChatAudio::of_bytes(b"ab".to_vec())),
            meta: Meta {
                usage: Some(usage),
                model: Some("m".into()),
                request_id: Some("r".into()),
                ..Meta::default()
            },
        };

        let json = serde_json::to_string(&text).unwrap();
        let read: Text = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!(read.usage(), Some(usage));
        assert_eq!(read.audio().unwrap().bytes(), b"ab");
        assert_eq!(read.finish_reason(), Some(&FinishReason::Length));
    }
}
