//! Images.

use std::future::IntoFuture;

use bytes::Bytes;
use http::{Request, response::Parts};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Blossom, Models,
    exchange::Decode,
    failure,
    macros::{calls, opaque, options, settings},
    media::{Media, Stored, media},
    options::Options,
    settings::{draw_settings, example},
};
use crate::{
    Result,
    batch::Prepared,
    layers::body::ReqBody,
    protocol::{AspectRatio, ImageRequest, ModelKind, Quality, Resolution, Safety},
};

/// Image calls; see [`Blossom::image`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let image = client.image().generate("a cat").size(64, 64).await?;
/// println!("{} bytes of {}", image.bytes().len(), image.content_type());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ImageCalls<'a> {
    client: &'a Blossom,
}

impl<'a> ImageCalls<'a> {
    pub(super) const fn new(client: &'a Blossom) -> Self {
        Self { client }
    }

    /// An image of a prompt.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("cat.png");
    /// use blossom::Quality;
    ///
    /// let image = client.image().generate("a cat").size(64, 64).quality(Quality::Medium).await?;
    /// assert!(image.content_type().starts_with("image/"));
    /// image.save(&path).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn generate(&self, prompt: impl Into<String>) -> Draw {
        Draw {
            client: self.client.clone(),
            request: ImageRequest::new(prompt),
            options: Options::default(),
        }
    }

    /// The models that draw.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.image().models().await?;
    /// assert!(models.iter().any(|model| model.id() == "flux"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn models(&self) -> Models {
        Models::new(self.client.clone(), ModelKind::Image)
    }
}

/// A call for an image. Await it, or ask for its [`url`](Self::url) alone.
///
/// It owns a clone of the client: it can be stored, and moved into a task.
/// [`ImageRequest`] says which dialect carries which parameter.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::Quality;
///
/// let call = client.image().generate("a cat").size(64, 32).quality(Quality::Medium).seed(7);
/// println!("{}", call.url()?); // no call
/// println!("{} bytes", call.await?.bytes().len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Draw {
    client: Blossom,
    request: ImageRequest,
    options: Options,
}

impl Draw {
    draw_settings!(settings);
    options! {}

    /// The URL of the image: nothing is sent, and it never holds a key.
    ///
    /// Whoever opens it makes the service draw the image, or gets it from the service's cache; in the
    /// later dialects it needs a key to be drawn the first time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) where a parameter is out of its
    /// range, or the request cannot be a URL.
    ///
    /// ```
    /// # fn main() -> blossom::Result<()> {
    /// # let client = blossom::Blossom::builder().base_url("http://127.0.0.1:1").build()?;
    /// let url = client.image().generate("a cat").size(64, 64).url()?;
    /// assert!(url.ends_with("/image/a%20cat?width=64&height=64"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn url(&self) -> Result<String> {
        let url = self.request.url(&self.client.settings().endpoint);
        url.map(|url| url.to_string())
            .map_err(|invalid| failure::invalid(&invalid))
    }
}

impl Draw {
    fn into_request(self) -> (Blossom, Result<Request<ReqBody>>, DecodeImage) {
        let encoded = self.request.encode(&self.client.settings().endpoint);
        let url = match &encoded {
            Ok(request) if request.method() == http::Method::GET => Some(request.uri().to_string()),
            _ => None,
        };
        (
            self.client,
            self.options.finish(encoded),
            DecodeImage { url },
        )
    }

    /// The call as one of a batch.
    pub(crate) fn into_prepared(self) -> Prepared<Image> {
        let (client, request, decode) = self.into_request();
        Prepared::of_request(request, move |request| client.exchange(request, decode))
    }
}

impl IntoFuture for Draw {
    type Output = Result<Image>;
    type IntoFuture = ImageCall;

    fn into_future(self) -> ImageCall {
        let (client, request, decode) = self.into_request();
        ImageCall(client.exchange(request, decode))
    }
}

opaque!(Draw);

calls! {
    /// An image call on its way. Dropping it cancels the request; the service may still draw the
    /// image, and bill it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::client::ImageCall;
    ///
    /// let call: ImageCall = client.image().generate("a cat").size(64, 64).into_future();
    /// assert!(!call.await?.bytes().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ImageCall(DecodeImage) -> Image;
}

/// An image, or a video of a model that makes videos.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let image = client.image().generate("a cat").size(64, 64).await?;
/// assert_eq!(image.content_type(), "image/jpeg");
/// assert!(image.bytes().starts_with(&[0xff, 0xd8]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Image {
    media: Media,
    url: Option<String>,
}

media!(Image);

impl Image {
    /// Where it came from, without a key; `None` if it was asked for by `POST`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let image = client.image().generate("a cat").size(64, 64).await?;
    /// println!("{:?}", image.url());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

#[derive(Serialize, Deserialize)]
struct StoredImage {
    #[serde(flatten)]
    media: Stored,
    #[serde(default)]
    url: Option<String>,
}

/// Bytes go as base64.
impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let stored = StoredImage {
            media: self.media.stored(),
            url: self.url.clone(),
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let stored = StoredImage::deserialize(deserializer)?;
        Ok(Self {
            media: Media::of_stored(stored.media),
            url: stored.url,
        })
    }
}

#[derive(Debug, Clone)]
struct DecodeImage {
    url: Option<String>,
}

impl Decode for DecodeImage {
    type Output = Image;

    fn decode(self, head: &Parts, body: &Bytes) -> Result<Image> {
        Ok(Image {
            media: Media::decode(head, body, &["image/", "video/"])?,
            url: self.url,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::ErrorKind;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n..";

    fn decoded(content_type: Option<&str>, body: &[u8]) -> Result<Image> {
        let mut response = Response::builder();
        if let Some(content_type) = content_type {
            response = response.header("content-type", content_type);
        }
        let (head, ()) = response.body(()).unwrap().into_parts();
        DecodeImage { url: None }.decode(&head, &Bytes::copy_from_slice(body))
    }

    #[test]
    fn the_bytes_tell_the_type_and_the_head_where_they_do_not() {
        let image = decoded(Some("image/jpeg"), PNG).unwrap();
        assert_eq!(image.content_type(), "image/png");
        assert_eq!(image.declared_type(), Some("image/jpeg"));
        let image = decoded(Some("image/jxl; q=1"), b"unknown").unwrap();
        assert_eq!(image.content_type(), "image/jxl");
        for absent in [None, Some("application/octet-stream")] {
            let image = decoded(absent, PNG).unwrap();
            assert_eq!(
                (image.content_type(), image.declared_type()),
                ("image/png", None)
            );
        }
        let video = decoded(Some("video/mp4"), b"\0\0\0\x1cftypisom").unwrap();
        assert_eq!(video.content_type(), "video/mp4");
    }

    #[test]
    fn what_is_no_image_is_a_typed_error_that_loses_nothing() {
        for (content_type, body) in [
            (Some("image/png"), "<!DOCTYPE html><title>no</title>"),
            (Some("text/html"), "<html>"),
            (Some("text/plain"), "no"),
            (Some("image/png"), ""),
            (Some("audio/mpeg"), "ID3"),
            (None, "unknown"),
            (Some("application/json"), "{}"),
            (Some("application/json"), r#"{"data":[]}"#),
            (Some("application/json"), r#"{"data":[{"b64_json":"?"}]}"#),
            (
                Some("application/json"),
                r#"{"data":[{"url":"https://x/?key=sk_secret"}]}"#,
            ),
            (Some("application/json"), "{broken"),
        ] {
            let error = decoded(content_type, body.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
            assert!(!error.to_string().contains("sk_secret"));
        }
        let error = r#"{"success":false,"status":502,"error":{"message":"gone"}}"#;
        let error = decoded(Some("application/json"), error.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Upstream);
    }

    #[test]
    fn an_image_in_json_is_unpacked() {
        let body = r#"{"created":1,"data":[{"b64_json":"iVBORw0KGgo=","media_type":"image/png"}],
            "usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
        let image = decoded(Some("application/json"), body.as_bytes()).unwrap();

        assert_eq!(image.bytes(), b"\x89PNG\r\n\x1a\n");
        assert_eq!(image.content_type(), "image/png");
        assert_eq!(image.usage().unwrap().total_tokens, 7);
    }

    #[test]
    fn an_image_can_be_kept_and_read_again() {
        let mut image = decoded(Some("image/jpeg"), PNG).unwrap();
        image.url = Some("https://example.com/image/x".into());
        let json = serde_json::to_string(&image).unwrap();
        let read: Image = serde_json::from_str(&json).unwrap();

        assert_eq!(read.bytes(), PNG);
        assert_eq!(read.declared_type(), Some("image/jpeg"));
        assert_eq!(read.url(), image.url());
    }
}
