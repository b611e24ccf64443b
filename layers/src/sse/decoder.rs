use std::time::Duration;

use bytes::Bytes;

use super::{
    DecodeError, EventRef,
    field::Field,
    lines::{Lines, TooLong},
    pending::Pending,
};

/// Turns the frames of an event stream into events, as they arrive.
///
/// See the [module docs](super) for an example, the caps and what it costs. A clone of a new
/// decoder is a new decoder with the same caps.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom_layers::sse::Decoder;
///
/// let mut decoder = Decoder::new();
/// decoder.push("data: Hel".into());
/// assert!(decoder.next_event()?.is_none(), "it is not whole yet");
/// decoder.push("lo\n\n".into());
/// assert_eq!(decoder.next_event()?.ok_or("now it is")?.data(), b"Hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    limits: Limits,
    lines: Lines,
    // Also the last event, if it does not lie in the frame as it is.
    pending: Pending,
    // Since the last event with data.
    bytes_without_data: usize,
    last_event_id: String,
    retry: Option<Duration>,
    failed: Option<DecodeError>,
    ending: Option<Ending>,
}

/// Where a stream ended.
///
/// ```
/// use blossom_layers::sse::{Decoder, Ending};
///
/// # fn main() -> Result<(), blossom_layers::BoxError> {
/// for (stream, ending) in [
///     ("data: 1\n\n", Ending::Clean),
///     ("data: 1\n", Ending::InsideEvent),
///     ("data: 1", Ending::InsideLine),
/// ] {
///     let mut decoder = Decoder::new();
///     decoder.push(stream.into());
///     while decoder.finish()?.is_some() {}
///     assert_eq!(decoder.ending(), Some(ending));
/// }
/// # Ok(())
/// # }
/// ```
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
    event_bytes: usize,
    bytes_without_data: usize,
    retry: Duration,
}

/// Where an event lies.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// From here to there in the frame, and it is only data.
    Frame(usize, usize),
    /// In `pending`.
    Whole,
}

impl Decoder {
    /// A decoder with the default caps.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut decoder = Decoder::new();
    /// assert!(decoder.next_event()?.is_none(), "it wants a frame");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: Limits {
                event_bytes: DEFAULT_MAX_BYTES,
                bytes_without_data: DEFAULT_MAX_BYTES,
                retry: DEFAULT_MAX_RETRY,
            },
            lines: Lines::new(DEFAULT_MAX_BYTES),
            pending: Pending::default(),
            bytes_without_data: 0,
            last_event_id: String::new(),
            retry: None,
            failed: None,
            ending: None,
        }
    }

    /// The longest line, in bytes, its end not counted. 1 MiB by default.
    ///
    /// It bounds what is held of a line that does not end. A cap that is too small refuses events
    /// whose JSON is large, such as audio or an image inside of one; zero refuses every line that
    /// is not blank.
    ///
    /// ```
    /// # use blossom_layers::sse::{DecodeError, Decoder};
    /// let mut decoder = Decoder::new().max_line_bytes(8);
    /// decoder.push("data: too long\n\n".into());
    /// assert_eq!(decoder.next_event(), Err(DecodeError::LineTooLong { limit_bytes: 8 }));
    /// ```
    #[must_use]
    pub const fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.lines.set_max_line_bytes(bytes);
        self
    }

    /// The most that the lines of one event may weigh, in bytes. 1 MiB by default.
    ///
    /// A line weighs what it is long, its end not counted, and each line after the first 32 bytes
    /// more: so that many empty `data` lines are not free. Comments weigh nothing here. Zero
    /// refuses every event.
    ///
    /// ```
    /// # use blossom_layers::sse::{DecodeError, Decoder};
    /// let mut decoder = Decoder::new().max_event_bytes(8);
    /// decoder.push("data: 1\ndata: 2\n\n".into());
    /// assert_eq!(decoder.next_event(), Err(DecodeError::EventTooLong { limit_bytes: 8 }));
    /// ```
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
    ///
    /// ```
    /// # use blossom_layers::sse::{DecodeError, Decoder};
    /// let mut decoder = Decoder::new().max_bytes_without_data(8);
    /// decoder.push(": still there\n".into());
    /// assert_eq!(decoder.next_event(), Err(DecodeError::NoData { limit_bytes: 8 }));
    /// ```
    #[must_use]
    pub const fn max_bytes_without_data(mut self, bytes: usize) -> Self {
        self.limits.bytes_without_data = bytes;
        self
    }

    /// The longest reconnection time that is believed; a longer one becomes this. One hour by
    /// default, so that no server can send its clients away for good.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut decoder = Decoder::new().max_retry(Duration::from_secs(5));
    /// decoder.push("retry: 60000\n\n".into());
    /// decoder.next_event()?;
    /// assert_eq!(decoder.retry(), Some(Duration::from_secs(5)));
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut decoder = Decoder::new();
    /// decoder.push("da".into());
    /// assert!(decoder.next_event()?.is_none());
    /// decoder.push("ta: hello\n\n".into());
    /// assert!(decoder.next_event()?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn push(&mut self, frame: Bytes) {
        if self.failed.is_none() && self.ending.is_none() {
            self.lines.push(frame);
        }
    }

    /// The next event of what was pushed; `None` asks for another frame.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut decoder = Decoder::new();
    /// decoder.push("data: one\n\ndata: two\n\n".into());
    /// let mut all = Vec::new();
    /// while let Some(event) = decoder.next_event()? {
    ///     all.push(event.to_bytes());
    /// }
    /// assert_eq!(all, ["one", "two"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the stream breaks a cap. The events before it have been given; from
    /// then on there is nothing but the same error.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<EventRef<'_>>, DecodeError> {
        let place = self.next_place()?;
        Ok(place.map(|place| self.at(place)))
    }

    /// Ends the stream: gives what is left, one event a call, then `None`.
    ///
    /// First come the events that were not pulled yet. The last may be one that was not ended by a
    /// blank line, or not even by a line end: the standard drops it, but proxies cut, so it is
    /// given, and [`ending`](Self::ending) tells what it is worth.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut decoder = Decoder::new();
    /// decoder.push("data: cut".into());
    /// assert!(decoder.next_event()?.is_none());
    /// assert_eq!(decoder.finish()?.ok_or("what is left is given")?.data(), b"cut");
    /// assert!(decoder.finish()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`next_event`](Self::next_event).
    pub fn finish(&mut self) -> Result<Option<EventRef<'_>>, DecodeError> {
        let place = match self.next_place()? {
            None => self.end()?,
            place => place,
        };
        Ok(place.map(|place| self.at(place)))
    }

    /// Where the stream ended; `None` until [`finish`](Self::finish) got there.
    ///
    /// ```
    /// # use blossom_layers::sse::{Decoder, Ending};
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut decoder = Decoder::new();
    /// assert_eq!(decoder.ending(), None);
    /// decoder.finish()?;
    /// assert_eq!(decoder.ending(), Some(Ending::Clean));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The id in force: what to send as `Last-Event-ID` when reconnecting.
    ///
    /// It is the last one that came, also with a block that held no data; `None` when there was
    /// none or it was empty.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut decoder = Decoder::new();
    /// decoder.push("id: 7\ndata: 1\n\ndata: 2\n\n".into());
    /// while decoder.next_event()?.is_some() {}
    /// assert_eq!(decoder.last_event_id(), Some("7"), "the second event has none of its own");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        (!self.last_event_id.is_empty()).then_some(&*self.last_event_id)
    }

    /// The reconnection time in force, at most [`max_retry`](Self::max_retry).
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut decoder = Decoder::new();
    /// decoder.push("retry: 1500\n\n".into());
    /// decoder.next_event()?;
    /// assert_eq!(decoder.retry(), Some(Duration::from_millis(1500)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }
}

// Events.
impl Decoder {
    /// Drops the frame if it is read to its end.
    pub(super) fn let_go(&mut self) {
        self.pending.forget();
        self.lines.release();
    }

    #[inline]
    fn at(&self, place: Place) -> EventRef<'_> {
        let frame = self.lines.frame();
        match place {
            Place::Frame(start, end) => {
                EventRef::new(frame.get(start..end).unwrap_or_default(), frame, None)
            }
            Place::Whole => {
                let whole = self.pending.whole();
                whole.unwrap_or_else(|| EventRef::new(b"", frame, None))
            }
        }
    }

    #[inline]
    fn next_place(&mut self) -> Result<Option<Place>, DecodeError> {
        if let Some((start, end, next)) = self.lone_data() {
            self.bytes_without_data = 0;
            self.lines.move_to(next);
            return Ok(Some(Place::Frame(start, end)));
        }
        if !self.pending.is_whole() && self.lines.release() {
            return self.failed.map_or(Ok(None), Err);
        }
        self.next_by_lines()
    }

    /// Finds a `data` line and the blank line after it: what nearly all events are. Gives where the
    /// data starts and ends, and where the next line starts.
    ///
    /// It says no where anything is unusual, and leaves that to the general way.
    #[inline]
    fn lone_data(&self) -> Option<(usize, usize, usize)> {
        if !self.pending.is_empty() {
            return None;
        }
        let (line, rest, end) = self.lines.peek(self.limits.event_bytes)?;
        let value = line.strip_prefix(b"data:")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let ends = match rest {
            [b'\n', b'\n', ..] => 2,
            [b'\r', b'\n', b'\r', b'\n', ..] => 4,
            _ => return None,
        };
        (!value.is_empty()).then_some((end - value.len(), end, end + ends))
    }

    // Apart, so that the usual way is small enough to be inlined.
    #[inline(never)]
    fn next_by_lines(&mut self) -> Result<Option<Place>, DecodeError> {
        self.pending.forget();
        while let Some(line) = self
            .lines
            .next_line()
            .map_err(|error| self.too_long(error))?
        {
            if !line.is_empty() {
                self.read_line(line)?;
            } else if let Some(place) = self.end_event()? {
                return Ok(Some(place));
            }
        }
        self.failed.map_or(Ok(None), Err)
    }

    /// Ends the pending event, as a blank line does.
    fn end_event(&mut self) -> Result<Option<Place>, DecodeError> {
        // Copied, so that an id does not keep its frame for the rest of the stream.
        if let Some(id) = self.pending.id() {
            self.last_event_id.clear();
            self.last_event_id.push_str(id);
        }
        let weight_bytes = self.pending.weight_bytes();
        self.pending.end();
        let whole = self.pending.whole();
        if whole.is_some_and(|whole| !whole.data().is_empty()) {
            self.bytes_without_data = 0;
        } else {
            self.pass_without_data(weight_bytes + 1)?;
        }
        Ok(self.pending.is_whole().then_some(Place::Whole))
    }

    /// Ends the stream, whose frames are all read.
    fn end(&mut self) -> Result<Option<Place>, DecodeError> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let cut = self
            .lines
            .cut_line()
            .map_err(|error| self.too_long(error))?;
        let ending = match (&cut, self.pending.is_empty()) {
            (Some(_), _) => Ending::InsideLine,
            (None, false) => Ending::InsideEvent,
            (None, true) => Ending::Clean,
        };
        if let Some(line) = cut {
            self.read_line(line)?;
        }
        let place = if self.pending.is_empty() {
            None
        } else {
            self.end_event()?
        };
        self.ending = Some(ending);
        Ok(place)
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

    fn pass_without_data(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let limit_bytes = self.limits.bytes_without_data;
        self.bytes_without_data += bytes;
        if self.bytes_without_data > limit_bytes {
            return Err(self.fail(DecodeError::NoData { limit_bytes }));
        }
        Ok(())
    }

    #[cold]
    fn too_long(&mut self, _: TooLong) -> DecodeError {
        let limit_bytes = self.lines.max_line_bytes();
        self.fail(DecodeError::LineTooLong { limit_bytes })
    }

    /// Remembers the error and lets go of everything else.
    #[cold]
    fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.failed = Some(error);
        self.lines = Lines::new(self.lines.max_line_bytes());
        self.pending = Pending::default();
        error
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

const DEFAULT_MAX_BYTES: usize = 1024 * 1024;

const DEFAULT_MAX_RETRY: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn data(decoder: &mut Decoder, frame: &'static str) -> Vec<Bytes> {
        decoder.push(Bytes::from_static(frame.as_bytes()));
        let mut all = Vec::new();
        while let Some(event) = decoder.next_event().unwrap() {
            all.push(event.to_bytes());
        }
        all
    }

    #[test]
    fn gives_a_slice_of_the_frame() {
        let frame = Bytes::from(b"event: a\ndata: one\n\ndata: two\r\n\r\n".to_vec());
        let mut decoder = Decoder::new();
        decoder.push(frame.clone());

        let one = decoder.next_event().unwrap().unwrap().to_event();
        let two = decoder.next_event().unwrap().unwrap().to_event();

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
        assert_eq!(decoder.lines.scanned_bytes, stream.len());
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
                decoder.lines.capacity()
                    + decoder.pending.capacity()
                    + decoder.last_event_id.capacity(),
            );
        }

        assert!(buffers.iter().all(|bytes| *bytes < 1024), "{buffers:?}");
    }

    #[test]
    fn gives_nothing_but_the_error_after_an_error() {
        let mut decoder = Decoder::new().max_line_bytes(9);
        decoder.push(Bytes::from_static(
            b"data: one\n\ndata: three\n\ndata: 4\n\n",
        ));
        let error = Err(DecodeError::LineTooLong { limit_bytes: 9 });

        assert_eq!(decoder.next_event().unwrap().unwrap().data(), b"one");
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
            all.push(event.to_bytes());
        }

        assert_eq!(all, ["one", "two", "three"]);
        assert_eq!(decoder.ending(), Some(Ending::InsideLine));
        assert_eq!(decoder.finish(), Ok(None));
    }
}
