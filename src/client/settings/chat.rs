/// The settings of a call for the answer to a conversation.
macro_rules! chat_settings {
    ($write:ident) => {
        $write! {
            /// The model. Not sent unless set: the service has a default of its own.
            model(value: impl Into<String>) {
                /// let answer = client.text().chat(["Hi"]).model("mistral")
                =>
                /// assert_eq!(answer.model(), Some("mistral"));
            }
            /// How much chance there is, 0 to 2. The service's default is its provider's.
            temperature(value: f64) {
                /// client.text().chat(["Name a cat"]).temperature(1.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["temperature"], 1.5);
            }
            /// Samples from the likeliest part of this mass, 0 to 1.
            top_p(value: f64) {
                /// client.text().chat(["Name a cat"]).top_p(0.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["top_p"], 0.5);
            }
            /// Lowers the chance of what has been said, -2 to 2.
            presence_penalty(value: f64) {
                /// client.text().chat(["Name ten cats"]).presence_penalty(0.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["presence_penalty"], 0.5);
            }
            /// Lowers the chance of what is said often, -2 to 2.
            frequency_penalty(value: f64) {
                /// client.text().chat(["Name ten cats"]).frequency_penalty(0.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["frequency_penalty"], 0.5);
            }
            /// Lowers the chance of repetitions, 0 to 2.
            repetition_penalty(value: f64) {
                /// client.text().chat(["Name ten cats"]).repetition_penalty(1.1)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["repetition_penalty"], 1.1);
            }
            /// The most tokens of the answer.
            max_tokens(value: u64) {
                /// use blossom::layers::types::FinishReason;
                ///
                /// let answer = client.text().chat(["A long story"]).max_tokens(5)
                =>
                /// assert_eq!(answer.finish_reason(), Some(&FinishReason::Length));
            }
            /// The most tokens of the answer, reasoning included.
            max_completion_tokens(value: u64) {
                /// let answer = client.text().chat(["A long story"]).max_completion_tokens(5)
                =>
                /// assert_eq!(answer.usage().map(|usage| usage.completion_tokens), Some(5));
            }
            /// Makes the answer repeatable, -1 to 2147483647. Another seed gets another answer; the
            /// same request gets the same answer from the service's own cache, whatever the temperature.
            seed(value: i64) {
                /// client.text().chat(["Name a cat"]).seed(7)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["seed"], 7);
            }
            /// Ends the answer before any of these, one to four.
            stop(value: impl Into<Stop>) {
                /// let answer = client.text().chat(["A long story"]).stop(["the", "."])
                =>
                /// assert!(!answer.content().contains("the"));
            }
            /// The form of the answer: text, a JSON object, or JSON after a schema.
            response_format(value: ResponseFormat) {
                /// use blossom::protocol::ResponseFormat;
                ///
                /// let answer = client.text().chat(["A cat"]).response_format(ResponseFormat::json())
                =>
                /// assert!(answer.json::<serde_json::Value>()?.is_object());
            }
            /// The tools that the model may ask to call, 128 at most.
            tools(value: impl IntoIterator<Item = Tool>) {
                /// use blossom::protocol::Tool;
                ///
                /// let answer = client.text().chat(["Weather?"]).tools([Tool::function("weather")])
                =>
                /// assert_eq!(answer.tool_calls()[0].name(), "weather");
            }
            /// Whether the model may, must, or must not ask for tools.
            tool_choice(value: ToolChoice) {
                /// use blossom::protocol::{Tool, ToolChoice};
                ///
                /// let chat = client.text().chat(["Weather?"]).tools([Tool::function("weather")]);
                /// let answer = chat.tool_choice(ToolChoice::None)
                =>
                /// assert!(answer.tool_calls().is_empty());
            }
            /// How long a reasoning model thinks.
            reasoning_effort(value: ReasoningEffort) {
                /// use blossom::protocol::ReasoningEffort;
                ///
                /// let answer = client.text().chat(["9 * 7?"]).reasoning_effort(ReasoningEffort::Low)
                =>
                /// assert!(answer.reasoning().is_some());
            }
            /// Whether the model may ask for several calls at once. The service's default is yes.
            parallel_tool_calls(value: bool) {
                /// use blossom::protocol::Tool;
                ///
                /// let chat = client.text().chat(["The weather and the time?"]);
                /// let chat = chat.tools([Tool::function("weather"), Tool::function("time")]);
                /// let answer = chat.parallel_tool_calls(false)
                =>
                /// assert_eq!(answer.tool_calls().len(), 1);
            }
            /// What the answer may be made of. Default: text.
            modalities(value: impl IntoIterator<Item = Modality>) {
                /// use blossom::protocol::Modality;
                ///
                /// let answer = client.text().chat(["Hi"]).modalities([Modality::Text, Modality::Audio])
                =>
                /// assert!(answer.audio().is_some());
            }
            /// Voice and format of spoken answers; see [`Text::audio`](crate::Text::audio).
            audio(value: AudioOutput) {
                /// use blossom::protocol::{AudioFormat, AudioOutput};
                ///
                /// client.text().chat(["Hi"]).audio(AudioOutput::new("nova", AudioFormat::Wav))
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["audio"]["voice"], "nova");
            }
            /// How much a searching model reads.
            search_context(value: SearchContext) {
                /// use blossom::protocol::SearchContext;
                ///
                /// let answer = client.text().chat(["News?"]).search_context(SearchContext::Low)
                =>
                /// assert!(!answer.citations().is_empty());
            }
            /// What the service filters.
            safe(value: Safety) {
                /// use blossom::protocol::Safety;
                ///
                /// client.text().chat(["Hi"]).safe(Safety::default().violence())
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["safe"], "violence");
            }
            /// Asks for the answer as plain text instead of JSON. Not in the enter dialect. Default: off.
            plain(on: bool) {
                /// let answer = client.text().chat(["Hi"]).plain(true)
                =>
                /// assert!(answer.finish_reason().is_none(), "a plain text tells none");
            }
        }
    };
}

pub(crate) use chat_settings;
