//! CPU and allocations of a call.

use std::{cell::Cell, sync::Arc, time::Duration};

use async_openai::types::chat::{
    ChatCompletionRequestSystemMessageArgs, ChatCompletionRequestUserMessageArgs,
    CreateChatCompletionRequestArgs,
};
use blossom::{
    Blossom, Body, Dialect, Endpoint,
    layers::{
        buffer::BufferLayer,
        observe::ObserveLayer,
        timeout::{FirstEventTimeoutLayer, HeadTimeoutLayer, IdleTimeoutLayer, TotalTimeoutLayer},
    },
    policy::ObserveReply,
    protocol::Message,
    transport::Transport,
};
use bytes::Bytes;
use http::{Request, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::task::LocalSet;
use tower::{ServiceBuilder, ServiceExt as _};

const SYSTEM: &str = "You are a helpful assistant.";
const USER: &str = concat!(
    "Write a short note about the number 17 and explain why it is prime, in two sentences, ",
    "in plain English, without lists.",
);

#[derive(Serialize)]
struct Chat<'a> {
    model: &'a str,
    messages: [Line<'a>; 2],
    temperature: f32,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

#[derive(Serialize)]
struct Line<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoding is what is measured")]
struct Reply {
    id: String,
    created: u64,
    model: String,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoding is what is measured")]
struct Choice {
    index: u32,
    message: Answer,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoding is what is measured")]
struct Answer {
    role: String,
    content: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoding is what is measured")]
struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

fn chat(seed: Option<u64>) -> Bytes {
    let line = |role, content| Line { role, content };
    let chat = Chat {
        model: "openai",
        messages: [line("system", SYSTEM), line("user", USER)],
        temperature: 0.7,
        max_tokens: 256,
        seed,
    };
    serde_json::to_vec(&chat).expect("it is plain data").into()
}

/// Decodes a reply, and gives the length of its text.
fn decoded(body: &[u8]) -> usize {
    let reply: Reply = serde_json::from_slice(body).expect("a reply");
    reply
        .choices
        .first()
        .and_then(|choice| choice.message.content.as_ref())
        .map_or(0, String::len)
}

/// What a cache keeps of a reply at the least.
struct Kept {
    headers: http::HeaderMap,
    body: Bytes,
}

/// Copied: what it came in is a buffer of the connection, many times as large.
fn kept_of(head: &http::response::Parts, body: &[u8]) -> Kept {
    let copy = |value: &http::HeaderValue| http::HeaderValue::from_bytes(value.as_bytes());
    let headers = head.headers.iter().filter_map(|(name, value)| {
        let value = copy(value).ok()?;
        Some((name.clone(), value))
    });
    Kept {
        headers: headers.collect(),
        body: Bytes::copy_from_slice(body),
    }
}

fn post<B>(uri: Uri, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri;
    let json = http::HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    request
}

pub(super) fn bare_client() -> Client<HttpConnector, Full<Bytes>> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(http)
}

/// The typed client over what every stack needs: its clocks, `buffer` and `observe`.
pub(super) fn core_client(base: &str) -> Result<Blossom, super::Error> {
    let stack = ServiceBuilder::new()
        .layer(TotalTimeoutLayer::new(Duration::MAX))
        .layer(BufferLayer::new())
        .layer(HeadTimeoutLayer::new(Duration::from_secs(300)))
        .layer(FirstEventTimeoutLayer::new(Duration::from_secs(300)).only_body(true))
        .layer(IdleTimeoutLayer::new(Duration::from_secs(300)).max_unread(Duration::from_secs(60)))
        .layer(ObserveLayer::new(ObserveReply))
        .service(Transport::builder().build()?);
    let endpoint = Endpoint::new(Dialect::Gen, base)?;
    Ok(Blossom::from_service(stack).endpoint(endpoint).build())
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn run(
    name: &str,
    port: u16,
    in_flight: usize,
    calls: usize,
) -> Result<(), super::Error> {
    let base = format!("http://127.0.0.1:{port}");
    let uri: Uri = format!("{base}/v1/chat/completions").parse()?;
    match name {
        "legacy" => {
            let (client, body) = (bare_client(), chat(None));
            drive(in_flight, calls, async || {
                let request = post(uri.clone(), Full::new(body.clone()));
                let response = client.request(request).await.expect("an answer");
                response
                    .into_body()
                    .collect()
                    .await
                    .expect("a body")
                    .to_bytes()
                    .len()
            })
            .await;
        }
        "transport" => {
            let (client, body) = (Transport::builder().build()?, chat(None));
            drive(in_flight, calls, async || {
                let request = post(uri.clone(), Body::full(body.clone()));
                let response = client.clone().oneshot(request).await.expect("an answer");
                response
                    .into_body()
                    .collect()
                    .await
                    .expect("a body")
                    .to_bytes()
                    .len()
            })
            .await;
        }
        "legacyjson" => {
            let client = bare_client();
            drive(in_flight, calls, async || {
                let request = post(uri.clone(), Full::new(chat(None)));
                let response = client.request(request).await.expect("an answer");
                let body = response
                    .into_body()
                    .collect()
                    .await
                    .expect("a body")
                    .to_bytes();
                decoded(&body)
            })
            .await;
        }
        // The least that a cache of replies does: no canonical form, no joining, no judging.
        "moka-miss" => {
            let client = bare_client();
            let kept = moka::sync::Cache::<[u8; 32], Arc<Kept>>::builder()
                .weigher(|_, kept: &Arc<Kept>| u32::try_from(kept.body.len()).unwrap_or(u32::MAX))
                .max_capacity(64 * 1024 * 1024)
                .build();
            let made = Cell::new(0);
            drive(in_flight, calls, async || {
                made.set(made.get() + 1);
                let sent = chat(Some(made.get()));
                let key: [u8; 32] = Sha256::digest(&sent).into();
                let stored = kept.get(&key);
                assert!(stored.is_none_or(|stored| stored.headers.is_empty()));
                let response = client.request(post(uri.clone(), Full::new(sent)));
                let (head, body) = response.await.expect("an answer").into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                let entry = kept_of(&head, &body);
                kept.insert(key, Arc::new(entry));
                decoded(&body)
            })
            .await;
        }
        "blossom" | "blossom-miss" | "blossom-core" => {
            let cached = name == "blossom-miss";
            let client = match name {
                "blossom-core" => core_client(&base)?,
                _ => Blossom::builder().base_url(base).cache(cached).build()?,
            };
            let made = Cell::new(0);
            drive(in_flight, calls, async || {
                let messages = [Message::system(SYSTEM), Message::user(USER)];
                let mut chat = client.text().chat(messages).model("openai");
                if cached {
                    // Another request each time.
                    made.set(made.get() + 1);
                    chat = chat.seed(made.get());
                }
                let answer = chat
                    .temperature(0.7)
                    .max_tokens(256)
                    .await
                    .expect("an answer");
                answer.content().len()
            })
            .await;
        }
        "async-openai" => {
            let config = async_openai::config::OpenAIConfig::new()
                .with_api_base(format!("{base}/v1"))
                .with_api_key("sk-test");
            let client = async_openai::Client::with_config(config);
            drive(in_flight, calls, async || {
                let system = ChatCompletionRequestSystemMessageArgs::default()
                    .content(SYSTEM)
                    .build();
                let user = ChatCompletionRequestUserMessageArgs::default()
                    .content(USER)
                    .build();
                let request = CreateChatCompletionRequestArgs::default()
                    .model("openai")
                    .max_tokens(256_u32)
                    .temperature(0.7_f32)
                    .messages([system.expect("legal").into(), user.expect("legal").into()])
                    .build()
                    .expect("legal");
                let reply = client.chat().create(request).await.expect("an answer");
                reply
                    .choices
                    .first()
                    .and_then(|choice| choice.message.content.as_ref())
                    .map_or(0, String::len)
            })
            .await;
        }
        _ => return Err(format!("no client {name}").into()),
    }
    Ok(())
}

/// Makes the calls, `in_flight` at a time, and prints CPU in microseconds and allocations of each.
async fn drive(in_flight: usize, calls: usize, call: impl AsyncFn() -> usize) {
    let call = &call;
    let all = |each: usize| async move {
        let workers = (0..in_flight).map(|_| async move {
            for _ in 0..each {
                assert!(call().await > 0);
            }
        });
        LocalSet::new()
            .run_until(futures_util::future::join_all(workers))
            .await;
    };
    all(32).await;
    let (cpu, allocations) = (cpu_micros(), peers::allocations());
    all(calls / in_flight).await;
    let cpu = cpu_micros() - cpu;
    let allocations = peers::allocations() - allocations;
    println!(
        "{} {}",
        cpu / calls as f64,
        allocations as f64 / calls as f64
    );
}

/// User and system time of this process: the kernel's count of its nanoseconds on a core.
fn cpu_micros() -> f64 {
    let clock = rustix::time::ClockId::ProcessCPUTime;
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
