//! How an entry is written: a header, then either the payload or the name of the file that holds it,
//! then a checksum.
//!
//! Every length is checked against what is there before anything is allocated. The checksum covers the
//! key as well, so that a record in the wrong place is no record.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    body::{End, Recording},
    cache::{Entry, Generation, Lifetime, fold::hash},
    types::{CacheKey, FinishReason, Record, ScopeDigest, Timing, Usage},
};

/// What stands before the payload, and can be read without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// When it is of no use any more, in milliseconds of the wall clock.
    pub(super) expires: u64,
    /// What it counts against the bound in bytes.
    pub(super) weight: u64,
    /// The file that holds the payload, if one does.
    pub(super) file: Option<FileRef>,
}

/// A file and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileRef {
    pub(super) id: u64,
    pub(super) len: u64,
}

/// Part of each record, and of the names of all files: another version's are not read.
pub(super) const VERSION: u8 = 2;
pub(super) const HEADER_BYTES: usize = 34;
pub(super) const SUM_BYTES: usize = 16;

impl Header {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let file = self.file.unwrap_or(FileRef { id: 0, len: 0 });
        out.extend_from_slice(&[VERSION, u8::from(self.file.is_some())]);
        for number in [self.expires, self.weight, file.id, file.len] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// The header and what follows it; `None` if it is of another version or cut.
    pub(super) fn read(record: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader(record);
        let [VERSION, in_file @ 0..=1] = *reader.bytes::<2>()? else {
            return None;
        };
        let (expires, weight) = (reader.u64()?, reader.u64()?);
        let (id, len) = (reader.u64()?, reader.u64()?);
        let header = Self {
            expires,
            weight,
            file: (in_file == 1).then_some(FileRef { id, len }),
        };
        Some((header, reader.0))
    }
}

/// The checksum of a record or a file: 128 bits over where it belongs and what it is.
///
/// Against accidents. Whoever can write into the directory could write any checksum.
pub(super) fn sum(key: &CacheKey, parts: &[&[u8]]) -> [u8; SUM_BYTES] {
    let (mut one, mut other) = SEEDS;
    for part in [&key.as_bytes()[..], key.check()].iter().chain(parts) {
        (one, other) = (hash(part, one, other), hash(part, !other, one));
    }
    let mut sum = [0; SUM_BYTES];
    let (first, second) = sum.split_at_mut(size_of::<u64>());
    first.copy_from_slice(&one.to_le_bytes());
    second.copy_from_slice(&other.to_le_bytes());
    sum
}

// Of pi. Part of the format.
const SEEDS: (u64, u64) = (0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344);

/// Takes the checksum off the end, if it is right.
pub(super) fn unsummed<'a>(key: &CacheKey, before: &[u8], summed: &'a [u8]) -> Option<&'a [u8]> {
    let (payload, found) = summed.split_last_chunk::<SUM_BYTES>()?;
    (*found == sum(key, &[before, payload])).then_some(payload)
}

/// Appends the payload of `entry`, as old as it is at `now`; `None` if it cannot be written.
pub(super) fn encode(entry: &Entry, age: Duration, stored: u64, out: &mut Vec<u8>) -> Option<()> {
    let Lifetime {
        fresh_for,
        stale_for,
        idle_for,
    } = *entry.lifetimes();
    out.extend_from_slice(entry.scope().as_bytes());
    for number in [
        entry.stored_generation().number(),
        stored,
        millis(age),
        millis(fresh_for),
        millis(stale_for),
        idle_for.map_or(FOR_EVER, millis),
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&entry.status().as_u16().to_le_bytes());
    short(entry.tags().len(), out)?;
    for tag in entry.tags() {
        text(tag.as_bytes(), out)?;
    }
    headers(entry.headers(), out)?;
    record(&entry.learnt().record(), out)?;
    let body = entry.body();
    out.push(u8::from(body.trailers().is_some()));
    if let Some(trailers) = body.trailers() {
        headers(trailers, out)?;
    }
    long(body.frames().len(), out)?;
    for frame in body.frames() {
        long(frame.len(), out)?;
    }
    for frame in body.frames() {
        out.extend_from_slice(frame);
    }
    Some(())
}

fn record(record: &Record, out: &mut Vec<u8>) -> Option<()> {
    out.push(u8::from(record.complete));
    out.push(match record.end {
        None => 0,
        Some(End::Complete) => 1,
        Some(End::Failed) => 2,
        Some(End::Dropped) => 3,
    });
    out.push(u8::from(record.usage.is_some()));
    if let Some(usage) = record.usage {
        for number in [
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens,
            usage.cached_prompt_tokens,
            usage.reasoning_tokens,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    // When it was sent is an instant, and means nothing to another process.
    let Timing {
        head,
        first_event,
        end,
        ..
    } = record.timing;
    for time in [head, first_event, end] {
        let nanos = time.map_or(FOR_EVER, |time| {
            u64::try_from(time.as_nanos()).unwrap_or(FOR_EVER)
        });
        out.extend_from_slice(&nanos.to_le_bytes());
    }
    let reason = record.finish_reason.as_ref().map(FinishReason::as_str);
    let texts = [reason, record.failure.as_deref(), record.model.as_deref()];
    for each in texts {
        out.push(u8::from(each.is_some()));
        text(each.unwrap_or_default().as_bytes(), out)?;
    }
    Some(())
}

fn headers(headers: &HeaderMap, out: &mut Vec<u8>) -> Option<()> {
    short(headers.len(), out)?;
    for (name, value) in headers {
        text(name.as_str().as_bytes(), out)?;
        long(value.len(), out)?;
        out.extend_from_slice(value.as_bytes());
    }
    Some(())
}

fn text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    short(bytes.len(), out)?;
    out.extend_from_slice(bytes);
    Some(())
}

fn short(number: usize, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&u16::try_from(number).ok()?.to_le_bytes());
    Some(())
}

fn long(number: usize, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&u32::try_from(number).ok()?.to_le_bytes());
    Some(())
}

/// An entry as it was read, and when it was written.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) entry: Entry,
    /// In milliseconds of the wall clock.
    pub(super) stored: u64,
    /// How old it was then.
    pub(super) age: Duration,
}

/// The entry in a payload, or `None` if that is not how entries are written.
///
/// The frames share the payload's memory.
pub(super) fn decode(key: CacheKey, payload: &Bytes, now: std::time::Instant) -> Option<Decoded> {
    let mut reader = Reader(payload);
    let scope = ScopeDigest::from_bytes(*reader.bytes()?);
    let generation = Generation::new(reader.u64()?);
    let (stored, age) = (reader.u64()?, duration(reader.u64()?));
    let mut lifetime = Lifetime::new(duration(reader.u64()?)).stale_for(duration(reader.u64()?));
    lifetime.idle_for = match reader.u64()? {
        FOR_EVER => None,
        idle => Some(duration(idle)),
    };
    let status = StatusCode::from_u16(reader.u16()?).ok()?;
    let mut entry = Entry::new(key, scope, now)
        .generation(generation)
        .lifetime(lifetime);
    for _ in 0..reader.u16()? {
        entry = entry.tag(reader.text()?);
    }
    entry = entry.head(status, reader.headers()?);
    entry = entry.record(reader.record()?);
    let trailers = match reader.byte()? {
        0 => None,
        1 => Some(reader.headers()?),
        _ => return None,
    };
    let count = usize::try_from(reader.u32()?).ok()?;
    let lengths = reader.take(count.checked_mul(4)?)?;
    let mut body = payload.slice_ref(reader.0);
    // No more than there are lengths, which there are.
    let mut recording = Recording::with_capacity(count);
    for length in lengths.as_chunks::<4>().0 {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if length > body.len() {
            return None;
        }
        recording.push(body.split_to(length));
    }
    if let Some(trailers) = trailers {
        recording.set_trailers(trailers);
    }
    body.is_empty().then(|| Decoded {
        entry: entry.recording_as_is(Arc::new(recording)),
        stored,
        age,
    })
}

/// What is left to read. Every read is of what is there, or nothing.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes::<1>().map(|[byte]| *byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.bytes().map(|bytes| u16::from_le_bytes(*bytes))
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.u16()?;
        std::str::from_utf8(self.take(length.into())?).ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn headers(&mut self) -> Option<HeaderMap> {
        let count = self.u16()?;
        // Each takes six bytes at least.
        if usize::from(count) * 6 > self.0.len() {
            return None;
        }
        let mut headers = HeaderMap::try_with_capacity(count.into()).ok()?;
        for _ in 0..count {
            let name = HeaderName::from_bytes(self.text()?.as_bytes()).ok()?;
            let length = usize::try_from(self.u32()?).ok()?;
            let value = HeaderValue::from_bytes(self.take(length)?).ok()?;
            headers.try_append(name, value).ok()?;
        }
        Some(headers)
    }

    fn record(&mut self) -> Option<Record> {
        let mut record = Record {
            complete: self.flag()?,
            ..Record::default()
        };
        record.end = match self.byte()? {
            0 => None,
            1 => Some(End::Complete),
            2 => Some(End::Failed),
            3 => Some(End::Dropped),
            _ => return None,
        };
        if self.flag()? {
            record.usage = Some(Usage {
                prompt_tokens: self.u64()?,
                completion_tokens: self.u64()?,
                total_tokens: self.u64()?,
                cached_prompt_tokens: self.u64()?,
                reasoning_tokens: self.u64()?,
            });
        }
        let mut time = || {
            let nanos = self.u64()?;
            Some((nanos != FOR_EVER).then(|| Duration::from_nanos(nanos)))
        };
        record.timing = Timing {
            head: time()?,
            first_event: time()?,
            end: time()?,
            ..Timing::default()
        };
        let mut text = || {
            let is = self.flag()?;
            let text = self.text()?;
            Some(is.then_some(text))
        };
        record.finish_reason = text()?.map(FinishReason::from);
        record.failure = text()?.map(Into::into);
        record.model = text()?.map(Into::into);
        Some(record)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(FOR_EVER)
}

fn duration(millis: u64) -> Duration {
    if millis == FOR_EVER {
        Duration::MAX
    } else {
        Duration::from_millis(millis)
    }
}

const FOR_EVER: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::Owner;

    pub(super) fn entry() -> impl Strategy<Value = Entry> {
        let frames = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5);
        let names = prop::collection::vec(("[a-z]{1,8}", "[ -~]{0,20}"), 0..6);
        let tags = prop::collection::vec(any::<String>(), 0..3);
        let numbers = any::<[u64; 6]>();
        let texts = any::<[Option<String>; 3]>();
        (
            frames,
            names.clone(),
            prop::option::of(names),
            tags,
            numbers,
            texts,
        )
            .prop_map(
                |(frames, names, trailers, tags, numbers, [reason, failure, model])| {
                    let map = |names: Vec<(String, String)>| -> HeaderMap {
                        let pairs = names.into_iter();
                        let pair = |(name, value): (String, String)| {
                            (name.parse().unwrap(), value.parse().unwrap())
                        };
                        pairs
                            .map(pair)
                            .collect::<Vec<(HeaderName, HeaderValue)>>()
                            .into_iter()
                            .collect()
                    };
                    let mut recording = Recording::default();
                    frames
                        .into_iter()
                        .for_each(|frame| recording.push(frame.into()));
                    if let Some(trailers) = trailers {
                        recording.set_trailers(map(trailers));
                    }
                    let [generation, fresh, stale, idle, tokens, nanos] = numbers;
                    let mut lifetime = Lifetime::new(duration(fresh)).stale_for(duration(stale));
                    lifetime.idle_for = (idle != FOR_EVER).then(|| duration(idle));
                    let record = Record {
                        usage: (tokens % 2 == 0).then(|| Usage::new(tokens, 7)),
                        finish_reason: reason.as_deref().map(FinishReason::from),
                        failure: failure.map(Into::into),
                        model: model.map(Into::into),
                        timing: Timing {
                            end: Some(Duration::from_nanos(nanos / 2)),
                            ..Timing::default()
                        },
                        end: Some(End::Complete),
                        complete: true,
                        ..Record::default()
                    };
                    let key = CacheKey::new([1; 32]).with_check([2; 16]);
                    let now = tokio::time::Instant::now().into_std();
                    let entry = Entry::new(key, ScopeDigest::of(Owner::Tenant("t")), now)
                        .head(StatusCode::OK, map(names))
                        .recording(Arc::new(recording))
                        .record(record)
                        .lifetime(lifetime)
                        .generation(Generation::new(generation));
                    tags.iter().fold(entry, |entry, tag| entry.tag(tag))
                },
            )
    }

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut out = Vec::new();
        encode(entry, Duration::from_secs(3), 1234, &mut out).unwrap();
        out
    }

    fn decoded(entry: &Entry, payload: Vec<u8>) -> Option<Decoded> {
        decode(*entry.key(), &payload.into(), entry.stored_at())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn p10_what_was_written_is_read(entry in entry()) {
            let read = decoded(&entry, encoded(&entry)).unwrap();
            prop_assert_eq!(format!("{:?}", read.entry), format!("{entry:?}"));
            prop_assert_eq!((read.stored, read.age), (1234, Duration::from_secs(3)));
        }

        #[test]
        fn p10_a_changed_record_is_the_same_or_none(
            entry in entry(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 1..255_u8), 1..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let payload = encoded(&entry);
            let mut summed = payload.clone();
            summed.extend_from_slice(&sum(entry.key(), &[b"head", &payload]));
            let whole = summed.clone();
            for (at, change) in changes {
                let at = at.index(summed.len());
                summed[at] ^= change;
            }
            if let Some(cut) = cut {
                summed.truncate(cut.index(summed.len()));
            }
            let found = unsummed(entry.key(), b"head", &summed);
            prop_assert!(found.is_none() || summed == whole);
            // Even if nobody checked the sum nothing panics, and nothing is made of what is not there.
            drop(decoded(&entry, summed));
        }

        #[test]
        fn p10_no_bytes_make_it_panic_or_take_memory(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let now = tokio::time::Instant::now().into_std();
            prop_assert!(Header::read(&bytes).is_none_or(|(_, rest)| rest.len() < bytes.len()));
            prop_assert!(decode(CacheKey::new([0; 32]), &bytes.into(), now).is_none());
        }

        #[test]
        fn p10_headers_are_read_as_they_were_written(
            expires: u64, weight: u64, file in prop::option::of(any::<(u64, u64)>()),
        ) {
            let file = file.map(|(id, len)| FileRef { id, len });
            let header = Header { expires, weight, file };
            let mut out = Vec::new();
            header.write(&mut out);
            prop_assert_eq!(out.len(), HEADER_BYTES);
            prop_assert_eq!(Header::read(&out), Some((header, &[][..])));
        }
    }

    #[test]
    fn c2_a_record_under_another_key_is_none() {
        let (one, other) = (CacheKey::new([1; 32]), CacheKey::new([2; 32]));
        let mut summed = b"payload".to_vec();
        summed.extend_from_slice(&sum(&one, &[b"", b"payload"]));

        assert!(unsummed(&one, b"", &summed).is_some());
        assert!(unsummed(&other, b"", &summed).is_none());
        assert!(unsummed(&one.with_check([1; 16]), b"", &summed).is_none());
    }

    #[test]
    fn c6_a_record_of_another_version_is_none() {
        let header = Header {
            expires: 1,
            weight: 2,
            file: None,
        };
        let mut out = Vec::new();
        header.write(&mut out);
        for version in [0, VERSION - 1, VERSION + 1, 255] {
            out[0] = version;
            assert_eq!(Header::read(&out), None);
        }
    }
}
