use std::{error, fmt, str::Utf8Error};

use super::Ending;

/// The stream broke a cap of the [`Decoder`](super::Decoder).
///
/// The bytes after it cannot be trusted to start a line, so the decoder gives nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A line is longer than [`max_line_bytes`](super::Decoder::max_line_bytes).
    LineTooLong {
        /// The cap, in bytes.
        limit_bytes: usize,
    },
    /// The lines of one event weigh more than
    /// [`max_event_bytes`](super::Decoder::max_event_bytes).
    EventTooLong {
        /// The cap, in bytes.
        limit_bytes: usize,
    },
    /// More than [`max_bytes_without_data`](super::Decoder::max_bytes_without_data) came between two
    /// events with data.
    NoData {
        /// The cap, in bytes.
        limit_bytes: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong { limit_bytes } => {
                write!(f, "a line of the event stream exceeds {limit_bytes} bytes")
            }
            Self::EventTooLong { limit_bytes } => {
                write!(f, "an event of the stream exceeds {limit_bytes} bytes")
            }
            Self::NoData { limit_bytes } => {
                write!(f, "the event stream sent {limit_bytes} bytes without data")
            }
        }
    }
}

impl error::Error for DecodeError {}

/// The stream ended in the middle of a line.
///
/// Given by [`Events`](super::Events) after the last event, which holds the broken line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated {
    ending: Ending,
}

impl Truncated {
    pub(super) const fn new(ending: Ending) -> Self {
        Self { ending }
    }

    /// Where the stream ended.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        self.ending
    }
}

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event stream ended in the middle of a line")
    }
}

impl error::Error for Truncated {}

/// The data of an event is not UTF-8.
///
/// Only this event is concerned: the decoder goes on with the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUtf8 {
    source: Utf8Error,
}

impl InvalidUtf8 {
    pub(super) const fn new(source: Utf8Error) -> Self {
        Self { source }
    }

    /// How many bytes of the data are valid, counted from its start.
    #[must_use]
    pub const fn valid_up_to(&self) -> usize {
        self.source.valid_up_to()
    }
}

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data of an event is not UTF-8")
    }
}

impl error::Error for InvalidUtf8 {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_cap_in_one_line() {
        let error = DecodeError::LineTooLong { limit_bytes: 9 };

        assert_eq!(
            error.to_string(),
            "a line of the event stream exceeds 9 bytes"
        );
    }
}
