use std::fmt;

use http::HeaderMap;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::lenient::{Count, Text, as_absent};
use crate::layers::types::Usage;

/// Usage as it stands in a reply, read in one pass and tolerantly: what has another shape is zero.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WireUsage {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Details,
    completion_tokens_details: Details,
    cached_input_tokens: Count,
    cache_read_input_tokens: Count,
    reasoning_tokens: Count,
}

/// The details of either side.
#[derive(Debug, Clone, Copy, Default)]
struct Details {
    cached_tokens: Count,
    reasoning_tokens: Count,
}

/// A member that is an object, or as good as absent.
pub(crate) fn wire_usage<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<WireUsage>, D::Error> {
    deserializer.deserialize_any(UsageVisitor)
}

struct UsageVisitor;

impl<'de> Visitor<'de> for UsageVisitor {
    type Value = Option<WireUsage>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("usage")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut usage = WireUsage::default();
        while let Some(name) = members.next_key::<Text<'de>>()? {
            let count = match &*name.0 {
                "prompt_tokens" => &mut usage.prompt_tokens,
                "completion_tokens" => &mut usage.completion_tokens,
                "total_tokens" => &mut usage.total_tokens,
                "cached_input_tokens" => &mut usage.cached_input_tokens,
                "cache_read_input_tokens" => &mut usage.cache_read_input_tokens,
                "reasoning_tokens" => &mut usage.reasoning_tokens,
                "prompt_tokens_details" => {
                    usage.prompt_tokens_details = members.next_value()?;
                    continue;
                }
                "completion_tokens_details" => {
                    usage.completion_tokens_details = members.next_value()?;
                    continue;
                }
                _ => {
                    let IgnoredAny = members.next_value()?;
                    continue;
                }
            };
            *count = members.next_value()?;
        }
        Ok(Some(usage))
    }

    as_absent!(unit, bool, i64, u64, f64, str, seq);
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

    as_absent!(unit, bool, i64, u64, f64, str, seq);
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
    let mut usage = Usage::default();
    let mut told = false;
    // One walk, and not a look-up for each name: most replies have none of them.
    for (name, value) in headers {
        let Some(kind) = name.as_str().strip_prefix("x-usage-") else {
            continue;
        };
        let Some(count) = value
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse().ok())
        else {
            continue;
        };
        let side = match kind.split_once('-') {
            Some(("prompt", _)) => &mut usage.prompt_tokens,
            Some(("completion", _)) => &mut usage.completion_tokens,
            _ => continue,
        };
        // Seconds of sound are told beside its tokens.
        if kind.ends_with("-tokens") {
            *side = side.saturating_add(count);
            told = true;
        }
        match kind {
            "prompt-cached-tokens" => usage.cached_prompt_tokens = count,
            "completion-reasoning-tokens" => usage.reasoning_tokens = count,
            _ => {}
        }
    }
    usage.total_tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
    told.then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Usage {
        let mut json = serde_json::Deserializer::from_str(json);
        wire_usage(&mut json).unwrap().unwrap().normalize()
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
