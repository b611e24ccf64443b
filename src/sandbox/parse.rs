//! What the service understands of a request. Written apart from the client's own types, so that one
//! checks the other.

use http::{HeaderMap, Uri, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// What a parameter may be.
enum Rule {
    Number(f64, f64),
    Integer(i64, i64),
    Text,
    Flag,
    /// Taken as it is.
    Any,
}

/// The members that the service copies, and their ranges. All others are dropped.
const RULES: &[(&str, Rule)] = &[
    ("messages", Rule::Any),
    ("model", Rule::Text),
    ("temperature", Rule::Number(0.0, 2.0)),
    ("top_p", Rule::Number(0.0, 1.0)),
    ("presence_penalty", Rule::Number(-2.0, 2.0)),
    ("frequency_penalty", Rule::Number(-2.0, 2.0)),
    ("repetition_penalty", Rule::Number(0.0, 2.0)),
    ("max_tokens", Rule::Integer(0, i64::MAX)),
    ("max_completion_tokens", Rule::Integer(0, i64::MAX)),
    ("seed", Rule::Integer(-1, 2_147_483_647)),
    ("stop", Rule::Any),
    ("stream", Rule::Flag),
    ("stream_options", Rule::Any),
    ("response_format", Rule::Any),
    ("jsonMode", Rule::Flag),
    ("json", Rule::Flag),
    ("tools", Rule::Any),
    ("tool_choice", Rule::Any),
    ("parallel_tool_calls", Rule::Flag),
    ("modalities", Rule::Any),
    ("audio", Rule::Any),
    ("voice", Rule::Text),
    ("reasoning_effort", Rule::Text),
    ("logprobs", Rule::Flag),
    ("top_logprobs", Rule::Integer(0, 20)),
    ("logit_bias", Rule::Any),
    ("user", Rule::Text),
    ("web_search_options", Rule::Any),
    ("safe", Rule::Any),
    ("system", Rule::Text),
    ("private", Rule::Flag),
    ("referrer", Rule::Text),
];

/// Members that hold a key: taken out before anything else.
const SECRETS: [&str; 2] = ["key", "token"];

/// A request for text, understood.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) parameters: Map<String, Value>,
    pub(super) dropped: Vec<String>,
    /// Field and problem, for the 400.
    pub(super) problems: Vec<(String, String)>,
}

impl Parsed {
    /// Query and body together; the body wins. The body is checked, the query is read leniently.
    pub(super) fn new(query: &[(String, String)], body: &Value) -> Self {
        let mut parsed = Self::default();
        for (name, value) in query {
            match rule(name) {
                Some(rule) => {
                    if let Some(value) = lenient(rule, value) {
                        parsed.parameters.insert(name.clone(), value);
                    }
                }
                None if SECRETS.contains(&name.as_str()) => {}
                None => parsed.dropped.push(name.clone()),
            }
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            match rule(name) {
                Some(_) if value.is_null() => {}
                Some(rule) => match problem(rule, value) {
                    None => {
                        parsed.parameters.insert(name.clone(), value.clone());
                    }
                    Some(problem) => parsed.problems.push((name.clone(), problem)),
                },
                None if SECRETS.contains(&name.as_str()) => {}
                None => parsed.dropped.push(name.clone()),
            }
        }
        parsed
    }

    /// What a chat needs beyond the ranges.
    pub(super) fn check_chat(&mut self) {
        let mut problem = |field: &str, text: &str| {
            self.problems.push((field.to_owned(), text.to_owned()));
        };
        match self.parameters.get("messages") {
            Some(Value::Array(messages)) if !messages.is_empty() => {
                for message in messages {
                    let role = message["role"].as_str().unwrap_or_default();
                    if ![
                        "system",
                        "developer",
                        "user",
                        "assistant",
                        "tool",
                        "function",
                    ]
                    .contains(&role)
                    {
                        problem("messages", "Invalid role");
                    }
                    if role == "tool" && !message["tool_call_id"].is_string() {
                        problem("messages", "tool_call_id is required");
                    }
                }
            }
            _ => problem("messages", "Expected at least one message"),
        }
        if let Some(Value::Array(stops)) = self.parameters.get("stop")
            && !(1..=4).contains(&stops.len())
        {
            problem("stop", "Expected 1 to 4 sequences");
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.as_str()
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.parameters.get(name)?.as_i64()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.parameters.get(name) == Some(&Value::Bool(true))
    }

    pub(super) fn messages(&self) -> &[Value] {
        self.parameters
            .get("messages")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// All texts of all messages.
    pub(super) fn all_text(&self) -> String {
        let texts: Vec<_> = self.messages().iter().map(message_text).collect();
        texts.join("\n")
    }
}

fn rule(name: &str) -> Option<&'static Rule> {
    let found = RULES.iter().find(|(known, _)| *known == name);
    found.map(|(_, rule)| rule)
}

fn problem(rule: &Rule, value: &Value) -> Option<String> {
    let fits = match rule {
        Rule::Number(min, max) => value.as_f64().is_some_and(|n| (*min..=*max).contains(&n)),
        Rule::Integer(min, max) => value.as_i64().is_some_and(|n| (*min..=*max).contains(&n)),
        Rule::Text => value.is_string(),
        Rule::Flag => value.is_boolean(),
        Rule::Any => true,
    };
    (!fits).then(|| match rule {
        Rule::Number(min, max) => format!("Expected a number of {min} to {max}"),
        Rule::Integer(min, max) => format!("Expected an integer of {min} to {max}"),
        Rule::Text => "Expected string".to_owned(),
        Rule::Flag | Rule::Any => "Expected boolean".to_owned(),
    })
}

/// Garbage in a query is as if it were absent.
fn lenient(rule: &Rule, value: &str) -> Option<Value> {
    match rule {
        Rule::Number(..) => value.parse::<f64>().ok().map(|number| json!(number)),
        Rule::Integer(..) => value.parse::<i64>().ok().map(|number| json!(number)),
        Rule::Text => Some(json!(value)),
        Rule::Flag => match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(json!(true)),
            "false" | "0" | "no" => Some(json!(false)),
            _ => None,
        },
        Rule::Any => serde_json::from_str(value)
            .ok()
            .or_else(|| Some(json!(value))),
    }
}

/// The text of a message: its string, or its parts of text.
pub(super) fn message_text(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<_> = parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// The pairs of the query, decoded.
pub(super) fn query(uri: &Uri) -> Vec<(String, String)> {
    let decoded = |text: &str| decode(&text.replace('+', " "));
    uri.query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The key of a request, in the service's order.
pub(super) fn key(headers: &HeaderMap, query: &[(String, String)], body: &Value) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text(AUTHORIZATION.as_str())
        .and_then(|value| value.strip_prefix("Bearer "))
        .or_else(|| text("x-api-key"))
        .map(str::to_owned)
        .or_else(|| {
            let found = query
                .iter()
                .find(|(name, _)| SECRETS.contains(&name.as_str()));
            found.map(|(_, value)| value.clone())
        })
        .or_else(|| body["token"].as_str().map(str::to_owned))
}

/// Whether a header, a query pair or a member of this name holds a key.
pub(super) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
        || [
            "authorization",
            "x-api-key",
            "proxy-authorization",
            "cookie",
        ]
        .contains(&name)
}
