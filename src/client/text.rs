//! Text: a prompt, or a chat.

use std::future::IntoFuture;

use bytes::Bytes;
use http::{Request, response::Parts};

use super::{
    Blossom, Models, Partial, Text, TextStream,
    answer::Meta,
    exchange::Decode,
    failure::{self, unexpected},
    macros::{calls, opaque, options, settings},
    options::Options,
    settings::{chat_settings, example, generate_settings},
    stream::OpenStream,
};
use crate::{
    Result,
    batch::Prepared,
    layers::{body::ReqBody, types::Outcome},
    policy::ReadReply,
    protocol::{
        AudioOutput, ChatAudio, ChatReply, ChatRequest, Failure, Message, Modality,
        ReasoningEffort, ResponseFormat, Safety, SearchContext, Stop, TextRequest, Tool,
        ToolChoice, reply_usage,
    },
};

/// Text calls; see [`Blossom::text`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let one = client.text().generate("What is Rust?").await?;
/// let other = client.text().chat(["What is Rust?"]).model("openai").await?;
/// println!("{one}\n{other}");
/// # Ok(())
/// # }
/// ```
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

    /// The models that write, as [`Blossom::models`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.text().models().await?;
    /// assert!(models.iter().any(|model| model.id() == "openai"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn models(&self) -> Models {
        self.client.models()
    }
}

/// A call for the answer to one prompt. Await it for the whole answer, or open a
/// [`stream`](Self::stream).
///
/// It owns a clone of the client: it can be stored, and moved into a task.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let call = client.text().generate("What is Rust?").max_tokens(50).seed(7);
/// let again = call.clone(); // it owns all it needs
/// let answers = tokio::try_join!(async { call.await }, async { again.fresh().await })?;
/// # assert_eq!(answers.0.content(), answers.1.content());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Generate {
    client: Blossom,
    request: TextRequest,
    pub(super) options: Options,
}

impl Generate {
    generate_settings!(settings);
    options! {}

    /// The same as a chat, to set what only a chat has.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let chat = client.text().generate("Count to ten").into_chat().stop("seven");
    /// chat.await?;
    /// assert_eq!(sandbox.requests()[0].parsed()["messages"][0]["content"], "Count to ten");
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_chat(self) -> Chat {
        Chat {
            client: self.client,
            request: self.request.to_chat(),
            options: self.options,
        }
    }

    /// Opens a stream of the answer.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let mut stream = client.text().generate("Write a story").stream().await?;
    /// let first = stream.next().await.ok_or("it has begun")??;
    /// assert!(stream.content().starts_with(first.content()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(mut self) -> StreamCall {
        self.request = self.request.stream(true);
        let (client, request) = self.finish();
        StreamCall(client.exchange(request, OpenStream))
    }
}

impl Generate {
    /// The call as one of a batch.
    pub(crate) fn into_prepared(self) -> Prepared<Text> {
        let (client, request) = self.finish();
        Prepared::of_request(request, move |request| client.exchange(request, DecodeText))
    }

    /// The client, and the request as it is sent.
    fn finish(self) -> (Blossom, Result<Request<ReqBody>>) {
        let encoded = self.request.encode(&self.client.settings().endpoint);
        (self.client, self.options.finish(encoded))
    }
}

impl IntoFuture for Generate {
    type Output = Result<Text>;
    type IntoFuture = TextCall;

    fn into_future(self) -> TextCall {
        let (client, request) = self.finish();
        TextCall(client.exchange(request, DecodeText))
    }
}

/// A call for the answer to a conversation. Await it for the whole answer, or open a
/// [`stream`](Self::stream).
///
/// It owns a clone of the client: it can be stored, and moved into a task.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::protocol::Message;
///
/// let messages = [Message::system("You are brief"), Message::user("What is Rust?")];
/// let answer = client.text().chat(messages).temperature(0.1).max_tokens(50).await?;
/// println!("{answer}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Chat {
    client: Blossom,
    request: ChatRequest,
    pub(super) options: Options,
}

impl Chat {
    chat_settings!(settings);
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let stream = client.text().chat(["Write a story"]).stream().await?;
    /// assert!(stream.finish().await?.usage().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(mut self) -> StreamCall {
        self.request = self.request.stream(true);
        let (client, request) = self.finish();
        StreamCall(client.exchange(request, OpenStream))
    }
}

impl Chat {
    /// The call as one of a batch.
    pub(crate) fn into_prepared(self) -> Prepared<Text> {
        let (client, request) = self.finish();
        Prepared::of_request(request, move |request| client.exchange(request, DecodeText))
    }

    /// The client, and the request as it is sent.
    fn finish(self) -> (Blossom, Result<Request<ReqBody>>) {
        let encoded = self.request.encode(&self.client.settings().endpoint);
        // What is written so need not be read again to be known.
        let body = if self.request.is_canonical() {
            ReqBody::canonical_json
        } else {
            ReqBody::full
        };
        (self.client, self.options.finish_as(encoded, body))
    }
}

impl IntoFuture for Chat {
    type Output = Result<Text>;
    type IntoFuture = TextCall;

    fn into_future(self) -> TextCall {
        let (client, request) = self.finish();
        TextCall(client.exchange(request, DecodeText))
    }
}

opaque!(Generate, Chat);

calls! {
    /// A text call on its way. Dropping it cancels the request; a generation that is no stream may
    /// still go on at the service, and be billed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::client::TextCall;
    ///
    /// let call: TextCall = client.text().generate("Hi").into_future();
    /// assert!(!call.await?.content().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    TextCall(DecodeText) -> Text;
    /// The opening of a stream. Dropping it cancels the request.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::client::StreamCall;
    ///
    /// let opening: StreamCall = client.text().generate("Hi").stream();
    /// assert!(!opening.await?.finish().await?.content().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    StreamCall(OpenStream) -> TextStream;
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
            media_type if media_type.starts_with("audio/") => Ok(spoken(head, body)),
            _ => Err(unexpected(head, body, "text or JSON")),
        }
    }
}

pub(super) fn decode_reply(head: &Parts, body: &Bytes) -> Result<ChatReply> {
    let reply = match already_read(head, body) {
        Some(reply) => reply,
        None => ChatReply::decode(body).map_err(|error| {
            failure::in_json(head, body)
                .unwrap_or_else(|| unexpected(head, body, "a chat reply").with_source(error))
        })?,
    };
    match Failure::in_reply(&head.headers, body, &reply) {
        Some(failure) => {
            let partial = Partial::of_text(whole(reply, head));
            Err(failure::of_failure(&failure).with_partial(partial))
        }
        None => Ok(reply),
    }
}

/// The reply, if somebody further in had to read it.
fn already_read(head: &Parts, body: &Bytes) -> Option<ChatReply> {
    let outcome = head.extensions.get::<Outcome>()?;
    outcome.take_decoded::<ReadReply>()?.of(body)
}

/// Some models answer aloud.
fn spoken(head: &Parts, body: &Bytes) -> Text {
    Text {
        audio: Some(ChatAudio::of_bytes(body.to_vec())),
        meta: meta_of_headers(head),
        ..Text::default()
    }
}

/// Of a reply that tells in its head what others tell in their body.
pub(super) fn meta_of_headers(head: &Parts) -> Meta {
    Meta {
        usage: reply_usage(&head.headers),
        model: crate::protocol::model_used(&head.headers).map(str::to_owned),
        ..Meta::of(head)
    }
}

fn whole(reply: ChatReply, head: &Parts) -> Text {
    Text {
        finish_reason: reply.finish_reason,
        reasoning: reply.reasoning,
        tool_calls: reply.tool_calls,
        citations: reply.citations,
        audio: reply.audio,
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
    Ok(Text {
        content: match std::str::from_utf8(body) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                return Err(unexpected(head, body, "UTF-8 text").with_source(error));
            }
        },
        meta: meta_of_headers(head),
        ..Text::default()
    })
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::{
        layers::{
            body::End,
            types::{Observe, Record, Watch},
        },
        policy::ObserveReply,
    };

    #[test]
    fn a_chat_that_was_read_further_in_is_taken_unless_its_body_was_changed() {
        let chat = |content: &str| {
            let body = format!(r#"{{"choices":[{{"message":{{"content":"{content}"}}}}]}}"#);
            Bytes::from(body)
        };
        let arrived = chat("a");
        for body in [chat("a"), chat("b")] {
            let json = Response::builder().header("content-type", "application/json");
            let (mut head, ()) = json.body(()).unwrap().into_parts();
            let mut watch = ObserveReply.observe(&head).unwrap();
            watch.data(&arrived, &mut Record::default());
            let outcome = Outcome::new();
            outcome.defer(watch.end(End::Complete, &mut Record::default()).unwrap());
            outcome.read(|_| ());
            head.extensions.insert(outcome.clone());

            let reply = decode_reply(&head, &body).unwrap();

            let own = ChatReply::decode(&body).unwrap();
            assert_eq!(reply.content(), own.content());
            assert!(outcome.take_decoded::<ReadReply>().is_none(), "it is taken");
        }
    }
}
