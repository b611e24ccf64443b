//! Whole replies: texts, pictures and sounds.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    cache::Kept,
    chat::{self, Answer},
    fault::Fault,
    generate,
    models::{self, Model},
    parse::Parsed,
    picture::Picture,
    reply::{self, Reply},
    route::{Dialect, Operation, Route},
    sound, stream,
};

/// A request that has been understood, and what is to go wrong with its answer.
pub(super) struct Job<'a> {
    pub(super) route: &'a Route,
    pub(super) parsed: &'a Parsed,
    pub(super) prompt: &'a str,
    pub(super) host: &'a str,
    pub(super) fault: Option<&'a Fault>,
}

/// A reply that is no stream. It can be kept and given again.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    content_type: &'static str,
    body: Bytes,
    headers: Vec<(&'static str, String)>,
    /// In pollen.
    pub(super) cost: f64,
}

impl Whole {
    pub(super) fn kept(self) -> Kept {
        Kept::new(self.content_type, self.headers, self.body)
    }

    pub(super) fn reply(&self, fault: Option<&Fault>) -> Reply {
        let broken = fault.and_then(|fault| stream::broken_body(&self.body, fault));
        let mut reply = match broken {
            Some(broken) => reply::with_body(200, self.content_type, broken),
            None => reply::whole(200, self.content_type, self.body.clone()),
        };
        for (name, value) in &self.headers {
            reply::set(&mut reply, name, value);
        }
        reply
    }
}

impl Job<'_> {
    /// Whether nothing is to stand around the text.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.route.operation, Operation::Text(_))
    }

    pub(super) fn answer(&self) -> Answer {
        Answer::new(self.parsed, self.prompt, self.is_plain(), self.fault)
    }

    pub(super) fn whole(&self) -> Whole {
        match &self.route.operation {
            Operation::Image(path) => self.image(path.is_none()),
            Operation::Speech(_) => self.speech(),
            _ => self.text(),
        }
    }

    fn text(&self) -> Whole {
        let answer = self.answer();
        let (content_type, body) = if !self.is_plain() {
            ("application/json", answer.json().to_string().into())
        } else if let Some(speech) = &answer.speech {
            (speech.content_type, speech.bytes.clone().into())
        } else if !answer.tool_calls.is_empty() {
            ("application/json", answer.message().to_string().into())
        } else {
            ("text/plain; charset=utf-8", answer.plain().into())
        };
        Whole {
            content_type,
            body,
            headers: answer.headers(),
            cost: answer.cost(),
        }
    }

    fn image(&self, as_json: bool) -> Whole {
        let parsed = self.parsed;
        let model = chat::model_name(parsed, "flux");
        let known = models::find(&model);
        let cost = known.map_or(0.0, |model| model.price("completionImageTokens"));
        let mut headers = vec![
            ("x-model-used", model.clone()),
            ("x-usage-completion-image-tokens", "1".to_owned()),
        ];
        if as_json {
            let body = self.image_json(&model).to_string().into();
            return Whole {
                content_type: "application/json",
                body,
                headers,
                cost,
            };
        }
        let (content_type, body) = self.draw(&model);
        let suffix = content_type.rsplit('/').next().unwrap_or_default();
        headers.extend([
            (
                "cache-control",
                "public, max-age=31536000, immutable".to_owned(),
            ),
            (
                "content-disposition",
                format!("inline; filename=\"{}.{suffix}\"", slug(self.prompt)),
            ),
        ]);
        Whole {
            content_type,
            body: body.into(),
            headers,
            cost,
        }
    }

    /// The picture, as PNG where its model gives that or it is transparent.
    fn draw(&self, model: &str) -> (&'static str, Vec<u8>) {
        let parsed = self.parsed;
        let (width, height) = parsed.sides();
        let seed = parsed.integer("seed").unwrap_or(0).to_le_bytes();
        let negative = parsed.text("negative_prompt").unwrap_or_default();
        let parts = [
            self.prompt.as_bytes(),
            model.as_bytes(),
            &seed,
            negative.as_bytes(),
        ];
        let transparent = parsed.flag("transparent");
        let picture = Picture::draw(&parts, width, height, transparent);
        let gives_png = models::find(model).is_some_and(|model| model.name == "gptimage");
        if self.route.dialect != Dialect::V1 && (transparent || gives_png) {
            return ("image/png", picture.png());
        }
        let quality = match parsed.text("quality") {
            Some("low") => 40,
            Some("high") => 90,
            Some("hd") => 95,
            _ => 75,
        };
        ("image/jpeg", picture.jpeg(quality))
    }

    fn image_json(&self, model: &str) -> Value {
        let parsed = self.parsed;
        let data = if parsed.text("response_format") == Some("url") {
            json!({ "url": self.image_url() })
        } else {
            let (content_type, bytes) = self.draw(model);
            json!({ "b64_json": STANDARD.encode(bytes), "media_type": content_type })
        };
        let prompt_tokens = generate::tokens(self.prompt);
        json!({
            "created": 1_795_469_939_u64,
            "data": [data],
            "usage": {
                "input_tokens": prompt_tokens,
                "output_tokens": 1,
                "total_tokens": prompt_tokens + 1,
            },
        })
    }

    /// Where the picture can be fetched.
    fn image_url(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (width, height) = self.parsed.sides();
        // A percent sign is decoded twice there.
        let prompt = encoded(&self.prompt.replace('%', "%25"));
        let mut url = format!(
            "http://{}/image/{prompt}?width={width}&height={height}",
            self.host
        );
        for name in ["model", "seed", "quality"] {
            if let Some(value) = self.parsed.parameters.get(name) {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                // What the other route calls it.
                let value = if value == "standard" {
                    "medium"
                } else {
                    &value
                };
                url.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        url
    }

    fn speech(&self) -> Whole {
        let parsed = self.parsed;
        let model = chat::model_name(parsed, "tts-1");
        let seconds = parsed
            .number("duration")
            .or_else(|| parsed.number("seconds"));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0.5 to 380 seconds, as was checked"
        )]
        let millis = seconds.map(|seconds| (seconds * 1000.0) as u64);
        let voice = parsed.text("voice").unwrap_or("alloy");
        let format = parsed.text("response_format").unwrap_or("mp3");
        let sound = sound::speak(self.prompt, voice, format, millis);
        let tokens = sound.millis.div_ceil(50);
        let price =
            models::find(&model).map_or(0.0, |model: &Model| model.price("completionAudioTokens"));
        Whole {
            content_type: sound.content_type,
            body: sound.bytes.into(),
            cost: price * chat::count(tokens),
            headers: vec![
                ("x-model-used", model),
                ("x-usage-completion-audio-tokens", tokens.to_string()),
                (
                    "cache-control",
                    "public, max-age=31536000, immutable".to_owned(),
                ),
            ],
        }
    }
}

/// A prompt as the name of a file.
fn slug(prompt: &str) -> String {
    let words = prompt.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").to_lowercase().chars().take(60).collect();
    if slug.is_empty() {
        "image".to_owned()
    } else {
        slug
    }
}
