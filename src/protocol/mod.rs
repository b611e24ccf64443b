//! The Blossom protocol: what stands on the wire. Pure data, no I/O.
//!
//! | part | types |
//! | --- | --- |
//! | where | [`Endpoint`], [`Dialect`] |
//! | requests | [`ChatRequest`], [`TextRequest`], [`ModelsRequest`], made of [`Message`], [`Part`], [`Tool`], [`ResponseFormat`] |
//! | replies | [`ChatReply`], [`Model`] |
//! | streams | [`StreamEvent`], [`Delta`], [`Accumulator`] |
//! | failures | [`Failure`], [`Form`] |
//!
//! Requests are checked when they are written: [`Invalid`] names the parameter and what it may be.
//! Replies are read tolerantly: what is absent, null or of another shape is as good as absent.

mod chat;
mod content;
mod dialect;
mod encode;
mod endpoint;
mod failure;
mod format;
mod headers;
mod invalid;
mod lenient;
mod message;
mod models;
mod parameter;
mod redact;
mod reply;
mod sniff;
mod stream;
mod stream_decoder;
mod text;
mod tool;
mod usage;

pub use self::{
    chat::{ChatRequest, Stop},
    content::{FilePart, ImageDetail, MAX_MEDIA_BYTES, Part},
    dialect::Dialect,
    endpoint::{Endpoint, InvalidEndpoint},
    failure::{Failure, Form},
    format::ResponseFormat,
    invalid::Invalid,
    message::{Message, Role},
    models::{Model, ModelsRequest},
    parameter::{AudioFormat, AudioOutput, Modality, ReasoningEffort, Safety, SearchContext},
    reply::ChatReply,
    stream::{Accumulator, Delta, FinishFailure, StreamEvent, ToolCallDelta},
    stream_decoder::StreamDecoder,
    text::TextRequest,
    tool::{Tool, ToolCall, ToolChoice},
};
pub(crate) use self::{
    headers::{media_type, model_used, no_store, request_id},
    lenient::Text as LenientText,
    models::decode_models,
    redact::printable,
    usage::{WireUsage, reply_usage, wire_usage},
};
