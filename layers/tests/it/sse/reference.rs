//! A slow decoder of whole streams, written from the standard line by line, to compare with.
//!
//! It sees all of the input at once, copies everything and reads the text of the standard literally,
//! so that it shares neither code nor ideas with the decoder under test.

use std::time::Duration;

use blossom_layers::sse::{DecodeError, Decoder, Ending, EventRef};
use bytes::Bytes;

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) event_type: String,
    pub(super) id: Option<String>,
    pub(super) data: Vec<u8>,
    pub(super) retry: Option<Duration>,
}

/// All that a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) events: Vec<Seen>,
    pub(super) last_event_id: Option<String>,
    pub(super) retry: Option<Duration>,
    pub(super) end: Result<Ending, DecodeError>,
}

/// The caps of a decoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    pub(super) line: usize,
    pub(super) event: usize,
    pub(super) without_data: usize,
    pub(super) retry: Duration,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            line: 1 << 20,
            event: 1 << 20,
            without_data: 1 << 20,
            retry: Duration::from_secs(3600),
        }
    }
}

/// What the decoder under test makes of `frames`.
pub(super) fn decode<F: Into<Bytes>>(caps: Caps, frames: impl IntoIterator<Item = F>) -> Outcome {
    let mut decoder = Decoder::new()
        .max_line_bytes(caps.line)
        .max_event_bytes(caps.event)
        .max_bytes_without_data(caps.without_data)
        .max_retry(caps.retry);
    let mut events = Vec::new();
    let end = pull(&mut decoder, frames, &mut events);
    Outcome {
        events,
        last_event_id: decoder.last_event_id().map(str::to_owned),
        retry: decoder.retry(),
        end,
    }
}

fn pull<F: Into<Bytes>>(
    decoder: &mut Decoder,
    frames: impl IntoIterator<Item = F>,
    events: &mut Vec<Seen>,
) -> Result<Ending, DecodeError> {
    for frame in frames {
        decoder.push(frame.into());
        while let Some(event) = decoder.next_event()? {
            events.push(seen(event));
        }
    }
    while let Some(event) = decoder.finish()? {
        events.push(seen(event));
    }
    Ok(decoder.ending().expect("the stream is finished"))
}

fn seen(event: EventRef<'_>) -> Seen {
    Seen {
        event_type: event.event_type().to_owned(),
        id: event.id().map(str::to_owned),
        data: event.data().to_vec(),
        retry: event.retry(),
    }
}

/// What the standard makes of `stream`, with the caps and the lenient end.
pub(super) fn reference(caps: Caps, stream: &[u8]) -> Outcome {
    let mut state = State::new(caps);
    let end = state.read(stream);
    Outcome {
        events: state.events,
        last_event_id: Some(state.last_event_id).filter(|id| !id.is_empty()),
        retry: state.retry,
        end,
    }
}

struct State {
    caps: Caps,
    events: Vec<Seen>,
    last_event_id: String,
    retry: Option<Duration>,
    /// The lines since the last blank line, comments apart.
    block: Vec<Vec<u8>>,
    without_data: usize,
}

impl State {
    fn new(caps: Caps) -> Self {
        Self {
            caps,
            events: Vec::new(),
            last_event_id: String::new(),
            retry: None,
            block: Vec::new(),
            without_data: 0,
        }
    }

    fn read(&mut self, stream: &[u8]) -> Result<Ending, DecodeError> {
        let (lines, rest) = lines(stream);
        for line in lines {
            self.line(line)?;
        }
        let ending = if !rest.is_empty() {
            self.line(rest)?;
            Ending::InsideLine
        } else if !self.block.is_empty() {
            Ending::InsideEvent
        } else {
            Ending::Clean
        };
        if !self.block.is_empty() {
            self.blank()?;
        }
        Ok(ending)
    }

    fn line(&mut self, line: Vec<u8>) -> Result<(), DecodeError> {
        if line.len() > self.caps.line {
            let limit_bytes = self.caps.line;
            return Err(DecodeError::LineTooLong { limit_bytes });
        }
        if line.is_empty() {
            return self.blank();
        }
        if line[0] == b':' {
            return self.without_data(line.len() + 1);
        }
        if let ("retry", value) = field(&line)
            && let Some(retry) = self.millis(value)
            && self.weight() + self.weight_of(&line) <= self.caps.event
        {
            self.retry = Some(retry);
        }
        self.block.push(line);
        if self.weight() > self.caps.event {
            let limit_bytes = self.caps.event;
            return Err(DecodeError::EventTooLong { limit_bytes });
        }
        Ok(())
    }

    fn blank(&mut self) -> Result<(), DecodeError> {
        let weight = self.weight();
        let mut data: Option<Vec<u8>> = None;
        let mut event_type = String::new();
        let mut id = None;
        let mut retry = None;
        for line in std::mem::take(&mut self.block) {
            match field(&line) {
                ("data", value) => match &mut data {
                    None => data = Some(value.to_vec()),
                    Some(data) => {
                        data.push(b'\n');
                        data.extend(value);
                    }
                },
                ("event", value) => event_type = String::from_utf8_lossy(value).into_owned(),
                ("id", value) if !value.contains(&0) => {
                    id = Some(String::from_utf8_lossy(value).into_owned());
                }
                ("retry", value) => retry = self.millis(value).or(retry),
                _ => {}
            }
        }
        if let Some(id) = &id {
            self.last_event_id.clone_from(id);
        }
        if data.as_ref().is_some_and(|data| !data.is_empty()) {
            self.without_data = 0;
        } else {
            self.without_data(weight + 1)?;
        }
        if event_type.is_empty() {
            event_type.push_str("message");
        }
        self.events.extend(data.map(|data| Seen {
            event_type,
            id,
            data,
            retry,
        }));
        Ok(())
    }

    fn without_data(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.without_data += bytes;
        let limit_bytes = self.caps.without_data;
        if self.without_data > limit_bytes {
            return Err(DecodeError::NoData { limit_bytes });
        }
        Ok(())
    }

    fn weight(&self) -> usize {
        let bytes: usize = self.block.iter().map(Vec::len).sum();
        bytes + 32 * self.block.len().saturating_sub(1)
    }

    fn weight_of(&self, line: &[u8]) -> usize {
        line.len() + if self.block.is_empty() { 0 } else { 32 }
    }

    fn millis(&self, value: &[u8]) -> Option<Duration> {
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let digits = std::str::from_utf8(value).expect("digits are text");
        // Too many digits for the number are too long a time.
        let millis = digits.parse().unwrap_or(u64::MAX);
        Some(Duration::from_millis(millis).min(self.caps.retry))
    }
}

/// The lines of `stream`, and what follows the last line end.
fn lines(stream: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut bytes = stream.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&&b'\n');
                lines.push(std::mem::take(&mut line));
            }
            b'\n' => lines.push(std::mem::take(&mut line)),
            byte => line.push(*byte),
        }
    }
    (lines, line)
}

/// The name and the value of a line.
fn field(line: &[u8]) -> (&str, &[u8]) {
    let (name, value) = match line.iter().position(|byte| *byte == b':') {
        Some(colon) => (&line[..colon], &line[colon + 1..]),
        None => (line, &line[line.len()..]),
    };
    // A name that is not text is none that the standard knows.
    let name = std::str::from_utf8(name).unwrap_or_default();
    (name, value.strip_prefix(b" ").unwrap_or(value))
}
