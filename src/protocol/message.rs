use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Invalid, Part, ToolCall, invalid};

/// Who speaks.
///
/// ```
/// use blossom::protocol::{Message, Role};
///
/// assert_eq!(Message::user("Hi").role(), Role::User);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Instructions that stand above the conversation.
    System,
    /// The same for newer models of `OpenAI`.
    Developer,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
    /// The answer of a tool.
    Tool,
    /// The answer of a function; of old, [`Tool`](Self::Tool) replaces it.
    Function,
}

/// One message of a conversation.
///
/// A `&str` or `String` is a user's message.
///
/// ```
/// use blossom::protocol::{Message, Part};
///
/// let messages = [
///     Message::system("You are terse."),
///     Message::user("What is this?").part(Part::image_url("https://example.com/cat.png")),
/// ];
/// # assert_eq!(messages[1].text(), "What is this?");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    // By name, as the canonical form of JSON has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_control: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
}

/// What a message holds: one text, or parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

impl Message {
    /// Whether it holds nothing but text, and nothing that others have made.
    pub(super) fn is_plain(&self) -> bool {
        !matches!(self.content, Some(Content::Parts(_)))
            && self.cache_control.is_none()
            && self.tool_calls.is_empty()
    }

    /// Instructions that stand above the conversation.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Message::system("You are terse.").role(), Role::System);
    /// ```
    #[must_use]
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, text.into())
    }

    /// Instructions, as newer models of `OpenAI` call them.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Message::developer("You are terse.").role(), Role::Developer);
    /// ```
    #[must_use]
    pub fn developer(text: impl Into<String>) -> Self {
        Self::new(Role::Developer, text.into())
    }

    /// A message of the user.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let message = Message::user("Hi");
    /// assert_eq!((message.role(), message.text()), (Role::User, "Hi"));
    /// assert_eq!(message, Message::from("Hi"));
    /// ```
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, text.into())
    }

    /// A message of the user made of parts only, for example of images.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let cat = Part::image_url("https://example.com/cat.png");
    /// let message = Message::user_parts([Part::text("What is this?"), cat]);
    /// assert_eq!(message.text(), "What is this?");
    /// ```
    #[must_use]
    pub fn user_parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let content = Content::Parts(parts.into_iter().collect());
        Self {
            content: Some(content),
            ..Self::new(Role::User, String::new())
        }
    }

    /// An earlier answer of the model.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new([
    ///     Message::user("Name a flower"),
    ///     Message::assistant("Rose"),
    ///     Message::user("Another one"),
    /// ]);
    /// assert_eq!(serde_json::to_value(chat)?["messages"][1]["role"], "assistant");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, text.into())
    }

    /// The result of the tool call with this id.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let call = ToolCall::new("call-1", "weather", r#"{"city": "Ulm"}"#);
    /// let answer = Message::tool(call.id(), r#"{"degrees": 21}"#);
    /// assert_eq!(serde_json::to_value(answer)?["tool_call_id"], "call-1");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn tool(call_id: impl Into<String>, result: impl Into<String>) -> Self {
        Self {
            tool_call_id: Some(call_id.into()),
            ..Self::new(Role::Tool, result.into())
        }
    }

    /// The result of the function `name`, for servers that know no tools yet.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let answer = Message::function("weather", r#"{"degrees": 21}"#);
    /// assert_eq!(answer.role(), Role::Function);
    /// ```
    #[must_use]
    pub fn function(name: impl Into<String>, result: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::new(Role::Function, result.into())
        }
    }

    /// Appends a part; the text so far becomes the first one.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let message = Message::user("What is this?").part(Part::image_url("https://example.com/cat.png"));
    /// let content = &serde_json::to_value(message)?["content"];
    /// assert_eq!((&content[0]["type"], &content[1]["type"]), (&"text".into(), &"image_url".into()));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn part(mut self, part: Part) -> Self {
        let mut parts = match self.content.take() {
            Some(Content::Parts(parts)) => parts,
            Some(Content::Text(text)) if !text.is_empty() => vec![Part::text(text)],
            Some(Content::Text(_)) | None => Vec::new(),
        };
        parts.push(part);
        self.content = Some(Content::Parts(parts));
        self
    }

    /// Calls that the model asked for in this message; an empty text becomes none.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let call = ToolCall::new("call-1", "weather", r#"{"city": "Ulm"}"#);
    /// let message = serde_json::to_value(Message::assistant("").tool_calls([call]))?;
    /// assert_eq!(message["tool_calls"][0]["function"]["name"], "weather");
    /// assert!(message.get("content").is_none());
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn tool_calls(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.tool_calls = calls.into_iter().collect();
        if matches!(&self.content, Some(Content::Text(text)) if text.is_empty()) {
            self.content = None;
        }
        self
    }

    /// Tells participants of the same role apart: 1 to 64 letters, digits, `_` and `-`.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let message = Message::user("I say so too").name("ada");
    /// assert_eq!(serde_json::to_value(message)?["name"], "ada");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Marks the end of a prefix that the provider may keep in its prompt cache.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let message = Message::system("A long text that every request begins with").cache_prefix();
    /// assert_eq!(serde_json::to_value(message)?["cache_control"]["type"], "ephemeral");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn cache_prefix(mut self) -> Self {
        self.cache_control = Some(super::content::ephemeral());
        self
    }

    /// Who speaks.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Message::tool("call-1", "21").role(), Role::Tool);
    /// ```
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The text, or the first part that is text; empty if there is none.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let cat = Part::image_url("https://example.com/cat.png");
    /// assert_eq!(Message::user("What is this?").part(cat.clone()).text(), "What is this?");
    /// assert_eq!(Message::user_parts([cat]).text(), "");
    /// ```
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.content {
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => parts.iter().find_map(Part::as_text).unwrap_or(""),
            None => "",
        }
    }

    /// About how many tokens it takes: one for four bytes of text, 765 for each picture or other
    /// medium, and four for the message itself.
    ///
    /// Models count each in their own way; this is for limits that need not be exact.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let message = Message::user("What is this?");
    /// assert_eq!(message.tokens(), 4 + 4);
    /// let cat = Part::image_url("https://example.com/cat.png");
    /// assert_eq!(message.part(cat).tokens(), 4 + 4 + 765);
    /// ```
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let bytes = |text: &str| text.len().div_ceil(4) as u64;
        let content = match &self.content {
            Some(Content::Text(text)) => bytes(text),
            Some(Content::Parts(parts)) => {
                let part = |part: &Part| part.as_text().map_or(MEDIUM_TOKENS, bytes);
                parts.iter().map(part).fold(0, u64::saturating_add)
            }
            None => 0,
        };
        let call = |call: &ToolCall| bytes(call.name()).saturating_add(bytes(call.arguments()));
        let calls = self.tool_calls.iter().map(call);
        calls.fold(MESSAGE_TOKENS.saturating_add(content), u64::saturating_add)
    }

    pub(super) fn validate(&self, position: usize) -> Result<(), Invalid> {
        let refuse = |field: &str, problem: &'static str| {
            Err(Invalid::new(
                format!("messages[{position}].{field}"),
                problem,
            ))
        };
        match (self.role, self.tool_call_id.as_deref()) {
            (Role::Tool, None | Some("")) => {
                return refuse("tool_call_id", "must say which call is answered");
            }
            (Role::Tool, Some(_)) | (_, None) => {}
            (_, Some(_)) => return refuse("tool_call_id", "is for tool messages only"),
        }
        match &self.name {
            Some(name) if !invalid::is_name(name) => {
                return refuse("name", "must be 1 to 64 letters, digits, _ or -");
            }
            None if self.role == Role::Function => {
                return refuse("name", "must say which function answers");
            }
            _ => {}
        }
        if !self.tool_calls.is_empty() && self.role != Role::Assistant {
            return refuse("tool_calls", "are for assistant messages only");
        }
        if self.cache_control.is_some() && self.role == Role::User {
            return refuse(
                "cache_control",
                "of a user's message goes on one of its parts",
            );
        }
        match &self.content {
            Some(Content::Parts(parts)) if parts.is_empty() => {
                refuse("content", "must have at least one part")
            }
            Some(Content::Parts(parts)) => parts
                .iter()
                .enumerate()
                .try_for_each(|(part, content)| content.validate(position, part)),
            // The service would answer a prompt of its own invention.
            Some(Content::Text(text)) if text.is_empty() && self.role == Role::User => {
                refuse("content", "must not be empty")
            }
            None if self.role == Role::User => refuse("content", "must not be empty"),
            _ => Ok(()),
        }
    }

    const fn new(role: Role, text: String) -> Self {
        Self {
            role,
            content: Some(Content::Text(text)),
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            cache_control: None,
        }
    }
}

/// What a message takes beside its content: the role and its marks.
const MESSAGE_TOKENS: u64 = 4;

/// What a picture of a thousand pixels by a thousand takes with models that look closely.
const MEDIUM_TOKENS: u64 = 765;

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::user(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::user(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(message: &Message) -> String {
        serde_json::to_string(message).unwrap()
    }

    #[test]
    fn messages_have_their_wire_form_and_read_it_back() {
        let cases = [
            (Message::user("a"), r#"{"content":"a","role":"user"}"#),
            (
                Message::user("a").part(Part::image_url("https://x/y.png")),
                r#"{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://x/y.png"}}],"role":"user"}"#,
            ),
            (
                Message::assistant("").tool_calls([ToolCall::new("1", "f", "{}")]),
                r#"{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
            ),
            (
                Message::tool("1", "42"),
                r#"{"content":"42","role":"tool","tool_call_id":"1"}"#,
            ),
            (
                Message::system("s").cache_prefix(),
                r#"{"cache_control":{"type":"ephemeral"},"content":"s","role":"system"}"#,
            ),
        ];
        for (message, text) in cases {
            assert_eq!(json(&message), text);
            assert_eq!(serde_json::from_str::<Message>(text).unwrap(), message);
            assert_eq!(message.validate(0), Ok(()));
        }
    }

    #[test]
    fn parts_of_an_unknown_type_are_kept() {
        let text = r#"{"content":[{"type":"hologram","x":[1,{"y":null}]}],"role":"user"}"#;
        assert_eq!(json(&serde_json::from_str(text).unwrap()), text);
    }

    #[test]
    fn what_the_service_would_repair_in_silence_is_refused() {
        let cases = [
            (Message::user(""), "messages[2].content"),
            (Message::user_parts([]), "messages[2].content"),
            (Message::user("a").name("Müller"), "messages[2].name"),
            (Message::tool("", "x"), "messages[2].tool_call_id"),
            (Message::function("f g", "x"), "messages[2].name"),
            (
                Message::user("a").tool_calls([ToolCall::new("1", "f", "")]),
                "messages[2].tool_calls",
            ),
            (
                Message::user("a").cache_prefix(),
                "messages[2].cache_control",
            ),
        ];
        for (message, parameter) in cases {
            assert_eq!(message.validate(2).unwrap_err().parameter(), parameter);
        }
    }
}
