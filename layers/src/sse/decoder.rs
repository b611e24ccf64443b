use std::{mem, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

use super::{
    DecodeError, Event,
    field::Field,
    pending::{Pending, take_buffer},
};

/// Turns the frames of an event stream into [`Event`]s, as they arrive.
///
/// See the [module docs](super) for an example, the caps and what it costs. A clone of a new
/// decoder is a new decoder with the same caps.
#[derive(Debug, Clone)]
pub struct Decoder {
    limits: Limits,
    // What of the last frame is not read yet. It starts with a line, or the rest of one, that ends
    // at `line_len`; without that no line ends in it.
    frame: Bytes,
    line_len: Option<usize>,
    // The start of a line whose end has not come yet.
    carry: BytesMut,
    pending: Pending,
    // Since the last event with data.
    bytes_without_data: usize,
    last_event_id: String,
    retry: Option<Duration>,
    start: Start,
    // The last frame ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    failed: Option<DecodeError>,
    ending: Option<Ending>,
    #[cfg(test)]
    scanned_bytes: usize,
}

/// Where a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller has to decide what each ending means"
)]
pub enum Ending {
    /// After a blank line or a comment, or before anything came.
    Clean,
    /// After whole lines of an event whose blank line is missing.
    ///
    /// Proxies cut that blank line, so the event is most likely whole. Only if it was to have
    /// several `data` lines can some be missing.
    InsideEvent,
    /// In the middle of a line: what it held may be cut anywhere.
    InsideLine,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    line_bytes: usize,
    event_bytes: usize,
    bytes_without_data: usize,
    retry: Duration,
}

/// A byte order mark may stand before the first line, and only there.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// So many of its bytes have come.
    Mark(usize),
    Past,
}

impl Decoder {
    /// A decoder with the default caps.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: Limits {
                line_bytes: DEFAULT_MAX_BYTES,
                event_bytes: DEFAULT_MAX_BYTES,
                bytes_without_data: DEFAULT_MAX_BYTES,
                retry: DEFAULT_MAX_RETRY,
            },
            frame: Bytes::new(),
            line_len: None,
            carry: BytesMut::new(),
            pending: Pending::default(),
            bytes_without_data: 0,
            last_event_id: String::new(),
            retry: None,
            start: Start::Mark(0),
            after_cr: false,
            failed: None,
            ending: None,
            #[cfg(test)]
            scanned_bytes: 0,
        }
    }

    /// The longest line, in bytes, its end not counted. 1 MiB by default.
    ///
    /// It bounds what is held of a line that does not end. A cap that is too small refuses events
    /// whose JSON is large, such as audio or an image inside of one; zero refuses every line that
    /// is not blank.
    #[must_use]
    pub const fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.limits.line_bytes = bytes;
        self
    }

    /// The most that the lines of one event may weigh, in bytes. 1 MiB by default.
    ///
    /// A line weighs what it is long, its end not counted, and each line after the first 32 bytes
    /// more: so that many empty `data` lines are not free. Comments weigh nothing here. Zero
    /// refuses every event.
    #[must_use]
    pub const fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.limits.event_bytes = bytes;
        self
    }

    /// The most that may come without an event that has data, in bytes. 1 MiB by default.
    ///
    /// It ends a stream of nothing but comments, blank lines, blocks without data and events whose
    /// data is empty. The default lets a comment of 26 bytes pass every second for eleven hours; a
    /// stream that is silent for longer needs more. Zero refuses every comment.
    #[must_use]
    pub const fn max_bytes_without_data(mut self, bytes: usize) -> Self {
        self.limits.bytes_without_data = bytes;
        self
    }

    /// The longest reconnection time that is believed; a longer one becomes this. One hour by
    /// default, so that no server can send its clients away for good.
    #[must_use]
    pub const fn max_retry(mut self, retry: Duration) -> Self {
        self.limits.retry = retry;
        self
    }

    /// Takes the next frame of the stream, of any size and cut anywhere.
    ///
    /// To be called once [`next_event`](Self::next_event) has given `None`. A frame that comes
    /// earlier is joined to what is unread, which copies both. After an error or
    /// [`finish`](Self::finish) frames are dropped.
    #[inline]
    pub fn push(&mut self, mut frame: Bytes) {
        if self.line_len.is_some() {
            return self.join(&frame);
        }
        if !self.frame.is_empty() {
            self.carry_rest();
        }
        if self.failed.is_some() || self.ending.is_some() {
            return;
        }
        if let Start::Mark(seen) = self.start {
            self.skip_mark(&mut frame, seen);
        }
        if self.after_cr && !frame.is_empty() {
            self.after_cr = false;
            if frame.first() == Some(&b'\n') {
                frame.advance(1);
            }
        }
        self.frame = frame;
        self.find_line();
        if self.line_len.is_none() {
            self.carry_rest();
        }
    }

    /// The next event of what was pushed; `None` asks for another frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the stream breaks a cap. The events before it have been given; from
    /// then on there is nothing but the same error.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event>, DecodeError> {
        while let Some(len) = self.line_len {
            if let Some((start, whole)) = self.lone_data(len) {
                self.bytes_without_data = 0;
                let data = self.frame.slice(start..len);
                self.advance(whole);
                return Ok(Some(Event::new(data)));
            }
            if let Some(event) = self.end_line(len)? {
                return Ok(Some(event));
            }
        }
        if !self.frame.is_empty() {
            self.carry_rest();
        }
        self.failed.map_or(Ok(None), Err)
    }

    /// Ends the stream: gives what is left, one event a call, then `None`.
    ///
    /// First come the events that were not pulled yet. The last may be one that was not ended by a
    /// blank line, or not even by a line end: the standard drops it, but proxies cut, so it is
    /// given, and [`ending`](Self::ending) tells what it is worth.
    ///
    /// # Errors
    ///
    /// Those of [`next_event`](Self::next_event).
    pub fn finish(&mut self) -> Result<Option<Event>, DecodeError> {
        if let Some(event) = self.next_event()? {
            return Ok(Some(event));
        }
        if self.ending.is_some() {
            return Ok(None);
        }
        self.give_back_mark();
        if self.carry.len() > self.limits.line_bytes {
            return Err(self.line_too_long());
        }
        let ending = match (self.carry.is_empty(), self.pending.is_empty()) {
            (false, _) => Ending::InsideLine,
            (true, false) => Ending::InsideEvent,
            (true, true) => Ending::Clean,
        };
        if ending == Ending::InsideLine {
            let line = take_buffer(&mut self.carry);
            self.read_line(line)?;
        }
        let event = if self.pending.is_empty() {
            None
        } else {
            self.end_event()?
        };
        self.ending = Some(ending);
        Ok(event)
    }

    /// Where the stream ended; `None` until [`finish`](Self::finish) got there.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The id in force: what to send as `Last-Event-ID` when reconnecting.
    ///
    /// It is the last one that came, also with a block that held no data; `None` when there was
    /// none or it was empty.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        (!self.last_event_id.is_empty()).then_some(&*self.last_event_id)
    }

    /// The reconnection time in force, at most [`max_retry`](Self::max_retry).
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }
}

// Lines.
impl Decoder {
    /// Finds a `data` line and the blank line after it: what nearly all events are. Gives where the
    /// data starts and how long both lines are.
    ///
    /// It says no where anything is unusual, and leaves that to the general way.
    #[inline]
    fn lone_data(&self, len: usize) -> Option<(usize, usize)> {
        if !self.carry.is_empty()
            || !self.pending.is_empty()
            || len > self.limits.line_bytes
            || len > self.limits.event_bytes
        {
            return None;
        }
        let (line, rest) = self.frame.split_at_checked(len)?;
        let value = line.strip_prefix(b"data:")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let ends = match rest {
            [b'\n', b'\n', ..] => 2,
            [b'\r', b'\n', b'\r', b'\n', ..] => 4,
            _ => return None,
        };
        (!value.is_empty()).then_some((len - value.len(), len + ends))
    }

    /// Reads the line of `len` bytes that ends in the frame, and its end.
    fn end_line(&mut self, len: usize) -> Result<Option<Event>, DecodeError> {
        let whole = match self.frame.get(len..) {
            Some([b'\r', b'\n', ..]) => len + 2,
            Some([b'\r']) => {
                self.after_cr = true;
                len + 1
            }
            _ => len + 1,
        };
        if self.carry.len() + len > self.limits.line_bytes {
            return Err(self.line_too_long());
        }
        let line = if self.carry.is_empty() {
            self.frame.slice(..len)
        } else {
            let rest = self.frame.get(..len).unwrap_or_default();
            self.carry.extend_from_slice(rest);
            take_buffer(&mut self.carry)
        };
        self.advance(whole);
        if line.is_empty() {
            return self.end_event();
        }
        self.read_line(line)?;
        Ok(None)
    }

    fn read_line(&mut self, line: Bytes) -> Result<(), DecodeError> {
        let len = line.len();
        let field = Field::parse(line);
        if field == Field::Comment {
            return self.pass_without_data(len + 1);
        }
        let limit_bytes = self.limits.event_bytes;
        if self.pending.weigh(len) > limit_bytes {
            return Err(self.fail(DecodeError::EventTooLong { limit_bytes }));
        }
        match field {
            Field::Data(value) => self.pending.push_data(value),
            Field::Event(value) => self.pending.set_event_type(value),
            Field::Id(value) => self.pending.set_id(value),
            Field::Retry(millis) => {
                let retry = Duration::from_millis(millis).min(self.limits.retry);
                self.retry = Some(retry);
                self.pending.set_retry(retry);
            }
            Field::Comment | Field::Ignored => {}
        }
        Ok(())
    }

    /// Ends the pending event, as a blank line does.
    fn end_event(&mut self) -> Result<Option<Event>, DecodeError> {
        // Copied, so that an id does not keep its frame for the rest of the stream.
        if let Some(id) = self.pending.id() {
            self.last_event_id.clear();
            self.last_event_id.push_str(id);
        }
        let weight_bytes = self.pending.weight_bytes();
        let event = self.pending.take();
        if event.as_ref().is_some_and(|event| !event.data().is_empty()) {
            self.bytes_without_data = 0;
        } else {
            self.pass_without_data(weight_bytes + 1)?;
        }
        Ok(event)
    }

    fn pass_without_data(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let limit_bytes = self.limits.bytes_without_data;
        self.bytes_without_data += bytes;
        if self.bytes_without_data > limit_bytes {
            return Err(self.fail(DecodeError::NoData { limit_bytes }));
        }
        Ok(())
    }
}

// Bytes.
impl Decoder {
    /// Moves on to the next line of the frame.
    #[inline]
    fn advance(&mut self, whole: usize) {
        if whole == self.frame.len() {
            self.line_len = None;
            self.frame = Bytes::new();
        } else {
            self.frame.advance(whole);
            self.find_line();
        }
    }

    /// Looks for the end of the line that starts the frame.
    ///
    /// No byte is looked at twice: what is carried over has been searched.
    #[inline]
    fn find_line(&mut self) {
        self.line_len = memchr2(b'\n', b'\r', &self.frame);
        #[cfg(test)]
        {
            self.scanned_bytes += self.line_len.map_or(self.frame.len(), |len| len + 1);
        }
    }

    /// Keeps the rest of the frame: the start of a line, or more of it.
    ///
    /// This waits until another event is asked for. By then the last one has most likely been
    /// dropped, and its room can be used again.
    fn carry_rest(&mut self) {
        let rest = mem::take(&mut self.frame);
        if self.carry.len() + rest.len() > self.limits.line_bytes {
            self.line_too_long();
        } else {
            self.carry.extend_from_slice(&rest);
        }
    }

    /// Puts `frame` behind what is unread.
    #[cold]
    fn join(&mut self, frame: &[u8]) {
        let unread = mem::take(&mut self.frame);
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
            self.start = Start::Past;
            frame.advance(same);
        } else if same == frame.len() {
            self.start = Start::Mark(seen + same);
            frame.clear();
        } else {
            self.give_back_mark();
        }
    }

    /// What looked like a mark in earlier frames is the start of a line.
    fn give_back_mark(&mut self) {
        if let Start::Mark(seen) = mem::replace(&mut self.start, Start::Past) {
            let bytes = BYTE_ORDER_MARK.get(..seen).unwrap_or_default();
            self.carry.extend_from_slice(bytes);
        }
    }

    #[cold]
    fn line_too_long(&mut self) -> DecodeError {
        let limit_bytes = self.limits.line_bytes;
        self.fail(DecodeError::LineTooLong { limit_bytes })
    }

    /// Remembers the error and lets go of everything else.
    #[cold]
    fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.failed = Some(error);
        self.frame = Bytes::new();
        self.line_len = None;
        self.carry = BytesMut::new();
        self.pending = Pending::default();
        error
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

const BYTE_ORDER_MARK: [u8; 3] = *b"\xef\xbb\xbf";

const DEFAULT_MAX_BYTES: usize = 1024 * 1024;

const DEFAULT_MAX_RETRY: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn data(decoder: &mut Decoder, frame: &'static str) -> Vec<Bytes> {
        decoder.push(Bytes::from_static(frame.as_bytes()));
        let mut all = Vec::new();
        while let Some(event) = decoder.next_event().unwrap() {
            all.push(event.into_data());
        }
        all
    }

    #[test]
    fn gives_a_slice_of_the_frame() {
        let frame = Bytes::from(b"event: a\ndata: one\n\ndata: two\r\n\r\n".to_vec());
        let mut decoder = Decoder::new();
        decoder.push(frame.clone());

        let one = decoder.next_event().unwrap().unwrap();
        let two = decoder.next_event().unwrap().unwrap();

        assert_eq!(one.data().as_ptr(), frame[15..].as_ptr());
        assert_eq!(two.data().as_ptr(), frame[26..].as_ptr());
        assert_eq!((one.data(), two.data()), (&"one".into(), &"two".into()));
        assert_eq!(decoder.next_event(), Ok(None));
    }

    #[test]
    fn lets_go_of_a_frame_that_is_read() {
        let frame = Bytes::from(b": a comment\ndata: one\n\ndata: t".to_vec());
        let mut decoder = Decoder::new();
        decoder.push(frame.clone());
        while decoder.next_event().unwrap().is_some() {}

        assert!(frame.is_unique());
    }

    #[test]
    fn skips_a_line_feed_that_ends_the_return_of_the_frame_before() {
        let mut decoder = Decoder::new();

        assert!(data(&mut decoder, "data: one\r").is_empty());
        assert_eq!(data(&mut decoder, "\n\r"), ["one"]);
        assert!(data(&mut decoder, "\n").is_empty());
        assert_eq!(data(&mut decoder, "data: two\r\r"), ["two"]);
    }

    #[test]
    fn joins_frames_that_are_pushed_before_the_last_is_read() {
        let mut decoder = Decoder::new();
        decoder.push(Bytes::from_static(b"data: one\n\nda"));
        decoder.push(Bytes::from_static(b"ta: two\n"));
        decoder.push(Bytes::from_static(b"\ndata: three\n\n"));

        assert_eq!(data(&mut decoder, ""), ["one", "two", "three"]);
    }

    #[test]
    fn i5_looks_at_each_byte_once_however_it_is_dribbled() {
        let stream = format!("data: {}\n\n", "x".repeat(64 * 1024));
        let mut decoder = Decoder::new();
        let mut events = 0;
        for byte in stream.bytes() {
            decoder.push(Bytes::copy_from_slice(&[byte]));
            while decoder.next_event().unwrap().is_some() {
                events += 1;
            }
        }

        assert_eq!(events, 1);
        assert_eq!(decoder.scanned_bytes, stream.len());
    }

    #[test]
    fn i11_holds_no_more_after_many_events_than_after_few() {
        let mut decoder = Decoder::new();
        let stream = b"id: 1234\ndata: some\ndata: text\n\ndata: and more of it\n\n".repeat(1000);
        let mut buffers = Vec::new();
        // The longest measurement is the bench of ten million events; this is its start.
        for _ in 0..50 {
            for frame in stream.chunks(61) {
                decoder.push(Bytes::copy_from_slice(frame));
                while decoder.next_event().unwrap().is_some() {}
            }
            buffers.push(
                decoder.carry.capacity()
                    + decoder.pending.capacity()
                    + decoder.last_event_id.capacity(),
            );
        }

        assert!(buffers.iter().all(|bytes| *bytes < 1024), "{buffers:?}");
    }

    #[test]
    fn frees_the_room_of_a_long_line() {
        let mut decoder = Decoder::new();
        decoder.push(Bytes::from(format!("data: {}", "x".repeat(500_000))));
        assert_eq!(decoder.next_event(), Ok(None));
        assert!(decoder.carry.capacity() >= 500_000);

        assert_eq!(data(&mut decoder, "y\n\n").len(), 1);
        assert_eq!(decoder.carry.capacity(), 0);
    }

    #[test]
    fn gives_nothing_but_the_error_after_an_error() {
        let mut decoder = Decoder::new().max_line_bytes(9);
        decoder.push(Bytes::from_static(
            b"data: one\n\ndata: three\n\ndata: 4\n\n",
        ));
        let error = Err(DecodeError::LineTooLong { limit_bytes: 9 });

        assert_eq!(decoder.next_event().unwrap().unwrap().data(), "one");
        assert_eq!(decoder.next_event(), error);
        decoder.push(Bytes::from_static(b"data: 5\n\n"));
        assert_eq!(decoder.next_event(), error);
        assert_eq!(decoder.finish(), error);
        assert_eq!(decoder.ending(), None);
    }

    #[test]
    fn finish_gives_what_was_not_pulled_yet() {
        let mut decoder = Decoder::new();
        decoder.push(Bytes::from_static(b"data: one\n\ndata: two\n\ndata: three"));
        let mut all = Vec::new();
        while let Some(event) = decoder.finish().unwrap() {
            all.push(event.into_data());
        }

        assert_eq!(all, ["one", "two", "three"]);
        assert_eq!(decoder.ending(), Some(Ending::InsideLine));
        assert_eq!(decoder.finish(), Ok(None));
    }
}
