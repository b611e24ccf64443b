//! Decompresses answers, and never lets a small one become a large one.
//!
//! Asks for `gzip`, `br` and `zstd`, and decodes the answer frame by frame as it comes: an event of
//! a stream is passed on as soon as its bytes are there. It does *not* touch a request that already
//! has `Accept-Encoding` or `Range`, nor the answer to it: who asks for an encoding wants it.
//!
//! # Where it goes
//!
//! Directly outside the transport, inside everything that reads bodies.
//!
//! # Limits
//!
//! A body may grow to [`free_bytes`](DecompressLayer::free_bytes) plus
//! [`max_ratio`](DecompressLayer::max_ratio) times what came over the wire; then it ends in
//! [`DecompressionLimit`]. With the defaults, 4 MiB and 3, a mebibyte on the wire is never more than
//! 7 MiB for the reader: even who joins its frames, and so holds it twice for a moment, stays below
//! 16 MiB. An event stream may grow to twice that, since it is read piece by piece: an event of 250
//! bytes takes 25 to 30 on the wire, so that hundred thousand of them pass. The decoder itself holds
//! its window besides: 32 KiB for gzip, at most 8 MiB for zstd (RFC 9659), at most 16 MiB for br, and
//! of these only what was decoded so far.
//!
//! An encoding on top of another (`gzip, gzip`), or one that was not asked for, is refused with
//! [`UnsupportedEncoding`]. A body that is cut, damaged, or goes on after its end is
//! [`CorruptBody`].
//!
//! # Readiness
//!
//! Forwarded.
//!
//! # Cancellation
//!
//! Dropping the body drops the inner one.
//!
//! # Cost
//!
//! A plain answer costs a look at one header. An encoded one is decoded through 16 KiB of scratch,
//! and its bytes are copied once.
//!
//! # Example
//!
//! ```
//! use blossom::transport::{Transport, decompress::DecompressLayer};
//! use tower::ServiceBuilder;
//!
//! let stack = ServiceBuilder::new()
//!     .layer(DecompressLayer::new())
//!     .service(Transport::builder().build()?);
//! # Ok::<_, blossom::transport::InvalidBuilder>(())
//! ```

mod body;
mod codec;
mod error;
mod service;

pub use self::{
    body::DecompressBody,
    error::{CorruptBody, DecompressionLimit, UnsupportedEncoding},
    service::{Decompress, DecompressLayer, ResponseFuture},
};
