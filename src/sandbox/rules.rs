//! What the service takes, parameter by parameter.

use serde_json::Value;

use super::check;

/// What a parameter may be.
pub(super) enum Rule {
    Number(f64, f64),
    Integer(i64, i64),
    Text,
    Flag,
    OneOf(&'static [&'static str]),
    /// Read as JSON, then checked by a function that says what is wrong.
    Json(fn(&Value) -> Option<String>),
    /// A list of URLs, or one string of them with bars or commas between.
    Urls,
    /// Words with commas between, a list of them, or a switch.
    Safety,
}

/// The parameters of an operation. All others are dropped.
pub(super) type Rules = &'static [(&'static str, Rule)];

pub(super) const TEXT: Rules = &[
    ("messages", Rule::Json(check::messages)),
    ("model", Rule::Text),
    ("temperature", Rule::Number(0.0, 2.0)),
    ("top_p", Rule::Number(0.0, 1.0)),
    ("presence_penalty", Rule::Number(-2.0, 2.0)),
    ("frequency_penalty", Rule::Number(-2.0, 2.0)),
    ("repetition_penalty", Rule::Number(0.0, 2.0)),
    ("max_tokens", Rule::Integer(0, i64::MAX)),
    ("max_completion_tokens", Rule::Integer(0, i64::MAX)),
    ("seed", Rule::Integer(-1, SEED_MAX)),
    ("stop", Rule::Json(check::stop)),
    ("stream", Rule::Flag),
    ("stream_options", Rule::Json(check::stream_options)),
    ("response_format", Rule::Json(check::response_format)),
    ("jsonMode", Rule::Flag),
    ("json", Rule::Flag),
    ("tools", Rule::Json(check::tools)),
    ("tool_choice", Rule::Json(check::tool_choice)),
    ("parallel_tool_calls", Rule::Flag),
    ("modalities", Rule::Json(check::modalities)),
    ("audio", Rule::Json(check::audio)),
    ("voice", Rule::Text),
    (
        "reasoning_effort",
        Rule::OneOf(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    ),
    ("logprobs", Rule::Flag),
    ("top_logprobs", Rule::Integer(0, 20)),
    ("logit_bias", Rule::Json(check::object)),
    ("user", Rule::Text),
    ("web_search_options", Rule::Json(check::web_search)),
    ("safe", Rule::Safety),
    ("system", Rule::Text),
    ("private", Rule::Flag),
    ("referrer", Rule::Text),
];

pub(super) const IMAGE_GET: Rules = &[
    ("model", Rule::Text),
    ("width", Rule::Integer(0, MAX_SIDE)),
    ("height", Rule::Integer(0, MAX_SIDE)),
    ("seed", Rule::Integer(-1, SEED_MAX)),
    ("enhance", Rule::Flag),
    ("quality", Rule::OneOf(&["low", "medium", "high", "hd"])),
    ("safe", Rule::Safety),
    ("image", Rule::Urls),
    ("transparent", Rule::Flag),
    ("negative_prompt", Rule::Text),
    ("guidance_scale", Rule::Number(f64::MIN, f64::MAX)),
    ("nologo", Rule::Flag),
    ("private", Rule::Flag),
    ("nofeed", Rule::Flag),
    ("duration", Rule::Integer(1, 120)),
    ("aspectRatio", Rule::OneOf(&["16:9", "9:16"])),
    ("audio", Rule::Flag),
    ("no-cache", Rule::Flag),
    ("referrer", Rule::Text),
];

pub(super) const IMAGE_POST: Rules = &[
    ("prompt", Rule::Json(check::image_prompt)),
    ("model", Rule::Text),
    ("n", Rule::Integer(1, 1)),
    ("size", Rule::Json(check::size)),
    (
        "quality",
        Rule::OneOf(&["standard", "hd", "low", "medium", "high"]),
    ),
    ("response_format", Rule::OneOf(&["url", "b64_json"])),
    ("image", Rule::Urls),
    (
        "resolution",
        Rule::OneOf(&["1k", "2k", "480p", "720p", "768p", "1080p"]),
    ),
    ("seed", Rule::Integer(-1, SEED_MAX)),
    ("safe", Rule::Safety),
    ("no-cache", Rule::Flag),
];

pub(super) const SPEECH: Rules = &[
    ("input", Rule::Json(check::speech_input)),
    ("voice", Rule::Text),
    (
        "response_format",
        Rule::OneOf(&["mp3", "opus", "aac", "flac", "wav", "pcm"]),
    ),
    ("model", Rule::Text),
    ("duration", Rule::Number(0.5, 300.0)),
    ("seconds", Rule::Number(1.0, 380.0)),
    ("steps", Rule::Integer(1, 100)),
    ("negative_prompt", Rule::Text),
    ("instrumental", Rule::Flag),
    ("instructions", Rule::Text),
    ("loop", Rule::Flag),
    ("prompt_influence", Rule::Number(0.0, 1.0)),
    ("seed", Rule::Integer(-1, 4_294_967_295)),
    ("safe", Rule::Safety),
    ("no-cache", Rule::Flag),
];

/// Model lists and other routes without parameters.
pub(super) const NONE: Rules = &[("community", Rule::Flag)];

/// The v1 hosts take more chance than the later ones.
pub(super) const V1_TEMPERATURE: Rule = Rule::Number(0.0, 3.0);

const SEED_MAX: i64 = 2_147_483_647;

/// The widest and highest picture that is drawn, in pixels.
pub(super) const MAX_SIDE: i64 = 4096;

impl Rule {
    /// What is wrong with a member of a body, or with a parameter that was read.
    pub(super) fn problem(&self, value: &Value) -> Option<String> {
        let fits = match self {
            Self::Number(min, max) => value.as_f64().is_some_and(|n| (*min..=*max).contains(&n)),
            Self::Integer(min, max) => value.as_i64().is_some_and(|n| (*min..=*max).contains(&n)),
            Self::Text => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Json(check) => return check(value),
            Self::Urls => return check::urls(value),
            Self::Safety => return check::safety(value),
        };
        (!fits).then(|| match self {
            Self::Number(f64::MIN, f64::MAX) => "Expected number".to_owned(),
            Self::Number(min, max) => format!("Expected a number of {min} to {max}"),
            Self::Integer(min, max) => format!("Expected an integer of {min} to {max}"),
            Self::OneOf(words) => format!("Expected one of {}", words.join(", ")),
            Self::Text => "Expected string".to_owned(),
            _ => "Expected boolean".to_owned(),
        })
    }

    /// The value that a query pair means, or `None` if it means nothing.
    pub(super) fn read(&self, text: &str) -> Option<Value> {
        match self {
            Self::Number(..) => leading_number(text).map(Value::from),
            Self::Integer(..) => {
                let number = leading_number(text)?;
                text.parse::<i64>().ok().map(Value::from).or_else(|| {
                    let whole = format!("{:.0}", number.trunc());
                    whole.parse::<i64>().ok().map(Value::from)
                })
            }
            Self::Text | Self::OneOf(_) => Some(Value::from(text)),
            Self::Flag => flag(text).map(Value::from),
            Self::Json(_) => serde_json::from_str(text)
                .ok()
                .or_else(|| Some(Value::from(text))),
            Self::Urls => {
                let urls: Vec<_> = text.split(['|', ',']).map(str::trim).collect();
                Some(Value::from(urls))
            }
            Self::Safety => flag(text)
                .map(Value::from)
                .or_else(|| Some(Value::from(text))),
        }
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// The number that a text begins with, as JavaScript's `parseFloat` reads it.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    // The longest beginning that is a number; letters such as those of `inf` are none.
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)))
        .unwrap_or(text.len());
    (1..=end)
        .rev()
        .filter_map(|end| text.get(..end)?.parse::<f64>().ok())
        .find(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_is_read_as_the_service_reads_it() {
        let number = Rule::Number(0.0, 2.0);
        assert_eq!(number.read("0.5abc"), Some(json!(0.5)));
        assert_eq!(number.read("1e-1"), Some(json!(0.1)));
        assert_eq!(number.read("abc"), None);
        assert_eq!(number.read("inf"), None);
        assert_eq!(Rule::Integer(0, 9).read("7.9"), Some(json!(7)));
        assert_eq!(Rule::Flag.read("True"), Some(json!(true)));
        assert_eq!(Rule::Flag.read("maybe"), None);
        assert_eq!(
            Rule::Urls.read("https://a/1|https://b/2"),
            Some(json!(["https://a/1", "https://b/2"]))
        );
    }
}
