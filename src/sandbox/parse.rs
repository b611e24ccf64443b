//! What the service understands of a request. Written apart from the client's own types, so that one
//! checks the other.

use http::{HeaderMap, Uri, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    check,
    route::{Dialect, Operation, Route},
    rules::{self, Rule, Rules},
};

/// Members that hold a key: taken out before anything else.
const SECRETS: [&str; 2] = ["key", "token"];

/// A request, understood.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) parameters: Map<String, Value>,
    pub(super) dropped: Vec<String>,
    /// Field and problem, for the 400.
    pub(super) problems: Vec<(String, String)>,
}

impl Parsed {
    /// Query and body together; the body wins. A body is checked; a query is checked for images and
    /// sounds, and read leniently for texts.
    pub(super) fn new(
        route: &Route,
        headers: &HeaderMap,
        query: &[(String, String)],
        body: &Value,
    ) -> Self {
        let mut parsed = Self::default();
        let rules = match &route.operation {
            Operation::Chat | Operation::Text(_) => rules::TEXT,
            Operation::Image(Some(_)) => rules::IMAGE_GET,
            Operation::Image(None) => rules::IMAGE_POST,
            Operation::Speech(_) => rules::SPEECH,
            Operation::Models(_) => rules::NONE,
        };
        let lenient = matches!(route.operation, Operation::Chat | Operation::Text(_));
        let rule = |name: &str| rule(rules, route.dialect, name);
        let header = headers
            .get("pollinations-safe")
            .and_then(|safe| safe.to_str().ok());
        let header = header.map(|safe| ("safe".to_owned(), safe.to_owned()));
        for (name, value) in header.iter().chain(query) {
            match rule(name) {
                Some(rule) => parsed.read(rule, name, value, lenient),
                None if SECRETS.contains(&name.as_str()) => {}
                None => parsed.dropped.push(name.clone()),
            }
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            match rule(name) {
                Some(_) if value.is_null() => {}
                Some(rule) => match rule.problem(value) {
                    None => {
                        parsed.parameters.insert(name.clone(), value.clone());
                    }
                    Some(problem) => parsed.problems.push((name.clone(), problem)),
                },
                None if SECRETS.contains(&name.as_str()) => {}
                None => parsed.dropped.push(name.clone()),
            }
        }
        parsed.require(&route.operation);
        parsed
    }

    fn read(&mut self, rule: &Rule, name: &str, text: &str, lenient: bool) {
        // An empty value is the default: the service says so of the model.
        if text.is_empty() {
            return;
        }
        let value = rule.read(text);
        let problem = match &value {
            Some(value) => rule.problem(value),
            None => Some(format!(
                "Cannot read {:?}",
                text.chars().take(40).collect::<String>()
            )),
        };
        match (value, problem) {
            (Some(value), None) => {
                self.parameters.insert(name.to_owned(), value);
            }
            // What is out of its range goes on to the provider, garbage is as if it were absent.
            (Some(value), _) if lenient && !value.is_string() => {
                self.parameters.insert(name.to_owned(), value);
            }
            (_, Some(_)) if lenient && name != "safe" => {}
            (_, Some(problem)) => self.problems.push((name.to_owned(), problem)),
            (None, None) => {}
        }
    }

    /// What an operation cannot do without.
    fn require(&mut self, operation: &Operation) {
        let needed = match operation {
            Operation::Chat | Operation::Text(None) => "messages",
            Operation::Image(None) => "prompt",
            Operation::Speech(None) => "input",
            Operation::Text(Some(prompt))
            | Operation::Image(Some(prompt))
            | Operation::Speech(Some(prompt)) => {
                // Dots would have vanished on the way, had they not been kept by an odd client.
                if prompt.is_empty() || prompt == "." || prompt == ".." {
                    let problem = "Expected a prompt of at least one character";
                    self.problems
                        .push(("prompt".to_owned(), problem.to_owned()));
                }
                return;
            }
            Operation::Models(_) => return,
        };
        let wrong = self.problems.iter().any(|(field, _)| field == needed);
        if !self.parameters.contains_key(needed) && !wrong {
            self.problems
                .push((needed.to_owned(), "Required".to_owned()));
        }
        let streams_sound = self.flag("stream") && self.wants_sound();
        let format = self
            .parameters
            .get("audio")
            .and_then(|audio| audio["format"].as_str());
        if streams_sound && format.is_some_and(|format| format != "pcm16") {
            let problem = "Expected pcm16, the only format that streams";
            self.problems.push(("audio".to_owned(), problem.to_owned()));
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.as_str()
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.parameters.get(name)?.as_i64()
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.parameters.get(name)?.as_f64()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.parameters.get(name) == Some(&Value::Bool(true))
    }

    /// Whether a chat asks for sound by `modalities`.
    pub(super) fn wants_sound(&self) -> bool {
        let modalities = self.parameters.get("modalities").and_then(Value::as_array);
        modalities.is_some_and(|all| all.iter().any(|word| word == "audio"))
    }

    /// Width and height of a picture; 0 and nothing are 1024.
    pub(super) fn sides(&self) -> (u32, u32) {
        let size = self.text("size").and_then(check::sides);
        let side = |name: &str| self.integer(name).filter(|side| *side > 0).unwrap_or(1024);
        let (width, height) = size.unwrap_or_else(|| (side("width"), side("height")));
        let pixels = |side: i64| u32::try_from(side).unwrap_or(1024);
        (pixels(width), pixels(height))
    }

    pub(super) fn messages(&self) -> &[Value] {
        self.parameters
            .get("messages")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// What the request is about: the prompt in its path or in its body, or all its messages.
    pub(super) fn prompt(&self, route: &Route) -> String {
        match &route.operation {
            Operation::Text(Some(prompt))
            | Operation::Image(Some(prompt))
            | Operation::Speech(Some(prompt)) => prompt.clone(),
            Operation::Image(None) => self.text("prompt").unwrap_or_default().to_owned(),
            Operation::Speech(None) => self.text("input").unwrap_or_default().to_owned(),
            _ => {
                let texts: Vec<_> = self.messages().iter().map(message_text).collect();
                texts.join("\n")
            }
        }
    }

    /// The prompt for the log: of a chat that of its last message.
    pub(super) fn last_prompt(&self, route: &Route) -> Option<String> {
        match &route.operation {
            Operation::Chat | Operation::Text(None) => self.messages().last().map(message_text),
            Operation::Models(_) => None,
            _ => Some(self.prompt(route)),
        }
    }
}

fn rule(rules: Rules, dialect: Dialect, name: &str) -> Option<&'static Rule> {
    if dialect == Dialect::V1 && name == "temperature" {
        return Some(&rules::V1_TEMPERATURE);
    }
    let found = rules.iter().find(|(known, _)| *known == name);
    found.map(|(_, rule)| rule)
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

/// As JavaScript's `decodeURIComponent`; the text itself where that would throw.
pub(super) fn decode_component(text: &str) -> String {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let legal = bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte != b'%' || (hex(bytes.get(at + 1)) && hex(bytes.get(at + 2))));
    let decoded = legal.then(|| percent_decode_str(text).decode_utf8().ok());
    match decoded.flatten() {
        Some(decoded) => decoded.into_owned(),
        None => text.to_owned(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_is_no_encoding_stays_as_it_is() {
        for (text, decoded) in [
            ("a%20b", "a b"),
            ("100%", "100%"),
            ("100%41", "100A"),
            ("%zz", "%zz"),
            ("%ff", "%ff"),
            ("ü", "ü"),
        ] {
            assert_eq!(decode_component(text), decoded);
        }
    }
}
