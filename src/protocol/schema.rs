//! JSON schemas of the caller's own types.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::{ResponseFormat, Tool};

/// The longest name of a schema.
const MAX_NAME: usize = 64;

#[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
impl Tool {
    /// A function whose arguments are a type of yours: an object with named fields. The description
    /// of the type and of its fields, their docs, tell the model what they are.
    ///
    /// [`ToolCall::parse`](super::ToolCall::parse) reads the arguments into the same type.
    ///
    /// ```
    /// use blossom::protocol::Tool;
    ///
    /// /// Where to look.
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Weather {
    ///     /// The name of the city.
    ///     city: String,
    /// }
    ///
    /// let tool = Tool::typed::<Weather>("weather").description("The weather of a city");
    /// # let json = serde_json::to_value(tool)?;
    /// # assert_eq!(json["function"]["parameters"]["properties"]["city"]["type"], "string");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn typed<T: JsonSchema>(name: impl Into<String>) -> Self {
        Self::function(name).parameters(schema_of::<T>())
    }
}

/// The format of answers of this type, and whether the value stands inside an object, as its member
/// `value`.
pub(crate) fn format_of<T: JsonSchema>() -> (ResponseFormat, bool) {
    let schema = schema_of::<T>();
    let wrapped = schema.get("type") != Some(&json!("object"));
    let schema = if wrapped { wrap(schema) } else { schema };
    let name: String = T::schema_name()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(MAX_NAME)
        .collect();
    (ResponseFormat::json_schema(name, schema), wrapped)
}

fn wrap(mut schema: Value) -> Value {
    // References are to the root, where they must stay.
    let definitions = schema
        .as_object_mut()
        .and_then(|schema| schema.remove("$defs"));
    let mut object = json!({
        "type": "object",
        "properties": { "value": schema },
        "required": ["value"],
        "additionalProperties": false,
    });
    if let (Some(definitions), Some(object)) = (definitions, object.as_object_mut()) {
        object.insert("$defs".to_owned(), definitions);
    }
    object
}

/// With everything in its place instead of references, which not every provider follows, as far as a
/// type does not hold itself.
fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ChatRequest, Dialect};

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Tree {
        name: String,
        children: Vec<Self>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Generic<T> {
        inner: T,
    }

    #[test]
    fn an_object_stands_for_itself_and_all_else_inside_one() {
        for (format, wrapped) in [
            (format_of::<Generic<Vec<u8>>>(), false),
            (format_of::<Tree>(), false),
            (format_of::<Vec<Tree>>(), true),
            (format_of::<u8>(), true),
            (format_of::<Option<String>>(), true),
        ] {
            assert_eq!(format.1, wrapped);
            let request = ChatRequest::new(["x"]).response_format(format.0.clone());
            request.validate(Dialect::Gen).unwrap();
            let json = serde_json::to_value(format.0).unwrap();
            assert_eq!(json["json_schema"]["schema"]["type"], "object");
        }
    }

    #[test]
    fn types_are_written_in_their_place() {
        let json = serde_json::to_value(format_of::<Generic<Generic<u8>>>().0).unwrap();
        let schema = &json["json_schema"]["schema"];

        assert_eq!(
            schema["properties"]["inner"]["properties"]["inner"]["type"],
            "integer"
        );
        assert!(schema.get("$schema").is_none() && schema.get("$defs").is_none());
    }
}
