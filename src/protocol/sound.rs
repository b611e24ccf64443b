//! Sound inside a chat's answer.

use std::fmt;

use ::base64::DecodeError;
use serde::{Deserialize, Serialize};

use super::{
    base64::{self, Base64},
    lenient::{Count, Text},
};

/// Sound inside a chat's answer: bytes in the format that was asked for, and what is said.
///
/// A stream gives it piece by piece; the pieces join by themselves. `Debug` tells how much it is.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::protocol::{AudioFormat, AudioOutput, ChatAudio, Modality};
///
/// let chat = client.text().chat(["Say hello"]).request(|chat| {
///     let audio = AudioOutput::new("nova", AudioFormat::Wav);
///     chat.model("openai-audio").modalities([Modality::Text, Modality::Audio]).audio(audio)
/// });
/// let answer = chat.await?;
/// let audio: &ChatAudio = answer.audio().ok_or("it speaks")?;
/// assert!(audio.bytes().starts_with(b"RIFF"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatAudio {
    id: String,
    bytes: Base64,
    transcript: String,
    expires_at: Option<u64>,
}

#[derive(Deserialize, Default)]
pub(super) struct WireAudio<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    data: Text<'a>,
    #[serde(borrow, default)]
    transcript: Text<'a>,
    #[serde(default)]
    expires_at: Option<Count>,
}

impl WireAudio<'_> {
    /// The sound, or that its base64 cannot be read.
    pub(super) fn decode(&self) -> Result<ChatAudio, DecodeError> {
        Ok(ChatAudio {
            id: self.id.0.clone().into_owned(),
            bytes: Base64(base64::decode(&self.data.0)?),
            transcript: self.transcript.0.clone().into_owned(),
            expires_at: self.expires_at.map(|at| at.0),
        })
    }
}

impl ChatAudio {
    /// Sound that did not come in JSON.
    pub(crate) const fn of_bytes(bytes: Vec<u8>) -> Self {
        Self {
            id: String::new(),
            bytes: Base64(bytes),
            transcript: String::new(),
            expires_at: None,
        }
    }

    /// The id by which a later message may refer to it; empty if the service gave none.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// # let reply = |audio: &str| {
    /// #     let reply = format!(r#"{{"choices": [{{"message": {{"audio": {audio}}}}}]}}"#);
    /// #     ChatReply::decode(reply.as_bytes())
    /// # };
    /// let reply = reply(r#"{"id": "audio-7f3a", "data": "AQID"}"#)?;
    /// assert_eq!(reply.audio().map(|audio| audio.id()), Some("audio-7f3a"));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The sound, in the format that was asked for.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// # let reply = |audio: &str| {
    /// #     let reply = format!(r#"{{"choices": [{{"message": {{"audio": {audio}}}}}]}}"#);
    /// #     ChatReply::decode(reply.as_bytes())
    /// # };
    /// let reply = reply(r#"{"data": "AQID"}"#)?;
    /// assert_eq!(reply.audio().map(|audio| audio.bytes()), Some(&[1, 2, 3][..]));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes.0
    }

    /// What is said.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// # let reply = |audio: &str| {
    /// #     let reply = format!(r#"{{"choices": [{{"message": {{"audio": {audio}}}}}]}}"#);
    /// #     ChatReply::decode(reply.as_bytes())
    /// # };
    /// let reply = reply(r#"{"data": "AQID", "transcript": "Hello"}"#)?;
    /// assert_eq!(reply.audio().map(|audio| audio.transcript()), Some("Hello"));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn transcript(&self) -> &str {
        &self.transcript
    }

    /// Until when the service knows the id, in seconds since 1970.
    ///
    /// ```
    /// # use blossom::protocol::ChatReply;
    /// # let reply = |audio: &str| {
    /// #     let reply = format!(r#"{{"choices": [{{"message": {{"audio": {audio}}}}}]}}"#);
    /// #     ChatReply::decode(reply.as_bytes())
    /// # };
    /// let reply = reply(r#"{"data": "AQID", "expires_at": 1795469939}"#)?;
    /// assert_eq!(reply.audio().and_then(|audio| audio.expires_at()), Some(1_795_469_939));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub const fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }

    pub(super) fn push(&mut self, piece: &Self) {
        if self.id.is_empty() {
            self.id.clone_from(&piece.id);
        }
        self.bytes.0.extend_from_slice(&piece.bytes.0);
        self.transcript.push_str(&piece.transcript);
        self.expires_at = piece.expires_at.or(self.expires_at);
    }
}

impl fmt::Debug for ChatAudio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatAudio")
            .field("id", &self.id)
            .field("bytes", &self.bytes.0.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_in_order() {
        let piece = |json| {
            let wire: WireAudio<'_> = serde_json::from_str(json).unwrap();
            wire.decode().unwrap()
        };
        let mut all = ChatAudio::default();
        all.push(&piece(r#"{"id":"a1","data":"YQ==","transcript":"Hel"}"#));
        all.push(&piece(r#"{"data":"YmM","transcript":"lo","expires_at":7}"#));

        assert_eq!(
            (all.id(), all.bytes(), all.transcript(), all.expires_at()),
            ("a1", b"abc".as_slice(), "Hello", Some(7))
        );
        assert!(!format!("{all:?}").contains("Hello"));
    }

    #[test]
    fn what_is_no_base64_is_told() {
        let wire: WireAudio<'_> = serde_json::from_str(r#"{"data":"?"}"#).unwrap();

        assert!(wire.decode().is_err());
    }
}
