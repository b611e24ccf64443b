use std::{error::Error, fmt, io};

/// A body grew beyond what is allowed for its size on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecompressionLimit {
    pub(super) limit_bytes: u64,
    pub(super) wire_bytes: u64,
}

impl DecompressionLimit {
    /// How many bytes were allowed.
    #[must_use]
    pub const fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// How many bytes had come over the wire.
    #[must_use]
    pub const fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }
}

impl fmt::Display for DecompressionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes of answer decompress to more than {} bytes",
            self.wire_bytes, self.limit_bytes
        )
    }
}

impl Error for DecompressionLimit {}

/// An answer came in an encoding that was not asked for, or in several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedEncoding {
    pub(super) encoding: Box<str>,
}

impl UnsupportedEncoding {
    /// The answer's `Content-Encoding`.
    #[must_use]
    pub fn encoding(&self) -> &str {
        &self.encoding
    }
}

impl fmt::Display for UnsupportedEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer is encoded as {:?}", self.encoding)
    }
}

impl Error for UnsupportedEncoding {}

/// A compressed body is cut, damaged, or goes on after its end.
#[derive(Debug)]
pub struct CorruptBody {
    pub(super) source: io::Error,
}

impl CorruptBody {
    /// Whether the body ended too early.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.source.kind() == io::ErrorKind::UnexpectedEof
    }
}

impl fmt::Display for CorruptBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the compressed answer is damaged")
    }
}

impl Error for CorruptBody {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
