//! What the service refuses of the members of a JSON body. Each function says what is wrong.

use serde_json::Value;

const ROLES: [&str; 6] = [
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
];

/// Tools that a provider has itself.
const BUILT_IN: [&str; 6] = [
    "code_execution",
    "google_search",
    "google_maps",
    "url_context",
    "computer_use",
    "file_search",
];

const AUDIO_FORMATS: [&str; 5] = ["wav", "mp3", "flac", "opus", "pcm16"];

fn unless(fits: bool, problem: &str) -> Option<String> {
    (!fits).then(|| problem.to_owned())
}

pub(super) fn messages(value: &Value) -> Option<String> {
    let messages = value.as_array().filter(|messages| !messages.is_empty());
    let Some(messages) = messages else {
        return Some("Expected at least one message".to_owned());
    };
    messages.iter().enumerate().find_map(|(position, message)| {
        self::message(message).map(|problem| format!("messages.{position}: {problem}"))
    })
}

fn message(message: &Value) -> Option<String> {
    let role = message["role"].as_str().unwrap_or_default();
    if !ROLES.contains(&role) {
        return Some(format!(
            "Invalid role, expected one of {}",
            ROLES.join(", ")
        ));
    }
    if role == "tool" && !message["tool_call_id"].is_string() {
        return Some("tool_call_id is required".to_owned());
    }
    if role == "function" && !message["name"].is_string() {
        return Some("name is required".to_owned());
    }
    let named = matches!(role, "tool" | "function");
    if named && message["name"].as_str().is_some_and(|name| !is_name(name)) {
        return Some("Invalid name".to_owned());
    }
    let calls = message["tool_calls"].as_array();
    if let Some(problem) = calls.into_iter().flatten().find_map(tool_call) {
        return Some(problem);
    }
    match &message["content"] {
        Value::String(_) => None,
        Value::Array(parts) if !parts.is_empty() => parts.iter().find_map(part),
        Value::Null if role == "tool" => None,
        Value::Null if role == "assistant" => None,
        _ => Some("Expected content: a string, or an array of at least one part".to_owned()),
    }
}

fn tool_call(call: &Value) -> Option<String> {
    let function = &call["function"];
    let fits =
        call["id"].is_string() && function["name"].is_string() && function["arguments"].is_string();
    unless(
        fits,
        "Expected tool_calls with id, function.name and function.arguments",
    )
}

fn part(part: &Value) -> Option<String> {
    let url = |member: &str| part[member]["url"].as_str().unwrap_or_default();
    let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
    match part["type"].as_str().unwrap_or_default() {
        "text" => unless(part["text"].is_string(), "A text part needs text"),
        "image_url" => {
            let url = url("image_url");
            let data = url.starts_with("data:image/") && url.contains(";base64,");
            let detail = &part["image_url"]["detail"];
            if !(is_web(url) || data) {
                return Some("Invalid image URL".to_owned());
            }
            let known = ["auto", "low", "high"];
            let fits =
                detail.is_null() || detail.as_str().is_some_and(|word| known.contains(&word));
            unless(fits, "Expected detail auto, low or high")
        }
        "video_url" => {
            let url = url("video_url");
            unless(
                is_web(url) || url.starts_with("data:video/"),
                "Invalid video URL",
            )
        }
        "input_audio" => {
            let sound = &part["input_audio"];
            let format = sound["format"].as_str().unwrap_or_default();
            let fits = sound["data"].is_string() && AUDIO_FORMATS.contains(&format);
            unless(fits, "input_audio needs data and a known format")
        }
        "file" => {
            let file = &part["file"];
            let members = ["file_data", "file_id", "file_url"];
            let fits = members.iter().any(|member| file[*member].is_string());
            unless(fits, "A file part needs file_data, file_id or file_url")
        }
        "" => Some("A part needs a type".to_owned()),
        // Whatever else there is goes to the provider.
        _ => None,
    }
}

pub(super) fn stop(value: &Value) -> Option<String> {
    let fits = match value {
        Value::String(_) => true,
        Value::Array(all) => (1..=4).contains(&all.len()) && all.iter().all(Value::is_string),
        _ => false,
    };
    unless(fits, "Expected a string or 1 to 4 strings")
}

pub(super) fn stream_options(value: &Value) -> Option<String> {
    let usage = &value["include_usage"];
    let fits = value.is_object() && (usage.is_null() || usage.is_boolean());
    unless(fits, "Expected an object with include_usage")
}

pub(super) fn response_format(value: &Value) -> Option<String> {
    match value["type"].as_str() {
        Some("text" | "json_object") => None,
        Some("json_schema") => {
            let schema = &value["json_schema"]["schema"];
            unless(schema.is_object(), "json_schema needs a schema")
        }
        _ => Some("Expected type text, json_object or json_schema".to_owned()),
    }
}

pub(super) fn tools(value: &Value) -> Option<String> {
    let Some(tools) = value.as_array() else {
        return Some("Expected an array of tools".to_owned());
    };
    if tools.len() > 128 {
        return Some("Expected at most 128 tools".to_owned());
    }
    tools.iter().find_map(|tool| {
        let kind = tool["type"].as_str().unwrap_or_default();
        if BUILT_IN.contains(&kind) {
            return None;
        }
        if kind != "function" {
            return Some("Expected tools of type function, or a built-in one".to_owned());
        }
        let function = &tool["function"];
        let named = function["name"].as_str().is_some_and(is_name);
        let parameters = &function["parameters"];
        let fits = named && (parameters.is_null() || parameters.is_object());
        unless(
            fits,
            "A function needs a name of 1 to 64 letters, digits, - or _, and parameters that are a schema",
        )
    })
}

pub(super) fn tool_choice(value: &Value) -> Option<String> {
    let fits = match value {
        Value::String(word) => ["none", "auto", "required"].contains(&word.as_str()),
        Value::Object(_) => value["type"] == "function" && value["function"]["name"].is_string(),
        _ => false,
    };
    unless(
        fits,
        "Expected none, auto, required, or a function by its name",
    )
}

pub(super) fn modalities(value: &Value) -> Option<String> {
    let words = value.as_array().filter(|words| !words.is_empty());
    let fits =
        words.is_some_and(|words| words.iter().all(|word| word == "text" || word == "audio"));
    unless(fits, "Expected an array of text and audio")
}

pub(super) fn audio(value: &Value) -> Option<String> {
    let format = &value["format"];
    let known = format.is_null()
        || format
            .as_str()
            .is_some_and(|format| AUDIO_FORMATS.contains(&format));
    let voice = &value["voice"];
    let fits = value.is_object() && known && (voice.is_null() || voice.is_string());
    unless(
        fits,
        "Expected voice, and format wav, mp3, flac, opus or pcm16",
    )
}

pub(super) fn web_search(value: &Value) -> Option<String> {
    let size = &value["search_context_size"];
    let known = ["low", "medium", "high"];
    let fits = size.is_null() || size.as_str().is_some_and(|size| known.contains(&size));
    unless(
        value.is_object() && fits,
        "Expected search_context_size low, medium or high",
    )
}

pub(super) fn object(value: &Value) -> Option<String> {
    unless(value.is_object(), "Expected object")
}

pub(super) fn image_prompt(value: &Value) -> Option<String> {
    between(value, 32_000)
}

pub(super) fn speech_input(value: &Value) -> Option<String> {
    between(value, 10_000)
}

fn between(value: &Value, max: usize) -> Option<String> {
    let characters = value.as_str().map(|text| text.chars().count());
    let fits = characters.is_some_and(|count| (1..=max).contains(&count));
    unless(fits, &format!("Expected 1 to {max} characters"))
}

/// `WIDTHxHEIGHT`, both within what is drawn.
pub(super) fn size(value: &Value) -> Option<String> {
    let sides = value.as_str().and_then(sides);
    let legal = 1..=super::rules::MAX_SIDE;
    let fits =
        sides.is_some_and(|(width, height)| legal.contains(&width) && legal.contains(&height));
    unless(fits, "Expected WIDTHxHEIGHT, as in 1024x1024")
}

pub(super) fn sides(size: &str) -> Option<(i64, i64)> {
    let (width, height) = size.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

pub(super) fn urls(value: &Value) -> Option<String> {
    let is_url = |url: &Value| {
        let url = url.as_str().unwrap_or_default();
        ["http://", "https://", "data:image/"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
    };
    let fits = match value {
        Value::String(urls) => {
            urls.split(['|', ',']).all(|url| is_url(&Value::from(url)))
                || is_url(value) && urls.starts_with("data:")
        }
        Value::Array(urls) => !urls.is_empty() && urls.iter().all(is_url),
        _ => false,
    };
    unless(fits, "Expected URLs that begin with http:// or https://")
}

pub(super) fn safety(value: &Value) -> Option<String> {
    const KNOWN: [&str; 9] = [
        "privacy", "secrets", "sexual", "violence", "shield", "true", "nsfw", "false", "0",
    ];
    let fits = match value {
        Value::Bool(_) => true,
        Value::String(words) => words.split(',').all(|word| KNOWN.contains(&word.trim())),
        Value::Array(words) => words
            .iter()
            .all(|word| word.as_str().is_some_and(|word| KNOWN.contains(&word))),
        _ => false,
    };
    unless(
        fits,
        "Expected privacy, secrets, sexual, violence, shield, or a boolean",
    )
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_checked_part_by_part() {
        let good = json!([
            { "role": "system", "content": "Be brief" },
            { "role": "user", "content": [
                { "type": "text", "text": "What is this?" },
                { "type": "image_url", "image_url": { "url": "https://example.com/cat.png" } },
            ] },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "1", "type": "function", "function": { "name": "f", "arguments": "{}" } },
            ] },
            { "role": "tool", "tool_call_id": "1", "content": "4" },
        ]);
        assert_eq!(messages(&good), None);

        for (bad, word) in [
            (json!([]), "at least one"),
            (json!([{ "role": "robot", "content": "x" }]), "role"),
            (json!([{ "role": "user" }]), "content"),
            (json!([{ "role": "tool", "content": "x" }]), "tool_call_id"),
            (
                json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "cat" } }] }]),
                "image URL",
            ),
            (
                json!([{ "role": "user", "content": [{ "text": "x" }] }]),
                "type",
            ),
        ] {
            let problem = messages(&bad).unwrap();
            assert!(problem.contains(word), "{bad}: {problem}");
        }
    }

    #[test]
    fn other_members_are_checked() {
        assert_eq!(stop(&json!(["a", "b"])), None);
        assert!(stop(&json!(["a", "b", "c", "d", "e"])).is_some());
        assert!(tools(&json!([{ "type": "function", "function": { "name": "a b" } }])).is_some());
        assert!(size(&json!("512x0")).is_some());
        assert_eq!(size(&json!("512x256")), None);
        assert!(safety(&json!("privacy,nonsense")).is_some());
        assert!(response_format(&json!({ "type": "json_schema" })).is_some());
    }
}
