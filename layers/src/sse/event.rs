use std::{borrow::Cow, str, time::Duration};

use bytes::Bytes;

use super::InvalidUtf8;

/// A look at one event, while the decoder holds it.
///
/// It costs nothing: neither a copy nor a count. The data is bytes, so that nobody pays for a check
/// of UTF-8 that the JSON parser does again. To keep the event, take
/// [`to_event`](Self::to_event); to keep its data alone, [`to_bytes`](Self::to_bytes).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use blossom_layers::sse::Decoder;
///
/// let mut decoder = Decoder::new();
/// decoder.push("event: ping\ndata: 1\n\n".into());
/// let event = decoder.next_event()?.ok_or("it is whole")?;
/// assert_eq!(event.data(), b"1");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    data: &'a [u8],
    // Where the data lies.
    source: &'a Bytes,
    fields: Option<&'a Fields>,
}

/// An event of its own.
///
/// ```
/// use blossom_layers::sse::Event;
///
/// let event = Event::new("hello".into());
/// assert_eq!((event.event_type(), event.data_lossy().as_ref()), ("message", "hello"));
/// ```
///
/// # Memory
///
/// The data is a slice of the frame in which it arrived and keeps the *whole* frame alive. That is
/// right for an event that is read and dropped. Events that are kept for long should be
/// [detached](Self::detached).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    data: Bytes,
    // Boxed, since most events have none and are moved often.
    fields: Option<Box<Fields>>,
}

/// The fields of an event besides its data. Both texts are UTF-8: see [`text`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fields {
    // Empty where there is none.
    pub(super) event_type: Bytes,
    pub(super) id: Option<Bytes>,
    pub(super) retry: Option<Duration>,
}

impl<'a> EventRef<'a> {
    #[inline]
    pub(super) const fn new(data: &'a [u8], source: &'a Bytes, fields: Option<&'a Fields>) -> Self {
        Self {
            data,
            source,
            fields,
        }
    }

    /// The data: the `data` lines, joined by `\n`.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut decoder = Decoder::new();
    /// decoder.push("data: one\ndata: two\n\n".into());
    /// let event = decoder.next_event()?.ok_or("it is whole")?;
    /// assert_eq!(event.data(), b"one\ntwo");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[inline]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The data as text.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut decoder = Decoder::new();
    /// decoder.push("data: hello\n\n".into());
    /// let event = decoder.next_event()?.ok_or("it is whole")?;
    /// assert_eq!(event.data_str()?, "hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] where it is not UTF-8; [`data_lossy`](Self::data_lossy) is the way around
    /// it. The events after this one are not concerned.
    pub fn data_str(&self) -> Result<&'a str, InvalidUtf8> {
        str::from_utf8(self.data).map_err(InvalidUtf8::new)
    }

    /// The data as text, with U+FFFD for what is not UTF-8. Copies only where it has to replace.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut decoder = Decoder::new();
    /// decoder.push(b"data: caf\xe9\n\n"[..].into());
    /// let event = decoder.next_event()?.ok_or("it is whole")?;
    /// assert_eq!(event.data_lossy(), "caf\u{fffd}");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn data_lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.data)
    }

    /// The type: `message` when the event names none, as in the standard.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut decoder = Decoder::new();
    /// decoder.push("event: ping\ndata: 1\n\n".into());
    /// let event = decoder.next_event()?.ok_or("it is whole")?;
    /// assert_eq!(event.event_type(), "ping");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        match self.fields {
            Some(fields) if !fields.event_type.is_empty() => as_text(&fields.event_type),
            _ => "message",
        }
    }

    /// The id that came with this very event.
    ///
    /// The id that is in force, which an earlier event may have set, is
    /// [`Decoder::last_event_id`](super::Decoder::last_event_id).
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut decoder = Decoder::new();
    /// decoder.push("id: 7\ndata: 1\n\n".into());
    /// let event = decoder.next_event()?.ok_or("it is whole")?;
    /// assert_eq!(event.id(), Some("7"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<&'a str> {
        self.fields?.id.as_deref().map(as_text)
    }

    /// The reconnection time that came with this very event, at most
    /// [`max_retry`](super::Decoder::max_retry).
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut decoder = Decoder::new();
    /// decoder.push("retry: 1500\ndata: 1\n\n".into());
    /// let event = decoder.next_event()?.ok_or("it is whole")?;
    /// assert_eq!(event.retry(), Some(Duration::from_millis(1500)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.fields?.retry
    }

    /// The data to keep: without a copy, and with the [memory](Event#memory) of its frame.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut decoder = Decoder::new();
    /// decoder.push("data: hello\n\n".into());
    /// let data = decoder.next_event()?.ok_or("it is whole")?.to_bytes();
    /// drop(decoder);
    /// assert_eq!(data, "hello");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[inline]
    pub fn to_bytes(&self) -> Bytes {
        self.source.slice_ref(self.data)
    }

    /// The event to keep: without a copy, and with the [memory](Event#memory) of its frame.
    ///
    /// Allocates only if it has a type, an id or a retry.
    ///
    /// ```
    /// # use blossom_layers::sse::Decoder;
    /// # fn main() -> Result<(), blossom_layers::BoxError> {
    /// # let mut decoder = Decoder::new();
    /// decoder.push("event: ping\ndata: hello\n\n".into());
    /// let event = decoder.next_event()?.ok_or("it is whole")?.to_event();
    /// drop(decoder);
    /// assert_eq!((event.event_type(), event.data_str()?), ("ping", "hello"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[inline]
    pub fn to_event(&self) -> Event {
        let fields = self.fields.filter(|fields| !fields.is_empty());
        Event {
            data: self.to_bytes(),
            fields: fields.map(|fields| Box::new(fields.clone())),
        }
    }
}

impl Event {
    /// An event of type `message` with nothing but `data`.
    ///
    /// ```
    /// # use blossom_layers::sse::Event;
    /// let event = Event::new("hello".into());
    /// assert_eq!((event.event_type(), event.id()), ("message", None));
    /// ```
    #[must_use]
    pub const fn new(data: Bytes) -> Self {
        Self { data, fields: None }
    }

    /// A look at it.
    ///
    /// ```
    /// # use blossom_layers::sse::Event;
    /// let event = Event::new("hello".into());
    /// assert_eq!(event.as_ref().data(), b"hello");
    /// ```
    #[must_use]
    pub fn as_ref(&self) -> EventRef<'_> {
        EventRef::new(&self.data, &self.data, self.fields.as_deref())
    }

    /// The data: the `data` lines, joined by `\n`.
    ///
    /// ```
    /// # use blossom_layers::sse::Event;
    /// assert_eq!(Event::new("hello".into()).data(), "hello");
    /// ```
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The data, without a copy.
    ///
    /// ```
    /// # use blossom_layers::sse::Event;
    /// assert_eq!(Event::new("hello".into()).into_data(), "hello");
    /// ```
    #[must_use]
    pub fn into_data(self) -> Bytes {
        self.data
    }

    /// The data as text.
    ///
    /// ```
    /// # use blossom_layers::sse::Event;
    /// assert_eq!(Event::new("hello".into()).data_str(), Ok("hello"));
    /// assert!(Event::new(b"caf\xe9"[..].into()).data_str().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] where it is not UTF-8; [`data_lossy`](Self::data_lossy) is the way around
    /// it. The events after this one are not concerned.
    pub fn data_str(&self) -> Result<&str, InvalidUtf8> {
        self.as_ref().data_str()
    }

    /// The data as text, with U+FFFD for what is not UTF-8. Copies only where it has to replace.
    ///
    /// ```
    /// # use blossom_layers::sse::Event;
    /// assert_eq!(Event::new(b"caf\xe9"[..].into()).data_lossy(), "caf\u{fffd}");
    /// ```
    #[must_use]
    pub fn data_lossy(&self) -> Cow<'_, str> {
        self.as_ref().data_lossy()
    }

    /// The type: `message` when the event names none, as in the standard.
    ///
    /// ```
    /// # use blossom_layers::sse::Event;
    /// assert_eq!(Event::new("hello".into()).event_type(), "message");
    /// ```
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.as_ref().event_type()
    }

    /// The id that came with this very event, see [`EventRef::id`].
    ///
    /// ```
    /// # use blossom_layers::sse::Events;
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut events = Events::new(Full::from("id: 7\ndata: 1\n\n"));
    /// assert_eq!(events.next().await.ok_or("there is one")??.id(), Some("7"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.as_ref().id()
    }

    /// The reconnection time that came with this very event, see [`EventRef::retry`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use blossom_layers::sse::Events;
    /// # use http_body_util::Full;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), blossom_layers::BoxError> {
    /// let mut events = Events::new(Full::from("retry: 1500\ndata: 1\n\n"));
    /// let event = events.next().await.ok_or("there is one")??;
    /// assert_eq!(event.retry(), Some(Duration::from_millis(1500)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.as_ref().retry()
    }

    /// A copy that keeps no frame alive.
    ///
    /// ```
    /// # use blossom_layers::sse::Event;
    /// let frame = bytes::Bytes::from("data: hello\n\n".to_owned());
    /// let event = Event::new(frame.slice(6..11)).detached();
    /// assert!(frame.is_unique(), "the event keeps a copy");
    /// assert_eq!(event.data(), "hello");
    /// ```
    #[must_use]
    pub fn detached(&self) -> Self {
        let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        let fields = self.fields.as_ref().map(|fields| Fields {
            event_type: copy(&fields.event_type),
            id: fields.id.as_ref().map(copy),
            retry: fields.retry,
        });
        Self {
            data: copy(&self.data),
            fields: fields.map(Box::new),
        }
    }
}

impl Fields {
    fn is_empty(&self) -> bool {
        self.event_type.is_empty() && self.id.is_none() && self.retry.is_none()
    }
}

/// The bytes of a type or an id, made UTF-8 with U+FFFD, as the standard decodes them.
pub(super) fn text(bytes: Bytes) -> Bytes {
    match str::from_utf8(&bytes) {
        Ok(_) => bytes,
        Err(_) => Bytes::from(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

pub(super) fn as_text(bytes: &[u8]) -> &str {
    // Never the default, for `text` made them.
    str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_where_the_data_stops_to_be_text() {
        let event = Event::new(Bytes::from_static(b"caf\xc3 au lait"));

        assert_eq!(event.data_str().unwrap_err().valid_up_to(), 3);
        assert_eq!(event.data_lossy(), "caf\u{fffd} au lait");
    }

    #[test]
    fn is_a_message_when_its_type_is_absent_or_empty() {
        let data = Bytes::new();
        let event_type = |event_type| {
            let fields = Fields {
                event_type: Bytes::from_static(event_type),
                ..Fields::default()
            };
            let event = EventRef::new(&data, &data, Some(&fields)).to_event();
            event.event_type().to_owned()
        };

        assert_eq!(Event::new(Bytes::new()).event_type(), "message");
        assert_eq!(event_type(b""), "message");
        assert_eq!(event_type(b"ping"), "ping");
    }

    #[test]
    fn boxes_no_fields_that_are_not_there() {
        let data = Bytes::from_static(b"1");
        let fields = Fields::default();

        let event = EventRef::new(&data, &data, Some(&fields)).to_event();

        assert_eq!(event.fields, None);
    }

    #[test]
    fn makes_a_type_that_is_not_utf8_readable() {
        assert_eq!(text(Bytes::from_static(b"a\xff")), "a\u{fffd}");
    }

    #[test]
    fn detaches_from_its_frame() {
        let frame = Bytes::from(vec![b'x'; 4096]);
        let event = Event::new(frame.slice(..4)).detached();

        assert!(frame.is_unique());
        assert_eq!(event.data(), "xxxx");
    }
}
