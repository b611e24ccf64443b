use bytes::Bytes;
use http::Request;

use super::{
    ChatRequest, Dialect, Endpoint, Invalid, Message, ResponseFormat,
    encode::{self, EVENTS, LIST, TEXT, Url, V1_ROUTES},
    invalid,
    parameter::{ReasoningEffort, SEED, Safety, max_temperature},
    setters::setters,
};

/// A request for the answer to one prompt.
///
/// It goes as a `GET` with the prompt in the path. A prompt that a path cannot hold (`.` and `..`,
/// which vanish on the way, the names of other routes, and those that make the URL longer than 2,048
/// characters) goes as a chat instead. An empty prompt is refused: the service would answer one of
/// its own invention.
///
/// ```
/// use blossom::protocol::{Endpoint, TextRequest};
///
/// let http = TextRequest::new("a/b?").encode(&Endpoint::default())?;
/// assert_eq!(http.uri(), "https://gen.pollinations.ai/text/a%2Fb%3F");
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TextRequest {
    prompt: String,
    model: Option<String>,
    system: Option<String>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    presence_penalty: Option<f64>,
    frequency_penalty: Option<f64>,
    repetition_penalty: Option<f64>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    seed: Option<i64>,
    reasoning_effort: Option<ReasoningEffort>,
    voice: Option<String>,
    safe: Safety,
    referrer: Option<String>,
    json: bool,
    private: bool,
    stream: bool,
}

impl TextRequest {
    /// A request for the answer to `prompt`.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = TextRequest::new("What is Rust?").encode(&Endpoint::default())?;
    /// assert_eq!(http.uri().path(), "/text/What%20is%20Rust%3F");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            ..Self::default()
        }
    }

    setters! {
        query of r#"TextRequest::new("Hi")"#;

        /// The model or an alias of it.
        model: impl Into<String> = "openai" => "openai";
        /// A system message.
        system: impl Into<String> = "Be terse." => "Be%20terse.";
        /// How much chance there is: 0 to 2, in the v1 dialect to 3.
        temperature: f64 = 0.2 => "0.2";
        /// Samples from the likeliest part of this mass, 0 to 1.
        top_p: f64 = 0.9 => "0.9";
        /// Lowers the chance of what has been said, -2 to 2.
        presence_penalty: f64 = 0.5 => "0.5";
        /// Lowers the chance of what is said often, -2 to 2.
        frequency_penalty: f64 = 0.5 => "0.5";
        /// Lowers the chance of repetitions, 0 to 2.
        repetition_penalty: f64 = 1.1 => "1.1";
        /// The most tokens of the answer.
        max_tokens: u64 = 200 => "200";
        /// The most tokens of the answer, reasoning included.
        max_completion_tokens: u64 = 500 => "500";
        /// Makes the answer repeatable, -1 to 2147483647. The service takes 0 if none is sent.
        seed: i64 = 7 => "7";
        /// How long a reasoning model thinks.
        reasoning_effort: ReasoningEffort = ReasoningEffort::Low => "low";
        /// The voice of a model that speaks its answer.
        voice: impl Into<String> = "nova" => "nova";
        /// The name of the application, in the v1 dialect.
        ///
        /// ```
        /// # use blossom::protocol::*;
        /// let text = TextRequest::new("Hi").referrer("my-app");
        /// assert_eq!(text.encode(&Endpoint::v1())?.uri().query(), Some("referrer=my-app"));
        /// assert!(text.encode(&Endpoint::default()).is_err(), "the gen dialect would lose it");
        /// # Ok::<_, blossom::protocol::Invalid>(())
        /// ```
        referrer: impl Into<String>;
    }

    /// Asks for a JSON object as the answer's text.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = TextRequest::new("Name a flower, as JSON").json(true).encode(&Endpoint::default())?;
    /// assert_eq!(http.uri().query(), Some("json=true"));
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub const fn json(mut self, json: bool) -> Self {
        self.json = json;
        self
    }

    /// What the service filters.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let safe = Safety::default().violence();
    /// let http = TextRequest::new("Hi").safe(safe).encode(&Endpoint::default())?;
    /// assert_eq!(http.uri().query(), Some("safe=violence"));
    /// # Ok::<_, blossom::protocol::Invalid>(())
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
    /// let text = TextRequest::new("Hi").private(true);
    /// assert_eq!(text.encode(&Endpoint::v1())?.uri().query(), Some("private=true"));
    /// assert!(text.encode(&Endpoint::default()).is_err(), "it has no public feed");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub const fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// Asks for a stream.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = TextRequest::new("Hi").stream(true).encode(&Endpoint::default())?;
    /// assert_eq!(http.uri().query(), Some("stream=true"));
    /// assert_eq!(http.headers()["accept"], "text/event-stream");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub const fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    fn validate(&self, dialect: Dialect) -> Result<(), Invalid> {
        if self.prompt.is_empty() {
            return Err(Invalid::new("prompt", "must not be empty"));
        }
        invalid::not_empty("model", self.model.as_deref())?;
        invalid::not_empty("voice", self.voice.as_deref())?;
        let temperature = max_temperature(dialect);
        invalid::number("temperature", self.temperature, 0.0, temperature)?;
        invalid::number("top_p", self.top_p, 0.0, 1.0)?;
        invalid::number("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        invalid::number("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        invalid::number("repetition_penalty", self.repetition_penalty, 0.0, 2.0)?;
        invalid::count("max_tokens", self.max_tokens)?;
        invalid::count("max_completion_tokens", self.max_completion_tokens)?;
        invalid::integer("seed", self.seed, SEED.0, SEED.1)?;
        let v1_only = [
            ("private", self.private),
            ("referrer", self.referrer.is_some()),
        ];
        match v1_only.into_iter().find(|(_, given)| *given) {
            Some((name, _)) if dialect != Dialect::V1 => {
                Err(Invalid::not_carried(name, "text", dialect))
            }
            _ => Ok(()),
        }
    }

    /// The request as it goes on the wire, without a key.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the parameter that is out of its range.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let endpoint = Endpoint::default();
    /// assert_eq!(TextRequest::new("a/b?").encode(&endpoint)?.uri().path(), "/text/a%2Fb%3F");
    /// let long = TextRequest::new("What is Rust? ".repeat(200)).encode(&endpoint)?;
    /// assert_eq!(long.uri().path(), "/v1/chat/completions");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    pub fn encode(&self, endpoint: &Endpoint) -> Result<Request<Bytes>, Invalid> {
        self.validate(endpoint.dialect())?;
        let (path, taken) = match endpoint.dialect() {
            Dialect::V1 => ("/", V1_ROUTES),
            Dialect::Enter => ("/generate/text/", LIST),
            Dialect::Gen => ("/text/", LIST),
        };
        if !encode::fits_path(&self.prompt, taken) {
            return self.to_chat().encode(endpoint);
        }
        let mut url = Url::new(endpoint.base(), path).segment(&self.prompt);
        url.pair("model", self.model.as_deref());
        url.pair("system", self.system.as_deref());
        url.pair("temperature", self.temperature);
        url.pair("top_p", self.top_p);
        url.pair("presence_penalty", self.presence_penalty);
        url.pair("frequency_penalty", self.frequency_penalty);
        url.pair("repetition_penalty", self.repetition_penalty);
        url.pair("max_tokens", self.max_tokens);
        url.pair("max_completion_tokens", self.max_completion_tokens);
        url.pair("seed", self.seed);
        url.pair("reasoning_effort", self.reasoning_effort);
        url.pair("voice", self.voice.as_deref());
        url.pair("safe", (!self.safe.is_empty()).then_some(self.safe));
        url.pair("referrer", self.referrer.as_deref());
        url.flag("json", self.json);
        url.flag("private", self.private);
        url.flag("stream", self.stream);
        if url.is_too_long() {
            return self.to_chat().encode(endpoint);
        }
        let accept = if self.stream { EVENTS } else { TEXT };
        Ok(encode::get(url.build()?, accept))
    }

    /// The same as a chat.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = TextRequest::new("Hi").system("Be terse.").seed(7).to_chat();
    /// let body = serde_json::to_value(chat)?;
    /// assert_eq!((&body["messages"][0]["role"], &body["seed"]), (&"system".into(), &7.into()));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn to_chat(&self) -> ChatRequest {
        let system = self.system.as_ref().map(Message::system);
        let user = Message::user(&self.prompt);
        let mut chat = ChatRequest::new(system.into_iter().chain([user]))
            .stream(self.stream)
            .safe(self.safe)
            .private(self.private);
        if self.json {
            chat = chat.response_format(ResponseFormat::json());
        }
        macro_rules! copy {
            ($($name:ident),*) => {$(
                if let Some(value) = &self.$name {
                    chat = chat.$name(value.clone());
                }
            )*};
        }
        copy!(
            model,
            temperature,
            top_p,
            presence_penalty,
            frequency_penalty,
            repetition_penalty,
            max_tokens,
            max_completion_tokens,
            seed,
            reasoning_effort,
            voice,
            referrer
        );
        chat
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(prompt: &str) -> Request<Bytes> {
        TextRequest::new(prompt)
            .encode(&Endpoint::default())
            .unwrap()
    }

    #[test]
    fn k3_odd_prompts_are_one_segment_of_the_path() {
        for (prompt, path) in [
            ("../../account", "/text/..%2F..%2Faccount"),
            ("%2e%2e/x", "/text/%252e%252e%2Fx"),
            ("a\\..\\b", "/text/a%5C..%5Cb"),
            ("a#b", "/text/a%23b"),
            ("a?token=x", "/text/a%3Ftoken%3Dx"),
            ("a\r\nb", "/text/a%0D%0Ab"),
            ("a/b", "/text/a%2Fb"),
        ] {
            assert_eq!(encoded(prompt).uri().path(), path);
        }
    }

    #[test]
    fn prompts_that_a_path_cannot_hold_go_as_a_chat() {
        for prompt in [".", "..", &"long ".repeat(500)] {
            let request = encoded(prompt);
            assert_eq!(request.method(), http::Method::POST);
            let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
            assert_eq!(body["messages"][0]["content"], prompt);
        }
    }

    #[test]
    fn parameters_stand_in_the_query() {
        let request = TextRequest::new("Hi")
            .model("a&b")
            .system("Be brief.")
            .seed(7)
            .stream(true)
            .encode(&Endpoint::default())
            .unwrap();

        assert_eq!(
            request.uri().query(),
            Some("model=a%26b&system=Be%20brief.&seed=7&stream=true")
        );
    }

    #[test]
    fn an_empty_prompt_is_refused() {
        let error = TextRequest::new("")
            .encode(&Endpoint::default())
            .unwrap_err();

        assert_eq!(error.to_string(), "prompt must not be empty");
    }

    proptest! {
        #[test]
        fn every_prompt_is_one_segment_that_decodes_to_it(prompt in "\\PC{1,40}") {
            let request = encoded(&prompt);
            if request.method() == http::Method::GET {
                let segment = request.uri().path().strip_prefix("/text/").unwrap();
                prop_assert!(!segment.contains('/'));
                let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().unwrap();
                prop_assert_eq!(decoded, prompt);
            }
        }
    }
}
