use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::Value;

use super::{Invalid, invalid};

/// The form that the answer's text must have.
///
/// ```
/// use blossom::protocol::ResponseFormat;
///
/// let format = ResponseFormat::json_schema("recipe", serde_json::json!({
///     "type": "object",
///     "properties": { "title": { "type": "string" } },
/// }));
/// assert_eq!(serde_json::to_value(format)?["type"], "json_schema");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseFormat(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Text,
    JsonObject,
    JsonSchema(JsonSchema),
    /// Something was set that this form has no place for.
    Misused(&'static str),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct JsonSchema {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    schema: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl ResponseFormat {
    /// Any text, which is the default.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(serde_json::to_value(ResponseFormat::text())?["type"], "text");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub const fn text() -> Self {
        Self(Kind::Text)
    }

    /// A JSON object. Most models also want the word "JSON" in the prompt.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Name a flower, as JSON"]).response_format(ResponseFormat::json());
    /// assert_eq!(serde_json::to_value(chat)?["response_format"]["type"], "json_object");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub const fn json() -> Self {
        Self(Kind::JsonObject)
    }

    /// JSON that follows `schema`, whose `name` has 1 to 64 letters, digits, `_` and `-`.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let schema = serde_json::json!({"type": "object", "properties": {"title": {"type": "string"}}});
    /// let format = serde_json::to_value(ResponseFormat::json_schema("recipe", schema))?;
    /// assert_eq!(format["json_schema"]["name"], "recipe");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn json_schema(name: impl Into<String>, schema: impl Into<Value>) -> Self {
        Self(Kind::JsonSchema(JsonSchema {
            name: name.into(),
            description: None,
            schema: schema.into(),
            strict: None,
        }))
    }

    /// What the schema describes, for the model. Only for [`json_schema`](Self::json_schema): with
    /// another form the request is refused.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let schema = serde_json::json!({"type": "object", "properties": {"title": {"type": "string"}}});
    /// let format = ResponseFormat::json_schema("recipe", schema).description("A dish and its title");
    /// assert_eq!(serde_json::to_value(format)?["json_schema"]["description"], "A dish and its title");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        match &mut self.0 {
            Kind::JsonSchema(schema) => schema.description = Some(description.into()),
            other => *other = Kind::Misused("response_format.json_schema.description"),
        }
        self
    }

    /// Whether the provider must enforce the schema. Only for [`json_schema`](Self::json_schema):
    /// with another form the request is refused.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let schema = serde_json::json!({"type": "object", "properties": {"title": {"type": "string"}}});
    /// let format = ResponseFormat::json_schema("recipe", schema).strict(true);
    /// assert_eq!(serde_json::to_value(format)?["json_schema"]["strict"], true);
    ///
    /// let chat = ChatRequest::new(["Hi"]).response_format(ResponseFormat::text().strict(true));
    /// assert!(chat.validate(Dialect::Gen).is_err());
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        match &mut self.0 {
            Kind::JsonSchema(schema) => schema.strict = Some(strict),
            other => *other = Kind::Misused("response_format.json_schema.strict"),
        }
        self
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        let format = match &self.0 {
            Kind::Text | Kind::JsonObject => return Ok(()),
            Kind::Misused(what) => return Err(Invalid::new(*what, "is for json_schema only")),
            Kind::JsonSchema(format) => format,
        };
        if !invalid::is_name(&format.name) {
            return Err(Invalid::new(
                "response_format.json_schema.name",
                "must be 1 to 64 letters, digits, _ or -",
            ));
        }
        if format.schema.is_object() {
            Ok(())
        } else {
            Err(Invalid::new(
                "response_format.json_schema.schema",
                "must be a JSON schema, which is an object",
            ))
        }
    }
}

impl Serialize for ResponseFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            r#type: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            json_schema: Option<&'a JsonSchema>,
        }
        let (r#type, json_schema) = match &self.0 {
            Kind::Text => ("text", None),
            Kind::JsonObject => ("json_object", None),
            Kind::JsonSchema(schema) => ("json_schema", Some(schema)),
            Kind::Misused(what) => return Err(S::Error::custom(what)),
        };
        Wire {
            r#type,
            json_schema,
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_have_their_wire_form() {
        assert_eq!(
            serde_json::to_string(&ResponseFormat::json()).unwrap(),
            r#"{"type":"json_object"}"#,
        );
        assert_eq!(
            serde_json::to_string(
                &ResponseFormat::json_schema("n", json!({"type": "object"})).strict(true)
            )
            .unwrap(),
            r#"{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}}"#,
        );
    }

    #[test]
    fn what_a_form_has_no_place_for_is_refused() {
        for format in [
            ResponseFormat::json().strict(true),
            ResponseFormat::text().description("d"),
        ] {
            let error = format.validate().unwrap_err();
            assert!(error.to_string().ends_with("is for json_schema only"));
        }
    }

    #[test]
    fn a_schema_is_an_object_with_a_name() {
        assert!(
            ResponseFormat::json_schema("n", json!({}))
                .validate()
                .is_ok()
        );
        assert!(
            ResponseFormat::json_schema("n", json!([]))
                .validate()
                .is_err()
        );
        assert!(
            ResponseFormat::json_schema("n n", json!({}))
                .validate()
                .is_err()
        );
    }
}
