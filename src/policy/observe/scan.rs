//! The few members of a chunk or a reply that matter here, read tolerantly.

use std::fmt;

use memchr::memmem;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    layers::types::{FinishReason, Record, Usage},
    protocol::{LenientText, WireUsage, printable, wire_usage},
};

/// Whether `json` has a member `name` (quotes included) whose value is not `null`. It may say yes
/// wrongly, as when the text of an answer holds such a thing; never no.
pub(super) fn may_hold(json: &[u8], name: &[u8]) -> bool {
    memmem::find_iter(json, name).any(|at| {
        let after = json.get(at + name.len()..).unwrap_or_default();
        let mut value = after
            .iter()
            .skip_while(|byte| byte.is_ascii_whitespace() || **byte == b':');
        value.next() != Some(&b'n')
    })
}

/// A chunk of a stream, or a whole reply.
#[derive(Deserialize)]
pub(super) struct Seen<'a> {
    #[serde(borrow, default)]
    choices: Option<Choices<'a>>,
    #[serde(default, deserialize_with = "wire_usage")]
    usage: Option<WireUsage>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: LenientText<'a>,
    // Of embeddings, pictures and lists.
    #[serde(default)]
    data: Option<IgnoredAny>,
    // Of a bare message, and of others that say what they are.
    #[serde(default)]
    role: Option<IgnoredAny>,
    #[serde(default)]
    object: Option<IgnoredAny>,
}

/// Nearly always one, which then takes no allocation.
struct Choices<'a> {
    first: Option<Choice<'a>>,
    others: Vec<Choice<'a>>,
}

impl<'a> Choices<'a> {
    fn iter(&self) -> impl Iterator<Item = &Choice<'a>> {
        self.first.iter().chain(&self.others)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Choices<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Choices<'de>, A::Error> {
                let mut choices = Choices {
                    first: list.next_element()?,
                    others: Vec::new(),
                };
                while let Some(other) = list.next_element()? {
                    choices.others.push(other);
                }
                Ok(choices)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    finish_reason: LenientText<'a>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    // Of a whole reply; some streams repeat it beside each delta.
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: LenientText<'a>,
    #[serde(borrow, default)]
    reasoning_content: LenientText<'a>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content_blocks: Option<&'a RawValue>,
}

impl Seen<'_> {
    /// Writes down what there is.
    pub(super) fn note(&self, record: &mut Record) {
        let first = self.first_choice();
        let noted = Noted {
            usage: self.usage.map(|usage| usage.normalize()),
            model: self.model.some(),
            error: first.and_then(|choice| choice.error).or(self.error),
            finish_reason: first.and_then(|choice| choice.finish_reason.some()),
        };
        noted.write(record);
    }

    /// Whether it holds part of the answer.
    pub(super) fn is_answer(&self) -> bool {
        let Some(choice) = self.first_choice() else {
            return false;
        };
        match (&choice.delta, choice.message) {
            (Some(delta), _) => delta.is_answer(),
            (None, Some(message)) => {
                let message = serde_json::from_str::<Delta<'_>>(message.get());
                message.is_ok_and(|message| message.is_answer())
            }
            (None, None) => false,
        }
    }

    /// Gives each text that it adds to the answer.
    pub(super) fn produced(&self, mut take: impl FnMut(&str)) {
        let choices = self.choices.iter().flat_map(Choices::iter);
        for delta in choices.filter_map(|choice| choice.delta.as_ref()) {
            let texts = [delta.reasoning_content.some(), delta.content.some()];
            texts.into_iter().flatten().for_each(&mut take);
            if let Some(calls) = delta.tool_calls {
                take(calls.get());
            }
        }
    }

    /// Whether a whole reply holds what it should: a message where there are choices, and something
    /// that is known where there are none.
    pub(super) fn is_reply(&self) -> bool {
        if self.choices.is_some() {
            return self.has_message();
        }
        self.data.is_some() || self.role.is_some() || self.object.is_some()
    }

    fn first_choice(&self) -> Option<&Choice<'_>> {
        self.choices.as_ref()?.first.as_ref()
    }

    fn has_message(&self) -> bool {
        self.first_choice()
            .is_some_and(|choice| choice.delta.is_some() || choice.message.is_some())
    }
}

/// What a reply or a chunk tells of itself.
pub(super) struct Noted<'a> {
    pub(super) usage: Option<Usage>,
    pub(super) model: Option<&'a str>,
    pub(super) error: Option<&'a RawValue>,
    pub(super) finish_reason: Option<&'a str>,
}

impl Noted<'_> {
    pub(super) fn write(self, record: &mut Record) {
        if self.usage.is_some() {
            record.usage = self.usage;
        }
        if record.model.is_none() {
            record.model = self.model.map(Into::into);
        }
        if let Some(error) = self.error {
            record.failure = Some(message(error));
        }
        if let Some(reason) = self.finish_reason {
            record.finish_reason = Some(FinishReason::from(reason));
        }
    }
}

impl Delta<'_> {
    /// A role alone, or an empty text, is not yet part of the answer.
    fn is_answer(&self) -> bool {
        !self.content.is_empty()
            || !self.reasoning_content.is_empty()
            || self.tool_calls.is_some()
            || self.audio.is_some()
            || self.content_blocks.is_some()
    }
}

/// The message of an error, which may be an object or a string.
fn message(error: &RawValue) -> Box<str> {
    #[derive(Deserialize)]
    struct Error<'a> {
        #[serde(borrow, default)]
        message: LenientText<'a>,
    }
    let json = error.get();
    let message = serde_json::from_str::<Error<'_>>(json)
        .map(|error| error.message.0.into_owned())
        .or_else(|_| serde_json::from_str::<String>(json))
        .unwrap_or_default();
    printable(&message, 200).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_null_is_not_held() {
        let held = |json: &str| may_hold(json.as_bytes(), b"\"usage\"");

        assert!(held(r#"{"usage":{"a":1}}"#));
        assert!(held("{\"usage\" :\n 7}"));
        assert!(!held(r#"{"usage":null}"#));
        assert!(!held(r#"{"use":1}"#));
        assert!(held(r#"{"usage":null,"x":{"usage":{}}}"#));
    }
}
