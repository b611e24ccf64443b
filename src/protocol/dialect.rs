use std::fmt;

/// Which generation of the protocol a server speaks.
///
/// The three are one family: the same requests and replies under other paths.
///
/// | operation | v1 | enter | gen |
/// |---|---|---|---|
/// | chat | `POST /openai` | `POST /generate/v1/chat/completions` | `POST /v1/chat/completions` |
/// | chat, plain | `POST /` | none | `POST /text` |
/// | text | `GET /{prompt}` | `GET /generate/text/{prompt}` | `GET /text/{prompt}` |
/// | image | `GET /prompt/{prompt}` | `GET /generate/image/{prompt}` | `GET /image/{prompt}`, `POST /v1/images/generations` |
/// | speech | `GET /{text}?model=openai-audio` | none | `POST /v1/audio/speech` |
/// | models of text | `GET /models` | `GET /generate/v1/models` | `GET /v1/models` |
/// | of images | `GET /models` | `GET /generate/image/models` | `GET /image/models` |
/// | of audio | none | none | `GET /audio/models` |
///
/// Any server that is compatible with `OpenAI`'s chat completions is reached as [`Gen`](Self::Gen).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom::{Dialect, Endpoint};
///
/// let endpoint = Endpoint::new(Dialect::V1, "http://127.0.0.1:8080")?;
/// assert_eq!(endpoint.dialect(), Dialect::V1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// The hosts of 2024 and 2025, one for text and one for images.
    V1,
    /// The proxy of November 2025, under `/api/generate`.
    Enter,
    /// The interface since December 2025, and the default.
    #[default]
    Gen,
}

impl Dialect {
    /// The name in lower case: `v1`, `enter` or `gen`.
    ///
    /// ```
    /// use blossom::Dialect;
    ///
    /// assert_eq!(Dialect::default().as_str(), "gen");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Enter => "enter",
            Self::Gen => "gen",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
