//! Answers as values of the caller's own types.

use serde::de::DeserializeOwned;

use super::{Partial, Text};
use crate::{Error, ErrorKind, Result, layers::types::FinishReason};

impl Text {
    /// The content as a value of yours, from JSON.
    ///
    /// Ask for JSON with [`ResponseFormat::json`](crate::protocol::ResponseFormat::json) or a schema.
    /// What models put around it, a fence of three back ticks, is taken away.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if it is no JSON or not of this form; [`Error::partial`] holds the
    /// answer.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::protocol::ResponseFormat;
    ///
    /// let chat = client.text().chat(["Answer in JSON: what is Rust?"]);
    /// let answer = chat.response_format(ResponseFormat::json()).await?;
    /// let value: serde_json::Value = answer.json()?;
    /// assert!(value.is_object());
    /// # Ok(())
    /// # }
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(unfenced(self.content())).map_err(|error| self.not_json(error))
    }

    fn not_json(&self, error: serde_json::Error) -> Error {
        let (message, suggestion) = match self.finish_reason() {
            Some(FinishReason::Length) => (
                "the JSON was cut at the limit of tokens".to_owned(),
                "raise max_tokens",
            ),
            Some(FinishReason::ToolCalls) => (
                "the model asks for tools instead of an answer".to_owned(),
                "answer its tool_calls() first",
            ),
            _ => (
                // Never the text itself, which the error's own message may repeat.
                format!(
                    "the answer is not of the form that was asked for, at line {} column {}",
                    error.line(),
                    error.column()
                ),
                "ask again, or with a stricter schema; the answer is in partial()",
            ),
        };
        Error::new(ErrorKind::Decode, message)
            .with_retryable(true)
            .with_suggestion(suggestion)
            .with_partial(Partial::of_text(self.clone()))
            .with_source(error)
    }
}

/// The text without the fence that models like to put around code.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inside = text
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"))
        .and_then(|rest| rest.split_once('\n'));
    inside.map_or(text, |(_language, rest)| rest)
}

#[cfg(feature = "schema")]
mod from_type {
    use std::{
        fmt,
        future::{Future, IntoFuture},
        marker::PhantomData,
        pin::Pin,
        task::{Context, Poll, ready},
    };

    use schemars::JsonSchema;
    use serde::{Deserialize, de::DeserializeOwned};

    use crate::{
        Result,
        client::{Chat, Generate, Text, TextCall},
        protocol::{ChatRequest, schema},
    };

    impl Chat {
        /// The answer as a value of your type, whose JSON schema is sent with the request.
        ///
        /// Takes the place of a [`response_format`](Self::response_format) that was set. A type whose
        /// schema is no object, such as a list or a number, is sent inside one, since most providers
        /// take no other, and taken out again.
        ///
        /// # Errors
        ///
        /// As awaiting the chat; and [`ErrorKind::Decode`](crate::ErrorKind::Decode) if the answer
        /// does not fit, with the answer in [`Error::partial`](crate::Error::partial).
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # sandbox.script([(200, r#"{"choices":[{"message":{"content":
        /// #     "{\"title\":\"Soup\",\"steps\":[\"Boil\"]}"},"finish_reason":"stop"}]}"#)]);
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// #[derive(serde::Deserialize, schemars::JsonSchema)]
        /// struct Recipe {
        ///     title: String,
        ///     steps: Vec<String>,
        /// }
        ///
        /// let typed = client.text().chat(["A soup, please"]).parse::<Recipe>().await?;
        /// assert_eq!(typed.value().title, "Soup");
        /// # assert_eq!(typed.value().steps.len(), 1);
        /// # Ok(())
        /// # }
        /// ```
        pub fn parse<T: DeserializeOwned + JsonSchema>(self) -> ParseCall<T> {
            let (format, wrapped) = schema::format_of::<T>();
            let chat = self.request(|request: ChatRequest| request.response_format(format));
            ParseCall {
                call: chat.into_future(),
                wrapped,
                value: PhantomData,
            }
        }
    }

    impl Generate {
        /// The answer as a value of your type. It goes as a chat, see [`Chat::parse`].
        ///
        /// # Errors
        ///
        /// As [`Chat::parse`].
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// # sandbox.script([(200, r#"{"choices":[{"message":{"content":
        /// #     "{\"title\":\"Soup\"}"},"finish_reason":"stop"}],"model":"openai"}"#)]);
        /// #[derive(serde::Deserialize, schemars::JsonSchema)]
        /// struct Recipe {
        ///     title: String,
        /// }
        ///
        /// let recipe = client.text().generate("A soup, please").parse::<Recipe>().await?;
        /// assert_eq!(recipe.value().title, "Soup");
        /// # Ok(())
        /// # }
        /// ```
        pub fn parse<T: DeserializeOwned + JsonSchema>(self) -> ParseCall<T> {
            self.into_chat().parse()
        }
    }

    /// A text call on its way whose answer will be a value. Dropping it cancels the request.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// # sandbox.script([(200, r#"{"choices":[{"message":{"content":
    /// #     "{\"title\":\"Soup\"}"},"finish_reason":"stop"}],"model":"openai"}"#)]);
    /// # #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// # struct Recipe {
    /// #     title: String,
    /// # }
    /// use blossom::client::ParseCall;
    ///
    /// let call: ParseCall<Recipe> = client.text().chat(["A soup, please"]).parse();
    /// assert_eq!(call.await?.value().title, "Soup");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ParseCall<T> {
        call: TextCall,
        wrapped: bool,
        value: PhantomData<fn() -> T>,
    }

    impl<T: DeserializeOwned> Future for ParseCall<T> {
        type Output = Result<Typed<T>>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let text = ready!(Pin::new(&mut self.call).poll(cx))?;
            let value = if self.wrapped {
                // A model that ignores the schema may leave the object out.
                text.json::<Wrapped<T>>().map(|wrapped| wrapped.value)
            } else {
                text.json::<T>()
            };
            Poll::Ready(value.map(|value| Typed { value, text }))
        }
    }

    impl<T> fmt::Debug for ParseCall<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_tuple("ParseCall").field(&self.call).finish()
        }
    }

    #[derive(Deserialize)]
    struct Wrapped<T> {
        value: T,
    }

    /// An answer as a value, and all that is known of it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Recipe {
    ///     name: String,
    /// }
    ///
    /// let recipe = client.text().chat(["A soup"]).parse::<Recipe>().await?;
    /// println!("{}: {}", recipe.value().name, recipe.text());
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug, Clone)]
    pub struct Typed<T> {
        value: T,
        text: Text,
    }

    impl<T> Typed<T> {
        /// The value.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// # sandbox.script([(200, r#"{"choices":[{"message":{"content":
        /// #     "{\"title\":\"Soup\"}"},"finish_reason":"stop"}],"model":"openai"}"#)]);
        /// # #[derive(serde::Deserialize, schemars::JsonSchema)]
        /// # struct Recipe {
        /// #     title: String,
        /// # }
        /// let recipe = client.text().chat(["A soup, please"]).parse::<Recipe>().await?;
        /// assert_eq!(recipe.value().title, "Soup");
        /// # Ok(())
        /// # }
        /// ```
        #[must_use]
        pub const fn value(&self) -> &T {
            &self.value
        }

        /// The value, taken out.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// # sandbox.script([(200, r#"{"choices":[{"message":{"content":
        /// #     "{\"title\":\"Soup\"}"},"finish_reason":"stop"}],"model":"openai"}"#)]);
        /// # #[derive(serde::Deserialize, schemars::JsonSchema)]
        /// # struct Recipe {
        /// #     title: String,
        /// # }
        /// let recipe = client.text().chat(["A soup, please"]).parse::<Recipe>().await?;
        /// let title: String = recipe.into_value().title;
        /// assert_eq!(title, "Soup");
        /// # Ok(())
        /// # }
        /// ```
        #[must_use]
        pub fn into_value(self) -> T {
            self.value
        }

        /// The answer as it came: usage, model and the rest.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")]
        /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let sandbox = blossom::sandbox::Sandbox::start()?;
        /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
        /// # sandbox.script([(200, r#"{"choices":[{"message":{"content":
        /// #     "{\"title\":\"Soup\"}"},"finish_reason":"stop"}],"model":"openai"}"#)]);
        /// # #[derive(serde::Deserialize, schemars::JsonSchema)]
        /// # struct Recipe {
        /// #     title: String,
        /// # }
        /// let recipe = client.text().chat(["A soup, please"]).parse::<Recipe>().await?;
        /// assert_eq!(recipe.text().model(), Some("openai"));
        /// # Ok(())
        /// # }
        /// ```
        #[must_use]
        pub const fn text(&self) -> &Text {
            &self.text
        }
    }
}

#[cfg(feature = "schema")]
pub use self::from_type::{ParseCall, Typed};

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str) -> Text {
        Text {
            content: content.to_owned(),
            ..Text::default()
        }
    }

    #[test]
    fn json_may_stand_in_a_fence() {
        for content in [
            r#"{"a":1}"#,
            " {\"a\":1}\n",
            "```json\n{\"a\":1}\n```",
            "```\n{\"a\":1}```\n",
        ] {
            let value: serde_json::Value = text(content).json().unwrap();
            assert_eq!(value["a"], 1, "{content}");
        }
    }

    #[test]
    fn what_does_not_fit_is_a_typed_error_that_holds_the_answer() {
        let error = text("secret plan").json::<u8>().unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(error.partial().unwrap().content(), "secret plan");
        assert!(!format!("{error}{error:?}").contains("secret"));
        let cut = Text {
            finish_reason: Some(FinishReason::Length),
            ..text("{\"a\":")
        };
        let error = cut.json::<u8>().unwrap_err();
        assert_eq!(error.suggestion(), Some("raise max_tokens"));
    }
}
