//! Requests for speech.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Request};
use serde::Serialize;

use super::{
    Dialect, Endpoint, Invalid,
    encode::{self, Url, V1_ROUTES},
    invalid,
    parameter::{SEED, Safety},
    setters::setters,
};

/// The longest text that is spoken, in characters.
const MAX_INPUT: usize = 10_000;

/// The range of a seed of sound, which is wider than that of a text.
const AUDIO_SEED: (i64, i64) = (-1, 4_294_967_295);

/// The model that speaks in the v1 dialect.
const V1_MODEL: &str = "openai-audio";

const AUDIO: HeaderValue = HeaderValue::from_static("audio/*");

/// A request for speech, or for another sound that a model makes of a text.
///
/// The gen dialect takes it as a `POST`, which keeps the text out of URLs. The v1 dialect takes it as
/// a `GET` with the text in the path, and knows voice, model and seed only; the enter dialect has
/// none. A parameter that would be lost is refused.
///
/// ```
/// use blossom::protocol::{Endpoint, SpeechRequest};
///
/// let http = SpeechRequest::new("Hello").voice("nova").encode(&Endpoint::v1())?;
/// assert_eq!(
///     http.uri(),
///     "https://text.pollinations.ai/Hello?model=openai-audio&voice=nova",
/// );
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, Default, Serialize)]
pub struct SpeechRequest {
    input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice: Option<String>,
    #[serde(rename = "response_format", skip_serializing_if = "Option::is_none")]
    format: Option<SpeechFormat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instrumental: Option<bool>,
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    looped: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_influence: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe: Option<Safety>,
}

/// How speech is encoded.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::protocol::SpeechFormat;
///
/// let speech = client.audio().speak("Hello").format(SpeechFormat::Wav).await?;
/// assert!(speech.bytes().starts_with(b"RIFF"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SpeechFormat {
    /// MPEG layer 3, the service's default.
    Mp3,
    /// Opus.
    Opus,
    /// Advanced Audio Coding.
    Aac,
    /// Free Lossless Audio Codec.
    Flac,
    /// RIFF WAVE.
    Wav,
    /// Samples of 16 bits without a header.
    Pcm,
}

impl SpeechFormat {
    /// The word on the wire, which is also the usual ending of a file's name.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(format!("hello.{}", SpeechFormat::Opus.as_str()), "hello.opus");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
            Self::Aac => "aac",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Pcm => "pcm",
        }
    }
}

impl fmt::Display for SpeechFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SpeechRequest {
    /// A request to speak `text`, 1 to 10,000 characters.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let http = SpeechRequest::new("Hello").encode(&Endpoint::default())?;
    /// assert_eq!(http.uri(), "https://gen.pollinations.ai/v1/audio/speech");
    /// assert_eq!(http.body(), r#"{"input":"Hello"}"#);
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            input: text.into(),
            ..Self::default()
        }
    }

    setters! {
        body of r#"SpeechRequest::new("Hello")"#;

        /// The model or an alias of it. Default: the service's; in the v1 dialect `openai-audio`.
        model: impl Into<String> = "openai-audio" => "openai-audio";
        /// The voice, such as `alloy`, `echo`, `fable`, `onyx`, `nova` or `shimmer`. Default: `alloy`.
        voice: impl Into<String> = "nova" => "nova";
        /// How it is encoded. Default: MP3.
        ///
        /// ```
        /// # use blossom::protocol::*;
        /// let body = serde_json::to_value(SpeechRequest::new("Hello").format(SpeechFormat::Wav))?;
        /// assert_eq!(body["response_format"], "wav");
        /// # Ok::<_, serde_json::Error>(())
        /// ```
        format: SpeechFormat;
        /// How to speak: mood, pace, accent.
        instructions: impl Into<String> = "slowly, in a low voice" => "slowly, in a low voice";
        /// What must not be heard. For models that make music.
        negative_prompt: impl Into<String> = "drums" => "drums";
        /// How long the sound is, in seconds, 0.5 to 300. For models that make music.
        duration: f64 = 12.5 => 12.5;
        /// The same for other models, 1 to 380.
        seconds: f64 = 30.0 => 30.0;
        /// How many steps the model takes, 1 to 100. For models that make music.
        steps: u32 = 50 => 50;
        /// Whether music is without song.
        instrumental: bool = true => true;
        /// Whether the sound can be played again and again without a seam.
        ///
        /// ```
        /// # use blossom::protocol::*;
        /// let body = serde_json::to_value(SpeechRequest::new("rain on a roof").looped(true))?;
        /// assert_eq!(body["loop"], true);
        /// # Ok::<_, serde_json::Error>(())
        /// ```
        looped: bool;
        /// How closely the model follows the text, 0 to 1. For models that make sounds.
        prompt_influence: f64 = 0.5 => 0.5;
        /// Makes the sound repeatable, -1 to 4294967295; in the v1 dialect to 2147483647.
        seed: i64 = 7 => 7;
    }

    /// What the service filters.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let speech = SpeechRequest::new("Hello").safe(Safety::default().violence());
    /// assert_eq!(serde_json::to_value(speech)?["safe"], "violence");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn safe(mut self, safe: Safety) -> Self {
        self.safe = (!safe.is_empty()).then_some(safe);
        self
    }

    fn validate(&self, dialect: Dialect) -> Result<(), Invalid> {
        let length = self.input.chars().count();
        if !(1..=MAX_INPUT).contains(&length) {
            return Err(Invalid::new(
                "input",
                format!("must have 1 to {MAX_INPUT} characters, not {length}"),
            ));
        }
        invalid::not_empty("model", self.model.as_deref())?;
        invalid::not_empty("voice", self.voice.as_deref())?;
        invalid::number("duration", self.duration, 0.5, 300.0)?;
        invalid::number("seconds", self.seconds, 1.0, 380.0)?;
        invalid::integer("steps", self.steps.map(i64::from), 1, 100)?;
        invalid::number("prompt_influence", self.prompt_influence, 0.0, 1.0)?;
        let seed = match dialect {
            Dialect::V1 => SEED,
            Dialect::Enter | Dialect::Gen => AUDIO_SEED,
        };
        invalid::integer("seed", self.seed, seed.0, seed.1)
    }

    /// The request as it goes on the wire, without a key.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the parameter that is out of its range, or that the dialect does not carry;
    /// in the enter dialect always.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let speech = SpeechRequest::new("Hello").instructions("slowly");
    /// assert_eq!(speech.encode(&Endpoint::default())?.method(), "POST");
    /// assert!(speech.encode(&Endpoint::v1()).is_err(), "it would lose the instructions");
    /// assert!(speech.encode(&Endpoint::enter()).is_err(), "it has no speech");
    /// # Ok::<_, blossom::protocol::Invalid>(())
    /// ```
    pub fn encode(&self, endpoint: &Endpoint) -> Result<Request<Bytes>, Invalid> {
        self.validate(endpoint.dialect())?;
        match endpoint.dialect() {
            Dialect::V1 => self.get(endpoint),
            Dialect::Enter => Err(Invalid::new(
                "input",
                "cannot be spoken: the enter dialect has no speech; use the gen dialect",
            )),
            Dialect::Gen => {
                let uri = Url::new(endpoint.base(), "/v1/audio/speech").build()?;
                encode::post(uri, AUDIO, self)
            }
        }
    }

    fn get(&self, endpoint: &Endpoint) -> Result<Request<Bytes>, Invalid> {
        let only_later = [
            ("response_format", self.format.is_some()),
            ("instructions", self.instructions.is_some()),
            ("negative_prompt", self.negative_prompt.is_some()),
            ("duration", self.duration.is_some()),
            ("seconds", self.seconds.is_some()),
            ("steps", self.steps.is_some()),
            ("instrumental", self.instrumental.is_some()),
            ("loop", self.looped.is_some()),
            ("prompt_influence", self.prompt_influence.is_some()),
            ("safe", self.safe.is_some()),
        ];
        if let Some((name, _)) = only_later.into_iter().find(|(_, given)| *given) {
            return Err(Invalid::not_carried(name, "speech", endpoint.dialect()));
        }
        if !encode::fits_path(&self.input, V1_ROUTES) {
            return Err(Invalid::new(
                "input",
                "cannot stand in a path, where it would vanish; write it in other words",
            ));
        }
        let mut url = Url::new(endpoint.base(), "/").segment(&self.input);
        url.pair("model", Some(self.model.as_deref().unwrap_or(V1_MODEL)));
        url.pair("voice", self.voice.as_deref());
        url.pair("seed", self.seed);
        if url.is_too_long() {
            return Err(Invalid::new(
                "input",
                format!(
                    "makes the URL longer than {} characters; shorten it or use the gen dialect",
                    encode::MAX_URL
                ),
            ));
        }
        Ok(encode::get(url.build()?, AUDIO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(dialect: Dialect) -> Endpoint {
        Endpoint::new(dialect, "http://127.0.0.1:1").unwrap()
    }

    #[test]
    fn gen_takes_every_parameter_in_a_body() {
        let request = SpeechRequest::new("Hi")
            .model("m")
            .voice("nova")
            .format(SpeechFormat::Opus)
            .instructions("whisper")
            .negative_prompt("drums")
            .duration(0.5)
            .seconds(380.0)
            .steps(100)
            .instrumental(false)
            .looped(true)
            .prompt_influence(0.25)
            .seed(4_294_967_295)
            .safe(Safety::on());
        let http = request.encode(&Endpoint::default()).unwrap();

        assert_eq!(http.uri().path(), "/v1/audio/speech");
        let body: serde_json::Value = serde_json::from_slice(http.body()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "input": "Hi", "model": "m", "voice": "nova", "response_format": "opus",
                "instructions": "whisper", "negative_prompt": "drums", "duration": 0.5,
                "seconds": 380.0, "steps": 100, "instrumental": false, "loop": true,
                "prompt_influence": 0.25, "seed": 4_294_967_295_u32, "safe": true,
            })
        );
        let error = request.encode(&endpoint(Dialect::V1)).unwrap_err();
        assert_eq!(error.parameter(), "seed");
    }

    #[test]
    fn v1_has_the_text_in_the_path_and_refuses_what_it_does_not_carry() {
        let request = SpeechRequest::new("a/b?").voice("echo").seed(3);
        let http = request.encode(&endpoint(Dialect::V1)).unwrap();
        assert_eq!(
            http.uri().path_and_query().unwrap(),
            "/a%2Fb%3F?model=openai-audio&voice=echo&seed=3"
        );
        for (request, name) in [
            (
                SpeechRequest::new("x").format(SpeechFormat::Wav),
                "response_format",
            ),
            (SpeechRequest::new("x").looped(false), "loop"),
            (SpeechRequest::new("."), "input"),
            (SpeechRequest::new(".."), "input"),
            (SpeechRequest::new("models"), "input"),
            (SpeechRequest::new("long ".repeat(500)), "input"),
        ] {
            let error = request.encode(&endpoint(Dialect::V1)).unwrap_err();
            assert_eq!(error.parameter(), name);
        }
    }

    #[test]
    fn ranges_are_checked_and_enter_says_that_it_has_none() {
        for (request, text) in [
            (
                SpeechRequest::new(""),
                "input must have 1 to 10000 characters, not 0",
            ),
            (
                SpeechRequest::new("ä".repeat(10_001)),
                "input must have 1 to 10000 characters, not 10001",
            ),
            (
                SpeechRequest::new("x").duration(0.4),
                "duration must be 0.5 to 300, not 0.4",
            ),
            (
                SpeechRequest::new("x").seconds(381.0),
                "seconds must be 1 to 380, not 381",
            ),
            (
                SpeechRequest::new("x").steps(0),
                "steps must be 1 to 100, not 0",
            ),
            (
                SpeechRequest::new("x").prompt_influence(f64::NAN),
                "prompt_influence must be 0 to 1, not NaN",
            ),
            (
                SpeechRequest::new("x").seed(4_294_967_296),
                "seed must be -1 to 4294967295, not 4294967296",
            ),
        ] {
            let error = request.encode(&Endpoint::default()).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
        assert!(
            SpeechRequest::new("ä".repeat(10_000))
                .encode(&Endpoint::default())
                .is_ok()
        );
        let error = SpeechRequest::new("x").encode(&endpoint(Dialect::Enter));
        assert!(error.unwrap_err().to_string().contains("no speech"));
    }
}
