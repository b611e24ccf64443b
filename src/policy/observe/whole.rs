use bytes::{Bytes, BytesMut};

use super::scan::Seen;
use crate::layers::types::Record;

/// The largest reply that is read; of a larger one, a picture in base64 say, the transport's word
/// is all there is.
const MAX_BYTES: usize = 1024 * 1024;

/// Keeps a JSON reply until its end. A reply of one frame is not copied.
#[derive(Debug, Default)]
pub(super) struct Whole {
    first: Bytes,
    rest: BytesMut,
    too_large: bool,
}

impl Whole {
    pub(super) fn data(&mut self, frame: &Bytes) -> bool {
        if self.first.len() + self.rest.len() + frame.len() > MAX_BYTES {
            self.too_large = true;
            self.first = Bytes::new();
            self.rest = BytesMut::new();
        } else if !self.too_large && self.first.is_empty() {
            self.first = frame.clone();
        } else if !self.too_large {
            self.rest.extend_from_slice(frame);
        }
        true
    }

    /// Whether it can be read and is a reply of the protocol.
    pub(super) fn end(&mut self, record: &mut Record) -> bool {
        if self.too_large {
            return true;
        }
        if !self.rest.is_empty() {
            let mut all = BytesMut::with_capacity(self.first.len() + self.rest.len());
            all.extend_from_slice(&self.first);
            all.extend_from_slice(&self.rest);
            self.first = all.freeze();
        }
        match serde_json::from_slice::<Seen<'_>>(&self.first) {
            Ok(seen) => {
                seen.note(record);
                seen.is_reply()
            }
            // Lists of models are arrays.
            Err(_) => serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&self.first)
                .is_ok_and(|list| !list.is_empty()),
        }
    }
}
