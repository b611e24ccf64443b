use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use super::{
    Dialect, Endpoint, Invalid, Message,
    encode::{self, EVENTS, JSON, TEXT, Url},
    format::ResponseFormat,
    invalid,
    parameter::{
        AudioOutput, Modality, ReasoningEffort, SEED, Safety, SearchContext, Stop, max_temperature,
    },
    setters::setters,
    tool::{Tool, ToolChoice},
};

mod rare;
mod wire;

use rare::Rare;

/// A request for the answer to a conversation.
///
/// What is not set is not sent. Ranges are checked by [`validate`](Self::validate), which
/// [`encode`](Self::encode) calls.
///
/// ```
/// use blossom::protocol::{ChatRequest, Endpoint, Message};
///
/// let request = ChatRequest::new([Message::user("Hi")]).model("openai").temperature(0.1);
/// let http = request.encode(&Endpoint::default())?;
/// assert_eq!(http.uri(), "https://gen.pollinations.ai/v1/chat/completions");
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    messages: Vec<Message>,
    model: Option<String>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    max_tokens: Option<u64>,
    seed: Option<i64>,
    stream: bool,
    plain: bool,
    include_usage: Option<bool>,
    safe: Safety,
    private: bool,
    rare: Option<Box<Rare>>,
}

impl ChatRequest {
    /// A request with these messages.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new([Message::system("You are terse."), Message::user("Hi")]);
    /// assert_eq!(serde_json::to_value(chat)?["messages"][1]["content"], "Hi");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn new<M: Into<Message>>(messages: impl IntoIterator<Item = M>) -> Self {
        Self {
            messages: messages.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    setters! {
        body of r#"ChatRequest::new(["Hi"])"#;

        /// The model or an alias of it.
        model: impl Into<String> = "openai" => "openai";
        /// How much chance there is: 0 to 2, in the v1 dialect to 3.
        temperature: f64 = 0.2 => 0.2;
        /// Samples from the likeliest part of this mass, 0 to 1.
        top_p: f64 = 0.9 => 0.9;
        /// Lowers the chance of what has been said, -2 to 2.
        presence_penalty in rare: f64 = 0.5 => 0.5;
        /// Lowers the chance of what is said often, -2 to 2.
        frequency_penalty in rare: f64 = 0.5 => 0.5;
        /// Lowers the chance of repetitions, 0 to 2.
        repetition_penalty in rare: f64 = 1.1 => 1.1;
        /// The most tokens of the answer.
        max_tokens: u64 = 200 => 200;
        /// The most tokens of the answer, reasoning included.
        max_completion_tokens in rare: u64 = 500 => 500;
        /// Makes the answer repeatable, -1 to 2147483647.
        seed: i64 = 7 => 7;
        /// Ends the answer before any of these, one to four.
        stop in rare: impl Into<Stop> = ["seven", "eight"] => serde_json::json!(["seven", "eight"]);
        /// The form of the answer.
        response_format in rare: ResponseFormat = ResponseFormat::json()
            => serde_json::json!({"type": "json_object"});
        /// Whether the model may, must or must not call tools.
        tool_choice in rare: ToolChoice = ToolChoice::None => "none";
        /// Whether the model may ask for several calls at once.
        parallel_tool_calls in rare: bool = false => false;
        /// Voice and format of spoken answers.
        audio in rare: AudioOutput = AudioOutput::new("nova", AudioFormat::Mp3)
            => serde_json::json!({"voice": "nova", "format": "mp3"});
        /// The voice of spoken answers, where their format may be the service's choice.
        voice in rare: impl Into<String> = "nova" => "nova";
        /// How long a reasoning model thinks.
        reasoning_effort in rare: ReasoningEffort = ReasoningEffort::Low => "low";
        /// Asks for the likelihood of each token.
        logprobs in rare: bool = true => true;
        /// How many likely tokens to tell for each, 20 at most.
        top_logprobs in rare: u32 = 5 => 5;
        /// Who asks, for the service's own records.
        user in rare: impl Into<String> = "user-7" => "user-7";
        /// How much a searching model reads.
        ///
        /// ```
        /// # use blossom::protocol::*;
        /// let chat = ChatRequest::new(["News?"]).search_context(SearchContext::High);
        /// let body = serde_json::to_value(chat)?;
        /// assert_eq!(body["web_search_options"]["search_context_size"], "high");
        /// # Ok::<_, serde_json::Error>(())
        /// ```
        search_context in rare: SearchContext;
        /// The name of the application, in the v1 dialect.
        ///
        /// ```
        /// # use blossom::protocol::*;
        /// let chat = ChatRequest::new(["Hi"]).referrer("my-app");
        /// assert!(chat.validate(Dialect::V1).is_ok());
        /// assert!(chat.validate(Dialect::Gen).is_err(), "it would be lost");
        /// ```
        referrer in rare: impl Into<String>;
    }

    /// The messages, in the place of those so far.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Hi"]).model("openai").messages(["Hello"]);
    /// let body = serde_json::to_value(chat)?;
    /// assert_eq!(body["messages"], serde_json::json!([{"role": "user", "content": "Hello"}]));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn messages<M: Into<Message>>(mut self, messages: impl IntoIterator<Item = M>) -> Self {
        self.messages = messages.into_iter().map(Into::into).collect();
        self
    }

    /// The tools that the model may ask to call, 128 at most.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Weather?"]).tools([Tool::function("weather")]);
    /// assert_eq!(serde_json::to_value(chat)?["tools"][0]["function"]["name"], "weather");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.rare().tools = tools.into_iter().collect();
        self
    }

    /// What the answer may be made of.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Say hello"]).modalities([Modality::Text, Modality::Audio]);
    /// assert_eq!(serde_json::to_value(chat)?["modalities"], serde_json::json!(["text", "audio"]));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn modalities(mut self, modalities: impl IntoIterator<Item = Modality>) -> Self {
        self.rare().modalities = modalities.into_iter().collect();
        self
    }

    /// Makes the token with this number likelier or less likely, -100 to 100.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Hi"]).logit_bias("1734", -100);
    /// assert_eq!(serde_json::to_value(&chat)?["logit_bias"]["1734"], -100);
    /// assert!(chat.logit_bias("hello", 5).validate(Dialect::Gen).is_err(), "no number of a token");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn logit_bias(mut self, token: impl Into<String>, bias: i64) -> Self {
        self.rare().logit_bias.insert(token.into(), bias);
        self
    }

    /// What the service filters.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Hi"]).safe(Safety::default().violence());
    /// assert_eq!(serde_json::to_value(chat)?["safe"], "violence");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub const fn safe(mut self, safe: Safety) -> Self {
        self.safe = safe;
        self
    }

    /// Keeps the answer out of the public feed, in the v1 dialect.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Hi"]).private(true);
    /// assert!(chat.validate(Dialect::V1).is_ok());
    /// assert!(chat.validate(Dialect::Gen).is_err(), "it has no public feed");
    /// ```
    #[must_use]
    pub const fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// Asks for a stream. Its usage is asked for with it.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let body = serde_json::to_value(ChatRequest::new(["Hi"]).stream(true))?;
    /// assert_eq!(body["stream"], true);
    /// assert_eq!(body["stream_options"]["include_usage"], true);
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub const fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    /// Asks for the answer as plain text instead of JSON, which the enter dialect cannot give. An
    /// answer without text, as that of calls of tools, still comes as JSON, and speech as sound.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = ChatRequest::new(["Hi"]).plain(true).encode(&Endpoint::default())?;
    /// assert_eq!(http.uri().path(), "/text");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub const fn plain(mut self, plain: bool) -> Self {
        self.plain = plain;
        self
    }

    /// Whether a stream tells its usage at the end. On by default.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Hi"]).stream(true).include_usage(false);
    /// assert_eq!(serde_json::to_value(chat)?["stream_options"]["include_usage"], false);
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub const fn include_usage(mut self, include_usage: bool) -> Self {
        self.include_usage = Some(include_usage);
        self
    }

    /// Adds a member that has no method here, for another service of this kind. One that has is
    /// refused, so that nothing is sent twice; so is any in the v1 and enter dialects, whose service
    /// drops what it does not know without a word.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Hi"]).extra("min_p", 0.1);
    /// assert_eq!(serde_json::to_value(&chat)?["min_p"], 0.1);
    /// assert!(chat.extra("model", "openai").validate(Dialect::Gen).is_err(), "it has a method");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.rare().extra.insert(name.into(), value.into());
        self
    }

    /// Checks what a request must be to be taken.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the first parameter that is out of its range.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Hi"]).temperature(2.5);
    /// assert!(chat.validate(Dialect::V1).is_ok());
    /// let invalid = chat.validate(Dialect::Gen).unwrap_err();
    /// assert_eq!(invalid.to_string(), "temperature must be 0 to 2, not 2.5");
    /// ```
    pub fn validate(&self, dialect: Dialect) -> Result<(), Invalid> {
        if self.messages.is_empty() {
            return Err(Invalid::new("messages", "must have at least one message"));
        }
        for (position, message) in self.messages.iter().enumerate() {
            message.validate(position)?;
        }
        invalid::not_empty("model", self.model.as_deref())?;
        let temperature = max_temperature(dialect);
        invalid::number("temperature", self.temperature, 0.0, temperature)?;
        invalid::number("top_p", self.top_p, 0.0, 1.0)?;
        invalid::count("max_tokens", self.max_tokens)?;
        invalid::integer("seed", self.seed, SEED.0, SEED.1)?;
        if let Some(rare) = &self.rare {
            rare.validate(self.stream)?;
        }
        self.validate_carried(dialect)
    }

    /// What has no place in this dialect would be lost.
    fn validate_carried(&self, dialect: Dialect) -> Result<(), Invalid> {
        let rare = self.rare.as_deref();
        let extra = rare.map(|rare| &rare.extra);
        let mut names = extra.into_iter().flat_map(BTreeMap::keys);
        if let Some(known) = names.find(|name| MEMBERS.contains(&name.as_str())) {
            let problem = "has a method of its own; use it instead of extra";
            return Err(Invalid::new(known.clone(), problem));
        }
        let lost = match dialect {
            Dialect::V1 => None,
            Dialect::Enter | Dialect::Gen if self.private => Some("private"),
            Dialect::Enter | Dialect::Gen if rare.is_some_and(|rare| rare.referrer.is_some()) => {
                Some("referrer")
            }
            Dialect::Enter if self.plain => Some("plain"),
            Dialect::Enter | Dialect::Gen => None,
        };
        let extra = extra.and_then(|extra| extra.keys().next());
        match (lost, extra) {
            (Some(name), _) => Err(Invalid::not_carried(name, "chat", dialect)),
            (None, Some(name)) if dialect != Dialect::Gen => {
                Err(Invalid::not_carried(name.clone(), "chat", dialect))
            }
            _ => Ok(()),
        }
    }

    /// The request as it goes on the wire, without a key.
    ///
    /// # Errors
    ///
    /// [`Invalid`], as [`validate`](Self::validate), or if the body is larger than 20 MiB.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = ChatRequest::new(["Hi"]).model("openai").encode(&Endpoint::v1())?;
    /// assert_eq!(http.uri(), "https://text.pollinations.ai/openai");
    /// assert!(http.body().starts_with(br#"{"messages":["#));
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    pub fn encode(&self, endpoint: &Endpoint) -> Result<Request<Bytes>, Invalid> {
        self.validate(endpoint.dialect())?;
        let accept = match (self.stream, self.plain) {
            (true, _) => EVENTS,
            (false, true) => TEXT,
            (false, false) => JSON,
        };
        let uri = match endpoint.dialect() {
            _ if !self.plain => endpoint.chat().clone(),
            Dialect::V1 => Url::new(endpoint.base(), "/").build()?,
            Dialect::Enter | Dialect::Gen => Url::new(endpoint.base(), "/text").build()?,
        };
        encode::post(uri, accept, self)
    }
}

/// All members that a request can have, so that `extra` repeats none.
const MEMBERS: [&str; 31] = [
    "messages",
    "model",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "modalities",
    "audio",
    "voice",
    "reasoning_effort",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "user",
    "web_search_options",
    "safe",
    "private",
    "referrer",
    "key",
    "token",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ChatRequest {
        ChatRequest::new([Message::user("Hi")])
    }

    fn refused(request: &ChatRequest) -> String {
        request.validate(Dialect::Gen).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_set_is_not_sent() {
        let body = request().encode(&Endpoint::default()).unwrap().into_body();

        assert_eq!(body, r#"{"messages":[{"content":"Hi","role":"user"}]}"#);
    }

    #[test]
    fn a_stream_asks_for_its_usage() {
        let request = request().stream(true).encode(&Endpoint::default()).unwrap();

        assert_eq!(request.headers()["accept"], "text/event-stream");
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["stream_options"]["include_usage"], true);
    }

    #[test]
    fn ranges_are_checked_and_the_error_says_what_is_allowed() {
        for (request, text) in [
            (
                request().temperature(2.1),
                "temperature must be 0 to 2, not 2.1",
            ),
            (
                request().temperature(f64::NAN),
                "temperature must be 0 to 2, not NaN",
            ),
            (request().top_p(-0.1), "top_p must be 0 to 1, not -0.1"),
            (request().seed(-2), "seed must be -1 to 2147483647, not -2"),
            (
                request().top_logprobs(21),
                "top_logprobs must be 0 to 20, not 21",
            ),
            (
                request().stop(Vec::new()),
                "stop must have 1 to 4 texts, not 0",
            ),
            (
                ChatRequest::new([""; 0]),
                "messages must have at least one message",
            ),
            (
                request().tool_choice(ToolChoice::Required),
                "tool_choice requires a tool, and there is none",
            ),
            (
                request().extra("seed", 1),
                "seed has a method of its own; use it instead of extra",
            ),
            (
                request().private(true),
                "private cannot be sent with chat of the gen dialect",
            ),
        ] {
            assert_eq!(refused(&request), text);
        }
        assert!(request().temperature(2.5).validate(Dialect::V1).is_ok());
    }
}
