/// The settings of a call for the answer to one prompt.
macro_rules! generate_settings {
    ($write:ident) => {
        $write! {
            /// The model. Not sent unless set: the service has a default of its own.
            model(value: impl Into<String>) {
                /// let answer = client.text().generate("Hi").model("mistral")
                =>
                /// assert_eq!(answer.model(), Some("mistral"));
            }
            /// A system message.
            system(value: impl Into<String>) {
                /// client.text().generate("Hi").system("Be brief.")
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["system"], "Be brief.");
            }
            /// How much chance there is, 0 to 2. The service's default is its provider's.
            temperature(value: f64) {
                /// client.text().generate("Name a cat").temperature(1.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["temperature"], 1.5);
            }
            /// Samples from the likeliest part of this mass, 0 to 1.
            top_p(value: f64) {
                /// client.text().generate("Name a cat").top_p(0.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["top_p"], 0.5);
            }
            /// Lowers the chance of what has been said, -2 to 2.
            presence_penalty(value: f64) {
                /// client.text().generate("Name ten cats").presence_penalty(0.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["presence_penalty"], 0.5);
            }
            /// Lowers the chance of what is said often, -2 to 2.
            frequency_penalty(value: f64) {
                /// client.text().generate("Name ten cats").frequency_penalty(0.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["frequency_penalty"], 0.5);
            }
            /// Lowers the chance of repetitions, 0 to 2.
            repetition_penalty(value: f64) {
                /// client.text().generate("Name ten cats").repetition_penalty(1.1)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["repetition_penalty"], 1.1);
            }
            /// The most tokens of the answer.
            max_tokens(value: u64) {
                /// let answer = client.text().generate("A long story").max_tokens(5)
                =>
                /// assert!(answer.content().split_whitespace().count() <= 5);
            }
            /// The most tokens of the answer, reasoning included.
            max_completion_tokens(value: u64) {
                /// let answer = client.text().generate("A long story").max_completion_tokens(5)
                =>
                /// assert!(answer.content().split_whitespace().count() <= 5);
            }
            /// Makes the answer repeatable, -1 to 2147483647. Another seed gets another answer; the
            /// same request gets the same answer from the service's own cache, whatever the temperature.
            seed(value: i64) {
                /// client.text().generate("Name a cat").seed(7)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["seed"], 7);
            }
            /// How long a reasoning model thinks.
            reasoning_effort(value: ReasoningEffort) {
                /// use blossom::protocol::ReasoningEffort;
                ///
                /// client.text().generate("9 * 7?").reasoning_effort(ReasoningEffort::Low)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["reasoning_effort"], "low");
            }
            /// Asks for a JSON object as the answer's text. Default: off.
            json(on: bool) {
                /// let answer = client.text().generate("A cat, in JSON").json(true)
                =>
                /// assert!(answer.json::<serde_json::Value>()?.is_object());
            }
            /// The voice of a model that speaks its answer; see [`Text::audio`](crate::Text::audio).
            voice(value: impl Into<String>) {
                /// let answer = client.text().generate("Hi").model("openai-audio").voice("nova")
                =>
                /// assert!(answer.audio().is_some());
            }
            /// What the service filters.
            safe(value: Safety) {
                /// use blossom::protocol::Safety;
                ///
                /// client.text().generate("Hi").safe(Safety::default().violence())
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["safe"], "violence");
            }
            /// Keeps the answer out of the public feed. Only in the v1 dialect. Default: off.
            private(on: bool) {
                in v1
                /// v1.text().generate("Hi").private(true)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["private"], true);
            }
            /// The name of the application. Only in the v1 dialect.
            referrer(value: impl Into<String>) {
                in v1
                /// v1.text().generate("Hi").referrer("catbook")
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["referrer"], "catbook");
            }
        }
    };
}

pub(crate) use generate_settings;
