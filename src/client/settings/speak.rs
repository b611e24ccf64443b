/// The settings of a call for speech.
macro_rules! speak_settings {
    ($write:ident) => {
        $write! {
            /// The model. Not sent unless set, but in the v1 dialect, where it is `openai-audio`.
            model(value: impl Into<String>) {
                /// let speech = client.audio().speak("Hello").model("tts-1")
                =>
                /// assert_eq!(speech.model(), Some("tts-1"));
            }
            /// The voice, such as `alloy`, `echo`, `fable`, `onyx`, `nova` or `shimmer`. Default: `alloy`.
            voice(value: impl Into<String>) {
                /// client.audio().speak("Hello").voice("nova")
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["voice"], "nova");
            }
            /// How it is encoded. Default: MP3.
            format(value: SpeechFormat) {
                /// use blossom::protocol::SpeechFormat;
                ///
                /// let speech = client.audio().speak("Hello").format(SpeechFormat::Wav)
                =>
                /// assert!(speech.bytes().starts_with(b"RIFF"));
            }
            /// How to speak: mood, pace, accent.
            instructions(value: impl Into<String>) {
                /// client.audio().speak("Hello").instructions("Whisper")
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["instructions"], "Whisper");
            }
            /// What must not be heard. For models that make music.
            negative_prompt(value: impl Into<String>) {
                /// client.audio().speak("A waltz").negative_prompt("drums")
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["negative_prompt"], "drums");
            }
            /// How long the sound is, in seconds, 0.5 to 300. For models that make music.
            duration(value: f64) {
                /// client.audio().speak("A waltz").duration(1.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["duration"], 1.5);
            }
            /// The same for other models, 1 to 380.
            seconds(value: f64) {
                /// client.audio().speak("A waltz").seconds(1.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["seconds"], 1.5);
            }
            /// How many steps the model takes, 1 to 100. For models that make music.
            steps(value: u32) {
                /// client.audio().speak("A waltz").steps(20)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["steps"], 20);
            }
            /// Whether music is without song.
            instrumental(value: bool) {
                /// client.audio().speak("A waltz").instrumental(true)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["instrumental"], true);
            }
            /// Whether the sound can be played again and again without a seam.
            looped(value: bool) {
                /// client.audio().speak("Rain").looped(true)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["loop"], true);
            }
            /// How closely the model follows the text, 0 to 1. For models that make sounds.
            prompt_influence(value: f64) {
                /// client.audio().speak("Rain").prompt_influence(0.5)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["prompt_influence"], 0.5);
            }
            /// Makes the sound repeatable, -1 to 4294967295.
            seed(value: i64) {
                /// client.audio().speak("Rain").seed(7)
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["seed"], 7);
            }
            /// What the service filters.
            safe(value: Safety) {
                /// use blossom::protocol::Safety;
                ///
                /// client.audio().speak("Hello").safe(Safety::default().violence())
                =>
                /// assert_eq!(sandbox.requests()[0].parsed()["safe"], "violence");
            }
        }
    };
}

pub(crate) use speak_settings;
