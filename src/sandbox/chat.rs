//! Answers of a model, whole and streamed.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    body::{Step, StepBody},
    fault::Fault,
    generate,
    parse::{Parsed, message_text},
    reply::{self, Reply},
    server::Config,
};

/// The only text that has characters of several bytes.
const SPLIT: &str = " Café, naïve, 漢字, 🌸.";

/// What a model says to a request.
pub(super) struct Answer {
    id: String,
    model: String,
    words: Vec<String>,
    tool_calls: Vec<Value>,
    finish_reason: &'static str,
    prompt_tokens: u64,
}

impl Answer {
    pub(super) fn new(parsed: &Parsed, prompt: &str, fault: Option<&Fault>) -> Self {
        let asked = parsed.text("model").unwrap_or("openai");
        let model = if asked.starts_with("fault:") {
            "openai"
        } else {
            asked
        };
        let seed = parsed.integer("seed").unwrap_or(0);
        let mut words = if wants_json(parsed) {
            vec![json!({ "answer": generate::words(prompt, model, seed).concat() }).to_string()]
        } else {
            generate::words(prompt, model, seed)
        };
        if fault.is_some_and(|fault| fault.is("split-utf8")) {
            words.push(SPLIT.to_owned());
        }
        let tool_calls = tool_calls(parsed);
        let mut finish_reason = "stop";
        let limit = parsed
            .integer("max_tokens")
            .or_else(|| parsed.integer("max_completion_tokens"))
            .and_then(|limit| usize::try_from(limit).ok());
        if let Some(limit) = limit
            && limit < words.len()
        {
            words.truncate(limit);
            finish_reason = "length";
        }
        if !tool_calls.is_empty() {
            words.clear();
            finish_reason = "tool_calls";
        }
        Self {
            id: format!("pllns_{:032x}", generate::digest(&[prompt.as_bytes()])),
            model: model.to_owned(),
            words,
            tool_calls,
            finish_reason,
            prompt_tokens: 3 + generate::tokens(prompt),
        }
    }

    pub(super) fn text(&self) -> String {
        self.words.concat()
    }

    fn completion_tokens(&self) -> u64 {
        (self.words.len() + 5 * self.tool_calls.len()) as u64
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens(),
            "total_tokens": self.prompt_tokens + self.completion_tokens(),
        })
    }

    /// Adds what a whole reply says in its headers.
    pub(super) fn headers(&self, reply: &mut Reply) {
        reply::set(reply, "x-model-used", &self.model);
        let numbers = [
            ("x-usage-prompt-text-tokens", self.prompt_tokens),
            ("x-usage-completion-text-tokens", self.completion_tokens()),
        ];
        for (name, number) in numbers {
            reply::set(reply, name, &number.to_string());
        }
    }

    /// A whole chat reply.
    pub(super) fn json(&self) -> Value {
        let mut message = json!({ "role": "assistant", "content": self.text() });
        if !self.tool_calls.is_empty() {
            message["content"] = Value::Null;
            message["tool_calls"] = json!(self.tool_calls);
        }
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": 1_795_469_939_000_u64,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": message,
                "finish_reason": self.finish_reason,
            }],
            "usage": self.usage(),
        })
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": 1_795_469_939_u64,
            "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
            "usage": null,
        })
    }

    /// The chunks of a stream that hold content.
    fn content(&self, in_one: bool) -> Vec<Value> {
        if in_one && self.tool_calls.is_empty() {
            return vec![self.chunk(
                &json!({ "role": "assistant", "content": self.text() }),
                None,
            )];
        }
        let mut chunks = vec![self.chunk(&json!({ "role": "assistant", "content": "" }), None)];
        chunks.extend(
            self.words
                .iter()
                .map(|word| self.chunk(&json!({ "content": word }), None)),
        );
        for (index, call) in self.tool_calls.iter().enumerate() {
            let mut begin = call.clone();
            begin["index"] = json!(index);
            let arguments = begin["function"]["arguments"].take();
            begin["function"]["arguments"] = json!("");
            chunks.push(self.chunk(&json!({ "tool_calls": [begin] }), None));
            for piece in pieces(arguments.as_str().unwrap_or_default()) {
                let delta = json!({ "index": index, "function": { "arguments": piece } });
                chunks.push(self.chunk(&json!({ "tool_calls": [delta] }), None));
            }
        }
        chunks
    }

    /// The events of a stream, as their data.
    fn events(&self, fault: Option<&Fault>, include_usage: bool) -> Vec<String> {
        let is = |name: &str| fault.is_some_and(|fault| fault.is(name));
        let after = fault.map_or(usize::MAX, |fault| fault.count("after-events"));
        let mut events: Vec<_> = self
            .content(is("one-chunk"))
            .iter()
            .map(Value::to_string)
            .collect();
        if is("mid-error") {
            events.truncate(after);
            events.push(self.mid_error(fault.map_or(1, |fault| fault.value("form"))));
        } else if is("done-without-finish") {
            events.truncate(after);
        } else {
            events.push(self.chunk(&json!({}), Some(self.finish_reason)).to_string());
            if include_usage {
                let mut usage = self.chunk(&json!({}), None);
                usage["choices"] = json!([]);
                usage["usage"] = self.usage();
                events.push(usage.to_string());
            }
        }
        if !is("no-done") {
            events.push("[DONE]".to_owned());
        }
        events
    }

    fn mid_error(&self, form: u64) -> String {
        let error =
            json!({ "message": "The provider went away", "code": 502, "type": "server_error" });
        match form {
            2 => {
                let mut chunk = self.chunk(&json!({}), Some("error"));
                chunk["choices"][0]["error"] = error;
                chunk.to_string()
            }
            3 => self.chunk(&json!({}), Some("content_filter")).to_string(),
            _ => json!({ "error": error }).to_string(),
        }
    }

    /// A stream as its fault wants it on the wire.
    pub(super) fn stream(&self, parsed: &Parsed, fault: Option<&Fault>, config: &Config) -> Reply {
        let include_usage = parsed
            .parameters
            .get("stream_options")
            .is_none_or(|options| options["include_usage"].as_bool().unwrap_or(true));
        let is = |name: &str| fault.is_some_and(|fault| fault.is(name));
        let end = if is("crlf") { "\r\n" } else { "\n" };
        let colon = if is("no-space") { "data:" } else { "data: " };
        let comment = if is("comments") {
            format!(": keep-alive{end}{end}")
        } else {
            String::new()
        };
        let frames = self
            .events(fault, include_usage)
            .into_iter()
            .map(|data| Bytes::from(format!("{comment}{colon}{data}{end}{end}")));
        reply::with_body(
            200,
            "text/event-stream; charset=utf-8",
            StepBody::steps(paced(frames.collect(), fault, config)),
        )
    }
}

/// The steps of a stream: its frames, with the pauses and breaks that were asked for.
fn paced(frames: Vec<Bytes>, fault: Option<&Fault>, config: &Config) -> Vec<Step> {
    let wait = |pause: Duration| (!pause.is_zero()).then_some(Step::Wait(pause));
    let mut steps = Vec::new();
    let Some(fault) = fault else {
        for (position, frame) in frames.into_iter().enumerate() {
            let pause = if position == 0 {
                config.first_event
            } else {
                config.event
            };
            steps.extend(wait(pause));
            steps.push(Step::Data(frame));
        }
        return steps;
    };
    let millis = |key: &str| Duration::from_millis(fault.value(key));
    let after = fault.count("after-events");
    match fault.name() {
        "one-chunk" => steps.push(Step::Data(frames.concat().into())),
        "dribble" => {
            for byte in frames.concat() {
                steps.extend(wait(millis("byte-ms")));
                steps.push(Step::Data(Bytes::copy_from_slice(&[byte])));
            }
        }
        "split-utf8" => steps.extend(split(&frames.concat())),
        "comments-only" => {
            let every = millis("every-ms");
            for _ in 0..10_000 {
                steps.push(Step::Data(Bytes::from_static(b": keep-alive\n\n")));
                steps.push(Step::Wait(every));
            }
        }
        "flood" => {
            // The first chunk holds only the role, the second the first word.
            let word = frames.into_iter().nth(1).unwrap_or_default();
            steps.push(Step::Repeat(word, fault.value("events")));
        }
        name => {
            for (position, frame) in frames.into_iter().enumerate() {
                let breaks = ["cut", "stall", "reset"].contains(&name) && position == after;
                if breaks {
                    break;
                }
                steps.extend(wait(millis("event-ms")));
                steps.push(Step::Data(frame));
            }
            if name == "stall" {
                steps.push(Step::Stall);
            } else if ["cut", "reset"].contains(&name) {
                // What came before must have left, or it would be lost with the connection.
                steps.extend([Step::Wait(Duration::from_millis(5)), Step::Cut]);
            }
        }
    }
    steps
}

/// The steps of a body that is no stream.
pub(super) fn broken_body(body: &Bytes, fault: &Fault) -> Option<StepBody> {
    let half = body.slice(..body.len() / 2);
    let last = match fault.name() {
        "cut" | "reset" => vec![Step::Wait(Duration::from_millis(5)), Step::Cut],
        "stall" => vec![Step::Stall],
        "dribble" => {
            let bytes = body
                .iter()
                .map(|byte| Step::Data(Bytes::copy_from_slice(&[*byte])));
            return Some(StepBody::steps(bytes));
        }
        "split-utf8" => return Some(StepBody::steps(split(body))),
        _ => return None,
    };
    let steps = [Step::Data(half)].into_iter().chain(last);
    Some(StepBody::steps(steps).length(body.len() as u64))
}

/// Frames that end inside every character of several bytes.
fn split(bytes: &[u8]) -> Vec<Step> {
    let inside = |byte: &u8| (0x80..0xc0).contains(byte);
    let mut steps = Vec::new();
    let mut frame = Vec::new();
    for byte in bytes {
        if inside(byte) {
            steps.push(Step::Data(std::mem::take(&mut frame).into()));
            // A moment apart, so that they do not share a segment.
            steps.push(Step::Wait(Duration::from_millis(1)));
        }
        frame.push(*byte);
    }
    steps.push(Step::Data(frame.into()));
    steps
}

/// Form J, as JSON, text or stream.
pub(super) fn notice(parsed: &Parsed, plain: bool) -> Reply {
    let text = "Your balance is used up. Top up at https://example.com/top-up";
    let usage = json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 });
    let mut reply = if parsed.flag("stream") {
        let chunk = json!({
            "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": "stop" }],
            "usage": usage,
        });
        let body = format!("data: {chunk}\n\ndata: [DONE]\n\n");
        reply::whole(200, "text/event-stream; charset=utf-8", body)
    } else if plain {
        reply::whole(200, "text/plain; charset=utf-8", text)
    } else {
        let message = json!({ "role": "assistant", "content": text });
        reply::json(
            200,
            &json!({
                "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
                "usage": usage,
            }),
        )
    };
    reply::set(&mut reply, "cache-control", "private, no-store");
    reply
}

fn wants_json(parsed: &Parsed) -> bool {
    let format = parsed.parameters.get("response_format");
    let kind = format.and_then(|format| format["type"].as_str());
    kind.is_some_and(|kind| kind != "text") || parsed.flag("json") || parsed.flag("jsonMode")
}

/// A model with tools asks for the first of them, until it gets a result.
fn tool_calls(parsed: &Parsed) -> Vec<Value> {
    let choice = parsed.parameters.get("tool_choice");
    let answered = parsed
        .messages()
        .last()
        .is_some_and(|last| last["role"] == "tool");
    if answered || choice.and_then(Value::as_str) == Some("none") {
        return Vec::new();
    }
    let named = choice.and_then(|choice| choice["function"]["name"].as_str());
    let tools = parsed.parameters.get("tools").and_then(Value::as_array);
    let function = tools
        .into_iter()
        .flatten()
        .filter(|tool| tool["type"] == "function")
        .map(|tool| &tool["function"])
        .find(|function| named.is_none_or(|name| function["name"] == name));
    function
        .map(|function| {
            let arguments = instance(&function["parameters"]).to_string();
            json!({
                "id": "call_1",
                "type": "function",
                "function": { "name": function["name"], "arguments": arguments },
            })
        })
        .into_iter()
        .collect()
}

/// A value that fits a simple JSON schema.
fn instance(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!("Paris"),
        Some("integer") => json!(7),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        Some("array") => json!([instance(&schema["items"])]),
        Some("null") => Value::Null,
        _ => {
            let members = schema["properties"].as_object().into_iter().flatten();
            let members = members.map(|(name, schema)| (name.clone(), instance(schema)));
            Value::Object(members.collect())
        }
    }
}

fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(6)
        .map(|piece| piece.iter().collect())
        .collect()
}

/// The text of the last message, for the log.
pub(super) fn last_prompt(parsed: &Parsed) -> Option<String> {
    parsed.messages().last().map(message_text)
}
