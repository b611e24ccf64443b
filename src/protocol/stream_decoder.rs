//! The events of one stream, read by what they have in common.

use super::{Delta, StreamEvent, stream::FAKE_SUCCESS};

/// Reads the events of one stream.
///
/// The chunks of a stream differ in little but the text that they bring: model, form and all the rest
/// stand in each of them again. What stands around the text and the id of a chunk is kept, and the
/// next one that has the same bytes there is read by comparing them, without parsing it. The result
/// is the same as that of [`StreamEvent::decode`], except that a chunk that is read so does not tell
/// the model again.
///
/// ```
/// use blossom::protocol::{StreamDecoder, StreamEvent};
///
/// let mut decoder = StreamDecoder::default();
/// for text in ["Hel", "lo"] {
///     let chunk = format!(r#"{{"model":"m","choices":[{{"delta":{{"content":"{text}"}}}}]}}"#);
///     let StreamEvent::Delta(delta) = decoder.decode(&chunk) else {
///         unreachable!("it is a chunk")
///     };
///     assert_eq!(delta.content(), text);
/// }
/// ```
#[derive(Debug, Default)]
pub struct StreamDecoder {
    form: Option<Form>,
    /// How often in a row a form was kept for nothing.
    misses: u8,
}

/// After so many forms that no next chunk had, no more are kept.
const MAX_MISSES: u8 = 8;

impl StreamDecoder {
    /// Reads the data of the next event.
    ///
    /// ```
    /// use blossom::protocol::{StreamDecoder, StreamEvent};
    ///
    /// let mut decoder = StreamDecoder::default();
    /// let chunk = r#"{"choices":[{"delta":{"content":"Hel"}}]}"#;
    /// assert!(matches!(decoder.decode(chunk), StreamEvent::Delta(delta) if delta.content() == "Hel"));
    /// assert!(matches!(decoder.decode("[DONE]"), StreamEvent::Done));
    /// ```
    #[must_use]
    pub fn decode(&mut self, data: &str) -> StreamEvent {
        let data = data.trim_ascii();
        if let Some(content) = self.form.as_ref().and_then(|form| form.content(data)) {
            self.misses = 0;
            return StreamEvent::Delta(Delta::of_content(content));
        }
        let mut plain = None;
        let event = StreamEvent::decode_noting(data, |content, id| plain = Some((content, id)));
        if let Some((content, id)) = plain
            && self.misses < MAX_MISSES
        {
            self.misses += 1;
            self.form = Form::of(data, content, id);
        }
        event
    }
}

/// What stood around the content and the id of a chunk, quotes included.
#[derive(Debug)]
struct Form {
    /// The parts between, one after the other.
    text: Box<str>,
    /// Where the first part ends, and the second if there are three.
    cuts: (usize, Option<usize>),
    /// Whether the content comes after the id.
    content_last: bool,
}

impl Form {
    /// `content` and `id` are parts of `data`; an empty id is none.
    fn of(data: &str, content: &str, id: &str) -> Option<Self> {
        let place = |part: &str| part.as_ptr().addr().checked_sub(data.as_ptr().addr());
        let content_last = id.is_empty() || place(id)? < place(content)?;
        let (first, second) = match (id, content_last) {
            ("", _) => (content, None),
            (id, true) => (id, Some(content)),
            (id, false) => (content, Some(id)),
        };
        let (before, rest) = data.split_at_checked(place(first)?)?;
        let rest = rest.strip_prefix(first)?;
        let Some(second) = second else {
            return Some(Self {
                text: [before, rest].concat().into(),
                cuts: (before.len(), None),
                content_last,
            });
        };
        let between = place(second)?.checked_sub(before.len() + first.len())?;
        let (between, rest) = rest.split_at_checked(between)?;
        Some(Self {
            text: [before, between, rest.strip_prefix(second)?]
                .concat()
                .into(),
            cuts: (before.len(), Some(before.len() + between.len())),
            content_last,
        })
    }

    /// The content of a chunk that differs in nothing else.
    fn content<'a>(&self, data: &'a str) -> Option<&'a str> {
        let (before, after) = self.text.split_at_checked(self.cuts.0)?;
        let rest = data.strip_prefix(before)?;
        let (first, rest) = text_of(rest)?;
        let content = match self.cuts.1 {
            None => (rest == after).then_some(first)?,
            Some(cut) => {
                let (between, after) = after.split_at_checked(cut - before.len())?;
                let (second, rest) = text_of(rest.strip_prefix(between)?)?;
                let content = if self.content_last { second } else { first };
                (rest == after).then_some(content)?
            }
        };
        (!content.is_empty() && content != FAKE_SUCCESS).then_some(content)
    }
}

/// The rest of a JSON string, and what follows from its quote on. One that has anything in it that is
/// escaped, or must be, is left to the parser.
fn text_of(rest: &str) -> Option<(&str, &str)> {
    let end = rest
        .bytes()
        .position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
    rest.split_at_checked(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(content: &str) -> String {
        with_id("c", content)
    }

    fn with_id(id: &str, content: &str) -> String {
        format!(
            r#"{{"id":"{id}","model":"m","choices":[{{"delta":{{"content":{content}}},"finish_reason":null}}]}}"#
        )
    }

    /// What an event says, without the model.
    fn said(event: &StreamEvent) -> String {
        match event {
            StreamEvent::Delta(delta) => format!(
                "{:?} {:?} {:?}",
                delta.content(),
                delta.reasoning(),
                delta.tool_calls()
            ),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_id_that_changes_is_no_other_form_wherever_it_stands() {
        for last in [false, true] {
            let mut decoder = StreamDecoder::default();
            for (id, content) in [("c-1", "a"), ("c-22", "bc"), ("c-3", "d")] {
                let mut data = with_id(id, &format!("\"{content}\""));
                if last {
                    data = format!(
                        r#"{{"choices":[{{"delta":{{"content":"{content}"}}}}],"id":"{id}"}}"#
                    );
                }
                let StreamEvent::Delta(delta) = decoder.decode(&data) else {
                    panic!("{data}")
                };
                assert_eq!(delta.content(), content);
            }
            assert_eq!(decoder.misses, 0, "the later ones were not parsed");
        }
    }

    #[test]
    fn the_finish_and_other_shapes_after_plain_chunks_are_seen() {
        let mut decoder = StreamDecoder::default();
        let finish = chunk(r#""end""#).replace(":null", r#":"stop""#);
        let mut merged = super::super::Accumulator::default();
        for data in [&chunk(r#""a""#), &chunk(r#""b""#), &finish] {
            if let StreamEvent::Delta(delta) = decoder.decode(data) {
                merged.push(&delta);
            }
        }

        assert_eq!(merged.content(), "abend");
        assert!(merged.is_complete());
        assert_eq!(merged.model(), Some("m"));
        assert!(matches!(decoder.decode("[DONE]"), StreamEvent::Done));
    }

    proptest! {
        #[test]
        fn says_the_same_as_the_parser_whatever_came_before(
            pieces in prop::collection::vec(
                prop_oneof![
                    any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
                    "[a-z\"\\\\\n{}:,]{0,12}".prop_map(|text| format!("\"{text}\"")),
                    Just(r#""","x":"y""#.to_owned()),
                    Just("null".to_owned()),
                    Just(format!("\"{FAKE_SUCCESS}\"")),
                ],
                1..8,
            ),
        ) {
            let mut decoder = StreamDecoder::default();
            for (position, piece) in pieces.iter().enumerate() {
                let data = with_id(&format!("c{position}"), piece);
                prop_assert_eq!(said(&decoder.decode(&data)), said(&StreamEvent::decode(&data)));
            }
        }
    }
}
