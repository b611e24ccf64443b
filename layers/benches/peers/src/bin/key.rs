//! The canonical key of a chat body, against reading it as a `serde_json::Value`, writing that again
//! and hashing it with SHA-256.
//!
//! Run it with `./run key` in this package. Bodies of 1, 10 and 100 KiB. A row of ours is the key of
//! the whole request: address, headers and body.
//!
//! With the name of a row and a number of calls as arguments it makes these calls and prints the
//! allocations of each, for counting instructions: `valgrind --tool=callgrind key canonical 100`.

use std::{hint::black_box, process::ExitCode};

use blossom_layers::{
    body::ReqBody,
    cache::key::{CanonicalKey, canonical_json},
    types::KeyPolicy,
};
use http::{
    Request,
    header::{ACCEPT, CONTENT_TYPE},
};
use peers::{Contest, Report};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[global_allocator]
static ALLOCATOR: peers::Counting = peers::Counting;

const OURS: &str = "canonical key";
const SAID: &str = "canonical key, body said to be canonical";
const AGAIN: &str = "canonical key, seen before";
const VALUE: &str = "Value, written again, SHA-256";

/// A chat of about so many bytes, members as most clients write them.
fn chat(bytes: usize) -> Vec<u8> {
    let mut messages = vec![json!({"role": "system", "content": "You are a helpful assistant."})];
    loop {
        let texts: Vec<_> = messages.iter().map(Value::to_string).collect();
        let body = format!(
            r#"{{"model":"openai","messages":[{}],"temperature":0.7,"max_tokens":256,"stream":false}}"#,
            texts.join(",")
        );
        let Some(left) = bytes.checked_sub(body.len()).filter(|left| *left > 0) else {
            return body.into_bytes();
        };
        let number = messages.len();
        let sentence =
            format!("The quick brown \"fox\" jumps over\nthe lazy dog; naïve café №{number} ");
        let content = sentence.repeat(left.min(700) / sentence.len() + 1);
        let role = if number % 2 == 1 { "user" } else { "assistant" };
        messages.push(json!({"role": role, "content": content}));
    }
}

fn request(body: &[u8]) -> Request<ReqBody> {
    let mut request = Request::new(ReqBody::from(body.to_vec()));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("https://gen.example.com/v1/chat/completions?a=1");
    let json = http::HeaderValue::from_static("application/json");
    request.headers_mut().insert(ACCEPT, json.clone());
    request.headers_mut().insert(CONTENT_TYPE, json);
    request
}

fn value_sha256(body: &[u8]) -> [u8; 32] {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = serde_json::to_vec(&value).unwrap_or_default();
    Sha256::digest(&text).into()
}

fn keyed(policy: &CanonicalKey, request: &Request<ReqBody>) -> usize {
    usize::from(black_box(policy.key(black_box(request))).is_some())
}

/// The same chat, members in another order and with white space.
fn shuffled(body: &[u8]) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        let mut turned: Vec<_> = std::mem::take(members).into_iter().collect();
        turned.reverse();
        members.extend(turned);
    }
    serde_json::to_vec_pretty(&value).unwrap_or_default()
}

fn rows(body: &[u8], row: &str, calls: usize) {
    let fresh = CanonicalKey::new().memo_bytes(0);
    let policy = CanonicalKey::new();
    let request = request(body);
    let before = peers::allocations();
    for _ in 0..calls {
        match row {
            "canonical" => drop(black_box(keyed(&fresh, &request))),
            "again" => drop(black_box(keyed(&policy, &request))),
            _ => drop(black_box(value_sha256(black_box(body)))),
        }
    }
    println!("{}", (peers::allocations() - before) as f64 / calls as f64);
}

fn contest(kibibytes: usize, limit: f64, report: &mut Report) {
    let body = chat(kibibytes * 1024);
    let fresh = CanonicalKey::new().memo_bytes(0);
    let policy = CanonicalKey::new();
    let plain = request(&body);
    let canonical = canonical_json(&body).unwrap_or_default();
    let said = request(&canonical).map(|_| ReqBody::canonical_json(canonical.into()));
    assert_eq!(fresh.key(&plain), fresh.key(&said), "said to be canonical");
    assert_eq!(
        fresh.key(&plain),
        fresh.key(&request(&shuffled(&body))),
        "shuffled"
    );
    assert_eq!(fresh.key(&plain), policy.key(&plain), "kept");

    // The first call finds no memory kept.
    let cold = CanonicalKey::new().memo_bytes(0);
    let before = peers::allocations();
    keyed(&cold, &plain);
    let first = peers::allocations() - before;

    let calls = 200_000 / body.len() + 10;
    let repeat = |mut call: Box<dyn FnMut() -> usize>| move || (0..calls).map(|_| call()).sum();
    let table = Contest::new(format!("{kibibytes} KiB"), calls)
        .rounds(31)
        .runner(OURS, {
            let (policy, request) = (fresh.clone(), request(&body));
            repeat(Box::new(move || keyed(&policy, &request)))
        })
        .runner(SAID, repeat(Box::new(move || keyed(&fresh, &said))))
        .runner(AGAIN, repeat(Box::new(move || keyed(&policy, &plain))))
        .runner(VALUE, {
            let body = body.clone();
            repeat(Box::new(move || {
                black_box(value_sha256(black_box(&body)));
                1
            }))
        })
        .run();
    report.at_most(
        "canonical key / Value, written again, SHA-256",
        table.ratio(OURS, VALUE),
        limit,
    );
    report.note("said to be canonical / the same", table.ratio(SAID, VALUE));
    report.note("seen before / the same", table.ratio(AGAIN, VALUE));
    report.at_most("allocations of a first key", first as f64, 8.0);
    report.at_most("allocations of a key", table.allocations(OURS), 8.0);
    report.at_most(
        "allocations of a key seen before",
        table.allocations(AGAIN),
        0.0,
    );
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [row, calls] = &arguments[..] {
        rows(&chat(10 * 1024), row, calls.parse().unwrap_or(1));
        return ExitCode::SUCCESS;
    }
    let mut report = Report::new();
    contest(1, 0.8, &mut report);
    contest(10, 0.6, &mut report);
    contest(100, 0.6, &mut report);
    report.finish()
}
