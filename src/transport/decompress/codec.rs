//! One compressed body, decoded piece by piece.

use std::io;

use blossom_layers::BoxError;
use bytes::{Buf, Bytes};
use compression_codecs::{
    BrotliDecoder, DecodeV2, GzipDecoder, ZstdDecoder,
    core::util::{PartialBuffer, WriteBuffer},
    zstd::params::DParameter,
};

use super::{CorruptBody, DecompressionLimit};

/// How much a body may grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) free_bytes: u64,
    pub(super) max_ratio: u64,
}

impl Limits {
    pub(super) const fn twice(self) -> Self {
        Self {
            free_bytes: self.free_bytes.saturating_mul(2),
            max_ratio: self.max_ratio.saturating_mul(2),
        }
    }

    const fn of(self, wire_bytes: u64) -> u64 {
        self.max_ratio
            .saturating_mul(wire_bytes)
            .saturating_add(self.free_bytes)
    }
}

/// An encoding that can be undone.
#[derive(Debug)]
pub(super) enum Codec {
    Gzip(Box<GzipDecoder>),
    Brotli(BrotliDecoder),
    Zstd(ZstdDecoder),
}

impl Codec {
    /// The codec for a value of `Content-Encoding`.
    pub(super) fn named(encoding: &str) -> Option<Self> {
        // Names are compared without case (RFC 9110 section 8.4.1).
        let is = |name| encoding.eq_ignore_ascii_case(name);
        if is("gzip") || is("x-gzip") {
            Some(Self::Gzip(Box::default()))
        } else if is("br") {
            Some(Self::Brotli(BrotliDecoder::new()))
        } else if is("zstd") {
            let window = DParameter::window_log_max(ZSTD_WINDOW_LOG);
            Some(Self::Zstd(ZstdDecoder::new_with_params(&[window])))
        } else {
            None
        }
    }

    /// Decodes from `input` to `output`; true at the end of a member.
    ///
    /// Without input it gives what it still holds.
    fn run(
        &mut self,
        input: &mut PartialBuffer<&[u8]>,
        output: &mut WriteBuffer<'_>,
    ) -> io::Result<bool> {
        match self {
            // zlib takes a call that can do nothing for an error, except when it is a flush.
            Self::Gzip(codec) if input.unwritten().is_empty() => codec.flush(output).map(|_| false),
            Self::Gzip(codec) => codec.decode(input, output),
            Self::Brotli(codec) => DecodeV2::decode(codec, input, output),
            Self::Zstd(codec) => codec.decode(input, output),
        }
    }

    /// Starts the next member. Only gzip (RFC 1952 section 2.2) and zstd (RFC 8878 section 3) have
    /// more than one.
    fn next_member(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(codec) => codec.reinit(),
            Self::Zstd(codec) => codec.reinit(),
            Self::Brotli(_) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes after the end",
            )),
        }
    }

    /// Whether the last member is whole.
    fn is_whole(&mut self) -> bool {
        let mut nothing = [0; 1];
        let mut output = WriteBuffer::new_initialized(&mut nothing);
        let finished = match self {
            Self::Gzip(codec) => codec.finish(&mut output),
            Self::Brotli(codec) => codec.finish(&mut output),
            Self::Zstd(codec) => codec.finish(&mut output),
        };
        finished.is_ok_and(|whole| whole) && output.written_len() == 0
    }
}

/// The state of one body.
#[derive(Debug)]
pub(super) struct Decoder {
    codec: Codec,
    limits: Limits,
    input: Bytes,
    scratch: Vec<u8>,
    wire_bytes: u64,
    decoded_bytes: u64,
    // The output had no room for all: there may be more without further input.
    full: bool,
    // A member has ended and none has begun since.
    between: bool,
}

impl Decoder {
    pub(super) const fn new(codec: Codec, limits: Limits) -> Self {
        Self {
            codec,
            limits,
            input: Bytes::new(),
            scratch: Vec::new(),
            wire_bytes: 0,
            decoded_bytes: 0,
            full: false,
            between: false,
        }
    }

    /// Takes what came over the wire. Only after [`next`](Self::next) gave `None`.
    pub(super) fn feed(&mut self, input: Bytes) {
        self.wire_bytes += input.len() as u64;
        self.input = input;
    }

    /// The next piece of the body, or `None` if it needs more from the wire.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, BoxError> {
        if self.scratch.is_empty() {
            self.scratch = vec![0; SCRATCH_BYTES];
        }
        loop {
            if self.between {
                if self.input.is_empty() {
                    return Ok(None);
                }
                self.codec.next_member().map_err(corrupt)?;
                self.between = false;
            }
            if self.input.is_empty() && !self.full {
                return Ok(None);
            }
            let mut input = PartialBuffer::new(&*self.input);
            let mut output = WriteBuffer::new_initialized(&mut self.scratch);
            self.between = self.codec.run(&mut input, &mut output).map_err(corrupt)?;
            let (consumed, written) = (input.written_len(), output.written_len());
            let piece = (written > 0).then(|| Bytes::copy_from_slice(output.written()));
            self.input.advance(consumed);
            self.full = written == SCRATCH_BYTES;
            if let Some(piece) = piece {
                self.count(written)?;
                return Ok(Some(piece));
            }
            if consumed == 0 && !self.between && !self.input.is_empty() {
                let stuck = io::Error::new(io::ErrorKind::InvalidData, "no way to go on");
                return Err(corrupt(stuck));
            }
        }
    }

    /// Whether the body may end here.
    pub(super) fn finish(&mut self) -> Result<(), BoxError> {
        // A body without a byte has nothing to decode: some servers name an encoding for it.
        if self.between || self.wire_bytes == 0 || self.codec.is_whole() {
            return Ok(());
        }
        Err(corrupt(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the body ended inside",
        )))
    }

    fn count(&mut self, written: usize) -> Result<(), DecompressionLimit> {
        self.decoded_bytes += written as u64;
        let limit_bytes = self.limits.of(self.wire_bytes);
        if self.decoded_bytes > limit_bytes {
            return Err(DecompressionLimit {
                limit_bytes,
                wire_bytes: self.wire_bytes,
            });
        }
        Ok(())
    }
}

fn corrupt(source: io::Error) -> BoxError {
    CorruptBody { source }.into()
}

const SCRATCH_BYTES: usize = 16 * 1024;

/// 8 MiB: what RFC 9659 allows for zstd on the web.
const ZSTD_WINDOW_LOG: u32 = 23;

#[cfg(test)]
mod tests {
    use compression_codecs::{
        BrotliEncoder, EncodeV2, GzipEncoder, ZstdEncoder, brotli::params::EncoderParams,
        core::Level,
    };
    use proptest::prelude::*;

    use super::*;

    const FREE: Limits = Limits {
        free_bytes: u64::MAX,
        max_ratio: 0,
    };

    fn gzip() -> GzipEncoder {
        GzipEncoder::new(Level::Default.into())
    }

    fn brotli() -> BrotliEncoder {
        BrotliEncoder::new(EncoderParams::default().quality(Level::Precise(5)))
    }

    fn encode(mut encoder: impl EncodeV2, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; data.len() * 2 + 4096];
        let mut output = WriteBuffer::new_initialized(&mut out);
        let mut input = PartialBuffer::new(data);
        while !input.unwritten().is_empty() {
            encoder.encode(&mut input, &mut output).unwrap();
        }
        while !encoder.finish(&mut output).unwrap() {}
        output.written().to_vec()
    }

    fn encoded(name: &str, data: &[u8]) -> Vec<u8> {
        match name {
            "gzip" => encode(gzip(), data),
            "br" => encode(brotli(), data),
            _ => encode(ZstdEncoder::new(3), data),
        }
    }

    fn decoded<'a>(
        name: &str,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<u8>, BoxError> {
        let mut decoder = Decoder::new(Codec::named(name).unwrap(), FREE);
        let mut all = Vec::new();
        for part in parts {
            decoder.feed(Bytes::copy_from_slice(part));
            while let Some(piece) = decoder.next()? {
                all.extend(piece);
            }
        }
        decoder.finish()?;
        Ok(all)
    }

    const NAMES: [&str; 3] = ["gzip", "br", "zstd"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn k8_any_split_of_the_bytes_gives_the_same_text(
            word in "[a-z]{1,9}",
            times in 0_usize..20_000,
            tail in proptest::collection::vec(any::<u8>(), 0..300),
            step in 1_usize..5_000,
        ) {
            let mut data = word.repeat(times).into_bytes();
            data.extend(&tail);
            for name in NAMES {
                let wire = encoded(name, &data);
                prop_assert_eq!(&decoded(name, wire.chunks(step)).unwrap(), &data);
            }
        }

        #[test]
        fn k8_a_damaged_body_never_panics(
            damage in any::<proptest::sample::Index>(),
            bits in 1_u8..,
        ) {
            for name in NAMES {
                let mut wire = encoded(name, &b"some text, some text".repeat(100));
                let at = damage.index(wire.len());
                wire[at] ^= bits;
                // Not every damage can be seen, except by gzip, which has a checksum.
                let _seen = decoded(name, wire.chunks(100)).is_err();
            }
        }
    }

    #[test]
    fn k8_one_byte_at_a_time_ends_where_the_whole_does() {
        for name in NAMES {
            for size in [
                0,
                1,
                SCRATCH_BYTES - 1,
                SCRATCH_BYTES,
                SCRATCH_BYTES + 1,
                200_000,
            ] {
                let data = vec![b'a'; size];
                let wire = encoded(name, &data);
                assert_eq!(
                    decoded(name, wire.chunks(1)).unwrap(),
                    data,
                    "{name} {size}"
                );
            }
        }
    }

    #[test]
    fn k8_a_cut_body_is_an_error_wherever_it_is_cut() {
        for name in NAMES {
            let wire = encoded(name, b"some text that is not very long");
            for cut in 1..wire.len() {
                let error = decoded(name, [&wire[..cut]]).unwrap_err();
                let corrupt = error.downcast_ref::<CorruptBody>().unwrap();
                assert!(corrupt.is_cut(), "{name} {cut}: {corrupt:?}");
            }
        }
    }

    #[test]
    fn k8_junk_after_the_end_is_an_error_and_another_member_is_not() {
        for name in NAMES {
            let wire = encoded(name, b"text");
            let error = decoded(name, [&*wire, b"junk and more junk"]).unwrap_err();
            assert!(error.is::<CorruptBody>(), "{name}");
        }
        for name in ["gzip", "zstd"] {
            let twice = [encoded(name, b"one "), encoded(name, b"two")].concat();
            assert_eq!(decoded(name, [&*twice]).unwrap(), b"one two");
        }
    }

    #[test]
    fn k8_a_zstd_window_over_8_mebibytes_is_refused() {
        // A frame header with a window of 2^27 bytes (RFC 8878 section 3.1.1.1.2), and a block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x09, 0, 0, b'a'];

        assert!(
            decoded("zstd", [&frame[..]])
                .unwrap_err()
                .is::<CorruptBody>()
        );
    }
}
