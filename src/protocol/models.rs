use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Dialect, Endpoint, Invalid,
    encode::{self, JSON, Url},
};

/// A request for the text models.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelsRequest(());

impl ModelsRequest {
    /// The request as it goes on the wire, without a key.
    ///
    /// # Errors
    ///
    /// None with an [`Endpoint`] that could be made.
    pub fn encode(&self, endpoint: &Endpoint) -> Result<Request<Bytes>, Invalid> {
        let path = match endpoint.dialect() {
            Dialect::V1 => "/models",
            Dialect::Enter => "/generate/v1/models",
            Dialect::Gen => "/v1/models",
        };
        Ok(encode::get(Url::new(endpoint.base(), path).build()?, JSON))
    }
}

/// A model of the service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    id: String,
    description: Option<String>,
    aliases: Vec<String>,
    input_modalities: Vec<String>,
    output_modalities: Vec<String>,
    capabilities: Vec<String>,
    context_length: Option<u64>,
    pricing: BTreeMap<String, String>,
}

impl Model {
    /// The name to ask for it by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Other names for it.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// What it takes, such as `text` and `image`.
    #[must_use]
    pub fn input_modalities(&self) -> &[String] {
        &self.input_modalities
    }

    /// What it gives.
    #[must_use]
    pub fn output_modalities(&self) -> &[String] {
        &self.output_modalities
    }

    /// What it can do, such as `tool_calling`.
    #[must_use]
    pub fn capabilities(&self) -> &[String] {
        &self.capabilities
    }

    /// How many tokens fit into a conversation.
    #[must_use]
    pub const fn context_length(&self) -> Option<u64> {
        self.context_length
    }

    /// The prices as the service writes them: decimal numbers by kind of unit, and the currency.
    #[must_use]
    pub const fn pricing(&self) -> &BTreeMap<String, String> {
        &self.pricing
    }
}

/// Reads a list of models: the `OpenAI` list object, an array of objects, or an array of names.
pub(crate) fn decode_models(body: &[u8]) -> Result<Vec<Model>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Object { data: Vec<Value> },
        Array(Vec<Value>),
    }
    let (List::Object { data } | List::Array(data)) = serde_json::from_slice(body)?;
    Ok(data.iter().filter_map(model).collect())
}

/// One entry; one without a name is left out.
fn model(entry: &Value) -> Option<Model> {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    let texts = |name: &str| -> Vec<String> {
        let all = entry[name].as_array().into_iter().flatten();
        all.filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    };
    if let Some(name) = entry.as_str() {
        return Some(Model {
            id: name.to_owned(),
            ..Model::default()
        });
    }
    let mut capabilities = texts("capabilities");
    for (flag, capability) in [("tools", "tool_calling"), ("reasoning", "reasoning")] {
        if entry[flag] == true && !capabilities.iter().any(|known| known == capability) {
            capabilities.push(capability.to_owned());
        }
    }
    let prices = entry["pricing"].as_object().into_iter().flatten();
    Some(Model {
        id: text("id").or_else(|| text("name"))?,
        description: text("description"),
        aliases: texts("aliases"),
        input_modalities: texts("input_modalities"),
        output_modalities: texts("output_modalities"),
        capabilities,
        context_length: entry["context_length"].as_u64(),
        pricing: prices
            .filter_map(|(unit, price)| match price {
                Value::String(price) => Some((unit.clone(), price.clone())),
                Value::Number(price) => Some((unit.clone(), price.to_string())),
                _ => None,
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(json: &str) -> Vec<String> {
        let models = decode_models(json.as_bytes()).unwrap();
        models.into_iter().map(|model| model.id).collect()
    }

    #[test]
    fn lists_come_in_three_shapes() {
        assert_eq!(
            ids(r#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#),
            ["a", "b"]
        );
        assert_eq!(ids(r#"[{"name":"a","aliases":["x"]},{"other":1}]"#), ["a"]);
        assert_eq!(ids(r#"["flux","turbo"]"#), ["flux", "turbo"]);
        assert!(decode_models(br#"{"error":"Endpoint moved"}"#).is_err());
    }

    #[test]
    fn prices_and_capabilities_are_kept() {
        let models = decode_models(
            br#"[{"id":"a","tools":true,"context_length":9,"pricing":
                {"currency":"pollen","promptTextTokens":"0.00000015","n":2}}]"#,
        )
        .unwrap();

        assert_eq!(models[0].capabilities(), ["tool_calling"]);
        assert_eq!(models[0].pricing()["promptTextTokens"], "0.00000015");
        assert_eq!(models[0].pricing()["n"], "2");
        assert_eq!(models[0].context_length(), Some(9));
    }
}
