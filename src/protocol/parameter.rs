use std::fmt;

use serde::{Serialize, Serializer};

use super::Dialect;

/// How much a reasoning model thinks before it answers.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::protocol::ReasoningEffort;
///
/// let answer = client.text().chat(["9 * 7?"]).reasoning_effort(ReasoningEffort::Low).await?;
/// println!("{answer}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReasoningEffort {
    /// Not at all.
    None,
    /// As little as the model can.
    Minimal,
    /// Little.
    Low,
    /// Somewhat.
    Medium,
    /// Much.
    High,
    /// Very much.
    XHigh,
    /// As much as the model can.
    Max,
}

impl ReasoningEffort {
    /// The word on the wire.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(ReasoningEffort::XHigh.as_str(), "xhigh");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }
}

impl fmt::Display for ReasoningEffort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the model may answer with.
///
/// ```
/// use blossom::protocol::{ChatRequest, Modality};
///
/// let request = ChatRequest::new(["Say hello"]).modalities([Modality::Text, Modality::Audio]);
/// assert_eq!(serde_json::to_value(request)?["modalities"][1], "audio");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Modality {
    /// Text.
    Text,
    /// Sound; needs [`ChatRequest::audio`](super::ChatRequest::audio).
    Audio,
}

/// The encoding of sound inside a chat.
///
/// ```
/// use blossom::protocol::{AudioFormat, AudioOutput};
///
/// let output = AudioOutput::new("nova", AudioFormat::Mp3);
/// assert_eq!(serde_json::to_value(output)?["format"], "mp3");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AudioFormat {
    /// RIFF WAVE.
    Wav,
    /// MPEG layer 3.
    Mp3,
    /// Free Lossless Audio Codec.
    Flac,
    /// Opus.
    Opus,
    /// Samples of 16 bits without a header: the only one that streams.
    Pcm16,
}

/// How sound is asked for in a chat: a voice and a format.
///
/// ```
/// use blossom::protocol::{AudioFormat, AudioOutput, ChatRequest};
///
/// let request = ChatRequest::new(["Say hello"]).audio(AudioOutput::new("nova", AudioFormat::Wav));
/// assert_eq!(serde_json::to_value(request)?["audio"]["voice"], "nova");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct AudioOutput {
    pub(super) voice: String,
    pub(super) format: AudioFormat,
}

impl AudioOutput {
    /// Sound in `voice`, for example `alloy` or `nova`, encoded as `format`.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let audio = serde_json::to_value(AudioOutput::new("nova", AudioFormat::Pcm16))?;
    /// assert_eq!(audio, serde_json::json!({"voice": "nova", "format": "pcm16"}));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn new(voice: impl Into<String>, format: AudioFormat) -> Self {
        Self {
            voice: voice.into(),
            format,
        }
    }
}

/// How much of the web a searching model reads into its context.
///
/// ```
/// use blossom::protocol::{ChatRequest, SearchContext};
///
/// let request = ChatRequest::new(["What is new?"]).search_context(SearchContext::Low);
/// assert_eq!(serde_json::to_value(request)?["web_search_options"]["search_context_size"], "low");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SearchContext {
    /// Little, and cheap.
    Low,
    /// Somewhat.
    Medium,
    /// Much.
    High,
}

/// How much work goes into an image. For the models that know it; the service's default is medium.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::Quality;
///
/// let image = client.image().generate("a cat").size(64, 64).quality(Quality::Medium).await?;
/// # assert!(!image.bytes().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Quality {
    /// Little, and cheap.
    Low,
    /// Somewhat.
    Medium,
    /// Much.
    High,
    /// As much as the model can.
    Hd,
}

impl Quality {
    /// The word on the wire.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Quality::Hd.as_str(), "hd");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Hd => "hd",
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The shape of a video.
///
/// ```
/// use blossom::protocol::{AspectRatio, Endpoint, ImageRequest};
///
/// let request = ImageRequest::new("a cat").aspect_ratio(AspectRatio::Landscape);
/// let url = request.url(&Endpoint::default())?;
/// assert_eq!(url.query(), Some("aspectRatio=16%3A9"));
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AspectRatio {
    /// 16:9.
    Landscape,
    /// 9:16.
    Portrait,
}

impl fmt::Display for AspectRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Landscape => "16:9",
            Self::Portrait => "9:16",
        })
    }
}

/// A size by its usual name.
///
/// ```
/// use blossom::protocol::{Endpoint, ImageRequest, Resolution};
///
/// let request = ImageRequest::new("a cat").resolution(Resolution::K1);
/// let http = request.encode(&Endpoint::default())?;
/// assert!(http.body().ends_with(br#""resolution":"1k"}"#));
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Resolution {
    /// About 1,000 pixels wide.
    #[serde(rename = "1k")]
    K1,
    /// About 2,000 pixels wide.
    #[serde(rename = "2k")]
    K2,
    /// 480 lines.
    #[serde(rename = "480p")]
    P480,
    /// 720 lines.
    #[serde(rename = "720p")]
    P720,
    /// 768 lines.
    #[serde(rename = "768p")]
    P768,
    /// 1,080 lines.
    #[serde(rename = "1080p")]
    P1080,
}

/// What ends an answer: one to four texts.
///
/// ```
/// use blossom::protocol::ChatRequest;
///
/// let request = ChatRequest::new(["Count"]).stop(["seven", "eight"]);
/// assert_eq!(serde_json::to_value(request)?["stop"][0], "seven");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Stop(pub(super) Vec<String>);

impl From<&str> for Stop {
    fn from(text: &str) -> Self {
        Self(vec![text.to_owned()])
    }
}

impl From<String> for Stop {
    fn from(text: String) -> Self {
        Self(vec![text])
    }
}

impl<const N: usize> From<[&str; N]> for Stop {
    fn from(texts: [&str; N]) -> Self {
        Self(texts.map(str::to_owned).into())
    }
}

impl From<Vec<String>> for Stop {
    fn from(texts: Vec<String>) -> Self {
        Self(texts)
    }
}

/// What the service filters out of prompts and answers.
///
/// On the wire a list of words; [`Safety::on`] is the plain switch of old, which is the only form
/// that images of the v1 dialect know.
///
/// ```
/// use blossom::protocol::Safety;
///
/// assert_eq!(Safety::on().to_string(), "true");
/// assert_eq!(Safety::default().violence().privacy().to_string(), "privacy,violence");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Safety(u8);

impl Safety {
    const NAMES: [(u8, &str); 6] = [
        (1, "true"),
        (2, "privacy"),
        (4, "secrets"),
        (8, "sexual"),
        (16, "violence"),
        (32, "shield"),
    ];

    /// The service's own choice, which is privacy and secrets.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Safety::on().to_string(), "true");
    /// ```
    #[must_use]
    pub const fn on() -> Self {
        Self(1)
    }

    /// Also filter personal data.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Safety::default().privacy().to_string(), "privacy");
    /// ```
    #[must_use]
    pub const fn privacy(self) -> Self {
        Self(self.0 | 2)
    }

    /// Also filter keys and passwords.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Safety::default().secrets().privacy().to_string(), "privacy,secrets");
    /// ```
    #[must_use]
    pub const fn secrets(self) -> Self {
        Self(self.0 | 4)
    }

    /// Also filter sexual content.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Safety::default().sexual().to_string(), "sexual");
    /// ```
    #[must_use]
    pub const fn sexual(self) -> Self {
        Self(self.0 | 8)
    }

    /// Also filter violence.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Safety::default().sexual().violence().to_string(), "sexual,violence");
    /// ```
    #[must_use]
    pub const fn violence(self) -> Self {
        Self(self.0 | 16)
    }

    /// Also shield the model from prompt injection.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Safety::on().shield().to_string(), "true,shield");
    /// ```
    #[must_use]
    pub const fn shield(self) -> Self {
        Self(self.0 | 32)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this is the plain switch, without a list.
    pub(super) const fn is_switch(self) -> bool {
        self.0 == 1
    }
}

impl fmt::Display for Safety {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(bit, _)| self.0 & bit != 0);
        for (position, (_, name)) in names.enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl Serialize for Safety {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_switch() {
            serializer.serialize_bool(true)
        } else {
            serializer.collect_str(self)
        }
    }
}

/// The highest temperature that a dialect takes.
pub(super) const fn max_temperature(dialect: Dialect) -> f64 {
    match dialect {
        Dialect::V1 => 3.0,
        Dialect::Enter | Dialect::Gen => 2.0,
    }
}

/// The range of a seed: `-1` leaves the choice to the service.
pub(super) const SEED: (i64, i64) = (-1, 2_147_483_647);
