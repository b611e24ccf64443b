use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{AudioFormat, Invalid, base64, encode, sniff};

/// A part of a message: text, an image, a video, sound, a file.
///
/// Media go as a URL that the service fetches, or inside the request as base64. A request may have
/// 20 MiB in all, so what goes inside must stay under 15 MiB.
///
/// ```
/// use blossom::protocol::Part;
///
/// let png = b"\x89PNG\r\n\x1a\n..";
/// let part = Part::image_bytes(png)?;
/// assert!(Part::image_bytes(b"hello").is_err());
/// # Ok::<_, blossom::protocol::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part(Kind);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Kind {
    Text {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache_control: Option<Value>,
    },
    ImageUrl {
        image_url: Link,
    },
    VideoUrl {
        video_url: Link,
    },
    InputAudio {
        input_audio: Sound,
    },
    File {
        file: FilePart,
    },
    /// Something was set that this kind of part has no place for.
    #[serde(skip)]
    Misused(String),
    #[serde(untagged)]
    Other(Value),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Link {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<ImageDetail>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sound {
    data: String,
    format: AudioFormat,
}

/// A file in a message. At least one of data, id and URL is needed.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom::protocol::{FilePart, Message, Part};
///
/// let file = FilePart::bytes("notes.txt", "hello")?.mime_type("text/plain");
/// let message = Message::user_parts([Part::text("What is in it?"), Part::file(file)]);
/// assert_eq!(serde_json::to_value(message)?["content"][1]["file"]["file_name"], "notes.txt");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FilePart {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
}

/// How closely the model looks at an image.
///
/// ```
/// use blossom::protocol::{ImageDetail, Part};
///
/// let part = Part::image_url("https://example.com/cat.jpg").detail(ImageDetail::Low);
/// assert_eq!(serde_json::to_value(part)?["image_url"]["detail"], "low");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ImageDetail {
    /// The model decides.
    Auto,
    /// At low resolution, which costs fewer tokens.
    Low,
    /// In full.
    High,
}

impl Part {
    /// A text.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let message = Message::user_parts([Part::text("What is this?")]);
    /// assert_eq!(message.text(), "What is this?");
    /// ```
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self(Kind::Text {
            text: text.into(),
            cache_control: None,
        })
    }

    /// An image at an `https:`, `http:` or `data:image/...;base64,` URL.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let part = serde_json::to_value(Part::image_url("https://example.com/cat.png"))?;
    /// assert_eq!(part["image_url"]["url"], "https://example.com/cat.png");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn image_url(url: impl Into<String>) -> Self {
        Self(Kind::ImageUrl {
            image_url: Link::new(url.into()),
        })
    }

    /// An image inside the request, as a `data:` URL whose type is read from the bytes.
    ///
    /// # Errors
    ///
    /// When the bytes are no PNG, JPEG, GIF, WebP, BMP, TIFF, AVIF or HEIC image, or more than
    /// [`MAX_MEDIA_BYTES`].
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let part = serde_json::to_value(Part::image_bytes(b"\x89PNG\r\n\x1a\n..")?)?;
    /// assert_eq!(part["image_url"]["url"], "data:image/png;base64,iVBORw0KGgouLg==");
    /// assert!(Part::image_bytes(b"%PDF-1.7").is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn image_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, Invalid> {
        let bytes = bytes.as_ref();
        check_size("image_url", bytes)?;
        match sniff::media_type(bytes).filter(|media_type| media_type.starts_with("image/")) {
            Some(media_type) => Ok(Self::image_url(data_url(media_type, bytes))),
            None => Err(Invalid::new(
                "image_url",
                "must hold an image of a known type",
            )),
        }
    }

    /// A video at a URL.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let part = serde_json::to_value(Part::video_url("https://example.com/cat.mp4"))?;
    /// assert_eq!(part["video_url"]["url"], "https://example.com/cat.mp4");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn video_url(url: impl Into<String>) -> Self {
        Self(Kind::VideoUrl {
            video_url: Link::new(url.into()),
        })
    }

    /// Sound inside the request.
    ///
    /// # Errors
    ///
    /// When there is none, or more than [`MAX_MEDIA_BYTES`].
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let part = serde_json::to_value(Part::audio_bytes(b"RIFF..", AudioFormat::Wav)?)?;
    /// assert_eq!(part["input_audio"]["format"], "wav");
    /// assert!(Part::audio_bytes([], AudioFormat::Wav).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn audio_bytes(bytes: impl AsRef<[u8]>, format: AudioFormat) -> Result<Self, Invalid> {
        let bytes = bytes.as_ref();
        check_size("input_audio", bytes)?;
        let mut data = String::new();
        base64::encode_to(bytes, &mut data);
        Ok(Self(Kind::InputAudio {
            input_audio: Sound { data, format },
        }))
    }

    /// A file.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let part = Part::file(FilePart::url("https://example.com/notes.txt").name("notes.txt"));
    /// assert_eq!(serde_json::to_value(part)?["file"]["file_name"], "notes.txt");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub const fn file(file: FilePart) -> Self {
        Self(Kind::File { file })
    }

    /// A part of another type, an object with a member `type`, which is sent as it is.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let part = Part::other(serde_json::json!({"type": "input_video", "data": "AAAA"}));
    /// let chat = ChatRequest::new([Message::user("What is this?").part(part)]);
    /// assert!(chat.validate(Dialect::Gen).is_ok());
    /// ```
    #[must_use]
    pub fn other(part: impl Into<Value>) -> Self {
        Self(Kind::Other(part.into()))
    }

    /// How closely the model looks. For images; with another part the request is refused.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let part = Part::image_url("https://example.com/cat.png").detail(ImageDetail::Low);
    /// assert_eq!(serde_json::to_value(part)?["image_url"]["detail"], "low");
    ///
    /// let chat = ChatRequest::new([Message::user_parts([Part::text("Hi").detail(ImageDetail::Low)])]);
    /// assert!(chat.validate(Dialect::Gen).is_err());
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn detail(mut self, detail: ImageDetail) -> Self {
        match &mut self.0 {
            Kind::ImageUrl { image_url } => image_url.detail = Some(detail),
            other => *other = Kind::Misused("detail".to_owned()),
        }
        self
    }

    /// The media type, where the URL does not tell. For images and videos; with another part the
    /// request is refused.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let part = Part::image_url("https://example.com/7f3a").mime_type("image/webp");
    /// assert_eq!(serde_json::to_value(part)?["image_url"]["mime_type"], "image/webp");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        match &mut self.0 {
            Kind::ImageUrl { image_url: link } | Kind::VideoUrl { video_url: link } => {
                link.mime_type = Some(mime_type.into());
            }
            other => *other = Kind::Misused("mime_type".to_owned()),
        }
        self
    }

    /// Marks the end of a prefix that the provider may keep in its prompt cache. For text; with
    /// another part the request is refused.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let part = Part::text("A long text that every request begins with").cache_prefix();
    /// assert_eq!(serde_json::to_value(part)?["cache_control"]["type"], "ephemeral");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn cache_prefix(mut self) -> Self {
        match &mut self.0 {
            Kind::Text { cache_control, .. } => *cache_control = Some(ephemeral()),
            other => *other = Kind::Misused("cache_control".to_owned()),
        }
        self
    }

    /// The text of a text part.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Part::text("Hi").as_text(), Some("Hi"));
    /// assert_eq!(Part::image_url("https://example.com/cat.png").as_text(), None);
    /// ```
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Kind::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(super) fn validate(&self, message: usize, part: usize) -> Result<(), Invalid> {
        let refuse = |field: &str, problem: &'static str| {
            let parameter = format!("messages[{message}].content[{part}].{field}");
            Err(Invalid::new(parameter, problem))
        };
        match &self.0 {
            Kind::Misused(what) => refuse(what, "has no place in a part of this kind"),
            Kind::ImageUrl { image_url } if !image_url.is_usable("image/") => refuse(
                "image_url.url",
                "must start with https://, http:// or data:image/",
            ),
            Kind::VideoUrl { video_url } if !video_url.is_usable("video/") => refuse(
                "video_url.url",
                "must start with https://, http:// or data:video/",
            ),
            Kind::File { file } if file.is_empty() => {
                refuse("file", "must have data, an id or a URL")
            }
            Kind::Other(value) if !value.get("type").is_some_and(Value::is_string) => {
                refuse("type", "must be given, as a text")
            }
            _ => Ok(()),
        }
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl Link {
    const fn new(url: String) -> Self {
        Self {
            url,
            detail: None,
            mime_type: None,
        }
    }

    fn is_usable(&self, media: &str) -> bool {
        let starts = |prefix: &str| {
            self.url
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        starts("https://") || starts("http://") || starts(&format!("data:{media}"))
    }
}

impl FilePart {
    /// A file inside the request, whose type is read from the bytes where they tell.
    ///
    /// # Errors
    ///
    /// When it is empty, or has more than [`MAX_MEDIA_BYTES`].
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let file = serde_json::to_value(FilePart::bytes("cat.png", b"\x89PNG\r\n\x1a\n..")?)?;
    /// assert_eq!((&file["file_name"], &file["mime_type"]), (&"cat.png".into(), &"image/png".into()));
    /// assert!(FilePart::bytes("empty.txt", "").is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes(name: impl Into<String>, bytes: impl AsRef<[u8]>) -> Result<Self, Invalid> {
        let bytes = bytes.as_ref();
        check_size("file", bytes)?;
        let media_type = sniff::media_type(bytes).unwrap_or("application/octet-stream");
        Ok(Self {
            file_data: Some(data_url(media_type, bytes)),
            file_name: Some(name.into()),
            mime_type: Some(media_type.to_owned()),
            ..Self::default()
        })
    }

    /// A file that the service fetches.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let file = serde_json::to_value(FilePart::url("https://example.com/notes.txt"))?;
    /// assert_eq!(file["file_url"], "https://example.com/notes.txt");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            file_url: Some(url.into()),
            ..Self::default()
        }
    }

    /// A file that the provider has already.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let file = serde_json::to_value(FilePart::id("file-7f3a"))?;
    /// assert_eq!(file["file_id"], "file-7f3a");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn id(id: impl Into<String>) -> Self {
        Self {
            file_id: Some(id.into()),
            ..Self::default()
        }
    }

    /// The name of the file.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let file = serde_json::to_value(FilePart::id("file-7f3a").name("notes.txt"))?;
    /// assert_eq!(file["file_name"], "notes.txt");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// The media type of the file.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let file = FilePart::bytes("notes.txt", "hello")?.mime_type("text/plain");
    /// assert_eq!(serde_json::to_value(file)?["mime_type"], "text/plain");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    const fn is_empty(&self) -> bool {
        self.file_data.is_none() && self.file_id.is_none() && self.file_url.is_none()
    }
}

/// The most that one image, sound or file inside a request may have: 20 MiB.
///
/// The request as a whole has the same limit, and base64 adds a third, so that from about 15 MiB on
/// it is the request that is refused.
pub const MAX_MEDIA_BYTES: usize = encode::MAX_BODY;

pub(super) fn ephemeral() -> Value {
    json!({ "type": "ephemeral" })
}

fn check_size(parameter: &'static str, bytes: &[u8]) -> Result<(), Invalid> {
    if (1..=MAX_MEDIA_BYTES).contains(&bytes.len()) {
        return Ok(());
    }
    Err(Invalid::new(
        parameter,
        format!(
            "must have 1 to {MAX_MEDIA_BYTES} bytes, not {}",
            bytes.len()
        ),
    ))
}

fn data_url(media_type: &str, bytes: &[u8]) -> String {
    let mut url = format!("data:{media_type};base64,");
    url.reserve(bytes.len() / 3 * 4 + 4);
    base64::encode_to(bytes, &mut url);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_a_data_url_of_their_own_type() {
        let part = Part::image_bytes(b"\xff\xd8\xff\xe0")
            .unwrap()
            .detail(ImageDetail::Low);
        assert_eq!(
            serde_json::to_string(&part).unwrap(),
            r#"{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/4A==","detail":"low"}}"#,
        );
        assert_eq!(part.validate(0, 0), Ok(()));
        let part = Part::audio_bytes("ab", AudioFormat::Wav).unwrap();
        assert_eq!(
            serde_json::to_string(&part).unwrap(),
            r#"{"type":"input_audio","input_audio":{"data":"YWI=","format":"wav"}}"#,
        );
    }

    #[test]
    fn sizes_are_checked_before_anything_is_encoded() {
        let mut image = vec![0; MAX_MEDIA_BYTES + 1];
        image[..4].copy_from_slice(b"\xff\xd8\xff\xe0");
        let error = Part::image_bytes(&image).unwrap_err();
        assert!(error.to_string().contains("20971521"), "{error}");
        image.pop();
        assert!(Part::image_bytes(&image).is_ok());
        assert!(Part::image_bytes([]).is_err());
        assert!(FilePart::bytes("x", []).is_err());
    }

    #[test]
    fn links_must_be_fetchable() {
        for url in ["file:///etc/passwd", "cat.png", "", "data:text/html,x"] {
            let error = Part::image_url(url).validate(1, 2).unwrap_err();
            assert_eq!(error.parameter(), "messages[1].content[2].image_url.url");
        }
        assert!(Part::image_url("HTTPS://x").validate(0, 0).is_ok());
        assert!(
            Part::video_url("data:image/png;base64,")
                .validate(0, 0)
                .is_err()
        );
        assert!(Part::file(FilePart::default()).validate(0, 0).is_err());
        assert!(Part::other(json!({"x": 1})).validate(0, 0).is_err());
        assert!(
            Part::text("a")
                .detail(ImageDetail::Low)
                .validate(0, 0)
                .is_err()
        );
        assert!(Part::other(json!({"type": "x"})).validate(0, 0).is_ok());
    }
}
