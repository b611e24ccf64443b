//! The Blossom protocol: what stands on the wire. Pure data, no I/O.
//!
//! | part | types |
//! | --- | --- |
//! | where | [`Endpoint`], [`Dialect`] |
//! | requests | [`ChatRequest`], [`TextRequest`], [`ImageRequest`], [`SpeechRequest`], [`ModelsRequest`] |
//! | what a chat is made of | [`Message`], [`Part`], [`Tool`], [`ResponseFormat`] |
//! | replies | [`ChatReply`], [`ChatAudio`], [`ModelList`] |
//! | streams | [`StreamEvent`], [`Delta`], [`Accumulator`] |
//! | failures | [`Failure`], [`Form`] |
//!
//! Requests are checked when they are written: [`Invalid`] names the parameter and what it may be.
//! Replies are read tolerantly: what is absent, null or of another shape is as good as absent.
//!
//! ```
//! use blossom::protocol::{ChatReply, ChatRequest, Dialect, Endpoint};
//!
//! let endpoint = Endpoint::new(Dialect::Gen, "http://127.0.0.1:8080")?;
//! let http = ChatRequest::new(["Hi"]).encode(&endpoint)?;
//! assert_eq!(http.uri(), "http://127.0.0.1:8080/v1/chat/completions");
//!
//! let reply = ChatReply::decode(br#"{"choices": [{"message": {"content": "Hello"}}]}"#)?;
//! assert_eq!(reply.content(), "Hello");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod accumulator;
mod base64;
mod chat;
mod content;
mod decimal;
mod dialect;
mod encode;
mod endpoint;
mod failure;
mod format;
mod headers;
mod image;
mod invalid;
mod lenient;
mod message;
mod model;
mod models;
mod parameter;
mod redact;
mod reply;
#[cfg(feature = "schema")]
pub(crate) mod schema;
mod setters;
mod sniff;
mod sound;
mod speech;
mod stream;
mod stream_decoder;
mod text;
mod tool;
mod usage;

pub use self::{
    accumulator::{Accumulator, FinishFailure},
    chat::ChatRequest,
    content::{FilePart, ImageDetail, MAX_MEDIA_BYTES, Part},
    dialect::Dialect,
    endpoint::{Endpoint, InvalidEndpoint},
    failure::{Failure, Form},
    format::ResponseFormat,
    image::ImageRequest,
    invalid::Invalid,
    message::{Message, Role},
    model::{Capability, Model},
    models::{ModelKind, ModelList, ModelsRequest},
    parameter::{
        AspectRatio, AudioFormat, AudioOutput, Modality, Quality, ReasoningEffort, Resolution,
        Safety, SearchContext, Stop,
    },
    reply::ChatReply,
    sound::ChatAudio,
    speech::{SpeechFormat, SpeechRequest},
    stream::{Delta, StreamEvent, ToolCallDelta},
    stream_decoder::StreamDecoder,
    text::TextRequest,
    tool::{Tool, ToolCall, ToolChoice},
};
pub(crate) use self::{
    base64::{Base64, decode_media},
    decimal::per_million as price_per_million,
    headers::{media_type, model_used, no_store, request_id, value as header},
    lenient::Text as LenientText,
    models::decode_models,
    redact::printable,
    sniff::media_type as sniffed,
    usage::{WireUsage, reply_usage, wire_usage},
};
