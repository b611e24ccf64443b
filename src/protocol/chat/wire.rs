//! A chat as JSON.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{ChatRequest, Rare};
use crate::protocol::{Message, SearchContext};

impl ChatRequest {
    /// Whether it is written in the canonical form of JSON, by which a cache knows it: members by name,
    /// numbers by their digits. What others have made, as tools and schemas, is written as it is.
    pub(crate) fn is_canonical(&self) -> bool {
        let numbers = [self.temperature, self.top_p];
        self.messages.iter().all(Message::is_plain)
            && are_canonical(numbers)
            && self.rare.as_deref().is_none_or(Rare::is_canonical)
    }
}

impl Rare {
    fn is_canonical(&self) -> bool {
        let numbers = [
            self.frequency_penalty,
            self.presence_penalty,
            self.repetition_penalty,
        ];
        are_canonical(numbers)
            && self.audio.is_none()
            && self.logit_bias.is_empty()
            && self.response_format.is_none()
            && self.tool_choice.is_none()
            && self.tools.is_empty()
            && self.extra.is_empty()
    }
}

fn are_canonical<const N: usize>(numbers: [Option<f64>; N]) -> bool {
    let mut numbers = numbers.into_iter().flatten().map(Number);
    numbers.all(Number::is_canonical)
}

impl Serialize for ChatRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // By name, as the canonical form of JSON has them: see `is_canonical`.
        let mut map = serializer.serialize_map(None)?;
        let members = &mut map;
        let rare = self.rare.as_deref().unwrap_or(Rare::NONE);
        let number = |value: Option<f64>| value.map(Number);
        entry(members, "audio", rare.audio.as_ref())?;
        entry(members, "frequency_penalty", number(rare.frequency_penalty))?;
        let logit_bias = (!rare.logit_bias.is_empty()).then_some(&rare.logit_bias);
        entry(members, "logit_bias", logit_bias)?;
        entry(members, "logprobs", rare.logprobs)?;
        entry(members, "max_completion_tokens", rare.max_completion_tokens)?;
        entry(members, "max_tokens", self.max_tokens)?;
        entry(members, "messages", Some(&self.messages))?;
        let modalities = (!rare.modalities.is_empty()).then_some(&rare.modalities);
        entry(members, "modalities", modalities)?;
        entry(members, "model", self.model.as_ref())?;
        entry(members, "parallel_tool_calls", rare.parallel_tool_calls)?;
        entry(members, "presence_penalty", number(rare.presence_penalty))?;
        entry(members, "private", self.private.then_some(true))?;
        entry(members, "reasoning_effort", rare.reasoning_effort)?;
        entry(members, "referrer", rare.referrer.as_ref())?;
        entry(
            members,
            "repetition_penalty",
            number(rare.repetition_penalty),
        )?;
        entry(members, "response_format", rare.response_format.as_ref())?;
        entry(
            members,
            "safe",
            (!self.safe.is_empty()).then_some(self.safe),
        )?;
        entry(members, "seed", self.seed)?;
        entry(members, "stop", rare.stop.as_ref())?;
        entry(members, "stream", self.stream.then_some(true))?;
        let include_usage = self.include_usage.unwrap_or(true);
        let options = self.stream.then_some(StreamOptions { include_usage });
        entry(members, "stream_options", options)?;
        entry(members, "temperature", number(self.temperature))?;
        entry(members, "tool_choice", rare.tool_choice.as_ref())?;
        let tools = (!rare.tools.is_empty()).then_some(&rare.tools);
        entry(members, "tools", tools)?;
        entry(members, "top_logprobs", rare.top_logprobs)?;
        entry(members, "top_p", number(self.top_p))?;
        entry(members, "user", rare.user.as_ref())?;
        entry(members, "voice", rare.voice.as_ref())?;
        let search = rare
            .search_context
            .map(|search_context_size| SearchOptions {
                search_context_size,
            });
        entry(members, "web_search_options", search)?;
        for (name, value) in &rare.extra {
            entry(members, name, Some(value))?;
        }
        map.end()
    }
}

/// A whole number without a point, as its canonical form is.
#[derive(Clone, Copy)]
struct Number(f64);

impl Number {
    /// Whether it is written in its canonical form. Very small ones are not.
    fn is_canonical(self) -> bool {
        self.whole().is_some() || (1e-3..1e15).contains(&self.0.abs())
    }

    fn whole(self) -> Option<i64> {
        #[expect(clippy::cast_possible_truncation, reason = "checked")]
        let whole = self.0 as i64;
        #[expect(clippy::cast_precision_loss, reason = "of numbers that are not taken")]
        let same = whole as f64 == self.0 && self.0.abs() < 1e15;
        same.then_some(whole)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.whole() {
            Some(whole) => serializer.serialize_i64(whole),
            None => serializer.serialize_f64(self.0),
        }
    }
}

/// What is not set is not sent.
fn entry<M: SerializeMap>(
    map: &mut M,
    name: &str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct SearchOptions {
    search_context_size: SearchContext,
}

#[cfg(all(test, feature = "cache-memory"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{layers::cache::key::canonical_json, protocol::Tool};

    fn number() -> impl Strategy<Value = Option<f64>> {
        let tenths = (-20..30_i32).prop_map(|tenths| f64::from(tenths) / 10.0);
        prop_oneof![
            Just(None),
            tenths.prop_map(Some),
            (-2.0..3.0).prop_map(Some),
            (-1e-3..1e-3).prop_map(Some),
            Just(Some(-0.0)),
        ]
    }

    fn message() -> impl Strategy<Value = Message> {
        (any::<String>(), 0..4).prop_map(|(text, role)| match role {
            0 => Message::system(text),
            1 => Message::assistant(text),
            2 => Message::tool("call-1", text),
            _ => Message::user(text),
        })
    }

    proptest! {
        #[test]
        fn what_is_said_to_be_canonical_is(
            messages in prop::collection::vec(message(), 1..4),
            (temperature, top_p, penalty) in (number(), number(), number()),
            (model, user, stop) in (any::<String>(), any::<String>(), any::<String>()),
            (stream, private, logprobs, seed) in any::<(bool, bool, bool, i64)>(),
        ) {
            let mut request = ChatRequest::new(messages)
                .model(model)
                .user(user)
                .stop(vec![stop, "\u{7f}\u{1f}\"/\\".to_owned()])
                .seed(seed)
                .max_tokens(7)
                .logprobs(logprobs)
                .private(private)
                .stream(stream);
            request.temperature = temperature;
            request.top_p = top_p;
            request.rare().presence_penalty = penalty;
            let body = serde_json::to_vec(&request).unwrap();

            if request.is_canonical() {
                prop_assert_eq!(canonical_json(&body), Some(body));
            }
        }
    }

    #[test]
    fn a_usual_chat_is_canonical_and_one_with_foreign_json_is_not_said_to_be() {
        let usual = ChatRequest::new([Message::user("Hi")])
            .temperature(1.0)
            .top_p(0.7)
            .model("openai")
            .seed(1);
        assert!(usual.is_canonical() && usual.clone().stream(true).is_canonical());

        let tool = Tool::function("f").parameters(serde_json::json!({"b": 1, "a": 2}));
        assert!(!usual.clone().tools([tool]).is_canonical());
        assert!(!usual.extra("zoom", serde_json::json!(1e300)).is_canonical());
    }
}
