use bytes::{Bytes, BytesMut};
use serde::de::IgnoredAny;

use super::{
    judge,
    scan::{Noted, Seen},
};
use crate::{
    layers::types::{Decoded, Deferred, Record},
    protocol::ChatReply,
};

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

    /// Leaves it to be read by whoever asks for more than its end.
    pub(super) fn defer(self, no_store: bool) -> Deferred {
        let Self {
            first,
            rest,
            too_large,
        } = self;
        if too_large {
            return Deferred::new(move |record| judge(record, no_store));
        }
        if !rest.is_empty() {
            return Deferred::new(move |record| {
                read(&[&first[..], &rest].concat(), no_store, record);
            });
        }
        Deferred::decoding(
            first,
            if no_store {
                |data, record| decode(data, true, record)
            } else {
                |data, record| decode(data, false, record)
            },
        )
    }
}

/// A chat that was read here, which the client would read as well.
pub(crate) struct ReadReply {
    body: Bytes,
    reply: ChatReply,
}

impl ReadReply {
    /// The reply that `body` is, if it was read of the same.
    pub(crate) fn of(self, body: &[u8]) -> Option<ChatReply> {
        (self.body == body).then_some(self.reply)
    }
}

fn decode(body: &Bytes, no_store: bool, record: &mut Record) -> Option<Decoded> {
    let Some(reply) = read_chat(body, record) else {
        read(body, no_store, record);
        return None;
    };
    judge(record, no_store);
    let body = body.clone();
    Some(Decoded::new(ReadReply { body, reply }))
}

/// Whether it names choices near its beginning.
fn begins_like_a_chat(body: &[u8]) -> bool {
    const NAME: &[u8] = b"choices\"";
    let beginning = body.get(..1024).unwrap_or(body);
    let mut places = memchr::memchr_iter(b'c', beginning);
    places.any(|at| {
        beginning
            .get(at..)
            .is_some_and(|rest| rest.starts_with(NAME))
    })
}

fn read_chat(body: &[u8], record: &mut Record) -> Option<ChatReply> {
    // All else would be read twice.
    if !begins_like_a_chat(body) {
        return None;
    }
    let (reply, told) = ChatReply::read(std::str::from_utf8(body).ok()?).ok()?;
    let noted = Noted {
        usage: reply.usage(),
        model: reply.model(),
        error: told.error,
        finish_reason: told.finish_reason.some(),
    };
    noted.write(record);
    Some(reply)
}

/// Reads it, and says whether it is a reply of the protocol.
fn read(data: &[u8], no_store: bool, record: &mut Record) {
    record.complete &= match std::str::from_utf8(data) {
        Ok(text) => read_text(text, record),
        Err(_) => false,
    };
    judge(record, no_store);
}

fn read_text(text: &str, record: &mut Record) -> bool {
    match serde_json::from_str::<Seen<'_>>(text) {
        Ok(seen) => {
            seen.note(record);
            seen.is_reply()
        }
        // Lists of models are arrays.
        Err(_) => serde_json::from_str::<Vec<IgnoredAny>>(text).is_ok_and(|list| !list.is_empty()),
    }
}
