//! The models of the sandbox, what they can do and what they cost.

use serde_json::{Map, Value, json};

use super::route::List;

/// A model, its abilities and its prices: decimal numbers of pollen for each unit.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    aliases: &'static [&'static str],
    description: &'static str,
    inputs: &'static [&'static str],
    outputs: &'static [&'static str],
    capabilities: &'static [&'static str],
    context_length: u32,
    prices: &'static [(&'static str, &'static str)],
}

const NO_MODEL: Model = Model {
    name: "",
    aliases: &[],
    description: "",
    inputs: &["text"],
    outputs: &["text"],
    capabilities: &[],
    context_length: 0,
    prices: &[],
};

const TOOLS: &str = "tool_calling";
const REASONING: &str = "reasoning";
const SEARCH: &str = "web_search";

const MODELS: &[Model] = &[
    Model {
        name: "openai",
        aliases: &["gpt-mini"],
        description: "The one that answers when no other is named",
        inputs: &["text", "image"],
        capabilities: &[TOOLS],
        context_length: 128_000,
        prices: &[
            ("promptTextTokens", "0.00000015"),
            ("promptCachedTokens", "0.000000075"),
            ("promptImageTokens", "0.00000015"),
            ("completionTextTokens", "0.0000006"),
        ],
        ..NO_MODEL
    },
    Model {
        name: "openai-fast",
        aliases: &["gpt-nano"],
        description: "Cheap, for short answers",
        capabilities: &[TOOLS],
        context_length: 32_000,
        prices: &[
            ("promptTextTokens", "0.00000005"),
            ("completionTextTokens", "0.0000002"),
        ],
        ..NO_MODEL
    },
    Model {
        name: "openai-large",
        aliases: &["gpt"],
        description: "Thinks before it answers, and sees",
        inputs: &["text", "image"],
        capabilities: &[TOOLS, REASONING],
        context_length: 400_000,
        prices: &[
            ("promptTextTokens", "0.00000125"),
            ("promptCachedTokens", "0.000000125"),
            ("promptImageTokens", "0.00000125"),
            ("completionTextTokens", "0.00001"),
            ("completionReasoningTokens", "0.00001"),
        ],
        ..NO_MODEL
    },
    Model {
        name: "mistral",
        aliases: &["mistral-small"],
        description: "Plain texts, without tools",
        context_length: 64_000,
        prices: &[
            ("promptTextTokens", "0.0000001"),
            ("completionTextTokens", "0.0000003"),
        ],
        ..NO_MODEL
    },
    Model {
        name: "reasoning-small",
        aliases: &["deepseek-reasoner"],
        description: "Thinks aloud; its reasoning is counted beside its answer",
        capabilities: &[REASONING],
        context_length: 64_000,
        prices: &[
            ("promptTextTokens", "0.0000005"),
            ("completionTextTokens", "0.000002"),
            ("completionReasoningTokens", "0.000002"),
        ],
        ..NO_MODEL
    },
    Model {
        name: "searcher",
        aliases: &["perplexity-fast"],
        description: "Searches the web and names its sources",
        capabilities: &[SEARCH],
        context_length: 128_000,
        prices: &[
            ("promptTextTokens", "0.000001"),
            ("completionTextTokens", "0.000001"),
        ],
        ..NO_MODEL
    },
    Model {
        name: "openai-audio",
        aliases: &["gpt-audio"],
        description: "Speaks its answers",
        inputs: &["text", "audio"],
        outputs: &["text", "audio"],
        capabilities: &[TOOLS],
        context_length: 128_000,
        prices: &[
            ("promptTextTokens", "0.0000006"),
            ("promptAudioTokens", "0.00001"),
            ("completionTextTokens", "0.0000024"),
            ("completionAudioTokens", "0.00002"),
        ],
    },
    Model {
        name: "flux",
        aliases: &["zimage", "sana"],
        description: "Pictures as JPEG",
        outputs: &["image"],
        prices: &[("completionImageTokens", "0.0002")],
        ..NO_MODEL
    },
    Model {
        name: "turbo",
        description: "Pictures as JPEG, cheaper",
        outputs: &["image"],
        prices: &[("completionImageTokens", "0.0001")],
        ..NO_MODEL
    },
    Model {
        name: "gptimage",
        aliases: &["gpt-image-1"],
        description: "Pictures as PNG, with quality and transparency, also from pictures",
        inputs: &["text", "image"],
        outputs: &["image"],
        prices: &[
            ("promptTextTokens", "0.000002"),
            ("completionImageTokens", "0.008"),
        ],
        ..NO_MODEL
    },
    Model {
        name: "tts-1",
        aliases: &["elevenlabs"],
        description: "Reads aloud",
        outputs: &["audio"],
        prices: &[("completionAudioTokens", "0.000015")],
        ..NO_MODEL
    },
];

/// When the models were made, in milliseconds, as the service has it.
const CREATED_MS: u64 = 1_795_469_939_000;

/// The model of this name or alias.
pub(super) fn find(name: &str) -> Option<&'static Model> {
    MODELS
        .iter()
        .find(|model| model.name == name || model.aliases.contains(&name))
}

impl Model {
    pub(super) fn reasons(&self) -> bool {
        self.capabilities.contains(&REASONING)
    }

    pub(super) fn searches(&self) -> bool {
        self.capabilities.contains(&SEARCH)
    }

    pub(super) fn speaks(&self) -> bool {
        self.outputs.contains(&"audio")
    }

    /// Whether reasoning is counted beside the completion, not inside it.
    pub(super) fn counts_reasoning_apart(&self) -> bool {
        self.name == "reasoning-small"
    }

    pub(super) fn price(&self, unit: &str) -> f64 {
        let found = self.prices.iter().find(|(known, _)| *known == unit);
        found
            .and_then(|(_, price)| price.parse().ok())
            .unwrap_or(0.0)
    }

    fn pricing(&self) -> Value {
        let currency = [("currency", "pollen")];
        let members = currency.iter().chain(self.prices);
        let members = members.map(|(name, price)| ((*name).to_owned(), json!(price)));
        Value::Object(members.collect::<Map<_, _>>())
    }

    /// The entry of the list object.
    fn object(&self) -> Value {
        let endpoint = match self.outputs.first() {
            Some(&"image") => "/v1/images/generations",
            Some(&"audio") => "/v1/audio/speech",
            _ => "/v1/chat/completions",
        };
        json!({
            "id": self.name,
            "object": "model",
            "created": CREATED_MS,
            "input_modalities": self.inputs,
            "output_modalities": self.outputs,
            "supported_endpoints": [endpoint],
            "pricing": self.pricing(),
            "capabilities": self.capabilities,
            "tools": self.capabilities.contains(&TOOLS),
            "reasoning": self.reasons(),
            "context_length": self.context_length,
        })
    }

    /// The entry of an array.
    fn entry(&self) -> Value {
        let mut entry = json!({
            "name": self.name,
            "aliases": self.aliases,
            "category": self.outputs.first(),
            "title": self.name,
            "description": self.description,
            "input_modalities": self.inputs,
            "output_modalities": self.outputs,
            "capabilities": self.capabilities,
            "context_length": self.context_length,
            "community": false,
            "pricing": self.pricing(),
        });
        if self.speaks() {
            entry["voices"] = json!(["alloy", "echo", "fable", "onyx", "nova", "shimmer"]);
        }
        entry
    }
}

/// A list as it goes on the wire. None of the models is of the community.
pub(super) fn list(list: List, community: bool) -> Value {
    let models = || MODELS.iter().filter(|_| !community);
    let of = |kind| models().filter(move |model| model.outputs.contains(&kind));
    match list {
        List::Object => {
            let data: Vec<_> = models().map(Model::object).collect();
            json!({ "object": "list", "data": data })
        }
        List::All => models().map(Model::entry).collect(),
        List::Of(kind) => of(kind).map(Model::entry).collect(),
        List::ImageNames => of("image").map(|model| json!(model.name)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_decimal_strings_and_models_differ() {
        let all = list(List::All, false);
        let prices = all.as_array().unwrap().iter().map(|model| {
            let pricing = model["pricing"].as_object().unwrap();
            for price in pricing.values() {
                let price = price.as_str().unwrap();
                assert!(price == "pollen" || price.parse::<f64>().unwrap() > 0.0);
            }
            model["pricing"].to_string()
        });
        let distinct: std::collections::BTreeSet<_> = prices.collect();
        assert_eq!(distinct.len(), MODELS.len());
        assert_eq!(list(List::All, true), json!([]));
    }

    #[test]
    fn a_list_holds_what_gives_its_kind() {
        let names = list(List::ImageNames, false);

        assert_eq!(names, json!(["flux", "turbo", "gptimage"]));
        assert_eq!(list(List::Of("3d"), false), json!([]));
        assert_eq!(find("gpt").unwrap().name, "openai-large");
    }
}
