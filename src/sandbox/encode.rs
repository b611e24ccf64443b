//! Replies in the encodings that a client accepts.

use std::io;

use bytes::Bytes;
use compression_codecs::{
    BrotliEncoder, EncodeV2, GzipEncoder, ZlibEncoder, ZstdEncoder,
    brotli::params::EncoderParams,
    core::{
        Level,
        util::{PartialBuffer, WriteBuffer},
    },
};
use http::{HeaderMap, header::ACCEPT_ENCODING};

use super::{
    body::{Step, StepBody},
    reply::{self, Reply},
};

/// The encodings, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Zstd,
    Brotli,
    Gzip,
}

impl Encoding {
    /// The best that the client accepts, by its weights (RFC 9110 section 12.5.3).
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(ACCEPT_ENCODING).iter();
        let words = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let mut best: Option<(f32, Self)> = None;
        for word in words {
            let (name, parameters) = word.split_once(';').unwrap_or((word, ""));
            let weight = parameters.trim().strip_prefix("q=");
            let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            let encoding = match name.trim().to_ascii_lowercase().as_str() {
                "zstd" => Self::Zstd,
                "br" => Self::Brotli,
                "gzip" | "x-gzip" | "*" => Self::Gzip,
                _ => continue,
            };
            if weight > 0.0 && best.is_none_or(|(known, _)| weight > known) {
                best = Some((weight, encoding));
            }
        }
        best.map(|(_, encoding)| encoding)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn encoder(self) -> Encoder {
        match self {
            Self::Zstd => Encoder::Zstd(ZstdEncoder::new(3)),
            Self::Brotli => {
                let quality = EncoderParams::default().quality(Level::Precise(4));
                Encoder::Brotli(Box::new(BrotliEncoder::new(quality)))
            }
            Self::Gzip => Encoder::Gzip(GzipEncoder::new(Level::Default.into())),
        }
    }
}

/// What turns data into fewer bytes.
enum Encoder {
    Zstd(ZstdEncoder),
    Brotli(Box<BrotliEncoder>),
    Gzip(GzipEncoder),
    Zlib(ZlibEncoder),
}

/// Data in the form of zlib (RFC 1950), as it stands in a PNG.
pub(super) fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::Zlib(ZlibEncoder::new(Level::Fastest.into()));
    let mut bytes = encoder.write(data);
    bytes.extend(encoder.finish());
    bytes
}

impl Encoder {
    fn each(&mut self) -> &mut dyn EncodeV2 {
        match self {
            Self::Zstd(encoder) => encoder,
            Self::Brotli(encoder) => &mut **encoder,
            Self::Gzip(encoder) => encoder,
            Self::Zlib(encoder) => encoder,
        }
    }

    fn write(&mut self, data: &[u8]) -> Vec<u8> {
        let mut input = PartialBuffer::new(data);
        self.drain(|encoder, output| {
            if input.unwritten().is_empty() {
                return Ok(true);
            }
            encoder.encode(&mut input, output)?;
            Ok(input.unwritten().is_empty())
        })
    }

    /// All that was written so far, so that an event need not wait for the next.
    fn flush(&mut self) -> Vec<u8> {
        self.drain(|encoder, output| encoder.flush(output))
    }

    fn finish(&mut self) -> Vec<u8> {
        self.drain(|encoder, output| encoder.finish(output))
    }

    /// Takes what `step` gives until it says that there is no more.
    fn drain(
        &mut self,
        mut step: impl FnMut(&mut dyn EncodeV2, &mut WriteBuffer<'_>) -> io::Result<bool>,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut space = vec![0; 32 * 1024];
        loop {
            let mut output = WriteBuffer::new_initialized(&mut space);
            let done = step(self.each(), &mut output);
            bytes.extend_from_slice(output.written());
            // Encoders in memory do not fail; if one does, the client sees a body that is cut.
            if done.unwrap_or(true) {
                return bytes;
            }
        }
    }
}

/// Encodes a reply, event by event, and says so.
pub(super) fn encode(reply: Reply, encoding: Encoding) -> Reply {
    let (head, body) = reply.into_parts();
    let (body, encoded) = body.encoded(encoding);
    let mut reply = Reply::from_parts(head, body);
    if encoded {
        reply::set(&mut reply, "content-encoding", encoding.name());
        reply::set(&mut reply, "vary", "accept-encoding");
    }
    reply
}

impl StepBody {
    /// Leaves a body alone that is to break its promises.
    fn encoded(self, encoding: Encoding) -> (Self, bool) {
        let honest = self.is_honest();
        if !honest {
            return (self, false);
        }
        let whole = self.is_whole();
        let mut encoder = encoding.encoder();
        let body = self.map_steps(|step, last| match step {
            Step::Data(data) => {
                let mut bytes = encoder.write(&data);
                bytes.extend(if last {
                    encoder.finish()
                } else {
                    encoder.flush()
                });
                Step::Data(bytes.into())
            }
            step => step,
        });
        (if whole { body.measured() } else { body }, true)
    }
}

/// Blanks that are few bytes on the wire, as many mebibytes of them.
pub(super) fn bomb(encoding: Option<Encoding>, mebibytes: u64) -> Reply {
    // They are white space in JSON, too.
    let block = vec![b' '; 64 * 1024];
    let blocks = mebibytes.saturating_mul(16).max(1);
    let Some(encoding) = encoding else {
        let blanks = Step::Repeat(Bytes::from(block), blocks);
        return reply::with_body(200, "application/json", StepBody::steps([blanks]));
    };
    let mut encoder = encoding.encoder();
    let mut bytes = Vec::new();
    for _ in 0..blocks {
        bytes.extend(encoder.write(&block));
    }
    bytes.extend(encoder.finish());
    let mut reply = reply::whole(200, "application/json", bytes);
    reply::set(&mut reply, "content-encoding", encoding.name());
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_that_is_accepted_is_taken() {
        let accepted = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
            Encoding::accepted(&headers)
        };
        assert_eq!(accepted("gzip, br;q=0.9"), Some(Encoding::Gzip));
        assert_eq!(accepted("gzip;q=0, BR"), Some(Encoding::Brotli));
        assert_eq!(accepted("identity, zstd"), Some(Encoding::Zstd));
        assert_eq!(accepted("*"), Some(Encoding::Gzip));
        assert_eq!(accepted("identity"), None);
        assert_eq!(Encoding::accepted(&HeaderMap::new()), None);
    }
}
