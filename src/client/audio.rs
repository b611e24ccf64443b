//! Speech.

use std::future::IntoFuture;

use bytes::Bytes;
use http::response::Parts;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Blossom, Models,
    exchange::Decode,
    macros::{calls, opaque, options, settings},
    media::{Media, Stored, media},
    options::Options,
    settings::{example, speak_settings},
};
use crate::{
    Result,
    batch::Prepared,
    protocol::{ModelKind, Safety, SpeechFormat, SpeechRequest},
};

/// Audio calls; see [`Blossom::audio`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// let speech = client.audio().speak("Hello").await?;
/// println!("{} bytes of {}", speech.bytes().len(), speech.content_type());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AudioCalls<'a> {
    client: &'a Blossom,
}

impl<'a> AudioCalls<'a> {
    pub(super) const fn new(client: &'a Blossom) -> Self {
        Self { client }
    }

    /// A text, spoken.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let speech = client.audio().speak("Hello").voice("nova").await?;
    /// assert!(speech.content_type().starts_with("audio/"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn speak(&self, text: impl Into<String>) -> Speak {
        Speak {
            client: self.client.clone(),
            request: SpeechRequest::new(text),
            options: Options::default(),
        }
    }

    /// The models that speak. Only the gen dialect lists them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// let models = client.audio().models().await?;
    /// assert!(models.iter().any(|model| model.id() == "tts-1"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn models(&self) -> Models {
        Models::new(self.client.clone(), ModelKind::Audio)
    }
}

/// A call for speech. Await it.
///
/// It owns a clone of the client: it can be stored, and moved into a task. The v1 dialect knows
/// voice, model and seed only; the enter dialect has no speech.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::protocol::SpeechFormat;
///
/// let call = client.audio().speak("Hello").voice("nova").format(SpeechFormat::Wav);
/// assert!(call.await?.bytes().starts_with(b"RIFF"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Speak {
    client: Blossom,
    request: SpeechRequest,
    options: Options,
}

impl Speak {
    speak_settings!(settings);
    options! {}
}

impl Speak {
    /// The call as one of a batch.
    pub(crate) fn into_prepared(self) -> Prepared<Speech> {
        let encoded = self.request.encode(&self.client.settings().endpoint);
        let request = self.options.finish(encoded);
        let client = self.client;
        Prepared::of_request(request, move |request| {
            client.exchange(request, DecodeSpeech)
        })
    }
}

impl IntoFuture for Speak {
    type Output = Result<Speech>;
    type IntoFuture = SpeechCall;

    fn into_future(self) -> SpeechCall {
        let encoded = self.request.encode(&self.client.settings().endpoint);
        let request = self.options.finish(encoded);
        SpeechCall(self.client.exchange(request, DecodeSpeech))
    }
}

opaque!(Speak);

calls! {
    /// A speech call on its way. Dropping it cancels the request; the service may still speak, and
    /// bill it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// use blossom::client::SpeechCall;
    ///
    /// let call: SpeechCall = client.audio().speak("Hello").into_future();
    /// assert!(!call.await?.bytes().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    SpeechCall(DecodeSpeech) -> Speech;
}

/// Speech, or another sound.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("hello");
/// let speech = client.audio().speak("Hello").await?;
/// speech.save(&path).await?;
/// assert_eq!(std::fs::read(path)?, speech.bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Speech {
    media: Media,
}

media!(Speech);

/// Bytes go as base64.
impl Serialize for Speech {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.media.stored().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Speech {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let media = Media::of_stored(Stored::deserialize(deserializer)?);
        Ok(Self { media })
    }
}

#[derive(Debug, Clone, Copy)]
struct DecodeSpeech;

impl Decode for DecodeSpeech {
    type Output = Speech;

    fn decode(self, head: &Parts, body: &Bytes) -> Result<Speech> {
        let media = Media::decode(head, body, &["audio/"])?;
        Ok(Speech { media })
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::ErrorKind;

    fn decoded(content_type: &str, body: &[u8]) -> Result<Speech> {
        let response = Response::builder().header("content-type", content_type);
        let (head, ()) = response.body(()).unwrap().into_parts();
        DecodeSpeech.decode(&head, &Bytes::copy_from_slice(body))
    }

    #[test]
    fn sound_keeps_its_type_and_can_be_kept() {
        let speech = decoded("audio/mpeg", b"RIFF\0\0\0\0WAVEfmt ").unwrap();
        assert_eq!(speech.content_type(), "audio/wav");
        let pcm = decoded("audio/pcm", b"\0\x01\0\x02").unwrap();
        assert_eq!(pcm.content_type(), "audio/pcm");

        let json = serde_json::to_string(&pcm).unwrap();
        let read: Speech = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (read.bytes(), read.content_type()),
            (pcm.bytes(), "audio/pcm")
        );
    }

    #[test]
    fn what_is_no_sound_is_a_typed_error() {
        for (content_type, body) in [
            ("text/plain", b"no".as_slice()),
            ("audio/mpeg", b"<html>"),
            ("audio/mpeg", b""),
            ("audio/mpeg", b"\x89PNG\r\n\x1a\n"),
        ] {
            let error = decoded(content_type, body).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
        }
    }
}
