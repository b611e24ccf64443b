/// The settings of a call for the answer to a conversation.
macro_rules! chat_settings {
    ($write:ident) => {
        $write! {
            /// The model. Not sent unless set: the service has a default of its own.
            model(value: impl Into<String>) {
                client.text().chat(["Hi"]).model("mistral") => answer;
                assert_eq!(answer.model(), Some("mistral"));
            }
            /// How much chance there is, 0 to 2. The service's default is its provider's.
            temperature(value: f64) {
                client.text().chat(["Name a cat"]).temperature(1.5);
                assert_eq!(sandbox.requests()[0].parsed()["temperature"], 1.5);
            }
            /// Samples from the likeliest part of this mass, 0 to 1.
            top_p(value: f64) {
                client.text().chat(["Name a cat"]).top_p(0.5);
                assert_eq!(sandbox.requests()[0].parsed()["top_p"], 0.5);
            }
            /// Lowers the chance of what has been said, -2 to 2.
            presence_penalty(value: f64) {
                client.text().chat(["Name ten cats"]).presence_penalty(0.5);
                assert_eq!(sandbox.requests()[0].parsed()["presence_penalty"], 0.5);
            }
            /// Lowers the chance of what is said often, -2 to 2.
            frequency_penalty(value: f64) {
                client.text().chat(["Name ten cats"]).frequency_penalty(0.5);
                assert_eq!(sandbox.requests()[0].parsed()["frequency_penalty"], 0.5);
            }
            /// Lowers the chance of repetitions, 0 to 2.
            repetition_penalty(value: f64) {
                client.text().chat(["Name ten cats"]).repetition_penalty(1.1);
                assert_eq!(sandbox.requests()[0].parsed()["repetition_penalty"], 1.1);
            }
            /// The most tokens of the answer.
            max_tokens(value: u64) {
                use blossom::layers::types::FinishReason;
                client.text().chat(["A long story"]).max_tokens(5) => answer;
                assert_eq!(answer.finish_reason(), Some(&FinishReason::Length));
            }
            /// The most tokens of the answer, reasoning included.
            max_completion_tokens(value: u64) {
                client.text().chat(["A long story"]).max_completion_tokens(5) => answer;
                assert_eq!(answer.usage().map(|usage| usage.completion_tokens), Some(5));
            }
            /// Makes the answer repeatable, -1 to 2147483647. Another seed gets another answer; the
            /// same request gets the same answer from the service's own cache, whatever the temperature.
            seed(value: i64) {
                client.text().chat(["Name a cat"]).seed(7);
                assert_eq!(sandbox.requests()[0].parsed()["seed"], 7);
            }
            /// Ends the answer before any of these, one to four.
            stop(value: impl Into<Stop>) {
                client.text().chat(["A long story"]).stop(["the", "."]) => answer;
                assert!(!answer.content().contains("the"));
            }
            /// The form of the answer: text, a JSON object, or JSON after a schema.
            response_format(value: ResponseFormat) {
                use blossom::protocol::ResponseFormat;
                client.text().chat(["A cat"]).response_format(ResponseFormat::json()) => answer;
                assert!(answer.json::<serde_json::Value>()?.is_object());
            }
            /// The tools that the model may ask to call, 128 at most.
            tools(value: impl IntoIterator<Item = Tool>) {
                use blossom::protocol::Tool;
                client.text().chat(["Weather?"]).tools([Tool::function("weather")]) => answer;
                assert_eq!(answer.tool_calls()[0].name(), "weather");
            }
            /// Whether the model may, must, or must not ask for tools.
            tool_choice(value: ToolChoice) {
                use blossom::protocol::ToolChoice;
                client.text().chat(["Weather?"]).tool_choice(ToolChoice::None) => answer;
                assert!(answer.tool_calls().is_empty());
            }
            /// How long a reasoning model thinks.
            reasoning_effort(value: ReasoningEffort) {
                use blossom::protocol::ReasoningEffort;
                client.text().chat(["9 * 7?"]).reasoning_effort(ReasoningEffort::Low) => answer;
                assert!(answer.reasoning().is_some());
            }
            /// Whether the model may ask for several calls at once. The service's default is yes.
            parallel_tool_calls(value: bool) {
                client.text().chat(["Weather?"]).parallel_tool_calls(false);
                assert_eq!(sandbox.requests()[0].parsed()["parallel_tool_calls"], false);
            }
            /// What the answer may be made of. Default: text.
            modalities(value: impl IntoIterator<Item = Modality>) {
                use blossom::protocol::Modality;
                client.text().chat(["Hi"]).modalities([Modality::Text, Modality::Audio]) => answer;
                assert!(answer.audio().is_some());
            }
            /// Voice and format of spoken answers; see [`Text::audio`](crate::Text::audio).
            audio(value: AudioOutput) {
                use blossom::protocol::AudioFormat;
                use blossom::protocol::AudioOutput;
                client.text().chat(["Hi"]).audio(AudioOutput::new("nova", AudioFormat::Wav));
                assert_eq!(sandbox.requests()[0].parsed()["audio"]["voice"], "nova");
            }
            /// How much a searching model reads.
            search_context(value: SearchContext) {
                use blossom::protocol::SearchContext;
                client.text().chat(["News?"]).search_context(SearchContext::Low) => answer;
                assert!(!answer.citations().is_empty());
            }
            /// What the service filters.
            safe(value: Safety) {
                use blossom::protocol::Safety;
                client.text().chat(["Hi"]).safe(Safety::default().violence());
                assert_eq!(sandbox.requests()[0].parsed()["safe"], "violence");
            }
            /// Asks for the answer as plain text instead of JSON. Not in the enter dialect. Default: off.
            plain(on: bool) {
                client.text().chat(["Hi"]).plain(true) => answer;
                assert!(answer.finish_reason().is_none(), "a plain text tells none");
            }
        }
    };
}

pub(crate) use chat_settings;
