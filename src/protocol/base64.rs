//! Bytes inside JSON.

use base64::{
    DecodeError, Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    lenient::{Text, elements},
    usage::{WireUsage, wire_usage},
};
use crate::layers::types::Usage;

/// Not every provider writes the padding.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    TOLERANT.decode(text.trim_ascii())
}

/// Appends bytes as base64.
pub(super) fn encode_to(bytes: &[u8], text: &mut String) {
    TOLERANT.encode_string(bytes, text);
}

/// Bytes that go as base64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Base64(pub(crate) Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&TOLERANT.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(&text).map(Self).map_err(D::Error::custom)
    }
}

/// The first of the media in a reply of the images route.
pub(crate) fn decode_media(body: &[u8]) -> Result<(Vec<u8>, Option<Usage>), serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        #[serde(borrow, default, deserialize_with = "elements")]
        data: Vec<Item<'a>>,
        #[serde(default, deserialize_with = "wire_usage")]
        usage: Option<WireUsage>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow, default)]
        b64_json: Text<'a>,
        #[serde(borrow, default)]
        url: Text<'a>,
    }
    let text = std::str::from_utf8(body).map_err(serde_json::Error::custom)?;
    let reply: Reply<'_> = serde_json::from_str(text)?;
    let first = reply.data.first();
    let first = first.ok_or_else(|| serde_json::Error::custom("no data"))?;
    match (first.b64_json.some(), first.url.some()) {
        (Some(packed), _) => {
            let bytes = decode(packed).map_err(serde_json::Error::custom)?;
            Ok((bytes, reply.usage.map(|usage| usage.normalize())))
        }
        (None, Some(_)) => Err(serde_json::Error::custom("a URL instead of bytes")),
        (None, None) => Err(serde_json::Error::custom("neither bytes nor a URL")),
    }
}
