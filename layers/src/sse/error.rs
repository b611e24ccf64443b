use std::{error, fmt, str::Utf8Error};

use super::Ending;

/// The stream broke a cap of the [`Decoder`](super::Decoder).
///
/// The bytes after it cannot be trusted to start a line, so the decoder gives nothing more.
///
/// ```
/// use blossom_layers::sse::{DecodeError, Decoder};
///
/// let mut decoder = Decoder::new().max_line_bytes(8);
/// decoder.push("data: too long\n\n".into());
/// let error = DecodeError::LineTooLong { limit_bytes: 8 };
/// assert_eq!(decoder.next_event(), Err(error));
/// assert_eq!(decoder.finish(), Err(error), "there is nothing more");
/// ```
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
///
/// ```
/// use blossom_layers::sse::{Events, Truncated};
/// use http_body_util::Full;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let mut events = Events::new(Full::from("data: whole\n\ndata: bro"));
/// assert!(events.next().await.is_some_and(|event| event.is_ok()));
/// assert!(events.next().await.is_some_and(|event| event.is_ok()), "what there was");
/// let error = events.next().await.ok_or("there is an error")?.unwrap_err();
/// assert!(error.is::<Truncated>());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated {
    ending: Ending,
}

impl Truncated {
    pub(super) const fn new(ending: Ending) -> Self {
        Self { ending }
    }

    /// Where the stream ended.
    ///
    /// ```
    /// # use blossom_layers::{cause_ref, sse::{Ending, Events, Truncated}};
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut events = Events::new(Full::from("data: bro"));
    /// events.next().await;
    /// let error = events.next().await.ok_or("there is an error")?.unwrap_err();
    /// let truncated = cause_ref::<Truncated>(&*error).ok_or("it was cut")?;
    /// assert_eq!(truncated.ending(), Ending::InsideLine);
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// use blossom_layers::sse::{Event, InvalidUtf8};
///
/// let event = Event::new(b"caf\xe9"[..].into());
/// let error: InvalidUtf8 = event.data_str().unwrap_err();
/// assert_eq!(error.to_string(), "the data of an event is not UTF-8");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUtf8 {
    source: Utf8Error,
}

impl InvalidUtf8 {
    pub(super) const fn new(source: Utf8Error) -> Self {
        Self { source }
    }

    /// How many bytes of the data are valid, counted from its start.
    ///
    /// ```
    /// # use blossom_layers::sse::Event;
    /// let event = Event::new(b"caf\xe9"[..].into());
    /// assert_eq!(event.data_str().unwrap_err().valid_up_to(), 3);
    /// ```
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
