use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::Error as _,
};
use serde_json::Value;

use super::{Invalid, invalid};

/// Something that the model may call.
///
/// ```
/// use blossom::protocol::Tool;
///
/// let weather = Tool::function("weather")
///     .description("The weather of a city")
///     .parameters(serde_json::json!({
///         "type": "object",
///         "properties": { "city": { "type": "string" } },
///         "required": ["city"],
///     }));
/// assert_eq!(weather.name(), "weather");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tool(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Function(Function),
    BuiltIn(String),
    /// A built-in tool with something that only functions have.
    Misused(&'static str),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Function {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl Tool {
    /// A function of the caller's: 1 to 64 letters, digits, `_` and `-`.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let tool = serde_json::to_value(Tool::function("weather"))?;
    /// assert_eq!(tool, serde_json::json!({"type": "function", "function": {"name": "weather"}}));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn function(name: impl Into<String>) -> Self {
        Self(Kind::Function(Function {
            name: name.into(),
            description: None,
            parameters: None,
            strict: None,
        }))
    }

    /// A tool that runs at the provider: `code_execution`, `google_search`, `google_maps`,
    /// `url_context`, `computer_use` or `file_search`.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let tool = serde_json::to_value(Tool::built_in("google_search"))?;
    /// assert_eq!(tool, serde_json::json!({"type": "google_search"}));
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn built_in(kind: impl Into<String>) -> Self {
        Self(Kind::BuiltIn(kind.into()))
    }

    /// What the function does, for the model. A built-in tool with one is refused.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let tool = Tool::function("weather").description("The weather of a city");
    /// assert_eq!(serde_json::to_value(tool)?["function"]["description"], "The weather of a city");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        match &mut self.0 {
            Kind::Function(function) => function.description = Some(description.into()),
            other => *other = Kind::Misused("description"),
        }
        self
    }

    /// The JSON schema of the arguments, an object. A built-in tool with one is refused.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let tool = Tool::function("weather").parameters(serde_json::json!({
    ///     "type": "object",
    ///     "properties": {"city": {"type": "string"}},
    /// }));
    /// assert_eq!(serde_json::to_value(tool)?["function"]["parameters"]["type"], "object");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn parameters(mut self, schema: impl Into<Value>) -> Self {
        match &mut self.0 {
            Kind::Function(function) => function.parameters = Some(schema.into()),
            other => *other = Kind::Misused("parameters"),
        }
        self
    }

    /// Whether arguments must follow the schema exactly. A built-in tool with this is refused.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let tool = Tool::function("weather").strict(true);
    /// assert_eq!(serde_json::to_value(tool)?["function"]["strict"], true);
    ///
    /// let chat = ChatRequest::new(["Hi"]).tools([Tool::built_in("google_search").strict(true)]);
    /// assert!(chat.validate(Dialect::Gen).is_err());
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        match &mut self.0 {
            Kind::Function(function) => function.strict = Some(strict),
            other => *other = Kind::Misused("strict"),
        }
        self
    }

    /// The name of the function, or the kind of the built-in tool.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// assert_eq!(Tool::function("weather").name(), "weather");
    /// assert_eq!(Tool::built_in("google_search").name(), "google_search");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Function(function) => &function.name,
            Kind::BuiltIn(kind) => kind,
            Kind::Misused(_) => "",
        }
    }

    pub(super) fn validate(&self, position: usize) -> Result<(), Invalid> {
        let named = |field: &str| format!("tools[{position}]{field}");
        match &self.0 {
            Kind::Function(function) => {
                if !invalid::is_name(&function.name) {
                    return Err(Invalid::new(named(".function.name"), NAME));
                }
                match &function.parameters {
                    Some(schema) if !schema.is_object() => Err(Invalid::new(
                        named(".function.parameters"),
                        "must be a JSON schema, which is an object",
                    )),
                    _ => Ok(()),
                }
            }
            Kind::Misused(what) => Err(Invalid::new(
                named(&format!(".function.{what}")),
                "is for functions only, not for built-in tools",
            )),
            Kind::BuiltIn(kind) if BUILT_IN.contains(&kind.as_str()) => Ok(()),
            Kind::BuiltIn(_) => Err(Invalid::new(
                named(".type"),
                format!("must be one of {}", BUILT_IN.join(", ")),
            )),
        }
    }
}

impl Serialize for Tool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            r#type: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            function: Option<&'a Function>,
        }
        match &self.0 {
            Kind::Function(function) => Wire {
                r#type: "function",
                function: Some(function),
            },
            Kind::BuiltIn(kind) => Wire {
                r#type: kind,
                function: None,
            },
            Kind::Misused(what) => return Err(S::Error::custom(what)),
        }
        .serialize(serializer)
    }
}

/// Whether the model may, must or must not call tools.
///
/// ```
/// use blossom::protocol::{ChatRequest, Tool, ToolChoice};
///
/// let weather = Tool::function("weather");
/// let request = ChatRequest::new(["Weather?"]).tools([weather]).tool_choice(ToolChoice::Required);
/// assert_eq!(serde_json::to_value(request)?["tool_choice"], "required");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// It must not.
    None,
    /// It decides. The default when tools are given.
    Auto,
    /// It must call at least one.
    Required,
    /// It must call the function of this name.
    Function(String),
}

impl Serialize for ToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named<'a> {
            r#type: &'static str,
            function: Name<'a>,
        }
        #[derive(Serialize)]
        struct Name<'a> {
            name: &'a str,
        }
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Auto => serializer.serialize_str("auto"),
            Self::Required => serializer.serialize_str("required"),
            Self::Function(name) => Named {
                r#type: "function",
                function: Name { name },
            }
            .serialize(serializer),
        }
    }
}

/// A call that the model asks for.
///
/// Answer it with [`Message::tool`](super::Message::tool) and the same id.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// use blossom::protocol::Tool;
///
/// let answer = client.text().chat(["Weather?"]).tools([Tool::function("weather")]).await?;
/// let call = &answer.tool_calls()[0];
/// println!("{}({})", call.name(), call.arguments());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl ToolCall {
    /// A call as it stands in the history of a conversation; `arguments` is JSON text.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let call = ToolCall::new("call-1", "weather", r#"{"city": "Ulm"}"#);
    /// let asked = serde_json::to_value(Message::assistant("").tool_calls([call]))?;
    /// assert_eq!(asked["tool_calls"][0]["function"]["arguments"], r#"{"city": "Ulm"}"#);
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        }
    }

    /// The id, which the answer repeats; empty when the provider gave none.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let call = ToolCall::new("call-1", "weather", "{}");
    /// let answer = serde_json::to_value(Message::tool(call.id(), "21 degrees"))?;
    /// assert_eq!(answer["tool_call_id"], "call-1");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of the function.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let call = ToolCall::new("call-1", "weather", "{}");
    /// let answer = match call.name() {
    ///     "weather" => "21 degrees",
    ///     _ => "no such tool",
    /// };
    /// assert_eq!(answer, "21 degrees");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arguments as the model wrote them: JSON text, or what the model took for it.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let call = ToolCall::new("call-1", "weather", r#"{"city": "Ulm"}"#);
    /// assert_eq!(call.arguments(), r#"{"city": "Ulm"}"#);
    /// ```
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// The arguments as a value of yours; no arguments at all are an empty object.
    ///
    /// # Errors
    ///
    /// When the model wrote no JSON, or not of this form. Models do that: tell it in the answer.
    ///
    /// ```
    /// use blossom::protocol::ToolCall;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Weather {
    ///     city: String,
    /// }
    ///
    /// let call = ToolCall::new("call-1", "weather", r#"{"city": "Ulm"}"#);
    /// assert_eq!(call.parse::<Weather>()?.city, "Ulm");
    /// assert!(ToolCall::new("call-2", "weather", "Ulm!").parse::<Weather>().is_err());
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let arguments = self.arguments.trim();
        serde_json::from_str(if arguments.is_empty() {
            "{}"
        } else {
            arguments
        })
    }
}

impl Serialize for ToolCall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            id: &'a str,
            r#type: &'static str,
            function: Called<'a>,
        }
        #[derive(Serialize)]
        struct Called<'a> {
            name: &'a str,
            arguments: &'a str,
        }
        Wire {
            id: &self.id,
            r#type: "function",
            function: Called {
                name: &self.name,
                arguments: &self.arguments,
            },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ToolCall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // History that was kept in another form than text may not be borrowed from.
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            id: Option<String>,
            function: Called,
        }
        #[derive(Deserialize)]
        struct Called {
            name: String,
            #[serde(default)]
            arguments: Value,
        }
        let wire = Wire::deserialize(deserializer)?;
        let arguments = match wire.function.arguments {
            Value::String(arguments) => arguments,
            Value::Null => String::new(),
            // Some servers do not pack them into a text.
            unpacked => unpacked.to_string(),
        };
        Ok(Self::new(
            wire.id.unwrap_or_default(),
            wire.function.name,
            arguments,
        ))
    }
}

const NAME: &str = "must be 1 to 64 letters, digits, _ or -";

const BUILT_IN: [&str; 6] = [
    "code_execution",
    "google_search",
    "google_maps",
    "url_context",
    "computer_use",
    "file_search",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_have_their_wire_form() {
        let tool = Tool::function("f").description("d").strict(true);
        assert_eq!(
            serde_json::to_string(&tool).unwrap(),
            r#"{"type":"function","function":{"name":"f","description":"d","strict":true}}"#,
        );
        assert_eq!(
            serde_json::to_string(&Tool::built_in("google_search")).unwrap(),
            r#"{"type":"google_search"}"#,
        );
        assert_eq!(
            serde_json::to_string(&ToolChoice::Function("f".into())).unwrap(),
            r#"{"type":"function","function":{"name":"f"}}"#,
        );
    }

    #[test]
    fn calls_survive_the_way_there_and_back() {
        let call = ToolCall::new("c1", "f", r#"{"a":1}"#);
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<ToolCall>(&text).unwrap(), call);
        assert_eq!(call.parse::<Value>().unwrap(), json!({"a": 1}));
        let unpacked = r#"{"id":null,"function":{"name":"f","arguments":{"a":1}}}"#;
        let read: ToolCall = serde_json::from_str(unpacked).unwrap();
        assert_eq!(read.arguments(), r#"{"a":1}"#);
        assert_eq!(
            ToolCall::new("", "f", " ").parse::<Value>().unwrap(),
            json!({})
        );
    }

    #[test]
    fn a_wrong_tool_is_named_by_its_place() {
        let wrong = [
            (Tool::function("get weather"), "tools[3].function.name"),
            (Tool::function(""), "tools[3].function.name"),
            (Tool::function("f".repeat(65)), "tools[3].function.name"),
            (
                Tool::function("f").parameters("x"),
                "tools[3].function.parameters",
            ),
            (Tool::built_in("function"), "tools[3].type"),
            (
                Tool::built_in("google_search").strict(true),
                "tools[3].function.strict",
            ),
        ];
        for (tool, parameter) in wrong {
            assert_eq!(tool.validate(3).unwrap_err().parameter(), parameter);
        }
    }
}
