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

#[tokio::test]
async fn a_publishable_key_waits_for_what_it_has_spent() {
    let plain = Plain::start();
    let spend = async |fault: &str| {
        let request = Request::get(plain.uri("/text/a"))
            .header("authorization", "Bearer pk_abcdefghijklmnop")
            .header("x-sandbox-fault", fault);
        plain.send(request, ReqBody::empty()).await
    };

    assert_eq!(spend("pollen;cost-milli=10500").await.status, 200);
    let refused = spend("pollen").await;

    assert_eq!(refused.status, 429);
    let seconds = refused.json()["retryAfterSeconds"].as_f64().unwrap();
    assert!((1_700.0..=1_800.0).contains(&seconds), "{seconds}");
    assert_eq!(
        refused.header("retry-after"),
        format!("{:.0}", seconds.ceil())
    );
    assert!((plain.sandbox.pollen() - 10.5).abs() < 1e-9);
    assert_eq!(plain.get("/text/a?key=sk_other").await.status, 200);
}

#[tokio::test]
async fn an_unpaid_account_has_one_generation_to_the_end_of_its_body() {
    let plain = Plain::of(Sandbox::builder().unpaid(true).start().unwrap());
    let open = |key: &str| {
        let request = Request::get(plain.uri("/text/a?stream=true"))
            .header("x-api-key", key)
            .header("x-sandbox-fault", "stall;after-events=1")
            .body(ReqBody::empty())
            .unwrap();
        plain.transport.clone().oneshot(request)
    };

    let held = open("one").await.unwrap();
    let refused = open("one").await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(open("two").await.unwrap().status(), 200);

    drop(held);
    let free = async || {
        let reply = open("one").await.unwrap();
        reply.status() == 200
    };
    let start = tokio::time::Instant::now();
    while !free().await {
        assert!(start.elapsed().as_secs() < 2, "the slot is not freed");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_servers_cache_keeps_replies_and_streams_and_joins_what_is_in_flight() {
    let plain = Plain::of(Sandbox::builder().server_cache(true).start().unwrap());

    let first = plain.get("/text/a?seed=1&model=openai").await;
    let again = plain.get("/text/a?model=openai&seed=1&key=sk_a").await;
    assert_eq!(
        (first.header("x-cache"), again.header("x-cache")),
        ("MISS", "HIT")
    );
    assert_eq!(first.header("x-cache-key"), again.header("x-cache-key"));
    assert_eq!(first.body, again.body);
    assert!(!again.header("x-cache-date").is_empty());
    assert_eq!(
        again.header("x-usage-completion-text-tokens"),
        first.header("x-usage-completion-text-tokens")
    );
    assert_eq!(
        plain
            .get("/text/a?seed=1&model=openai&no-cache=true")
            .await
            .header("x-cache"),
        "MISS"
    );
    assert_eq!(plain.sandbox.generations(), 2);

    let stream = plain.get("/text/a?stream=true").await;
    let again = plain.get("/text/a?stream=true").await;
    assert_eq!(
        (stream.header("x-cache"), again.header("x-cache")),
        ("MISS", "HIT")
    );
    assert_eq!(stream.body, again.body);

    plain.sandbox.reset();
    let slow = || {
        let request =
            Request::get(plain.uri("/text/b")).header("x-sandbox-fault", "delay;head-ms=50");
        plain.send(request, ReqBody::empty())
    };
    let all = futures_util::future::join_all((0..5).map(|_| slow())).await;
    assert!(all.iter().all(|reply| reply.body == all[0].body));
    assert_eq!(plain.sandbox.generations(), 1);
    assert_eq!(
        all.iter()
            .filter(|reply| reply.header("x-cache") == "MISS")
            .count(),
        1
    );

    // What is cut is not kept.
    let request = Request::get(plain.uri("/text/c")).header("x-sandbox-fault", "no-usage");
    plain.send(request, ReqBody::empty()).await;
    assert_eq!(plain.get("/text/c").await.header("x-cache"), "MISS");
}

#[tokio::test]
async fn a_generation_goes_on_when_its_caller_has_gone() {
    let plain = Plain::of(Sandbox::builder().server_cache(true).start().unwrap());
    let request = Request::get(plain.uri("/text/a")).header("x-sandbox-fault", "delay;head-ms=60");
    let gone = plain.send(request, ReqBody::empty());
    let short = std::time::Duration::from_millis(20);
    assert!(tokio::time::timeout(short, gone).await.is_err());

    let joined = plain.get("/text/a").await;

    assert_eq!(joined.header("x-cache"), "HIT");
    assert_eq!(plain.sandbox.generations(), 1);
}

#[tokio::test]
async fn a_length_that_lies_and_a_head_that_dribbles_are_on_the_wire() {
    let plain = Plain::start();
    let with = |fault: &str| Request::get(plain.uri("/text/a")).header("x-sandbox-fault", fault);
    let whole = plain.get("/text/a").await;

    let short = plain
        .send(with("short-length;by=4"), ReqBody::empty())
        .await;
    assert_eq!(short.body, whole.body[..whole.body.len() - 4]);

    let long = with("long-length").body(ReqBody::empty()).unwrap();
    let long = plain.transport.clone().oneshot(long).await.unwrap();
    let told: usize = long.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(told, whole.body.len() + 10);
    assert!(long.into_body().collect().await.is_err());

    let start = tokio::time::Instant::now();
    let slow = plain
        .send(with("slow-head;byte-ms=1"), ReqBody::empty())
        .await;
    assert_eq!(slow.body, whole.body);
    assert!(
        start.elapsed().as_millis() > 60,
        "a head has more than 60 bytes"
    );
}

#[tokio::test]
async fn an_upload_is_answered_before_it_has_come() {
    let plain = Plain::start();
    let endless = futures_util::stream::repeat_with(|| {
        Ok::<_, blossom::layers::BoxError>(http_body::Frame::data(Bytes::from(vec![b'x'; 65_536])))
    });
    let request = Request::post(plain.uri("/v1/chat/completions"))
        .header("x-sandbox-fault", "early;status=413");
    let body = ReqBody::stream(http_body_util::StreamBody::new(endless));

    let reply = plain.send(request, body).await;

    assert_eq!(reply.status, 413);
    assert_eq!(reply.json()["error"]["code"], "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn unknown_faults_are_refused_with_the_list_and_all_are_listed() {
    let plain = Plain::start();

    let request = Request::get(plain.uri("/text/a")).header("x-sandbox-fault", "explode");
    let refused = plain.send(request, ReqBody::empty()).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("form-a, form-b"));
    let faults = plain.get("/__sandbox/faults").await.json();
    let listed: Vec<_> = faults["faults"].as_array().unwrap().iter().collect();
    assert!(listed.len() > 30);
    for fault in listed {
        let name = fault["name"].as_str().unwrap();
        assert!(fault["keys"]["times"].is_object(), "{name}");
        assert!(plain.sandbox.fault(name).is_ok(), "{name}");
    }
}

#[tokio::test]
async fn models_think_cite_see_and_speak() {
    let plain = Plain::start();
    let mut body = chat("Hi");
    body["model"] = json!("openai-large");
    let message = |reply: &Reply| reply.json()["choices"][0]["message"].clone();

    let thinks = plain.post("/v1/chat/completions", &body).await;
    assert!(message(&thinks)["reasoning_content"].is_string());
    let usage = thinks.json()["usage"].clone();
    let reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
        .as_u64()
        .unwrap();
    assert!(reasoning > 0 && usage["completion_tokens"].as_u64().unwrap() > reasoning);

    body["model"] = json!("reasoning-small");
    let usage = plain.post("/v1/chat/completions", &body).await.json()["usage"].clone();
    let number = |name: &str| usage[name].as_u64().unwrap();
    let reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
        .as_u64()
        .unwrap();
    assert_eq!(
        number("total_tokens"),
        number("prompt_tokens") + number("completion_tokens") + reasoning,
        "counted apart"
    );

    body["model"] = json!("searcher");
    let cites = plain.post("/v1/chat/completions", &body).await.json();
    assert_eq!(cites["citations"].as_array().unwrap().len(), 2);
    assert!(
        plain
            .get("/text/Hi?model=searcher")
            .await
            .text()
            .contains("Sources:\n[1] https://")
    );

    body["model"] = json!("openai-audio");
    body["modalities"] = json!(["text", "audio"]);
    body["audio"] = json!({ "voice": "nova", "format": "wav" });
    let speaks = message(&plain.post("/v1/chat/completions", &body).await);
    assert!(
        speaks["audio"]["data"]
            .as_str()
            .unwrap()
            .starts_with("UklGR")
    );
    assert!(speaks["audio"]["transcript"].is_string() && speaks["content"].is_null());
    body["stream"] = json!(true);
    assert_eq!(
        plain.post("/v1/chat/completions", &body).await.status,
        400,
        "only pcm16 streams"
    );
}

#[tokio::test]
async fn json_fits_its_schema_whole_and_streamed() {
    let plain = Plain::start();
    let mut body = chat("A recipe");
    body["response_format"] = json!({ "type": "json_schema", "json_schema": { "name": "recipe", "schema": {
        "type": "object",
        "properties": {
            "title": { "type": "string" },
            "minutes": { "type": "integer", "minimum": 5, "maximum": 10 },
        },
        "required": ["title", "minutes"],
        "additionalProperties": false,
    } } });

    let reply = plain.post("/v1/chat/completions", &body).await.json();
    let content = reply["choices"][0]["message"]["content"].as_str().unwrap();
    let recipe: Value = serde_json::from_str(content).unwrap();
    assert!(recipe["title"].is_string());
    assert!((5..=10).contains(&recipe["minutes"].as_i64().unwrap()));

    body["stream"] = json!(true);
    let stream = plain.post("/v1/chat/completions", &body).await;
    let deltas = stream
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("data: {"));
    let deltas: String = deltas
        .filter_map(|data| serde_json::from_str::<Value>(&format!("{{{data}")).ok())
        .filter_map(|chunk| {
            chunk["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(deltas, content);
}
