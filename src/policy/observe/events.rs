use bytes::Bytes;

use blossom_layers::{body::End, sse::Decoder};

use super::scan::{Seen, may_hold};
use crate::layers::{estimate::HeuristicTally, types::Record};

/// What a gateway says when it has lost a stream and pretends that it has not.
const FAKE_SUCCESS: &[u8] = b"Streaming response could not be processed.";

/// Follows an event stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    decoder: Decoder,
    begun: bool,
    broken: bool,
    tally: Option<Box<HeuristicTally>>,
}

impl Events {
    /// Follows a stream, and counts what it produces if there is a tally.
    pub(super) fn new(tally: Option<Box<HeuristicTally>>) -> Self {
        Self {
            tally,
            ..Self::default()
        }
    }

    pub(super) fn data(&mut self, frame: &Bytes, record: &mut Record) -> bool {
        if self.broken {
            return self.begun;
        }
        self.decoder.push(frame.clone());
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => {
                    self.broken |= is_cut(event.data());
                    look(event.data(), &mut self.begun, &mut self.tally, record);
                }
                Ok(None) => return self.begun,
                Err(_) => {
                    self.broken = true;
                    return self.begun;
                }
            }
        }
    }

    /// Whether a finish was seen; errors stand in the record.
    pub(super) fn end(&mut self, end: End, record: &mut Record) -> bool {
        while end == End::Complete && !self.broken {
            match self.decoder.finish() {
                Ok(Some(event)) => {
                    self.broken |= is_cut(event.data());
                    look(event.data(), &mut self.begun, &mut self.tally, record);
                }
                Ok(None) => break,
                Err(_) => self.broken = true,
            }
        }
        !self.broken && record.finish_reason.is_some()
    }
}

/// Whether an event's JSON has lost its end: the reader will find that out, so it is no answer.
fn is_cut(data: &[u8]) -> bool {
    let data = data.trim_ascii();
    data.first() == Some(&b'{') && data.last() != Some(&b'}')
}

/// Looks into an event, if it can hold what matters or the answer has not begun.
fn look(
    data: &[u8],
    begun: &mut bool,
    tally: &mut Option<Box<HeuristicTally>>,
    record: &mut Record,
) {
    let matters = !*begun
        || tally.is_some()
        || may_hold(data, b"\"finish_reason\"")
        || may_hold(data, b"\"usage\"")
        || may_hold(data, b"\"error\"");
    if !matters {
        return;
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(seen) = serde_json::from_str::<Seen<'_>>(text)
    {
        seen.note(record);
        *begun = *begun || seen.is_answer();
        if let Some(tally) = tally {
            seen.produced(|text| tally.push(text));
            // At once: who lets the body go settles before its end is seen here.
            record.produced_tokens = Some(tally.tokens());
        }
    }
    if memchr::memmem::find(data, FAKE_SUCCESS).is_some() && record.usage.is_none() {
        record.failure = Some("the gateway could not read its provider's stream".into());
    }
}
