//! Every operation in every dialect, over sockets.

use blossom::{Blossom, Dialect, Endpoint, ErrorKind, protocol::Message, sandbox::Sandbox};

struct Pair {
    sandbox: Sandbox,
    client: Blossom,
    dialect: Dialect,
}

impl Pair {
    fn new(dialect: Dialect) -> Self {
        let sandbox = Sandbox::start().unwrap();
        let endpoint = Endpoint::new(dialect, sandbox.base_url()).unwrap();
        let client = Blossom::builder()
            .endpoint(endpoint)
            .max_attempts(1)
            .build()
            .unwrap();
        Self {
            sandbox,
            client,
            dialect,
        }
    }

    /// The last request was for this, in the dialect, at this path.
    fn assert_asked(&self, operation: &str, path: &str) {
        let requests = self.sandbox.requests();
        let last = requests.last().unwrap();
        assert_eq!(last.operation(), Some(operation));
        assert_eq!(last.path(), path, "{}", self.dialect);
        assert_eq!(last.dropped(), Vec::<String>::new());
    }
}

const DIALECTS: [Dialect; 3] = [Dialect::V1, Dialect::Enter, Dialect::Gen];

#[tokio::test]
async fn text_and_chat_are_asked_for_on_the_dialects_paths() {
    for dialect in DIALECTS {
        let pair = Pair::new(dialect);
        let (text, chat) = match dialect {
            Dialect::V1 => ("/What%20is%20Rust%3F", "/openai"),
            Dialect::Enter => (
                "/generate/text/What%20is%20Rust%3F",
                "/generate/v1/chat/completions",
            ),
            _ => ("/text/What%20is%20Rust%3F", "/v1/chat/completions"),
        };

        let answer = pair.client.text().generate("What is Rust?").await.unwrap();
        pair.assert_asked("text", text);
        assert!(!answer.content().is_empty());
        let stream = pair.client.text().generate("What is Rust?").stream().await;
        let streamed = stream.unwrap().finish().await.unwrap();
        pair.assert_asked("text", text);
        assert_eq!(streamed.content(), answer.content());

        let call = || pair.client.text().chat([Message::user("What is Rust?")]);
        let answer = call().await.unwrap();
        pair.assert_asked("chat", chat);
        let streamed = call().stream().await.unwrap().finish().await.unwrap();
        assert_eq!(streamed.content(), answer.content());
        assert!(streamed.usage().is_some());

        let plain = call().plain(true).await;
        if dialect == Dialect::Enter {
            assert_eq!(plain.unwrap_err().kind(), ErrorKind::InvalidRequest);
        } else {
            assert_eq!(plain.unwrap().content(), answer.content());
            let path = if dialect == Dialect::V1 { "/" } else { "/text" };
            pair.assert_asked("text", path);
        }
    }
}

#[tokio::test]
async fn images_and_speech_are_asked_for_on_the_dialects_paths() {
    for dialect in DIALECTS {
        let pair = Pair::new(dialect);
        let path = match dialect {
            Dialect::V1 => "/prompt/a%20cat",
            Dialect::Enter => "/generate/image/a%20cat",
            _ => "/image/a%20cat",
        };
        let image = pair
            .client
            .image()
            .generate("a cat")
            .size(8, 8)
            .await
            .unwrap();
        pair.assert_asked("image", path);
        assert_eq!(image.url().map(|url| url.contains(path)), Some(true));

        let speech = pair.client.audio().speak("Hello").voice("nova").await;
        match dialect {
            Dialect::V1 => {
                assert!(speech.unwrap().content_type().starts_with("audio/"));
                assert_eq!(pair.sandbox.requests().last().unwrap().path(), "/Hello");
            }
            Dialect::Enter => {
                assert_eq!(speech.unwrap_err().kind(), ErrorKind::InvalidRequest);
            }
            _ => {
                assert!(speech.unwrap().content_type().starts_with("audio/"));
                pair.assert_asked("speech", "/v1/audio/speech");
            }
        }
    }
}

#[tokio::test]
async fn models_are_listed_where_the_dialect_lists_them() {
    for dialect in DIALECTS {
        let pair = Pair::new(dialect);
        assert!(!pair.client.models().await.unwrap().is_empty());
        assert!(!pair.client.image().models().await.unwrap().is_empty());
        let audio = pair.client.audio().models().await;
        assert_eq!(audio.is_ok(), dialect == Dialect::Gen);
    }
}

#[tokio::test]
async fn v1_lists_the_names_of_its_image_models() {
    let sandbox = Sandbox::start().unwrap();
    let at_host = sandbox.base_url().replace("127.0.0.1", "image.localhost");
    let Ok(endpoint) = Endpoint::new(Dialect::V1, &at_host) else {
        panic!("{at_host}");
    };
    let client = Blossom::builder()
        .endpoint(endpoint)
        .max_attempts(1)
        .build()
        .unwrap();
    // Where the machine knows no names below localhost there is nothing to ask.
    if let Ok(models) = client.image().models().await {
        assert!(models.iter().all(|model| model.description().is_none()));
        assert!(!models.is_empty());
    }
}
