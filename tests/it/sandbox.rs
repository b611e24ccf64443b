//! The embedded upstream, spoken to by plain HTTP: what it serves and what it understood.

use blossom::{layers::body::ReqBody, sandbox::Sandbox, transport::Transport};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A sandbox, and a client that knows nothing of the protocol.
struct Plain {
    sandbox: Sandbox,
    transport: Transport,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Plain {
    fn start() -> Self {
        Self::of(Sandbox::start().unwrap())
    }

    fn of(sandbox: Sandbox) -> Self {
        let transport = Transport::builder().build().unwrap();
        Self { sandbox, transport }
    }

    async fn send(&self, request: http::request::Builder, body: ReqBody) -> Reply {
        let request = request.body(body).unwrap();
        let response = self.transport.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Reply {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.base_url())
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(self.uri(path)), ReqBody::empty())
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        let request = Request::post(self.uri(path)).header("content-type", "application/json");
        self.send(request, body.to_string().into()).await
    }

    /// The parameters of the last request, as they were understood.
    fn understood(&self) -> Value {
        self.sandbox.requests().last().unwrap().parsed().clone()
    }
}

fn chat(content: &str) -> Value {
    json!({ "messages": [{ "role": "user", "content": content }] })
}

#[tokio::test]
async fn every_dialect_answers_a_chat_alike() {
    let plain = Plain::start();
    let mut texts = Vec::new();

    for (path, dialect) in [
        ("/v1/chat/completions", "gen"),
        ("/openai", "v1"),
        ("/openai/chat/completions", "v1"),
        ("/generate/v1/chat/completions", "enter"),
        ("/api/generate/openai", "enter"),
    ] {
        let reply = plain.post(path, &chat("Hi")).await;
        assert_eq!(reply.status, 200, "{path}");
        texts.push(reply.json()["choices"][0]["message"]["content"].clone());
        let seen = plain.sandbox.requests();
        let seen = seen.last().unwrap();
        assert_eq!(
            (seen.dialect(), seen.operation()),
            (Some(dialect), Some("chat"))
        );
        assert_eq!(seen.prompt(), Some("Hi"));
    }

    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "{texts:?}");
}

#[tokio::test]
async fn a_text_is_plain_on_every_path() {
    let plain = Plain::start();
    for path in [
        "/text/Hi",
        "/api/generate/text/Hi",
        "/Hi",
        "/generate/text/Hi",
    ] {
        let reply = plain.get(path).await;
        assert_eq!(
            reply.header("content-type"),
            "text/plain; charset=utf-8",
            "{path}"
        );
        assert!(reply.text().starts_with("The "), "{path}: {}", reply.text());
    }
    for path in ["/text", "/"] {
        let reply = plain.post(path, &chat("Hi")).await;
        assert_eq!(reply.text(), plain.get("/Hi").await.text(), "{path}");
    }
    let stream = plain.get("/Hi?stream=true").await;
    assert_eq!(
        stream.header("content-type"),
        "text/event-stream; charset=utf-8"
    );
    assert!(stream.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_picture_has_the_asked_size_type_and_name() {
    let plain = Plain::start();

    let jpeg = plain
        .get("/image/a%20cat?width=64&height=32&seed=7&enhance=True")
        .await;
    assert_eq!(jpeg.header("content-type"), "image/jpeg");
    assert_eq!(
        jpeg.header("content-disposition"),
        "inline; filename=\"a-cat.jpeg\""
    );
    assert_eq!(&jpeg.body[..3], b"\xff\xd8\xff");
    assert_eq!(
        plain.understood(),
        json!({ "width": 64, "height": 32, "seed": 7, "enhance": true })
    );

    let png = plain
        .get("/image/a%20cat?width=64&height=32&model=gptimage")
        .await;
    assert_eq!(png.header("content-type"), "image/png");
    assert_eq!(png.body[16..24], [0, 0, 0, 64, 0, 0, 0, 32]);
    assert_eq!(png.header("x-usage-completion-image-tokens"), "1");

    let v1 = plain
        .get("/prompt/a/cat?width=8&height=8&transparent=true")
        .await;
    assert_eq!(
        v1.header("content-type"),
        "image/jpeg",
        "v1 gives nothing else"
    );
    assert_eq!(
        plain.sandbox.requests().last().unwrap().prompt(),
        Some("a/cat")
    );
}

#[tokio::test]
async fn a_picture_by_json_is_text_or_a_url_that_serves_it() {
    let plain = Plain::start();
    let mut body = json!({ "prompt": "100% a/cat", "size": "48x24", "model": "gptimage" });

    let reply = plain.post("/v1/images/generations", &body).await.json();
    let text = reply["data"][0]["b64_json"].as_str().unwrap().to_owned();
    assert!(text.starts_with("iVBORw0KGgo"), "{text}");

    body["response_format"] = json!("url");
    let reply = plain.post("/v1/images/generations", &body).await.json();
    let url = reply["data"][0]["url"].as_str().unwrap();
    let picture = plain.send(Request::get(url), ReqBody::empty()).await;
    assert_eq!(picture.body[16..24], [0, 0, 0, 48, 0, 0, 0, 24]);
    assert_eq!(
        plain.sandbox.requests().last().unwrap().prompt(),
        Some("100% a/cat")
    );
}

#[tokio::test]
async fn speech_comes_in_every_format() {
    let plain = Plain::start();
    for (format, kind) in [
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
        ("pcm", "audio/pcm"),
    ] {
        let path = format!("/audio/Hello%2Fyou?voice=nova&response_format={format}");
        let get = plain.get(&path).await;
        assert_eq!(get.header("content-type"), kind);
        let body = json!({ "input": "Hello/you", "voice": "nova", "response_format": format });
        let post = plain.post("/v1/audio/speech", &body).await;
        assert_eq!(post.body, get.body);
        assert_eq!(plain.understood(), body);
    }
    let v1 = plain.get("/Hello?model=openai-audio&voice=nova").await;
    assert_eq!(v1.header("content-type"), "audio/mpeg");
}

#[tokio::test]
async fn what_is_out_of_its_range_is_refused_field_by_field() {
    let plain = Plain::start();
    let mut bad = chat("Hi");
    bad["temperature"] = json!(9);
    bad["tools"] = json!([{ "type": "robot" }]);
    for (path, body, fields) in [
        ("/v1/chat/completions", bad, &["temperature", "tools"][..]),
        ("/v1/chat/completions", json!({}), &["messages"]),
        (
            "/v1/images/generations",
            json!({ "size": "big", "n": 2 }),
            &["n", "prompt", "size"],
        ),
        (
            "/v1/audio/speech",
            json!({ "input": "", "seed": 1.5 }),
            &["input", "seed"],
        ),
    ] {
        let reply = plain.post(path, &body).await;
        assert_eq!(reply.status, 400);
        let details = &reply.json()["error"]["details"];
        let found: Vec<_> = details["fieldErrors"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(found, fields, "{path}");
    }
    for path in [
        "/image/a?width=x",
        "/image/a?quality=best",
        "/audio/a?steps=0",
        "/image/",
    ] {
        assert_eq!(plain.get(path).await.status, 400, "{path}");
    }
    // Texts by GET are read leniently.
    assert_eq!(
        plain
            .get("/text/a?temperature=x&max_tokens=2abc")
            .await
            .status,
        200
    );
    assert_eq!(plain.understood(), json!({ "max_tokens": 2 }));
    // The v1 hosts take more chance.
    let mut hot = chat("Hi");
    hot["temperature"] = json!(2.5);
    assert_eq!(plain.post("/openai", &hot).await.status, 200);
    assert_eq!(plain.post("/v1/chat/completions", &hot).await.status, 400);
}

#[tokio::test]
async fn models_come_as_the_path_and_the_host_want_them() {
    let plain = Plain::start();

    let object = plain.get("/v1/models").await.json();
    assert_eq!(object["object"], "list");
    assert!(object["data"][0]["pricing"]["promptTextTokens"].is_string());
    for path in ["/models", "/text/models", "/image/models", "/audio/models"] {
        let list = plain.get(path).await.json();
        assert!(!list[0]["name"].as_str().unwrap().is_empty(), "{path}");
    }
    let by_host = async |host: &str| {
        let request = Request::get(plain.uri("/models")).header("host", host);
        plain.send(request, ReqBody::empty()).await.json()
    };
    assert_eq!(
        by_host("image.localhost").await,
        json!(["flux", "turbo", "gptimage"])
    );
    assert_eq!(by_host("text.localhost").await[0]["name"], "openai");
}

#[tokio::test]
async fn a_key_is_taken_from_every_place_and_shown_nowhere() {
    let plain = Plain::of(Sandbox::builder().api_key("sk_right").start().unwrap());
    let status =
        async |request: http::request::Builder| plain.send(request, ReqBody::empty()).await.status;
    let get = |path: &str| Request::get(plain.uri(path));

    assert_eq!(
        status(get("/text/a").header("authorization", "Bearer sk_right")).await,
        200
    );
    assert_eq!(
        status(get("/text/a").header("x-api-key", "sk_right")).await,
        200
    );
    assert_eq!(status(get("/text/a?key=sk_right")).await, 200);
    assert_eq!(
        status(get("/image/a?width=8&height=8&token=sk_right")).await,
        200
    );
    assert_eq!(status(get("/text/a")).await, 401);
    assert_eq!(status(get("/text/a?key=sk_wrong")).await, 401);
    assert_eq!(status(get("/models?key=sk_wrong")).await, 200);
    let log = plain.get("/__sandbox/requests").await;
    assert!(!log.text().contains("sk_right") && log.text().contains("redacted"));
}

#[tokio::test]
async fn an_unknown_path_and_another_method_are_told_apart() {
    let plain = Plain::start();

    assert_eq!(plain.get("/v1/nothing").await.status, 404);
    let reply = plain.get("/v1/chat/completions").await;
    assert_eq!(reply.status, 405);
    assert_eq!(reply.header("allow"), "POST");
}
