use std::{mem, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    EventRef,
    event::{Fields, as_text, text},
};

/// The event whose blank line has not come yet; then that event, until it is forgotten for the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    weight_bytes: usize,
    data_lines: usize,
    // The data while it is one line, without a copy, and once it is whole.
    data: Bytes,
    // The data once it is several; kept for its room.
    joined: BytesMut,
    fields: Fields,
    whole: bool,
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
            self.data = value;
            return;
        }
        if self.data_lines == 2 {
            self.joined.extend_from_slice(&mem::take(&mut self.data));
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

    /// Ends the event. Without data there is none.
    pub(super) fn end(&mut self) {
        self.weight_bytes = 0;
        self.whole = true;
        match mem::take(&mut self.data_lines) {
            0 => self.forget(),
            1 => {}
            _ => self.data = take_buffer(&mut self.joined),
        }
    }

    /// The event, once it is whole.
    pub(super) fn whole(&self) -> Option<EventRef<'_>> {
        let event = || EventRef::new(self.data.as_ref(), &self.data, Some(&self.fields));
        self.whole.then(event)
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Forgets an event that is whole.
    pub(super) fn forget(&mut self) {
        if mem::take(&mut self.whole) {
            self.data = Bytes::new();
            self.fields = Fields::default();
        }
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

        pending.end();

        assert_eq!(pending.whole().unwrap().data().as_ptr(), line.as_ptr());
    }

    #[test]
    fn joins_lines_also_empty_ones() {
        let mut pending = Pending::default();
        for line in ["", "a", "", "b", ""] {
            pending.push_data(Bytes::from_static(line.as_bytes()));
        }

        pending.end();
        assert_eq!(pending.whole().unwrap().data(), b"\na\n\nb\n");
        pending.forget();
        pending.end();
        assert!(pending.whole().is_none());
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
