//! The members of a request that count.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::image;
use crate::{
    layers::{estimate::CountTokens, types::TokenEstimate},
    protocol::LenientText,
};

/// What frames a message: its beginning, its role, its end.
const MESSAGE: u64 = 4;
/// What begins the answer.
const ANSWER: u64 = 3;
/// What frames the definition of a tool.
const TOOL: u64 = 8;
/// Bytes of base64 for a token of sound: 10 tokens a second, at 128 kbit/s.
const BYTES_PER_TOKEN: u64 = 2133;

/// A request with a body.
#[derive(Deserialize)]
pub(super) struct Asked<'a> {
    #[serde(borrow, default)]
    messages: Option<Vec<Message<'a>>>,
    #[serde(borrow, default)]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    response_format: Option<Format<'a>>,
    #[serde(borrow, default)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_completion_tokens: Option<&'a RawValue>,
    // Of a picture.
    #[serde(borrow, default)]
    prompt: LenientText<'a>,
    // Of speech.
    #[serde(borrow, default)]
    input: LenientText<'a>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow, default)]
    json_schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(borrow, default)]
    name: LenientText<'a>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Parts(#[serde(borrow)] Vec<Part<'a>>),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: LenientText<'a>,
    #[serde(borrow, default)]
    image_url: Option<Picture<'a>>,
    #[serde(borrow, default)]
    input_audio: Option<Sound<'a>>,
}

#[derive(Deserialize)]
struct Picture<'a> {
    #[serde(borrow, default)]
    url: LenientText<'a>,
    #[serde(borrow, default)]
    detail: LenientText<'a>,
}

#[derive(Deserialize)]
struct Sound<'a> {
    #[serde(borrow, default)]
    data: LenientText<'a>,
}

impl Asked<'_> {
    pub(super) fn estimate(&self, count: &impl CountTokens) -> Option<TokenEstimate> {
        let Some(messages) = &self.messages else {
            let text = self.prompt.some().or_else(|| self.input.some())?;
            return Some(TokenEstimate::new(count.count(text)));
        };
        let parts = messages.iter().map(|message| message.tokens(count));
        let tools = self.tools.iter().flatten();
        let tools = tools.map(|tool| TOOL.saturating_add(count.count(tool.get())));
        let schema = self
            .response_format
            .as_ref()
            .and_then(|format| format.json_schema)
            .map(|schema| count.count(schema.get()));
        let prompt = parts
            .chain(tools)
            .chain(schema)
            .fold(ANSWER, u64::saturating_add);
        let bound = self.max_completion_tokens.or(self.max_tokens);
        let estimate = TokenEstimate::new(prompt);
        Some(match bound.and_then(|bound| bound.get().parse().ok()) {
            Some(bound) => estimate.completion_tokens(bound),
            None => estimate,
        })
    }
}

impl Message<'_> {
    fn tokens(&self, count: &impl CountTokens) -> u64 {
        let content = match &self.content {
            Some(Content::Text(text)) => count.count(text),
            Some(Content::Parts(parts)) => parts
                .iter()
                .map(|part| part.tokens(count))
                .fold(0, u64::saturating_add),
            Some(Content::Other(_)) | None => 0,
        };
        let name = self.name.some().map_or(0, |name| count.count(name));
        let calls = self.tool_calls.map_or(0, |calls| count.count(calls.get()));
        [content, name, calls]
            .into_iter()
            .fold(MESSAGE, u64::saturating_add)
    }
}

impl Part<'_> {
    fn tokens(&self, count: &impl CountTokens) -> u64 {
        let text = self.text.some().map_or(0, |text| count.count(text));
        let picture = self.image_url.as_ref().map_or(0, |picture| {
            image::tokens(
                picture.url.some().unwrap_or_default(),
                picture.detail.some() == Some("low"),
            )
        });
        let sound = self.input_audio.as_ref().map_or(0, |sound| {
            let length = sound.data.some().unwrap_or_default().len();
            (length as u64).div_ceil(BYTES_PER_TOKEN)
        });
        text.saturating_add(picture).saturating_add(sound)
    }
}
