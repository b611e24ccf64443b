//! Text: a prompt, or a chat.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::response::Parts;

use super::{
    Blossom, Text, TextStream,
    answer::Meta,
    exchange::{Decode, Exchange},
    failure::{self, unexpected},
    options::Options,
    stream::OpenStream,
};
use crate::{
    Result,
    protocol::{
        ChatReply, ChatRequest, Failure, Message, ReasoningEffort, ResponseFormat, Stop,
        TextRequest, Tool, ToolChoice, reply_usage,
    },
};

/// Text calls; see [`Blossom::text`].
#[derive(Debug, Clone, Copy)]
pub struct TextCalls<'a> {
    client: &'a Blossom,
}

impl<'a> TextCalls<'a> {
    pub(super) const fn new(client: &'a Blossom) -> Self {
        Self { client }
    }

    /// The answer to one prompt.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let answer = client.text().generate("What is Rust?").max_tokens(200).await?;
    /// assert!(!answer.content().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn generate(&self, prompt: impl Into<String>) -> Generate {
        Generate {
            client: self.client.clone(),
            request: TextRequest::new(prompt),
            options: Options::default(),
        }
    }

    /// The answer to a conversation.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::protocol::Message;
    ///
    /// let messages = [Message::system("Be brief."), Message::user("What is Rust?")];
    /// let answer = client.text().chat(messages).model("openai").temperature(0.1).await?;
    /// assert!(answer.usage().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn chat<M: Into<Message>>(&self, messages: impl IntoIterator<Item = M>) -> Chat {
        Chat {
            client: self.client.clone(),
            request: ChatRequest::new(messages),
            options: Options::default(),
        }
    }
}

/// Writes the settings that a call passes on to its request.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident($value:ty);)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: $value) -> Self {
            self.request = self.request.$name(value);
            self
        }
    )*};
}

/// Writes the settings that concern the call and not its request.
macro_rules! options {
    () => {
        /// Adds a header to the request. One that is not legal is refused when the call is made.
        pub fn header(mut self, name: &str, value: &str) -> Self {
            self.options.header(name, value);
            self
        }

        /// Gives this call `timeout` in all, to the end of its body. The client's own
        /// `total_timeout` holds if it is shorter.
        pub fn timeout(mut self, timeout: Duration) -> Self {
            self.options.timeout = Some(timeout);
            self
        }
    };
}

/// A call for the answer to one prompt. Await it for the whole answer, or open a
/// [`stream`](Self::stream).
///
/// It owns a clone of the client: it can be stored, and moved into a task.
#[derive(Clone)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Generate {
    client: Blossom,
    request: TextRequest,
    options: Options,
}

impl Generate {
    settings! {
        /// The model. Not sent unless set: the service has a default of its own.
        model(impl Into<String>);
        /// A system message.
        system(impl Into<String>);
        /// How much chance there is, 0 to 2. The service's default is its provider's.
        temperature(f64);
        /// Samples from the likeliest part of this mass, 0 to 1.
        top_p(f64);
        /// Lowers the chance of what has been said, -2 to 2.
        presence_penalty(f64);
        /// Lowers the chance of what is said often, -2 to 2.
        frequency_penalty(f64);
        /// The most tokens of the answer.
        max_tokens(u64);
        /// Makes the answer repeatable, -1 to 2147483647. Another seed gets another answer; the
        /// same request gets the same answer from the service's own cache, whatever the temperature.
        seed(i64);
        /// How long a reasoning model thinks.
        reasoning_effort(ReasoningEffort);
    }
    options! {}

    /// Opens a stream of the answer.
    pub fn stream(self) -> StreamCall {
        let request = self.options.finish(
            self.request
                .stream(true)
                .encode(&self.client.settings().endpoint),
        );
        StreamCall(self.client.exchange(request, OpenStream))
    }
}

impl IntoFuture for Generate {
    type Output = Result<Text>;
    type IntoFuture = TextCall;

    fn into_future(self) -> TextCall {
        let request = self
            .options
            .finish(self.request.encode(&self.client.settings().endpoint));
        TextCall(self.client.exchange(request, DecodeText))
    }
}

/// A call for the answer to a conversation. Await it for the whole answer, or open a
/// [`stream`](Self::stream).
///
/// It owns a clone of the client: it can be stored, and moved into a task.
#[derive(Clone)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Chat {
    client: Blossom,
    request: ChatRequest,
    options: Options,
}

impl Chat {
    settings! {
        /// The model. Not sent unless set: the service has a default of its own.
        model(impl Into<String>);
        /// How much chance there is, 0 to 2. The service's default is its provider's.
        temperature(f64);
        /// Samples from the likeliest part of this mass, 0 to 1.
        top_p(f64);
        /// Lowers the chance of what has been said, -2 to 2.
        presence_penalty(f64);
        /// Lowers the chance of what is said often, -2 to 2.
        frequency_penalty(f64);
        /// The most tokens of the answer.
        max_tokens(u64);
        /// Makes the answer repeatable, -1 to 2147483647. Another seed gets another answer; the
        /// same request gets the same answer from the service's own cache, whatever the temperature.
        seed(i64);
        /// Ends the answer before any of these, one to four.
        stop(impl Into<Stop>);
        /// The form of the answer: text, a JSON object, or JSON after a schema.
        response_format(ResponseFormat);
        /// The tools that the model may ask to call, 128 at most.
        tools(impl IntoIterator<Item = Tool>);
        /// Whether the model may, must, or must not ask for tools.
        tool_choice(ToolChoice);
        /// How long a reasoning model thinks.
        reasoning_effort(ReasoningEffort);
    }
    options! {}

    /// The request, to set what has no method of its own here.
    ///
    /// ```
    /// # fn example(client: &blossom::Blossom) {
    /// let call = client.text().chat(["Hi"]).request(|request| request.user("u-17"));
    /// # let _ = call;
    /// # }
    /// ```
    pub fn request(mut self, change: impl FnOnce(ChatRequest) -> ChatRequest) -> Self {
        self.request = change(self.request);
        self
    }

    /// Opens a stream of the answer. Usage is asked for.
    pub fn stream(self) -> StreamCall {
        let request = self.options.finish(
            self.request
                .stream(true)
                .encode(&self.client.settings().endpoint),
        );
        StreamCall(self.client.exchange(request, OpenStream))
    }
}

impl IntoFuture for Chat {
    type Output = Result<Text>;
    type IntoFuture = TextCall;

    fn into_future(self) -> TextCall {
        let request = self
            .options
            .finish(self.request.encode(&self.client.settings().endpoint));
        TextCall(self.client.exchange(request, DecodeText))
    }
}

/// The prompt is never shown.
macro_rules! opaque {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

opaque!(Generate, Chat);

/// A text call on its way. Dropping it cancels the request; a generation that is no stream may
/// still go on at the service, and be billed.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct TextCall(Exchange<DecodeText>);

impl Future for TextCall {
    type Output = Result<Text>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// The opening of a stream. Dropping it cancels the request.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct StreamCall(Exchange<OpenStream>);

impl Future for StreamCall {
    type Output = Result<TextStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// Decodes a whole text reply, of a chat or of a prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct DecodeText;

impl Decode for DecodeText {
    type Output = Text;

    fn decode(self, head: &Parts, body: &Bytes) -> Result<Text> {
        match crate::protocol::media_type(&head.headers) {
            "application/json" => decode_reply(head, body).map(|reply| whole(reply, head)),
            "text/plain" => plain(head, body),
            _ => Err(unexpected(head, body, "text or JSON")),
        }
    }
}

pub(super) fn decode_reply(head: &Parts, body: &Bytes) -> Result<ChatReply> {
    let reply = ChatReply::decode(body)
        .map_err(|error| unexpected(head, body, "a chat reply").with_source(error))?;
    match Failure::in_reply(&head.headers, body, &reply) {
        Some(failure) => Err(failure::of_failure(&failure)),
        None => Ok(reply),
    }
}

fn whole(reply: ChatReply, head: &Parts) -> Text {
    Text {
        finish_reason: reply.finish_reason,
        reasoning: reply.reasoning,
        tool_calls: reply.tool_calls,
        citations: reply.citations,
        content: reply.content,
        meta: Meta {
            usage: reply.usage.or_else(|| reply_usage(&head.headers)),
            model: reply.model,
            ..Meta::of(head)
        },
    }
}

fn plain(head: &Parts, body: &Bytes) -> Result<Text> {
    if let Some(failure) = Failure::in_plain(&head.headers) {
        return Err(failure::of_failure(&failure));
    }
    let mut meta = Meta::of(head);
    meta.usage = reply_usage(&head.headers);
    meta.model = crate::protocol::model_used(&head.headers).map(str::to_owned);
    Ok(Text {
        content: match std::str::from_utf8(body) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                return Err(unexpected(head, body, "UTF-8 text").with_source(error));
            }
        },
        meta,
        ..Text::default()
    })
}
