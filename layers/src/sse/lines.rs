use std::mem;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

use super::pending::take_buffer;

/// Cuts frames into lines: ends, a byte order mark, lines over frames.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    max_line_bytes: usize,
    // The last frame, until a line is asked for that it does not hold.
    frame: Bytes,
    // Where the next line starts in it, and where that ends if it does.
    start: usize,
    end: Option<usize>,
    // The start of a line whose end has not come yet.
    carry: BytesMut,
    mark: Mark,
    // The last frame ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    too_long: bool,
    #[cfg(test)]
    pub(super) scanned_bytes: usize,
}

/// A line is longer than `max_line_bytes`.
#[derive(Debug)]
pub(super) struct TooLong;

/// A byte order mark may stand before the first line, and only there.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// So many of its bytes have come.
    Expected(usize),
    Past,
}

impl Lines {
    pub(super) fn new(max_line_bytes: usize) -> Self {
        Self {
            max_line_bytes,
            frame: Bytes::new(),
            start: 0,
            end: None,
            carry: BytesMut::new(),
            mark: Mark::Expected(0),
            after_cr: false,
            too_long: false,
            #[cfg(test)]
            scanned_bytes: 0,
        }
    }

    pub(super) const fn max_line_bytes(&self) -> usize {
        self.max_line_bytes
    }

    pub(super) const fn set_max_line_bytes(&mut self, bytes: usize) {
        self.max_line_bytes = bytes;
    }

    #[inline]
    pub(super) fn push(&mut self, frame: Bytes) {
        // The usual way does not touch the frame before it has been searched: the processor would
        // have to wait until its fields, just written by the caller, can be read as a whole.
        if self.frame.is_empty() && !self.after_cr && matches!(self.mark, Mark::Past) {
            self.search(frame);
        } else {
            self.push_unusual(frame);
        }
    }

    #[inline(never)]
    fn push_unusual(&mut self, mut frame: Bytes) {
        if self.end.is_some() {
            return self.join(&frame);
        }
        if !self.frame.is_empty() {
            self.carry_rest();
        }
        if let Mark::Expected(seen) = self.mark {
            self.skip_mark(&mut frame, seen);
        }
        if self.after_cr && !frame.is_empty() {
            self.after_cr = false;
            if frame.first() == Some(&b'\n') {
                frame.advance(1);
            }
        }
        self.search(frame);
    }

    /// Keeps the frame if a line ends in it, else what it holds of a line.
    #[inline]
    fn search(&mut self, frame: Bytes) {
        self.end = memchr2(b'\n', b'\r', &frame);
        self.count_scanned(frame.len(), self.end);
        if self.end.is_some() {
            self.frame = frame;
        } else {
            self.carry(&frame);
        }
    }

    /// The frame in which the last lines lie.
    #[inline]
    pub(super) const fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Lets go of the frame if it is read to its end; says whether it was.
    #[inline]
    pub(super) fn release(&mut self) -> bool {
        let read = self.start == self.frame.len() && !self.too_long;
        if read && self.start > 0 {
            self.start = 0;
            self.frame = Bytes::new();
        }
        read
    }

    /// The next line and what follows it, its end first, if it lies in the frame and is no longer
    /// than `max_bytes`; and where it ends.
    #[inline]
    pub(super) fn peek(&self, max_bytes: usize) -> Option<(&[u8], &[u8], usize)> {
        let end = self.end?;
        if !self.carry.is_empty() || end - self.start > self.max_line_bytes.min(max_bytes) {
            return None;
        }
        let (line, rest) = self.frame.split_at_checked(end)?;
        Some((line.get(self.start..)?, rest, end))
    }

    /// Moves on to the line that starts at `next` and looks for its end.
    ///
    /// No byte is looked at twice: what is carried over has been searched.
    #[inline]
    pub(super) fn move_to(&mut self, next: usize) {
        self.start = next;
        self.end = None;
        let rest = self.frame.get(next..).unwrap_or_default();
        if !rest.is_empty() {
            let len = memchr2(b'\n', b'\r', rest);
            self.count_scanned(rest.len(), len);
            self.end = len.map(|len| next + len);
        }
    }

    /// The next line, without its end; `None` asks for another frame.
    pub(super) fn next_line(&mut self) -> Result<Option<Bytes>, TooLong> {
        let Some(end) = self.end else {
            if !self.frame.is_empty() {
                self.carry_rest();
            }
            return if self.too_long {
                Err(TooLong)
            } else {
                Ok(None)
            };
        };
        let next = match self.frame.get(end..) {
            Some([b'\r', b'\n', ..]) => end + 2,
            Some([b'\r']) => {
                self.after_cr = true;
                end + 1
            }
            _ => end + 1,
        };
        let line = self.start..end;
        if self.carry.len() + line.len() > self.max_line_bytes {
            return Err(TooLong);
        }
        let line = if self.carry.is_empty() {
            self.frame.slice(line)
        } else {
            let rest = self.frame.get(line).unwrap_or_default();
            self.carry.extend_from_slice(rest);
            take_buffer(&mut self.carry)
        };
        self.move_to(next);
        Ok(Some(line))
    }

    /// The line that the end of the stream has cut, after all others.
    pub(super) fn cut_line(&mut self) -> Result<Option<Bytes>, TooLong> {
        self.give_back_mark();
        if self.carry.len() > self.max_line_bytes {
            return Err(TooLong);
        }
        Ok((!self.carry.is_empty()).then(|| take_buffer(&mut self.carry)))
    }

    /// Lets go of the frame and keeps the start of a line that is left in it.
    ///
    /// This waits until another line is asked for. By then the last event has most likely been
    /// dropped, and its room can be used again.
    fn carry_rest(&mut self) {
        let frame = mem::take(&mut self.frame);
        let start = mem::take(&mut self.start);
        self.carry(frame.get(start..).unwrap_or_default());
    }

    #[inline]
    fn carry(&mut self, bytes: &[u8]) {
        if self.carry.len() + bytes.len() > self.max_line_bytes {
            self.too_long = true;
        } else {
            self.carry.extend_from_slice(bytes);
        }
    }

    /// Puts `frame` behind what is unread, which starts with a whole line.
    #[cold]
    fn join(&mut self, frame: &[u8]) {
        let mut unread = mem::take(&mut self.frame);
        let start = mem::take(&mut self.start);
        unread.advance(start);
        self.end = self.end.map(|end| end - start);
        let mut joined = unread
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&*shared));
        joined.extend_from_slice(frame);
        self.frame = joined.freeze();
    }

    /// Takes the next bytes of a byte order mark off `frame`; `seen` of them have come before.
    #[cold]
    fn skip_mark(&mut self, frame: &mut Bytes, seen: usize) {
        let rest = BYTE_ORDER_MARK.get(seen..).unwrap_or_default();
        let pairs = rest.iter().zip(frame.iter());
        let same = pairs.take_while(|(mark, byte)| mark == byte).count();
        if same == rest.len() {
            self.mark = Mark::Past;
            frame.advance(same);
        } else if same == frame.len() {
            self.mark = Mark::Expected(seen + same);
            frame.clear();
        } else {
            self.give_back_mark();
        }
    }

    /// What looked like a mark in earlier frames is the start of a line.
    fn give_back_mark(&mut self) {
        if let Mark::Expected(seen) = mem::replace(&mut self.mark, Mark::Past) {
            let bytes = BYTE_ORDER_MARK.get(..seen).unwrap_or_default();
            self.carry.extend_from_slice(bytes);
        }
    }

    #[cfg(test)]
    const fn count_scanned(&mut self, len: usize, line_len: Option<usize>) {
        self.scanned_bytes += match line_len {
            Some(line_len) => line_len + 1,
            None => len,
        };
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only tests count")]
    const fn count_scanned(&self, _len: usize, _line_len: Option<usize>) {}

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.carry.capacity()
    }
}

const BYTE_ORDER_MARK: [u8; 3] = *b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(frames: &[&'static str]) -> (Vec<Bytes>, Option<Bytes>) {
        let mut lines = Lines::new(100);
        let mut all = Vec::new();
        for frame in frames {
            lines.push(Bytes::from_static(frame.as_bytes()));
            while let Some(line) = lines.next_line().unwrap() {
                all.push(line);
            }
        }
        (all, lines.cut_line().unwrap())
    }

    #[test]
    fn cuts_at_every_kind_of_line_end() {
        let (all, cut) = lines(&["a\nb\rc\r\n\n\rd\r", "\n", "e\r", "", "\n\ncut"]);

        assert_eq!(all, ["a", "b", "c", "", "", "d", "e", ""]);
        assert_eq!(cut.unwrap(), "cut");
    }

    #[test]
    fn gives_a_slice_of_the_frame() {
        let frame = Bytes::from(b"one\ntwo\n".to_vec());
        let mut lines = Lines::new(100);
        lines.push(frame.clone());

        assert_eq!(lines.next_line().unwrap().unwrap().as_ptr(), frame.as_ptr());
    }

    #[test]
    fn joins_frames_that_are_pushed_ahead() {
        let mut lines = Lines::new(100);
        for frame in ["a\nb", "b\nc", "c\n"] {
            lines.push(Bytes::from_static(frame.as_bytes()));
        }

        for line in ["a", "bb", "cc"] {
            assert_eq!(lines.next_line().unwrap().unwrap(), line);
        }
        assert!(lines.next_line().unwrap().is_none());
    }

    #[test]
    fn carries_a_rest_on_when_the_next_frame_comes_too_early() {
        let mut lines = Lines::new(100);
        lines.push(Bytes::from_static(b"a\nb"));
        assert_eq!(lines.next_line().unwrap().unwrap(), "a");
        lines.push(Bytes::from_static(b"b\n"));

        assert_eq!(lines.next_line().unwrap().unwrap(), "bb");
    }

    #[test]
    fn frees_the_room_of_a_long_line() {
        let mut lines = Lines::new(usize::MAX);
        lines.push(Bytes::from(vec![b'x'; 500_000]));
        assert!(lines.capacity() >= 500_000);

        lines.push(Bytes::from_static(b"\n"));
        assert_eq!(lines.next_line().unwrap().unwrap().len(), 500_000);
        assert_eq!(lines.capacity(), 0);
    }
}
