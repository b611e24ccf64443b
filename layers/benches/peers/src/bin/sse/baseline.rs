use bytes::{Bytes, BytesMut};

/// The least that a line parser can do and still find the data of every event.
///
/// It knows all line ends, lines over frames and data over lines. It knows no other field, no byte
/// order mark, no cap and no end of the stream, and its data is borrowed until the next line.
#[derive(Default)]
pub(crate) struct LineParser {
    carry: BytesMut,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
}

impl LineParser {
    /// Calls `each` with the data of every event that ends in `frame`.
    pub(crate) fn push(&mut self, frame: &Bytes, each: &mut impl FnMut(&[u8])) {
        let mut rest: &[u8] = frame;
        if self.after_cr && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        self.after_cr = false;
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            let line = &rest[..end];
            let mut next = end + 1;
            if rest[end] == b'\r' {
                match rest.get(next) {
                    Some(b'\n') => next += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            if self.carry.is_empty() {
                self.line(line, each);
            } else {
                self.carry.extend_from_slice(line);
                let line = self.carry.split();
                self.line(&line, each);
            }
            rest = &rest[next..];
        }
        self.carry.extend_from_slice(rest);
    }

    #[inline]
    fn line(&mut self, line: &[u8], each: &mut impl FnMut(&[u8])) {
        if line.is_empty() {
            if self.has_data {
                each(&self.data);
                self.data.clear();
                self.has_data = false;
            }
            return;
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
    }
}
