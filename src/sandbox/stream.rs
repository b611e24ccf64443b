//! Answers as event streams, and bodies that break.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    body::{Step, StepBody},
    chat::{Answer, chunks},
    fault::Fault,
    parse::Parsed,
    reply::{self, Reply},
    server::Config,
};

/// The characters of a tool's arguments in one event.
const ARGUMENT: usize = 6;
/// The bytes of sound in one event: a tenth of a second.
const SOUND: usize = 4_800;

impl Answer {
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
        if in_one {
            let mut delta = self.message();
            for (index, call) in delta["tool_calls"]
                .as_array_mut()
                .into_iter()
                .flatten()
                .enumerate()
            {
                call["index"] = json!(index);
            }
            return vec![self.chunk(&delta, None)];
        }
        let mut deltas = vec![json!({ "role": "assistant", "content": "" })];
        let reasoning = self.reasoning.iter();
        deltas.extend(reasoning.map(|word| json!({ "reasoning_content": word })));
        match &self.speech {
            None => deltas.extend(self.words.iter().map(|word| json!({ "content": word }))),
            Some(speech) => {
                let id = format!("audio_{}", self.id);
                let words = self.words.iter();
                deltas
                    .extend(words.map(|word| json!({ "audio": { "id": id, "transcript": word } })));
                let sound = speech.bytes.chunks(SOUND).map(|part| STANDARD.encode(part));
                deltas.extend(sound.map(|data| json!({ "audio": { "id": id, "data": data } })));
            }
        }
        for (index, call) in self.tool_calls.iter().enumerate() {
            let mut begin = call.clone();
            begin["index"] = json!(index);
            let arguments = begin["function"]["arguments"].take();
            begin["function"]["arguments"] = json!("");
            deltas.push(json!({ "tool_calls": [begin] }));
            for piece in chunks(arguments.as_str().unwrap_or_default(), ARGUMENT) {
                let delta = json!({ "index": index, "function": { "arguments": piece } });
                deltas.push(json!({ "tool_calls": [delta] }));
            }
        }
        deltas.iter().map(|delta| self.chunk(delta, None)).collect()
    }

    fn last(&self) -> Value {
        let mut last = self.chunk(&json!({}), Some(self.finish_reason));
        if !self.citations.is_empty() {
            last["citations"] = json!(self.citations);
        }
        last
    }

    /// The events of a stream, as their data.
    fn events(&self, fault: Option<&Fault>, include_usage: bool) -> Vec<String> {
        let is = |name: &str| fault.is_some_and(|fault| fault.is(name));
        let after = fault.map_or(usize::MAX, |fault| fault.count("after-events"));
        let mut events = self.content(is("one-chunk"));
        if is("fake-success") {
            let sorry = json!({ "content": "Streaming response could not be processed." });
            events = vec![self.chunk(&sorry, None)];
        }
        if is("mid-error") {
            events.truncate(after);
            events.push(self.mid_error(fault.map_or(1, |fault| fault.value("form"))));
        } else if is("done-without-finish") {
            events.truncate(after);
        } else {
            events.push(self.last());
            let usage = self.usage();
            if include_usage && !usage.is_null() {
                let mut chunk = self.chunk(&json!({}), None);
                chunk["choices"] = json!([]);
                chunk["usage"] = usage;
                events.push(chunk);
            }
        }
        let mut events: Vec<_> = events.iter().map(Value::to_string).collect();
        if !is("no-done") {
            events.push("[DONE]".to_owned());
        }
        events
    }

    fn mid_error(&self, form: u64) -> Value {
        let error =
            json!({ "message": "The provider went away", "code": 502, "type": "server_error" });
        match form {
            2 => {
                let mut chunk = self.chunk(&json!({}), Some("error"));
                chunk["choices"][0]["error"] = error;
                chunk
            }
            3 => self.chunk(&json!({}), Some("content_filter")),
            _ => json!({ "error": error }),
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
        let mut reply = reply::with_body(
            200,
            "text/event-stream; charset=utf-8",
            StepBody::steps(paced(frames.collect(), fault, config)),
        );
        reply::set(&mut reply, "cache-control", "no-cache");
        reply
    }
}

/// The steps of a stream: its frames, with the pauses and breaks that were asked for.
fn paced(frames: Vec<Bytes>, fault: Option<&Fault>, config: &Config) -> Vec<Step> {
    let value = |key: &str| fault.map_or(0, |fault| fault.value(key));
    let millis = |key: &str| Duration::from_millis(value(key));
    match fault.map_or("", Fault::name) {
        "one-chunk" => vec![Step::Data(frames.concat().into())],
        "dribble" => dribble(&frames.concat(), millis("byte-ms")),
        "split-utf8" => split(&frames.concat()),
        "comments-only" => {
            let comment = Step::Data(Bytes::from_static(b": keep-alive\n\n"));
            let wait = Step::Wait(millis("every-ms"));
            [comment, wait].into_iter().cycle().take(20_000).collect()
        }
        "flood" => {
            // The first chunk holds only the role, the second the first word.
            let word = frames.into_iter().nth(1).unwrap_or_default();
            vec![Step::Repeat(word, value("events"))]
        }
        name => {
            let breaks = ["cut", "stall", "reset"].contains(&name);
            let last = fault.map_or(0, |fault| fault.count("after-events"));
            let mut steps = Vec::new();
            for (position, frame) in frames.into_iter().enumerate() {
                if breaks && position == last {
                    break;
                }
                let own = if position == 0 {
                    config.first_event
                } else {
                    config.event
                };
                let pause = own + millis("event-ms");
                steps.extend((!pause.is_zero()).then_some(Step::Wait(pause)));
                steps.push(Step::Data(frame));
            }
            if breaks {
                steps.extend(broken_end(name));
            }
            steps
        }
    }
}

/// How a body that breaks ends.
fn broken_end(fault: &str) -> Vec<Step> {
    if fault == "stall" {
        return vec![Step::Stall];
    }
    // What came before must have left, or it would be lost with the connection.
    vec![Step::Wait(Duration::from_millis(5)), Step::Cut]
}

fn dribble(bytes: &[u8], pause: Duration) -> Vec<Step> {
    let wait = (!pause.is_zero()).then_some(Step::Wait(pause));
    let steps = bytes.iter().flat_map(|byte| {
        let data = Step::Data(Bytes::copy_from_slice(&[*byte]));
        wait.clone().into_iter().chain([data])
    });
    steps.collect()
}

/// A body that is no stream, as its fault wants it; `None` where it has nothing to say.
pub(super) fn broken_body(body: &Bytes, fault: &Fault) -> Option<StepBody> {
    let length = body.len() as u64;
    let by = fault.value("by");
    Some(match fault.name() {
        name @ ("cut" | "reset" | "stall") => {
            let half = Step::Data(body.slice(..body.len() / 2));
            let steps = [half].into_iter().chain(broken_end(name));
            StepBody::steps(steps).length(length)
        }
        "dribble" => {
            let pause = Duration::from_millis(fault.value("byte-ms"));
            StepBody::steps(dribble(body, pause)).length(length)
        }
        "split-utf8" => StepBody::steps(split(body)),
        "long-length" => {
            let steps = [Step::Data(body.clone())]
                .into_iter()
                .chain(broken_end("cut"));
            StepBody::steps(steps).length(length + by)
        }
        "short-length" => StepBody::whole(body.clone()).length(length.saturating_sub(by)),
        _ => return None,
    })
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
