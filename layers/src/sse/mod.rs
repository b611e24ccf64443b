//! Decodes event streams (`text/event-stream`) incrementally, on bytes.
//!
//! [`Decoder`] takes frames and gives [`Event`]s; [`Events`] does so for a body. Neither looks into
//! the data, reconnects, or checks the content type.
//!
//! # Rules
//!
//! Those of the [WHATWG standard], whatever the frames: lines end in LF, CRLF or a lone CR; one
//! space after the colon goes; several `data` lines join with LF; comments and unknown fields are
//! passed over, an id with a NUL too; a byte order mark is skipped at the very start. It differs in
//! this:
//! - Nothing is decoded as UTF-8 before an event is whole, so a character that is split over two
//!   frames stays whole, and invalid bytes concern one event: [`Event::data_str`] refuses them,
//!   [`Event::data_lossy`] replaces them.
//! - The last event is given also without its blank line, since proxies cut; [`Ending`] tells how
//!   the stream ended.
//! - There are caps:
//!
//! | cap | default | what it refuses |
//! | --- | --- | --- |
//! | [`max_line_bytes`](Decoder::max_line_bytes) | 1 MiB | a line that does not end |
//! | [`max_event_bytes`](Decoder::max_event_bytes) | 1 MiB | an event that does not end, also one of empty lines |
//! | [`max_bytes_without_data`](Decoder::max_bytes_without_data) | 1 MiB | comments and empty events without end |
//! | [`max_retry`](Decoder::max_retry) | 1 hour | nothing: a longer reconnection time becomes this |
//!
//! A stream that breaks a cap ends in a [`DecodeError`].
//!
//! # Memory
//!
//! The decoder holds the frame it reads, at most a line and an event, and no more than 16 KiB of
//! spare room after a large one. An event is a slice of its frame and keeps the whole frame alive;
//! see [`Event::detached`].
//!
//! # Cost
//!
//! Each byte is searched once, whatever the frames. A line that lies inside one frame is not copied
//! unless it is one of several `data` lines. An event allocates nothing when the one before it has
//! been dropped.
//!
//! # Example
//!
//! ```
//! use blossom_layers::sse::{Decoder, Ending};
//! use bytes::Bytes;
//!
//! # fn main() -> Result<(), blossom_layers::sse::DecodeError> {
//! let mut decoder = Decoder::new().max_event_bytes(64 * 1024);
//! let mut data = Vec::new();
//! for frame in ["event: greeting\nda", "ta: hello\n\ndata: [DO", "NE]\n"] {
//!     decoder.push(Bytes::from(frame));
//!     while let Some(event) = decoder.next_event()? {
//!         assert_eq!(event.event_type(), "greeting");
//!         data.push(event.to_bytes());
//!     }
//! }
//! while let Some(event) = decoder.finish()? {
//!     data.push(event.to_bytes());
//! }
//!
//! assert_eq!(data, ["hello", "[DONE]"]);
//! assert_eq!(decoder.ending(), Some(Ending::InsideEvent));
//! # Ok(())
//! # }
//! ```
//!
//! Over a body:
//!
//! ```
//! # use blossom_layers::{BoxError, sse::Events};
//! # use http_body_util::Full;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let mut events = Events::new(Full::from("data: one\n\ndata: two\n\n"));
//! let mut text = String::new();
//! while let Some(event) = events.next().await {
//!     text.push_str(event?.data_str()?);
//! }
//!
//! assert_eq!(text, "onetwo");
//! # Ok(())
//! # }
//! ```
//!
//! [WHATWG standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

mod decoder;
mod error;
mod event;
mod events;
mod field;
mod lines;
mod pending;

pub use self::{
    decoder::{Decoder, Ending},
    error::{DecodeError, InvalidUtf8, Truncated},
    event::{Event, EventRef},
    events::Events,
};
