//! From method, host and path to what is asked for.

use http::Method;

use super::parse;

/// Which generation of the protocol a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    V1,
    Enter,
    Gen,
}

impl Dialect {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Enter => "enter",
            Self::Gen => "gen",
        }
    }
}

/// What is asked for. A prompt stands here if it came in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    Chat,
    Text(Option<String>),
    Image(Option<String>),
    Speech(Option<String>),
    Models(List),
}

impl Operation {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Speech(_) => "speech",
            Self::Models(_) => "models",
        }
    }

    /// Whether it costs something and wants a key.
    pub(super) const fn generates(&self) -> bool {
        !matches!(self, Self::Models(_))
    }
}

/// A list of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// All, as an `OpenAI` list object.
    Object,
    /// All, as an array.
    All,
    /// Those that give this, as an array.
    Of(&'static str),
    /// The names of those that give pictures.
    ImageNames,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) dialect: Dialect,
    pub(super) operation: Operation,
}

/// Why there is no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoute {
    Unknown,
    /// The path takes another method.
    Method(&'static str),
}

/// First segments that are never a v1 prompt.
const RESERVED: [&str; 16] = [
    "3d",
    "__sandbox",
    "account",
    "api",
    "audio",
    "embeddings",
    "favicon.ico",
    "generate",
    "image",
    "models",
    "openai",
    "prompt",
    "realtime",
    "text",
    "v1",
    "video",
];

/// Finds the route. HEAD goes where GET goes.
pub(super) fn find(method: &Method, host: &str, path: &str) -> Result<Route, NoRoute> {
    let (enter, path) = without_prefix(path);
    let host = host.split(['.', ':']).next().unwrap_or_default();
    let path = path.strip_prefix('/').unwrap_or(path);
    let (first, rest) = match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let (wanted, dialect, operation) = match (first, rest) {
        ("", None) if !enter => ("POST", Dialect::V1, Operation::Text(None)),
        ("openai", Some("models")) => ("GET", Dialect::V1, Operation::Models(List::Object)),
        ("openai", _) => ("POST", Dialect::V1, Operation::Chat),
        ("prompt", rest) => {
            let prompt = v1_image_prompt(rest.unwrap_or_default());
            ("GET", Dialect::V1, Operation::Image(Some(prompt)))
        }
        ("v1", Some(rest)) => {
            let (wanted, operation) = versioned(rest).ok_or(NoRoute::Unknown)?;
            (wanted, Dialect::Gen, operation)
        }
        ("text", None) => ("POST", Dialect::Gen, Operation::Text(None)),
        ("models", None) => ("GET", Dialect::Gen, Operation::Models(list_of(host))),
        (kind, Some("models")) => {
            let kinds = ["text", "image", "audio", "video", "3d", "embeddings"];
            let kind = kinds.into_iter().find(|known| *known == kind);
            let list = List::Of(kind.ok_or(NoRoute::Unknown)?);
            ("GET", Dialect::Gen, Operation::Models(list))
        }
        ("text", Some(prompt)) => {
            let prompt = parse::decode(prompt);
            ("GET", Dialect::Gen, Operation::Text(Some(prompt)))
        }
        ("image", Some(prompt)) => {
            // The service decodes twice: once in its router, once in its handler.
            let prompt = parse::decode_component(&parse::decode(prompt));
            ("GET", Dialect::Gen, Operation::Image(Some(prompt)))
        }
        ("audio", Some(text)) if !text.contains('/') => {
            let text = parse::decode(text);
            ("GET", Dialect::Gen, Operation::Speech(Some(text)))
        }
        (first, _) if !enter && host != "image" && !RESERVED.contains(&first) => {
            let prompt = parse::decode(path);
            ("GET", Dialect::V1, Operation::Text(Some(prompt)))
        }
        _ => return Err(NoRoute::Unknown),
    };
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    if method != wanted {
        return Err(NoRoute::Method(wanted));
    }
    let dialect = if enter { Dialect::Enter } else { dialect };
    Ok(Route { dialect, operation })
}

/// The routes below `/v1/`.
fn versioned(rest: &str) -> Option<(&'static str, Operation)> {
    Some(match rest {
        "chat/completions" => ("POST", Operation::Chat),
        "images/generations" => ("POST", Operation::Image(None)),
        "audio/speech" => ("POST", Operation::Speech(None)),
        "models" => ("GET", Operation::Models(List::Object)),
        _ => return None,
    })
}

/// The enter dialect is the gen dialect below a prefix.
fn without_prefix(path: &str) -> (bool, &str) {
    for prefix in ["/api/generate", "/generate"] {
        if let Some(rest) = path.strip_prefix(prefix)
            && rest.starts_with('/')
        {
            return (true, rest);
        }
    }
    (false, path)
}

/// The v1 hosts have a list each.
fn list_of(host: &str) -> List {
    match host {
        "image" => List::ImageNames,
        "text" => List::Of("text"),
        _ => List::All,
    }
}

/// What the v1 image host takes for the prompt: nothing is a prompt of its own, and another
/// `/prompt/` ends it.
fn v1_image_prompt(rest: &str) -> String {
    match rest.split("/prompt/").next() {
        None | Some("") => "random_prompt".to_owned(),
        Some(prompt) => parse::decode_component(prompt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Result<(Dialect, Operation), NoRoute> {
        let method = method.parse().unwrap();
        find(&method, "127.0.0.1:8080", path).map(|route| (route.dialect, route.operation))
    }

    fn some(prompt: &str) -> Option<String> {
        Some(prompt.to_owned())
    }

    #[test]
    fn every_path_of_the_three_dialects_is_found() {
        use Dialect::{Enter, Gen, V1};
        use Operation::{Chat, Image, Models, Speech, Text};
        for (method, path, dialect, operation) in [
            ("POST", "/v1/chat/completions", Gen, Chat),
            ("POST", "/openai", V1, Chat),
            ("POST", "/openai/chat/completions", V1, Chat),
            ("POST", "/openai/v1/chat/completions", V1, Chat),
            ("POST", "/generate/v1/chat/completions", Enter, Chat),
            ("POST", "/api/generate/v1/chat/completions", Enter, Chat),
            ("POST", "/api/generate/openai", Enter, Chat),
            ("POST", "/", V1, Text(None)),
            ("POST", "/text", Gen, Text(None)),
            ("GET", "/text/a%2Fb%3F", Gen, Text(some("a/b?"))),
            ("HEAD", "/text/a", Gen, Text(some("a"))),
            ("GET", "/api/generate/text/a", Enter, Text(some("a"))),
            ("GET", "/What%20is/this", V1, Text(some("What is/this"))),
            ("GET", "/apiary", V1, Text(some("apiary"))),
            ("GET", "/generated", V1, Text(some("generated"))),
            ("GET", "/image/a/b%0Ac", Gen, Image(some("a/b\nc"))),
            ("GET", "/image/100%2541", Gen, Image(some("100A"))),
            ("GET", "/image/100%252541", Gen, Image(some("100%41"))),
            ("GET", "/image/100%25", Gen, Image(some("100%"))),
            ("GET", "/generate/image/a", Enter, Image(some("a"))),
            ("GET", "/prompt/100%2541", V1, Image(some("100%41"))),
            ("GET", "/prompt/a/prompt/b", V1, Image(some("a"))),
            ("GET", "/prompt/", V1, Image(some("random_prompt"))),
            ("POST", "/v1/images/generations", Gen, Image(None)),
            ("GET", "/audio/a%2Fb", Gen, Speech(some("a/b"))),
            ("POST", "/v1/audio/speech", Gen, Speech(None)),
            ("GET", "/v1/models", Gen, Models(List::Object)),
            ("GET", "/openai/models", V1, Models(List::Object)),
            ("GET", "/generate/v1/models", Enter, Models(List::Object)),
            ("GET", "/models", Gen, Models(List::All)),
            ("GET", "/image/models", Gen, Models(List::Of("image"))),
            (
                "GET",
                "/api/generate/text/models",
                Enter,
                Models(List::Of("text")),
            ),
        ] {
            assert_eq!(
                route(method, path),
                Ok((dialect, operation)),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn the_host_decides_between_the_lists_of_v1() {
        let list = |host| find(&Method::GET, host, "/models").unwrap().operation;

        assert_eq!(
            list("image.localhost:8080"),
            Operation::Models(List::ImageNames)
        );
        assert_eq!(list("text.localhost"), Operation::Models(List::Of("text")));
        assert_eq!(list("localhost"), Operation::Models(List::All));
        assert_eq!(
            find(&Method::GET, "image.localhost", "/a"),
            Err(NoRoute::Unknown)
        );
    }

    #[test]
    fn other_paths_and_methods_are_none() {
        for path in [
            "/v1/nothing",
            "/audio/a/b",
            "/api/generate/",
            "/realtime",
            "/v1",
        ] {
            assert_eq!(route("GET", path), Err(NoRoute::Unknown), "{path}");
        }
        assert_eq!(
            route("GET", "/v1/chat/completions"),
            Err(NoRoute::Method("POST"))
        );
        assert_eq!(route("POST", "/image/a"), Err(NoRoute::Method("GET")));
    }
}
