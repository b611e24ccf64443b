//! What the client writes is what the sandbox's parser understands, which shares nothing with it.

use blossom::{
    Dialect, Endpoint, Quality,
    protocol::{
        AspectRatio, AudioFormat, AudioOutput, ChatRequest, FilePart, ImageDetail, ImageRequest,
        Invalid, Message, Modality, Part, ReasoningEffort, Resolution, ResponseFormat, Safety,
        SearchContext, SpeechFormat, SpeechRequest, TextRequest, Tool, ToolCall, ToolChoice,
    },
    sandbox::{Recorded, Sandbox},
    transport::Transport,
};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tower::ServiceExt;

const DIALECTS: [Dialect; 3] = [Dialect::V1, Dialect::Enter, Dialect::Gen];

/// A parameter: its name on the wire, and what sets it to a value made of a number, which is given
/// back as it must be understood.
type Setting<R> = (&'static str, fn(R, u64) -> (R, Value));

/// One of so many choices.
const fn pick(n: u64, choices: u64) -> u64 {
    n % choices
}

/// A number from `min` to `max` in tenths, both ends among them.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn tenths(n: u64, min: i64, max: i64) -> f64 {
    let span = (max - min).unsigned_abs() * 10 + 1;
    let tenths = i64::try_from(n % span).unwrap() + min * 10;
    tenths as f64 / 10.0
}

fn seed(n: u64) -> i64 {
    [-1, 0, 7, 2_147_483_647][usize::try_from(pick(n, 4)).unwrap()]
}

fn text(n: u64) -> String {
    const TEXTS: [&str; 6] = [
        "plain",
        "a&b=c",
        "ü 漢字 🌸",
        "100%41+1",
        "a\"b\\c\nd",
        "../#?",
    ];
    TEXTS[usize::try_from(pick(n, 6)).unwrap()].to_owned()
}

fn count(n: u64) -> u64 {
    [0, 1, 200, (1 << 53) - 1][usize::try_from(pick(n, 4)).unwrap()]
}

fn safety(n: u64) -> (Safety, Value) {
    match pick(n, 3) {
        0 => (Safety::on(), json!(true)),
        1 => (Safety::default().privacy(), json!("privacy")),
        _ => {
            let all = Safety::default().privacy().secrets().sexual();
            let all = all.violence().shield();
            (all, json!("privacy,secrets,sexual,violence,shield"))
        }
    }
}

fn effort(n: u64) -> ReasoningEffort {
    use ReasoningEffort as E;
    [
        E::None,
        E::Minimal,
        E::Low,
        E::Medium,
        E::High,
        E::XHigh,
        E::Max,
    ][usize::try_from(pick(n, 7)).unwrap()]
}

/// Writes a setting whose value is understood as it is given.
macro_rules! plain {
    ($name:ident, $value:expr) => {
        plain!(stringify!($name), $name, $value)
    };
    ($wire:expr, $name:ident, $value:expr) => {
        ($wire, |request, n| {
            let value = ($value)(n);
            let understood = json!(value.clone());
            (request.$name(value), understood)
        })
    };
}

const CHAT: &[Setting<ChatRequest>] = &[
    plain!(model, text),
    plain!(temperature, |n| tenths(n, 0, 2)),
    plain!(top_p, |n| tenths(n, 0, 1)),
    plain!(presence_penalty, |n| tenths(n, -2, 2)),
    plain!(frequency_penalty, |n| tenths(n, -2, 2)),
    plain!(repetition_penalty, |n| tenths(n, 0, 2)),
    plain!(max_tokens, count),
    plain!(max_completion_tokens, count),
    plain!(seed, seed),
    plain!(stop, |n| vec![text(n), text(n / 7)]),
    ("response_format", |request, n| match pick(n, 3) {
        0 => (
            request.response_format(ResponseFormat::text()),
            json!({ "type": "text" }),
        ),
        1 => (
            request.response_format(ResponseFormat::json()),
            json!({ "type": "json_object" }),
        ),
        _ => {
            let schema = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
            let format = ResponseFormat::json_schema("n", schema.clone());
            let understood =
                json!({ "name": "n", "description": "d", "schema": schema, "strict": true });
            (
                request.response_format(format.description("d").strict(true)),
                json!({ "type": "json_schema", "json_schema": understood }),
            )
        }
    }),
    ("tools", |request, n| {
        let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
        let tool = Tool::function("weather")
            .description(text(n))
            .parameters(schema.clone());
        let understood = json!([
            { "type": "function", "function": { "name": "weather", "description": text(n), "parameters": schema } },
            { "type": "google_search" },
        ]);
        (
            request.tools([tool, Tool::built_in("google_search")]),
            understood,
        )
    }),
    ("tool_choice", |request, n| match pick(n, 2) {
        0 => (request.tool_choice(ToolChoice::Auto), json!("auto")),
        _ => (request.tool_choice(ToolChoice::None), json!("none")),
    }),
    plain!(parallel_tool_calls, |n| pick(n, 2) == 0),
    ("modalities", |request, _| {
        (
            request.modalities([Modality::Text, Modality::Audio]),
            json!(["text", "audio"]),
        )
    }),
    ("audio", |request, n| {
        let audio = AudioOutput::new(text(n), AudioFormat::Pcm16);
        (
            request.audio(audio),
            json!({ "voice": text(n), "format": "pcm16" }),
        )
    }),
    plain!(voice, text),
    ("reasoning_effort", |request, n| {
        (
            request.reasoning_effort(effort(n)),
            json!(effort(n).as_str()),
        )
    }),
    plain!(logprobs, |n| pick(n, 2) == 0),
    plain!(top_logprobs, |n| u32::try_from(pick(n, 21)).unwrap()),
    ("logit_bias", |request, _| {
        (request.logit_bias("50256", -100), json!({ "50256": -100 }))
    }),
    plain!(user, text),
    ("web_search_options", |request, n| {
        let (context, word) = match pick(n, 3) {
            0 => (SearchContext::Low, "low"),
            1 => (SearchContext::Medium, "medium"),
            _ => (SearchContext::High, "high"),
        };
        (
            request.search_context(context),
            json!({ "search_context_size": word }),
        )
    }),
    ("safe", |request, n| {
        let (safe, understood) = safety(n);
        (request.safe(safe), understood)
    }),
    ("private", |request, _| (request.private(true), json!(true))),
    plain!(referrer, text),
    ("stream", |request, _| (request.stream(true), json!(true))),
];

const TEXT: &[Setting<TextRequest>] = &[
    plain!(model, text),
    plain!(system, text),
    plain!(temperature, |n| tenths(n, 0, 2)),
    plain!(top_p, |n| tenths(n, 0, 1)),
    plain!(presence_penalty, |n| tenths(n, -2, 2)),
    plain!(frequency_penalty, |n| tenths(n, -2, 2)),
    plain!(repetition_penalty, |n| tenths(n, 0, 2)),
    plain!(max_tokens, count),
    plain!(max_completion_tokens, count),
    plain!(seed, seed),
    ("reasoning_effort", |request, n| {
        (
            request.reasoning_effort(effort(n)),
            json!(effort(n).as_str()),
        )
    }),
    plain!(voice, text),
    ("safe", |request, n| {
        let (safe, understood) = safety(n);
        (request.safe(safe), understood)
    }),
    ("json", |request, _| (request.json(true), json!(true))),
    ("private", |request, _| (request.private(true), json!(true))),
    plain!(referrer, text),
    ("stream", |request, _| (request.stream(true), json!(true))),
];

const IMAGE: &[Setting<ImageRequest>] = &[
    plain!(model, text),
    plain!(width, |n| u32::try_from(1 + pick(n, 64)).unwrap()),
    plain!(height, |n| u32::try_from(1 + pick(n, 64)).unwrap()),
    plain!(seed, seed),
    ("quality", |request, n| {
        let all = [Quality::Low, Quality::Medium, Quality::High, Quality::Hd];
        let quality = all[usize::try_from(pick(n, 4)).unwrap()];
        (request.quality(quality), json!(quality.as_str()))
    }),
    ("safe", |request, n| {
        let (safe, understood) = safety(n);
        (request.safe(safe), understood)
    }),
    ("image", |request, n| {
        let urls = ["https://example.com/a.png?x=1&y=2", "http://example.com/b"];
        let urls = &urls[..usize::try_from(1 + pick(n, 2)).unwrap()];
        let request = urls
            .iter()
            .fold(request, |request, url| request.image(*url));
        (request, json!(urls))
    }),
    ("enhance", |request, _| (request.enhance(true), json!(true))),
    ("transparent", |request, _| {
        (request.transparent(true), json!(true))
    }),
    plain!(negative_prompt, text),
    plain!(guidance_scale, |n| tenths(n, 0, 20)),
    ("nologo", |request, _| (request.nologo(true), json!(true))),
    ("private", |request, _| (request.private(true), json!(true))),
    ("nofeed", |request, _| (request.nofeed(true), json!(true))),
    plain!(duration, |n| u32::try_from(1 + pick(n, 120)).unwrap()),
    ("aspectRatio", |request, n| match pick(n, 2) {
        0 => (request.aspect_ratio(AspectRatio::Landscape), json!("16:9")),
        _ => (request.aspect_ratio(AspectRatio::Portrait), json!("9:16")),
    }),
    ("audio", |request, _| (request.audio(true), json!(true))),
    ("no-cache", |request, _| {
        (request.no_cache(true), json!(true))
    }),
];

/// What the other route of images carries.
const IMAGE_BODY: &[Setting<ImageRequest>] = &[
    plain!(model, text),
    ("size", |request, n| {
        let (width, height) = (1 + n % 64, 1 + n / 64 % 64);
        let sides = [width, height].map(|side| u32::try_from(side).unwrap());
        (
            request.size(sides[0], sides[1]),
            json!(format!("{width}x{height}")),
        )
    }),
    plain!(seed, seed),
    ("quality", |request, _| {
        (request.quality(Quality::Hd), json!("hd"))
    }),
    ("safe", |request, n| {
        let (safe, understood) = safety(n);
        (request.safe(safe), understood)
    }),
    ("resolution", |request, n| {
        use Resolution as R;
        let all = [R::K1, R::K2, R::P480, R::P720, R::P768, R::P1080];
        let words = ["1k", "2k", "480p", "720p", "768p", "1080p"];
        let at = usize::try_from(pick(n, 6)).unwrap();
        (request.resolution(all[at]), json!(words[at]))
    }),
    ("image", |request, n| {
        let odd = "https://example.com/a,b|c";
        match pick(n, 3) {
            0 => (
                request.image("http://example.com/d"),
                json!("http://example.com/d"),
            ),
            1 => (request.image(odd), json!([odd])),
            _ => (
                request.image(odd).image("http://example.com/d"),
                json!([odd, "http://example.com/d"]),
            ),
        }
    }),
];

const SPEECH: &[Setting<SpeechRequest>] = &[
    plain!(model, text),
    plain!(voice, text),
    ("response_format", |request, n| {
        use SpeechFormat as F;
        let all = [F::Mp3, F::Opus, F::Aac, F::Flac, F::Wav, F::Pcm];
        let format = all[usize::try_from(pick(n, 6)).unwrap()];
        (request.format(format), json!(format.as_str()))
    }),
    plain!(instructions, text),
    plain!(negative_prompt, text),
    plain!(duration, |n| tenths(n, 1, 300)),
    plain!(seconds, |n| tenths(n, 1, 380)),
    plain!(steps, |n| u32::try_from(1 + pick(n, 100)).unwrap()),
    plain!(instrumental, |n| pick(n, 2) == 0),
    plain!("loop", looped, |n| pick(n, 2) == 0),
    plain!(prompt_influence, |n| tenths(n, 0, 1)),
    plain!(seed, |n| [-1, 0, 2_147_483_648, 4_294_967_295]
        [usize::try_from(pick(n, 4)).unwrap()]),
    ("safe", |request, n| {
        let (safe, understood) = safety(n);
        (request.safe(safe), understood)
    }),
];

/// A sandbox, and what sends to it.
struct Wire {
    runtime: tokio::runtime::Runtime,
    sandbox: Sandbox,
    transport: Transport,
}

impl Wire {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self {
            runtime,
            sandbox: Sandbox::start().unwrap(),
            transport: Transport::builder().build().unwrap(),
        }
    }

    fn endpoint(&self, dialect: Dialect) -> Endpoint {
        Endpoint::new(dialect, self.sandbox.base_url()).unwrap()
    }

    /// Sends a request, and gives what was understood of it.
    fn send(&self, request: Request<Bytes>) -> Recorded {
        self.sandbox.reset();
        let request = request.map(blossom::Body::full);
        let (status, body) = self.runtime.block_on(async {
            let response = self.transport.clone().oneshot(request).await.unwrap();
            let status = response.status();
            (
                status,
                response.into_body().collect().await.unwrap().to_bytes(),
            )
        });
        assert!(status.is_success(), "{status}: {body:?}");
        self.sandbox.requests().pop().unwrap()
    }
}

/// The settings that `mask` chooses, with what must be understood of them.
fn chosen<R>(request: R, settings: &[Setting<R>], mask: u64, n: u64) -> (R, Map<String, Value>) {
    let mut understood = Map::new();
    let mut request = request;
    for (position, (name, set)) in settings.iter().enumerate() {
        if mask >> position & 1 == 1 {
            let (next, value) = set(request, n.rotate_left(u32::try_from(position).unwrap()));
            request = next;
            understood.insert((*name).to_owned(), value);
        }
    }
    (request, understood)
}

/// What was understood is what was set, no more and no less, or the request was refused by the name
/// of a parameter that the dialect is known not to carry.
fn check(
    wire: &Wire,
    encoded: Result<Request<Bytes>, Invalid>,
    understood: &Map<String, Value>,
    beside: &[&str],
    lost: &[&str],
) -> Result<(), TestCaseError> {
    let request = match encoded {
        Ok(request) => request,
        Err(invalid) => {
            let name = invalid.parameter();
            prop_assert!(lost.contains(&name), "{invalid}");
            return Ok(());
        }
    };
    let not_carried = understood.keys().find(|name| lost.contains(&name.as_str()));
    prop_assert_eq!(not_carried, None, "accepted, though it is lost");
    let seen = wire.send(request);
    prop_assert_eq!(seen.dropped(), Vec::<String>::new());
    let parsed = seen.parsed().as_object().unwrap();
    for (name, value) in understood {
        let found = parsed.get(name);
        // 1 and 1.0 are one number.
        let same = match (found.and_then(Value::as_f64), value.as_f64()) {
            (Some(found), Some(value)) => (found - value).abs() < f64::EPSILON,
            _ => found == Some(value),
        };
        prop_assert!(same, "{}: {:?}, not {}", name, found, value);
    }
    for name in parsed.keys() {
        let known = understood.contains_key(name) || beside.contains(&name.as_str());
        prop_assert!(known, "{} was never set", name);
    }
    Ok(())
}

fn messages() -> Vec<Message> {
    vec![
        Message::system("Be brief.").cache_prefix(),
        Message::developer("No jokes."),
        Message::user("What is this?")
            .name("me")
            .part(Part::image_url("https://example.com/a.png").detail(ImageDetail::Low))
            .part(Part::image_bytes(b"\x89PNG\r\n\x1a\n").unwrap())
            .part(Part::video_url("https://example.com/a.mp4").mime_type("video/mp4"))
            .part(Part::audio_bytes("ab", AudioFormat::Wav).unwrap())
            .part(Part::file(FilePart::bytes("a.pdf", "%PDF-").unwrap()))
            .part(Part::file(
                FilePart::url("https://example.com/a.pdf").name("a"),
            ))
            .part(Part::other(json!({ "type": "hologram", "x": [1] }))),
        Message::assistant("").tool_calls([ToolCall::new("c1", "weather", r#"{"city":"Paris"}"#)]),
        Message::tool("c1", "sunny"),
        Message::assistant("A cat."),
        Message::user("And now?"),
    ]
}

/// Each case is a few requests over a socket.
fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn every_parameter_of_a_chat_is_understood_in_every_dialect() {
    let wire = Wire::new();
    let messages = messages();
    proptest!(cases(), |(mask: u64, n: u64)| {
        for dialect in DIALECTS {
            let base = ChatRequest::new(messages.clone());
            let (request, mut understood) = chosen(base, CHAT, mask, n);
            understood.insert("messages".to_owned(), json!(messages));
            let lost: &[_] = if dialect == Dialect::V1 { &[] } else { &["private", "referrer"] };
            let encoded = request.encode(&wire.endpoint(dialect));
            check(&wire, encoded, &understood, &["stream_options"], lost)?;
        }
    });
}

#[test]
fn every_parameter_of_a_text_is_understood_in_every_dialect() {
    let wire = Wire::new();
    proptest!(cases(), |(mask: u64, n: u64, by_chat: bool)| {
        for dialect in DIALECTS {
            // What a path cannot hold goes as a chat.
            let prompt = if by_chat { ".." } else { "What is Rust?" };
            let (request, mut understood) = chosen(TextRequest::new(prompt), TEXT, mask, n);
            if by_chat {
                let system = understood.remove("system");
                let system = system.map(|text| json!({ "role": "system", "content": text }));
                let user = json!({ "role": "user", "content": prompt });
                let messages: Vec<_> = system.into_iter().chain([user]).collect();
                understood.insert("messages".to_owned(), json!(messages));
                if understood.remove("json").is_some() {
                    understood.insert("response_format".to_owned(), json!({ "type": "json_object" }));
                }
            }
            let lost: &[_] = if dialect == Dialect::V1 { &[] } else { &["private", "referrer"] };
            let encoded = request.encode(&wire.endpoint(dialect));
            check(&wire, encoded, &understood, &["stream_options"], lost)?;
        }
    });
}

#[test]
fn every_parameter_of_an_image_is_understood_or_refused_in_every_dialect() {
    let wire = Wire::new();
    proptest!(cases(), |(mask: u64, few: u64, n: u64)| {
        // With all of them, some would always be lost.
        for mask in [mask & few, mask & 0x7f, 1 << (few % 18)] {
            for dialect in DIALECTS {
                let (request, understood) = chosen(ImageRequest::new("a cat"), IMAGE, mask, n);
                let lost: &[_] = match dialect {
                    Dialect::V1 => &["duration", "aspect_ratio", "aspectRatio", "audio", "no-cache"],
                    Dialect::Enter => &["no-cache"],
                    _ => &["negative_prompt", "guidance_scale", "nologo", "private", "nofeed"],
                };
                let is_list = dialect != Dialect::Gen
                    && understood.get("safe").is_some_and(Value::is_string);
                let lost: Vec<_> = lost.iter().copied().chain(is_list.then_some("safe")).collect();
                let encoded = request.encode(&wire.endpoint(dialect));
                check(&wire, encoded, &understood, &[], &lost)?;
            }
        }
    });
}

#[test]
fn every_parameter_of_an_image_by_post_is_understood() {
    let wire = Wire::new();
    proptest!(cases(), |(mask: u64, n: u64)| {
        let base = ImageRequest::new("a cat").by_post(true);
        let (request, mut understood) = chosen(base, IMAGE_BODY, mask, n);
        understood.insert("prompt".to_owned(), json!("a cat"));
        understood.insert("response_format".to_owned(), json!("b64_json"));
        let encoded = request.encode(&wire.endpoint(Dialect::Gen));
        check(&wire, encoded, &understood, &[], &[])?;
    });
}

#[test]
fn every_parameter_of_speech_is_understood_or_refused_in_every_dialect() {
    let wire = Wire::new();
    proptest!(cases(), |(mask: u64, few: u64, n: u64)| {
        for mask in [mask & few, mask & 3] {
            let (request, mut understood) = chosen(SpeechRequest::new("Hello"), SPEECH, mask, n);
            let encoded = request.encode(&wire.endpoint(Dialect::V1));
            let mut lost: Vec<_> = SPEECH.iter().map(|(name, _)| *name).collect();
            let seed = understood.get("seed").and_then(Value::as_i64);
            let carried = |name: &str| {
                ["model", "voice"].contains(&name)
                    || name == "seed" && seed.is_none_or(|seed| seed <= 2_147_483_647)
            };
            lost.retain(|name| !carried(name));
            check(&wire, encoded, &understood, &["model"], &lost)?;

            let invalid = request.encode(&wire.endpoint(Dialect::Enter)).unwrap_err();
            prop_assert_eq!(invalid.parameter(), "input");

            understood.insert("input".to_owned(), json!("Hello"));
            let encoded = request.encode(&wire.endpoint(Dialect::Gen));
            check(&wire, encoded, &understood, &[], &[])?;
        }
    });
}

/// Prompts of what paths, queries and encodings are made of, and of anything.
fn prompts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[.%/\\\\?#&+ a-f0-9:;=@\r\n\t]{1,24}",
        "\\PC{1,24}",
        any::<String>().prop_filter("empty", |prompt| !prompt.is_empty()),
        Just(".".to_owned()),
        Just("..".to_owned()),
        Just("models".to_owned()),
        Just("%2e%2e".to_owned()),
        "(a/){0,3}\\.\\./(prompt/|image/|text/)x",
        "x{2040,2060}",
    ]
}

#[test]
fn k3_every_prompt_is_exact_on_the_wire_or_refused() {
    let wire = Wire::new();
    proptest!(cases(), |(prompt in prompts())| {
        for dialect in DIALECTS {
            let endpoint = wire.endpoint(dialect);
            let text = TextRequest::new(prompt.as_str()).encode(&endpoint).unwrap();
            let image = ImageRequest::new(prompt.as_str()).size(8, 8).encode(&endpoint);
            let speech = SpeechRequest::new(prompt.as_str()).encode(&endpoint);
            for encoded in [Ok(text), image, speech] {
                let Ok(request) = encoded else {
                    prop_assert!(dialect != Dialect::Gen, "gen has a way for every prompt");
                    continue;
                };
                let path = request.uri().path().to_owned();
                prop_assert!(path.split('/').all(|part| part != "." && part != ".."));
                let seen = wire.send(request);
                prop_assert_eq!(seen.path(), path, "the path is changed on its way");
                prop_assert_eq!(seen.prompt(), Some(prompt.as_str()));
            }
        }
    });
}
