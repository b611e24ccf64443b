//! Decodes event streams (`text/event-stream`) incrementally, on bytes.
//!
//! [`Decoder`] takes frames and lends an [`EventRef`] at a time; [`Events`] does so for a body and
//! gives each [`Event`] away. Neither looks into the data, reconnects, or checks the content type.
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
//! The decoder holds the frame it reads, one line and one event at most, and after a large one some
//! tens of KiB of spare room. It lets go of a frame when it is asked for an event that the
//! frame does not hold. An [`Event`] keeps its whole frame alive; see [`Event::detached`].
//!
//! # Cost
//!
//! Each byte is searched once, however small the frames are. A line that lies inside one frame is
//! not copied, unless it is one of several `data` lines. No event allocates, provided that none is
//! kept; [`EventRef::to_event`] counts the frame's owners up, and allocates for an event that has
//! more than data.
//!
//! In frames of 1460 bytes, an event of 100 bytes takes 13 to 20 ns, which is 1.0 to 1.2 times what
//! a bare line parser takes, and a fifteenth of `eventsource-stream` (AMD EPYC, November 2026).
//! `benches/peers/run sse` measures it again.
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
