use std::fmt;

use http::HeaderMap;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::lenient::{Count, Text};
use crate::layers::types::Usage;

/// Usage as it stands in a reply.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
    #[serde(default)]
    total_tokens: Count,
    #[serde(default)]
    prompt_tokens_details: Details,
    #[serde(default)]
    completion_tokens_details: Details,
    #[serde(default)]
    cached_input_tokens: Count,
    #[serde(default)]
    cache_read_input_tokens: Count,
    #[serde(default)]
    reasoning_tokens: Count,
}

/// The details of either side.
#[derive(Debug, Clone, Copy, Default)]
struct Details {
    cached_tokens: Count,
    reasoning_tokens: Count,
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DetailsVisitor)
    }
}

struct DetailsVisitor;

impl<'de> Visitor<'de> for DetailsVisitor {
    type Value = Details;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("details")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Details, A::Error> {
        let mut details = Details::default();
        while let Some(name) = members.next_key::<Text<'de>>()? {
            match &*name.0 {
                "cached_tokens" => details.cached_tokens = members.next_value()?,
                "reasoning_tokens" => details.reasoning_tokens = members.next_value()?,
                _ => {
                    let IgnoredAny = members.next_value()?;
                }
            }
        }
        Ok(details)
    }

    fn visit_unit<E>(self) -> Result<Details, E> {
        Ok(Details::default())
    }
}

impl WireUsage {
    /// The counts in one convention: reasoning is part of the completion.
    ///
    /// Most providers count it so; some add it on top, which shows in the total.
    pub(crate) fn normalize(&self) -> Usage {
        let details = self.completion_tokens_details;
        let reasoning = details.reasoning_tokens.0.max(self.reasoning_tokens.0);
        let cached = self.prompt_tokens_details.cached_tokens.0;
        let cached = cached
            .max(self.cached_input_tokens.0)
            .max(self.cache_read_input_tokens.0);
        let mut usage = Usage::new(self.prompt_tokens.0, self.completion_tokens.0);
        let additive = usage.total_tokens.saturating_add(reasoning);
        if reasoning > 0 && self.total_tokens.0 == additive {
            usage = Usage::new(
                self.prompt_tokens.0,
                self.completion_tokens.0.saturating_add(reasoning),
            );
        }
        if self.total_tokens.0 > 0 {
            usage.total_tokens = self.total_tokens.0;
        }
        usage.reasoning_tokens = reasoning;
        usage.cached_prompt_tokens = cached;
        usage
    }
}

/// The usage that the headers of a whole reply tell.
pub(crate) fn reply_usage(headers: &HeaderMap) -> Option<Usage> {
    let count =
        |name: &str| -> Option<u64> { headers.get(name)?.to_str().ok()?.trim().parse().ok() };
    let sum = |names: &[&str]| -> Option<u64> {
        names
            .iter()
            .filter_map(|name| count(name))
            .reduce(u64::saturating_add)
    };
    let cached = count("x-usage-prompt-cached-tokens");
    let prompt = sum(&[
        "x-usage-prompt-text-tokens",
        "x-usage-prompt-cached-tokens",
        "x-usage-prompt-cache-write-tokens",
        "x-usage-prompt-audio-tokens",
        "x-usage-prompt-image-tokens",
        "x-usage-prompt-video-tokens",
    ]);
    let reasoning = count("x-usage-completion-reasoning-tokens");
    let completion = sum(&[
        "x-usage-completion-text-tokens",
        "x-usage-completion-reasoning-tokens",
        "x-usage-completion-audio-tokens",
        "x-usage-completion-image-tokens",
        "x-usage-completion-video-tokens",
    ]);
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let mut usage = Usage::new(prompt.unwrap_or(0), completion.unwrap_or(0));
    usage.cached_prompt_tokens = cached.unwrap_or(0);
    usage.reasoning_tokens = reasoning.unwrap_or(0);
    Some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Usage {
        serde_json::from_str::<WireUsage>(json).unwrap().normalize()
    }

    #[test]
    fn reasoning_inside_the_completion_stays_inside() {
        let usage = usage(
            r#"{"prompt_tokens":10,"completion_tokens":30,"total_tokens":40,
                "completion_tokens_details":{"reasoning_tokens":20}}"#,
        );

        assert_eq!((usage.completion_tokens, usage.reasoning_tokens), (30, 20));
    }

    #[test]
    fn reasoning_on_top_is_told_by_the_total() {
        let usage = usage(
            r#"{"prompt_tokens":10,"completion_tokens":30,"total_tokens":60,
                "completion_tokens_details":{"reasoning_tokens":20}}"#,
        );

        assert_eq!((usage.completion_tokens, usage.total_tokens), (50, 60));
    }

    #[test]
    fn j3_absurd_usage_saturates() {
        let usage = usage(
            r#"{"prompt_tokens":-5,"completion_tokens":1e300,"prompt_tokens_details":{"x":[]},
                "completion_tokens_details":null}"#,
        );

        assert_eq!(
            (usage.prompt_tokens, usage.completion_tokens),
            (0, u64::MAX)
        );
        assert_eq!(usage.total_tokens, u64::MAX);
    }

    #[test]
    fn headers_tell_usage_too() {
        let mut headers = HeaderMap::new();
        assert_eq!(reply_usage(&headers), None);
        for (name, value) in [
            ("x-usage-prompt-text-tokens", "7"),
            ("x-usage-prompt-cached-tokens", "3"),
            ("x-usage-completion-text-tokens", "5"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }

        let usage = reply_usage(&headers).unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (10, 5));
        assert_eq!(usage.cached_prompt_tokens, 3);
    }
}
