//! What a model says to a request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    fault::Fault,
    generate::{self, Chance},
    models::{self, Model},
    parse::{Parsed, message_text},
    reply::{self, Reply},
    schema, sound,
};

/// The only text that has characters of several bytes.
const SPLIT: &str = " Café, naïve, 漢字, 🌸.";

/// The tokens of a picture in a prompt.
const IMAGE_TOKENS: u64 = 85;

/// An answer, before it is whole or streamed.
pub(super) struct Answer {
    pub(super) id: String,
    pub(super) model: String,
    known: Option<&'static Model>,
    pub(super) words: Vec<String>,
    pub(super) reasoning: Vec<String>,
    pub(super) tool_calls: Vec<Value>,
    pub(super) citations: Vec<String>,
    pub(super) speech: Option<sound::Sound>,
    pub(super) finish_reason: &'static str,
    counts_usage: bool,
    prompt_tokens: u64,
    image_tokens: u64,
}

impl Answer {
    /// The answer to `prompt`; `plain` says that no JSON was asked for around it.
    pub(super) fn new(parsed: &Parsed, prompt: &str, plain: bool, fault: Option<&Fault>) -> Self {
        let is = |name: &str| fault.is_some_and(|fault| fault.is(name));
        let model = model_name(parsed, "openai");
        let known = models::find(&model);
        let system = parsed.text("system").unwrap_or_default();
        let seed = parsed.integer("seed").unwrap_or(0).to_le_bytes();
        let parts = [
            prompt.as_bytes(),
            model.as_bytes(),
            &seed,
            system.as_bytes(),
        ];
        let tool_calls = tool_calls(parsed, prompt);
        let mut answer = Self {
            id: format!("pllns_{:032x}", generate::digest(&parts)),
            words: words(parsed, &parts),
            reasoning: reasoning(parsed, known, &parts),
            citations: citations(parsed, known, &parts),
            tool_calls,
            speech: None,
            finish_reason: "stop",
            counts_usage: !is("no-usage"),
            prompt_tokens: 3 + generate::tokens(prompt) + generate::tokens(system),
            image_tokens: IMAGE_TOKENS * pictures(parsed),
            model,
            known,
        };
        if is("split-utf8") {
            answer.words.push(SPLIT.to_owned());
        }
        answer.end(parsed);
        let speaks = parsed.wants_sound() || (plain && known.is_some_and(Model::speaks));
        if speaks && answer.tool_calls.is_empty() {
            answer.speech = Some(speech(parsed, &answer.text()));
        }
        answer
    }

    /// Ends the words where the request or its tools want it.
    fn end(&mut self, parsed: &Parsed) {
        let limit = parsed
            .integer("max_tokens")
            .or_else(|| parsed.integer("max_completion_tokens"))
            .and_then(|limit| usize::try_from(limit).ok());
        for stop in stops(parsed) {
            let text = self.text();
            if let Some(end) = text.find(&stop) {
                self.words = pieces(text.get(..end).unwrap_or_default());
            }
        }
        if let Some(limit) = limit
            && limit < self.words.len()
        {
            self.words.truncate(limit);
            self.finish_reason = "length";
        }
        if !self.tool_calls.is_empty() {
            self.words.clear();
            self.finish_reason = "tool_calls";
        }
    }

    pub(super) fn text(&self) -> String {
        self.words.concat()
    }

    /// The text of a plain reply, sources included.
    pub(super) fn plain(&self) -> String {
        let mut text = self.text();
        if !self.citations.is_empty() {
            text.push_str("\n\n---\nSources:");
            for (number, citation) in (1..).zip(&self.citations) {
                text.push_str(&format!("\n[{number}] {citation}"));
            }
        }
        text
    }

    fn text_tokens(&self) -> u64 {
        (self.words.len() + 5 * self.tool_calls.len()) as u64
    }

    /// One for every 50 ms.
    fn audio_tokens(&self) -> u64 {
        self.speech
            .as_ref()
            .map_or(0, |sound| sound.millis.div_ceil(50))
    }

    pub(super) fn usage(&self) -> Value {
        if !self.counts_usage {
            return Value::Null;
        }
        let reasoning = self.reasoning.len() as u64;
        let prompt = self.prompt_tokens + self.image_tokens;
        let apart = self.known.is_some_and(Model::counts_reasoning_apart);
        let answer = self.text_tokens() + self.audio_tokens();
        let completion = if apart { answer } else { answer + reasoning };
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + answer + reasoning,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "image_tokens": self.image_tokens,
            },
            "completion_tokens_details": {
                "reasoning_tokens": reasoning,
                "audio_tokens": self.audio_tokens(),
            },
        })
    }

    /// What was used, by the names that usage has in headers and in prices.
    fn units(&self) -> [(&'static str, &'static str, u64); 5] {
        [
            (
                "x-usage-prompt-text-tokens",
                "promptTextTokens",
                self.prompt_tokens,
            ),
            (
                "x-usage-prompt-image-tokens",
                "promptImageTokens",
                self.image_tokens,
            ),
            (
                "x-usage-completion-text-tokens",
                "completionTextTokens",
                self.text_tokens(),
            ),
            (
                "x-usage-completion-reasoning-tokens",
                "completionReasoningTokens",
                self.reasoning.len() as u64,
            ),
            (
                "x-usage-completion-audio-tokens",
                "completionAudioTokens",
                self.audio_tokens(),
            ),
        ]
    }

    /// What it costs, in pollen.
    pub(super) fn cost(&self) -> f64 {
        let price = |unit| self.known.map_or(0.0, |model| model.price(unit));
        let costs = self
            .units()
            .map(|(_, unit, number)| price(unit) * count(number));
        costs.iter().sum()
    }

    /// What a whole reply says in its headers; only what there is.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("x-model-used", self.model.clone())];
        if self.counts_usage {
            let units = self.units().into_iter().filter(|(.., number)| *number > 0);
            headers.extend(units.map(|(name, _, number)| (name, number.to_string())));
        }
        headers
    }

    /// The message of a whole reply.
    pub(super) fn message(&self) -> Value {
        let mut message = json!({ "role": "assistant", "content": self.text() });
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = json!(self.reasoning.concat());
        }
        if !self.tool_calls.is_empty() {
            message["content"] = Value::Null;
            message["tool_calls"] = json!(self.tool_calls);
        }
        if let Some(speech) = &self.speech {
            message["content"] = Value::Null;
            message["audio"] = json!({
                "id": format!("audio_{}", self.id),
                "data": STANDARD.encode(&speech.bytes),
                "transcript": self.text(),
                "expires_at": 1_795_473_539_u64,
            });
        }
        message
    }

    /// A whole chat reply.
    pub(super) fn json(&self) -> Value {
        let mut reply = json!({
            "id": self.id,
            "object": "chat.completion",
            "created": 1_795_469_939_000_u64,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": self.message(),
                "finish_reason": self.finish_reason,
            }],
        });
        if self.counts_usage {
            reply["usage"] = self.usage();
        }
        if !self.citations.is_empty() {
            reply["citations"] = json!(self.citations);
        }
        reply
    }
}

/// The model that was asked for; a fault in its place is none.
pub(super) fn model_name(parsed: &Parsed, default: &str) -> String {
    let asked = parsed.text("model").filter(|model| !model.is_empty());
    let named = asked.filter(|model| !model.starts_with("fault:"));
    named.unwrap_or(default).to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "no request has 2^52 tokens")]
pub(super) const fn count(number: u64) -> f64 {
    number as f64
}

fn words(parsed: &Parsed, parts: &[&[u8]]) -> Vec<String> {
    let format = parsed.parameters.get("response_format");
    let kind = format.and_then(|format| format["type"].as_str());
    let mut words = generate::words(parts);
    if kind == Some("json_schema") {
        let schema = format.map_or(&Value::Null, |format| &format["json_schema"]["schema"]);
        return chunks(
            &schema::instance(schema, &mut Chance::new(parts)).to_string(),
            24,
        );
    }
    if kind == Some("json_object") || parsed.flag("json") || parsed.flag("jsonMode") {
        return chunks(&json!({ "answer": words.concat() }).to_string(), 24);
    }
    let results: Vec<_> = tool_results(parsed).collect();
    if !results.is_empty() {
        if let Some(first) = words.first_mut() {
            first.insert(0, ' ');
        }
        words.splice(
            0..0,
            pieces(&format!("The tools say: {}.", results.join("; "))),
        );
    }
    words
}

/// What the tools have answered since the assistant asked them.
fn tool_results(parsed: &Parsed) -> impl Iterator<Item = String> {
    let messages = parsed.messages().iter();
    let last = messages
        .rev()
        .take_while(|message| message["role"] == "tool");
    let mut results: Vec<_> = last.map(message_text).collect();
    results.reverse();
    results.into_iter()
}

/// A text in pieces of a word, each with the space before it.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for part in text.split_inclusive(' ') {
        // The space belongs to the next word.
        let (word, space) = part
            .strip_suffix(' ')
            .map_or((part, false), |word| (word, true));
        match pieces.last_mut() {
            Some(last) => last.push_str(word),
            None => pieces.push(word.to_owned()),
        }
        if space {
            pieces.push(" ".to_owned());
        }
    }
    pieces
}

/// A text in pieces of so many characters.
pub(super) fn chunks(text: &str, characters: usize) -> Vec<String> {
    let all: Vec<char> = text.chars().collect();
    all.chunks(characters)
        .map(|chunk| chunk.iter().collect())
        .collect()
}

fn stops(parsed: &Parsed) -> Vec<String> {
    let texts = |value: &Value| value.as_str().map(str::to_owned);
    match parsed.parameters.get("stop") {
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) => stops.iter().filter_map(texts).collect(),
        _ => Vec::new(),
    }
    .into_iter()
    .filter(|stop| !stop.is_empty())
    .collect()
}

/// A model that can think does, unless it is told not to; any other does if it is told to.
fn reasoning(parsed: &Parsed, known: Option<&Model>, parts: &[&[u8]]) -> Vec<String> {
    let effort = parsed.text("reasoning_effort");
    let sentences = match effort {
        Some("none") => 0,
        Some("minimal" | "low") => 1,
        Some("high" | "xhigh" | "max") => 4,
        Some(_) => 2,
        None if known.is_some_and(Model::reasons) => 2,
        None => 0,
    };
    if sentences == 0 {
        return Vec::new();
    }
    let mut parts = parts.to_vec();
    parts.push(b"reasoning");
    generate::sentences(&mut Chance::new(&parts), sentences)
}

fn citations(parsed: &Parsed, known: Option<&Model>, parts: &[&[u8]]) -> Vec<String> {
    let asked = parsed.parameters.contains_key("web_search_options");
    if !asked && !known.is_some_and(Model::searches) {
        return Vec::new();
    }
    let mut chance = Chance::new(parts);
    (0..2)
        .map(|_| format!("https://example.com/{}", chance.pick(&generate::NOUNS)))
        .collect()
}

/// How many pictures the messages hold.
fn pictures(parsed: &Parsed) -> u64 {
    let contents = parsed.messages().iter().map(|message| &message["content"]);
    let parts = contents.filter_map(Value::as_array).flatten();
    parts.filter(|part| part["type"] == "image_url").count() as u64
}

fn speech(parsed: &Parsed, text: &str) -> sound::Sound {
    let audio = parsed.parameters.get("audio").unwrap_or(&Value::Null);
    let voice = audio["voice"].as_str().or_else(|| parsed.text("voice"));
    let default = if parsed.flag("stream") {
        "pcm16"
    } else {
        "mp3"
    };
    let format = audio["format"].as_str().unwrap_or(default);
    sound::speak(text, voice.unwrap_or("alloy"), format, None)
}

/// The tools that a model asks for: those that the prompt names, else the first, until it has
/// results.
fn tool_calls(parsed: &Parsed, prompt: &str) -> Vec<Value> {
    let choice = parsed.parameters.get("tool_choice");
    let word = choice.and_then(Value::as_str);
    let answered = tool_results(parsed).next().is_some() && word != Some("required");
    if answered || word == Some("none") {
        return Vec::new();
    }
    let tools = parsed.parameters.get("tools").and_then(Value::as_array);
    let functions: Vec<_> = tools
        .into_iter()
        .flatten()
        .filter(|tool| tool["type"] == "function")
        .map(|tool| &tool["function"])
        .collect();
    let name = |function: &Value| function["name"].as_str().unwrap_or_default().to_owned();
    let chosen = choice.and_then(|choice| choice["function"]["name"].as_str());
    let mut asked: Vec<_> = match chosen {
        Some(chosen) => functions
            .iter()
            .filter(|function| name(function) == chosen)
            .collect(),
        None => functions
            .iter()
            .filter(|function| prompt.contains(&name(function)))
            .collect(),
    };
    if asked.is_empty() && chosen.is_none() {
        asked.extend(functions.first());
    }
    if parsed.parameters.get("parallel_tool_calls") == Some(&Value::Bool(false)) {
        asked.truncate(1);
    }
    let call = |(number, function): (usize, &&Value)| {
        let name = name(function);
        let mut chance = Chance::new(&[prompt.as_bytes(), name.as_bytes()]);
        let arguments = match &function["parameters"] {
            Value::Null => json!({}),
            parameters => schema::instance(parameters, &mut chance),
        };
        json!({
            "id": format!("call_{}", number + 1),
            "type": "function",
            "function": { "name": name, "arguments": arguments.to_string() },
        })
    };
    asked.into_iter().enumerate().map(call).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_their_text() {
        for text in ["", " ", "a", "a b", " a  b ", "ü 漢字"] {
            assert_eq!(pieces(text).concat(), text);
        }
        assert_eq!(pieces("a b c"), ["a", " b", " c"]);
    }
}
