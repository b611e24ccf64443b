//! Calls in the making.

use std::{fmt, future::IntoFuture, sync::Arc, time::Duration};

use super::{Blossom, TextStream, workers::Workers};
use crate::{
    Result,
    client::{
        Chat, Draw, Generate, Models, Speak, chat_settings, draw_settings, example,
        generate_settings, speak_settings,
    },
    protocol::{
        AspectRatio, AudioOutput, ChatRequest, Message, Modality, Quality, ReasoningEffort,
        Resolution, ResponseFormat, Safety, SearchContext, SpeechFormat, Stop, Tool, ToolChoice,
    },
};

/// A call in the making: the async one with its settings, and [`send`](Self::send) in place of
/// `.await`.
///
/// It owns a clone of the client: it can be stored, and moved to another thread.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
/// let call = client.text().generate("What is Rust?").max_tokens(50);
/// let thread = std::thread::spawn({
///     let call = call.clone();
///     move || call.seed(2).send()
/// });
/// println!("{}", call.seed(1).send()?);
/// println!("{}", thread.join().map_err(|_| "it has panicked")??);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call<C> {
    workers: Arc<Workers>,
    call: C,
}

impl<C> Call<C> {
    pub(super) const fn new(workers: Arc<Workers>, call: C) -> Self {
        Self { workers, call }
    }

    /// The async call inside, to be awaited elsewhere.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let call = client.text().generate("What is Rust?").into_inner();
    /// let answer = client.block_on(async move { call.await })??;
    /// # assert!(!answer.content().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_inner(self) -> C {
        self.call
    }

    fn map<D>(self, change: impl FnOnce(C) -> D) -> Call<D> {
        Call::new(self.workers, change(self.call))
    }
}

impl<C, T> Call<C>
where
    C: IntoFuture<Output = Result<T>, IntoFuture: Send> + Send + 'static,
    T: Send + 'static,
{
    /// Makes the call and waits for its answer.
    ///
    /// # Errors
    ///
    /// Those of the async call.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let answer = client.text().generate("What is Rust?").send()?;
    /// println!("{answer}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(self) -> Result<T> {
        let Self { workers, call } = self;
        workers.call(async move { call.await })?
    }
}

/// Nothing of the prompt is shown.
impl<C> fmt::Debug for Call<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// Writes the entry to one family of calls.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident { $(
        $(#[$call_doc:meta])*
        $method:ident($($value:ident: $type:ty),*) -> $call:ty = $family:ident;
    )* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name<'a> {
            client: &'a Blossom,
        }

        impl<'a> $name<'a> {
            pub(super) const fn new(client: &'a Blossom) -> Self {
                Self { client }
            }

            $(
                $(#[$call_doc])*
                pub fn $method(&self, $($value: $type),*) -> Call<$call> {
                    self.client.call(self.client.client.$family().$method($($value),*))
                }
            )*
        }
    )*};
}

calls! {
    /// Text calls; see [`Blossom::text`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let one = client.text().generate("What is Rust?").send()?;
    /// let other = client.text().chat(["What is Rust?"]).model("openai").send()?;
    /// println!("{one}\n{other}");
    /// # Ok(())
    /// # }
    /// ```
    TextCalls {
        /// The answer to one prompt.
        ///
        /// ```
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
        /// let answer = client.text().generate("What is Rust?").max_tokens(200).send()?;
        /// assert!(!answer.content().is_empty());
        /// # Ok(())
        /// # }
        /// ```
        generate(prompt: impl Into<String>) -> Generate = text;
        /// The answer to a conversation.
        ///
        /// ```
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
        /// use blossom::protocol::Message;
        ///
        /// let messages = [Message::system("Be brief."), Message::user("What is Rust?")];
        /// assert!(client.text().chat(messages).send()?.usage().is_some());
        /// # Ok(())
        /// # }
        /// ```
        chat(messages: impl IntoIterator<Item = impl Into<Message>>) -> Chat = text;
        /// The models that write.
        ///
        /// ```
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
        /// let models = client.text().models().send()?;
        /// assert!(models.iter().any(|model| model.id() == "openai"));
        /// # Ok(())
        /// # }
        /// ```
        models() -> Models = text;
    }
    /// Image calls; see [`Blossom::image`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let image = client.image().generate("a cat").size(64, 64).send()?;
    /// println!("{} bytes of {}", image.bytes().len(), image.content_type());
    /// # Ok(())
    /// # }
    /// ```
    ImageCalls {
        /// An image of a prompt.
        ///
        /// ```
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
        /// let image = client.image().generate("a cat").size(64, 64).send()?;
        /// assert_eq!(image.content_type(), "image/jpeg");
        /// # Ok(())
        /// # }
        /// ```
        generate(prompt: impl Into<String>) -> Draw = image;
        /// The models that draw.
        ///
        /// ```
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
        /// let models = client.image().models().send()?;
        /// assert!(models.iter().any(|model| model.id() == "flux"));
        /// # Ok(())
        /// # }
        /// ```
        models() -> Models = image;
    }
    /// Audio calls; see [`Blossom::audio`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let speech = client.audio().speak("Hello").send()?;
    /// println!("{} bytes of {}", speech.bytes().len(), speech.content_type());
    /// # Ok(())
    /// # }
    /// ```
    AudioCalls {
        /// A text, spoken.
        ///
        /// ```
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
        /// let speech = client.audio().speak("Hello").voice("nova").send()?;
        /// assert!(speech.content_type().starts_with("audio/"));
        /// # Ok(())
        /// # }
        /// ```
        speak(text: impl Into<String>) -> Speak = audio;
        /// The models that speak.
        ///
        /// ```
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
        /// let models = client.audio().models().send()?;
        /// assert!(models.iter().any(|model| model.id() == "tts-1"));
        /// # Ok(())
        /// # }
        /// ```
        models() -> Models = audio;
    }
}

/// Writes the settings of a call, which are those of the async one.
macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($value:ident: $type:ty),*) { $($example:tt)* })*) => {$(
        $(#[$doc])*
        ///
        #[doc = example!(sent $($example)*)]
        pub fn $name(self, $($value: $type),*) -> Self {
            self.map(|call| call.$name($($value),*))
        }
    )*};
}

/// Writes the settings that every call has.
macro_rules! options {
    ($($call:ident),*) => {$(
        impl Call<$call> {
            forward! {
                /// Adds a header to the request. One that is not legal is refused when the call is
                /// made.
                header(name: &str, value: &str) {
                    /// client.text().generate("Hi").header("x-team", "blue")
                    =>
                    /// assert_eq!(sandbox.requests()[0].header("x-team"), Some("blue"));
                }
                /// Gives this call `timeout` in all, to the end of its body. The client's own
                /// `total_timeout` holds if it is shorter.
                timeout(timeout: Duration) {
                    /// use std::time::Duration;
                    ///
                    /// let answer = client.text().generate("Hi").timeout(Duration::from_secs(30))
                    =>
                    /// assert!(!answer.content().is_empty());
                }
                /// Asks the service whatever the client's cache holds, and keeps the answer. The
                /// service has a cache of its own: for another answer, change the seed.
                fresh() {
                    /// let ask = client.text().generate("What is Rust?");
                    /// ask.clone().send()?;
                    /// ask.fresh()
                    =>
                    /// assert_eq!(sandbox.count(), 2);
                }
                /// Passes the client's cache by: it neither answers, nor keeps the answer.
                no_store() {
                    /// let ask = client.text().generate("What is Rust?").no_store();
                    /// ask.clone().send()?;
                    /// ask
                    =>
                    /// assert_eq!(sandbox.count(), 2);
                }
                /// How long the answer is kept, instead of the client's `cache_ttl`.
                cache_ttl(time_to_live: Duration) {
                    /// use std::time::Duration;
                    ///
                    /// let ask = client.text().generate("What is new?").cache_ttl(Duration::ZERO);
                    /// ask.clone().send()?;
                    /// ask
                    =>
                    /// assert_eq!(sandbox.count(), 2);
                }
                /// A key of your own in the client's cache: calls with equal keys are equal, whatever
                /// else is in them, for the same owner. A stream and a whole answer are still two.
                cache_key(key: &str) {
                    /// client.text().generate("When are you open?").cache_key("hours").send()?;
                    /// client.text().generate("Your opening hours?").cache_key("hours")
                    =>
                    /// assert_eq!(sandbox.count(), 1);
                }
                /// Adds a tag by which the answer can be made forgotten.
                cache_tag(tag: &str) {
                    /// let ask = client.text().generate("When are you open?").cache_tag("faq");
                    /// ask.clone().send()?;
                    /// client.client().cache().invalidate_tag("faq");
                    /// ask
                    =>
                    /// assert_eq!(sandbox.count(), 2);
                }
            }
        }
    )*};
}

options!(Generate, Chat, Draw, Speak, Models);

impl Call<Generate> {
    generate_settings!(forward);
}

impl Call<Chat> {
    chat_settings!(forward);
    forward! {
        /// The request, to set what has no method of its own here.
        request(change: impl FnOnce(ChatRequest) -> ChatRequest) {
            /// client.text().chat(["Hi"]).request(|request| request.user("u-17"))
            =>
            /// assert_eq!(sandbox.requests()[0].parsed()["user"], "u-17");
        }
    }
}

impl Call<Draw> {
    draw_settings!(forward);
}

impl Call<Speak> {
    speak_settings!(forward);
}

/// Writes what text calls can do besides.
macro_rules! streams {
    ($($call:ident),*) => {$(
        impl Call<$call> {
            /// Opens a stream of the answer.
            ///
            /// # Errors
            ///
            /// Those of the async call.
            ///
            /// ```
            /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
            /// for delta in client.text().generate("Write a story").stream()? {
            ///     print!("{}", delta?);
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn stream(self) -> Result<TextStream> {
                let Self { workers, call } = self;
                let inner = workers.call(async move { call.stream().await })??;
                Ok(TextStream::new(workers, inner))
            }

            /// The answer as a value of the type that it is asked for.
            ///
            /// # Errors
            ///
            /// Those of the async call.
            ///
            /// ```
            /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # let sandbox = blossom::sandbox::Sandbox::start()?;
            /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
            /// # sandbox.script([(200, r#"{"choices":[{"message":{"content":
            /// #     "{\"title\":\"Soup\"}"},"finish_reason":"stop"}],"model":"openai"}"#)]);
            /// #[derive(serde::Deserialize, schemars::JsonSchema)]
            /// struct Recipe {
            ///     title: String,
            /// }
            ///
            /// let recipe = client.text().chat(["A soup, please"]).parse::<Recipe>()?;
            /// assert_eq!(recipe.value().title, "Soup");
            /// # Ok(())
            /// # }
            /// ```
            #[cfg(feature = "schema")]
            #[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
            pub fn parse<T>(self) -> Result<crate::client::Typed<T>>
            where
                T: serde::de::DeserializeOwned + schemars::JsonSchema + Send + 'static,
            {
                let Self { workers, call } = self;
                workers.call(async move { call.parse::<T>().await })?
            }
        }
    )*};
}

streams!(Generate, Chat);

impl Call<Generate> {
    /// The same as a chat, to set what only a chat has.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let call = client.text().generate("What is Rust?").into_chat().max_tokens(20);
    /// println!("{}", call.send()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_chat(self) -> Call<Chat> {
        self.map(Generate::into_chat)
    }
}

impl Call<Draw> {
    /// The URL of the image: nothing is sent, and it never holds a key.
    ///
    /// # Errors
    ///
    /// As [`Draw::url`](crate::client::Draw::url).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build_blocking()?;
    /// let url = client.image().generate("a cat").size(64, 64).url()?;
    /// assert!(url.contains("width=64"));
    /// assert_eq!(sandbox.count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn url(&self) -> Result<String> {
        self.call.url()
    }
}
