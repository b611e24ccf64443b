//! A hit of the cache in memory, through the whole preset, from the call to the last frame.
//!
//! Twice: with a body that is formatted in a way that was not seen before, beside the canonical key of
//! that body and a bare get of moka; and with one that was there before in each byte, beside a hit of
//! `http-cache-tower` with its moka manager (GET, as it keeps nothing else). Making the requests does
//! not count. A chat of 1 KiB, a reply of 1 KiB.
//!
//! Run it with `./run hit` in this package. With `canonical` or `repeat` and a number of calls as
//! arguments it makes these calls and nothing else, for counting instructions:
//! `valgrind --tool=callgrind hit repeat 2100`.

mod upstream;

use std::{hint::black_box, pin::pin, process::ExitCode, time::Duration};

use blossom::{
    Blossom, Body, Dialect,
    layers::{
        cache::{CacheLayer, tier::MemoryTier},
        types::{CacheStatus, Scope},
    },
    policy::{KeepAnswers, KeyRequest},
};
use blossom_layers::{cache::key::CanonicalKey, types::KeyPolicy as _};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use http_cache::MokaManager;
use http_cache_tower::HttpCacheLayer;
use peers::{Contest, Report, block_on};
use tower::{Layer as _, Service};

#[global_allocator]
static ALLOCATOR: peers::Counting = peers::Counting;

type Error = Box<dyn std::error::Error + Send + Sync>;

const PRESET: &str = "preset";
const KEY_AND_GET: &str = "canonical key and moka's get";
const GET: &str = "moka's get";
const ALONE: &str = "the cache's layer alone";
const PEER: &str = "http-cache-tower, moka";

// Few at a time: what is made for them should not push out what is measured.
const CALLS: usize = 64;
const ROUNDS: usize = 401;
/// Ways to write the same chat: more than are remembered, so that each is read again.
const WAYS: usize = 8 * 1024;
const SPACES: [&str; 8] = ["", " ", "\n", "  ", "\n ", " \n", "\n\n", "   "];
/// Makes it a body of 1 KiB.
const PROMPT_BYTES: usize = 870;

/// A chat of 1 KiB. `way` says how it is formatted.
fn chat(way: usize) -> Bytes {
    let sentence = "Explain in plain English why the number 17 is prime, in two sentences. ";
    let prompt: String = sentence.chars().cycle().take(PROMPT_BYTES).collect();
    let messages = format!(
        concat!(
            r#""messages":[{{"role":"system","content":"You are a helpful assistant."}},"#,
            r#"{{"role":"user","content":"{}"}}]"#
        ),
        prompt
    );
    let mut members = [
        r#""model":"openai""#,
        &messages,
        r#""temperature":0.7"#,
        r#""max_tokens":256"#,
    ];
    members.rotate_left(way % 4);
    // White space after each member: a digit each of what is left.
    let mut digits = way / 4;
    let written = members.map(|member| {
        let space = SPACES[digits % SPACES.len()];
        digits /= SPACES.len();
        format!("{member}{space}")
    });
    format!("{{{}}}", written.join(",")).into()
}

fn post(uri: &Uri, body: &[u8]) -> Request<Body> {
    // Bytes of its own, as a caller has who has written it again.
    let mut request = Request::new(Body::from(body.to_vec()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    request
}

fn get() -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = Uri::from_static("http://127.0.0.1/models");
    request
}

/// Calls and reads the body; returns its length.
async fn call<S, Q, R>(service: &mut S, request: Q) -> Result<usize, Error>
where
    S: Service<Q, Response = Response<R>>,
    R: http_body::Body<Data = Bytes>,
    S::Error: Into<Error>,
    R::Error: Into<Error>,
{
    let response = service.call(request).await.map_err(Into::into)?;
    let mut body = pin!(response.into_body());
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Into::into)?;
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(bytes)
}

/// How many of these calls were answered in full.
fn drive<S, Q, R>(service: &mut S, requests: Vec<Q>, reply_bytes: usize) -> usize
where
    S: Service<Q, Response = Response<R>>,
    R: http_body::Body<Data = Bytes>,
    S::Error: Into<Error>,
    R::Error: Into<Error>,
{
    let calls = requests.into_iter();
    calls
        .filter_map(|request| block_on(call(service, request)).ok())
        .filter(|bytes| *bytes == reply_bytes)
        .count()
}

/// The next `CALLS` bodies, over and over.
fn next_of(bodies: &[Bytes], at: &mut usize) -> Vec<Bytes> {
    let next = (0..CALLS).map(|call| bodies[(*at + call) % bodies.len()].clone());
    let next = next.collect();
    *at += CALLS;
    next
}

/// The preset with its reply in memory.
struct Filled {
    client: Blossom,
    uri: Uri,
    reply_bytes: usize,
}

impl Filled {
    async fn new() -> Result<Self, Error> {
        let base = format!("http://127.0.0.1:{}", upstream::start()?);
        let uri: Uri = format!("{base}/v1/chat/completions").parse()?;
        let mut client = Blossom::builder().base_url(base).build()?;
        let reply_bytes = upstream::reply().len();
        assert_eq!(
            call(&mut client, post(&uri, &chat(0))).await?,
            reply_bytes,
            "a miss"
        );
        for way in [0, 1, WAYS - 1] {
            let response = client.call(post(&uri, &chat(way))).await?;
            let status = response.extensions().get();
            assert_eq!(status, Some(&CacheStatus::Hit), "written in way {way}");
        }
        Ok(Self {
            client,
            uri,
            reply_bytes,
        })
    }

    fn requests(&self, bodies: Vec<Bytes>) -> Vec<Request<Body>> {
        bodies.iter().map(|body| post(&self.uri, body)).collect()
    }

    fn drive(&self, requests: Vec<Request<Body>>) -> usize {
        drive(&mut self.client.clone(), requests, self.reply_bytes)
    }
}

fn canonical(filled: &Filled, report: &mut Report) {
    let bodies: Vec<Bytes> = (0..WAYS).map(chat).collect();
    let policy = CanonicalKey::new().memo_bytes(0);
    let kept = moka::sync::Cache::new(10_000);
    let key = |request: &Request<Body>| policy.key(request).map(|key| *key.as_bytes());
    let first = key(&post(&filled.uri, &bodies[0]));
    kept.insert(first, upstream::reply());
    let (mut one, mut two) = (0, 0);

    let table = Contest::new("a body formatted in another way", CALLS)
        .rounds(ROUNDS)
        .prepared(
            PRESET,
            || filled.requests(next_of(&bodies, &mut one)),
            |requests| filled.drive(requests),
        )
        .prepared(
            KEY_AND_GET,
            || filled.requests(next_of(&bodies, &mut two)),
            |requests| {
                let found = requests
                    .iter()
                    .filter_map(|request| kept.get(&key(request)));
                found
                    .map(|reply| usize::from(black_box(reply).len() == filled.reply_bytes))
                    .sum()
            },
        )
        .runner(GET, || {
            let found = (0..CALLS).filter_map(|_| black_box(kept.get(black_box(&first))));
            found.count()
        })
        .run();
    report.at_most(
        "a hit through the preset / canonical key and moka's get",
        table.ratio(PRESET, KEY_AND_GET),
        1.5,
    );
    report.at_most("allocations", table.allocations(PRESET), 16.0);
}

fn repeat(filled: &Filled, report: &mut Report) {
    let mut peer =
        HttpCacheLayer::new(MokaManager::default()).layer(upstream::Noop(upstream::reply()));
    let reply_bytes = filled.reply_bytes;
    assert_eq!(
        block_on(call(&mut peer, get())).ok(),
        Some(reply_bytes),
        "a miss"
    );
    let again = block_on(peer.call(get()));
    let hit = again.is_ok_and(|response| {
        response
            .headers()
            .get("x-cache")
            .is_some_and(|value| value == "HIT")
    });
    assert!(hit, "the peer has kept it");
    let body = chat(0);
    // As the preset has it, without what stands around it.
    let tier = MemoryTier::new(64 << 20);
    let mut alone = CacheLayer::new(tier, KeyRequest::new(Dialect::Gen), Scope::fixed("me"))
        .policy(KeepAnswers::new(Duration::from_secs(3600)))
        .layer(upstream::Noop(upstream::reply()));

    let table = Contest::new("the same body in each byte", CALLS)
        .rounds(ROUNDS)
        .prepared(
            PRESET,
            || filled.requests(vec![body.clone(); CALLS]),
            |requests| filled.drive(requests),
        )
        .prepared(
            ALONE,
            || filled.requests(vec![body.clone(); CALLS]),
            |requests| drive(&mut alone, requests, reply_bytes),
        )
        .prepared(
            PEER,
            || (0..CALLS).map(|_| get()).collect::<Vec<_>>(),
            |requests| drive(&mut peer, requests, reply_bytes),
        )
        .run();
    report.at_most(
        "a hit through the preset / a hit of http-cache-tower",
        table.ratio(PRESET, PEER),
        0.15,
    );
    report.at_most("allocations", table.allocations(PRESET), 9.0);
}

fn main() -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let filled = runtime.block_on(Filled::new())?;
    let _entered = runtime.enter();

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [row, calls] = &arguments[..] {
        let ways = if row == "repeat" { 1 } else { WAYS };
        let bodies: Vec<Bytes> = (0..ways).map(chat).collect();
        let mut at = 0;
        for _ in 0..calls.parse::<usize>()?.div_ceil(CALLS) {
            black_box(filled.drive(filled.requests(next_of(&bodies, &mut at))));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = Report::new();
    canonical(&filled, &mut report);
    repeat(&filled, &mut report);
    Ok(report.finish())
}
