use std::{mem, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    EventRef,
    event::{Fields, as_text, text},
};

/// The event whose blank line has not come yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    weight_bytes: usize,
    data_lines: usize,
    // The data while it is one line: no copy.
    single: Bytes,
    // The data once it is several; kept for its room.
    joined: BytesMut,
    fields: Fields,
}

/// An event that is whole but does not lie in one frame as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Whole {
    data: Bytes,
    fields: Fields,
}

impl Whole {
    pub(super) fn as_ref(&self) -> EventRef<'_> {
        EventRef::new(self.data.as_ref(), &self.data, Some(&self.fields))
    }
}

impl Pending {
    /// No line of a next event has come yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.weight_bytes == 0
    }

    pub(super) const fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// Weighs one more line of `len` bytes; gives the new weight.
    pub(super) const fn weigh(&mut self, len: usize) -> usize {
        let overhead = if self.is_empty() { 0 } else { LINE_OVERHEAD };
        self.weight_bytes += len + overhead;
        self.weight_bytes
    }

    pub(super) fn push_data(&mut self, value: Bytes) {
        self.data_lines += 1;
        if self.data_lines == 1 {
            self.single = value;
            return;
        }
        if self.data_lines == 2 {
            self.joined.extend_from_slice(&mem::take(&mut self.single));
        }
        self.joined.reserve(value.len() + 1);
        self.joined.put_u8(b'\n');
        self.joined.extend_from_slice(&value);
    }

    pub(super) fn set_event_type(&mut self, value: Bytes) {
        self.fields.event_type = text(value);
    }

    pub(super) fn set_id(&mut self, value: Bytes) {
        self.fields.id = Some(text(value));
    }

    pub(super) const fn set_retry(&mut self, value: Duration) {
        self.fields.retry = Some(value);
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.fields.id.as_deref().map(as_text)
    }

    /// Ends the event and is empty again. Without data there is no event.
    pub(super) fn take(&mut self) -> Option<Whole> {
        self.weight_bytes = 0;
        let fields = mem::take(&mut self.fields);
        let data = match mem::take(&mut self.data_lines) {
            0 => return None,
            1 => mem::take(&mut self.single),
            _ => take_buffer(&mut self.joined),
        };
        Some(Whole { data, fields })
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.joined.capacity()
    }
}

/// Hands over what `buffer` holds, without a copy.
///
/// The room behind it stays with the buffer, which gets the rest back once the bytes are dropped:
/// so a stream of events that are read and dropped allocates nothing. A large buffer goes away
/// whole: one long line must not cost its memory for the rest of the stream.
pub(super) fn take_buffer(buffer: &mut BytesMut) -> Bytes {
    if buffer.len() > KEEP_BYTES {
        mem::take(buffer).freeze()
    } else {
        buffer.split().freeze()
    }
}

/// What a line weighs beyond its bytes, so that many empty lines are not free. The number is the
/// one of HTTP header lists (RFC 7541, section 4.1).
const LINE_OVERHEAD: usize = 32;

const KEEP_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_a_single_line_without_a_copy() {
        let line = Bytes::from_static(b"a line");
        let mut pending = Pending::default();
        pending.push_data(line.clone());

        let whole = pending.take().unwrap();

        assert_eq!(whole.as_ref().data().as_ptr(), line.as_ptr());
    }

    #[test]
    fn joins_lines_also_empty_ones() {
        let mut pending = Pending::default();
        for line in ["", "a", "", "b", ""] {
            pending.push_data(Bytes::from_static(line.as_bytes()));
        }

        assert_eq!(pending.take().unwrap().data, "\na\n\nb\n");
        assert!(pending.take().is_none());
    }

    #[test]
    fn gives_a_large_buffer_away_whole() {
        let mut buffer = BytesMut::new();
        buffer.extend_from_slice(&[b'x'; KEEP_BYTES + 1]);

        let bytes = take_buffer(&mut buffer);

        assert_eq!(bytes.len(), KEEP_BYTES + 1);
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn weighs_lines_that_hold_nothing() {
        let mut pending = Pending::default();

        assert_eq!(pending.weigh(5), 5);
        assert_eq!(pending.weigh(5), 10 + LINE_OVERHEAD);
    }
}
