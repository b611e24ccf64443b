//! What is kept, and what is not.

use super::*;

#[tokio::test]
async fn a6_a_body_that_is_cut_anywhere_is_not_stored() {
    for at in 0..=4 {
        let body = (0..at).fold(ScriptedBody::new(), |body, n| body.data(format!("{n}")));
        let stack = Stack::new(layer()).replies([Response::new(body.error("cut")), reply(&[])]);
        assert!(text(stack.send(request()).await.unwrap()).await.is_err());
        assert_eq!(stack.ask(request()).await, CacheStatus::Miss, "cut at {at}");
    }
    // A length that lies, and an end that cannot be told from a cut.
    let mut old = reply(&[]);
    *old.version_mut() = http::Version::HTTP_10;
    let lies = reply(&[("content-length", "2")]);
    for unproven in [lies, reply(&[("connection", "close")]), old] {
        let stack = Stack::new(layer()).replies([unproven, reply(&[])]);
        stack.ask(request()).await;
        assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    }
}

/// Takes `stop` for the finish, and no other end for whole.
#[derive(Debug, Default)]
struct Words(bool);

impl Watch for Words {
    fn data(&mut self, data: &Bytes, record: &mut Record) -> bool {
        if data == "stop" {
            record.finish_reason = Some(FinishReason::Stop);
            record.usage = Some(Usage::new(3, 4));
            self.0 = true;
        }
        true
    }

    fn end(&mut self, _: End, record: &mut Record) -> Option<Deferred> {
        record.complete &= self.0;
        None
    }
}

fn words(_: &Parts) -> Option<Words> {
    Some(Words::default())
}

#[tokio::test]
async fn a7_an_event_stream_is_stored_only_if_it_is_proven_whole() {
    let events = |last: &'static str| {
        let mut response = Response::new(ScriptedBody::new().data("word").data(last));
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response.headers_mut().insert("content-type", kind);
        response
    };
    for (last, again) in [("stop", CacheStatus::Hit), ("[DONE]", CacheStatus::Miss)] {
        let layer = layer();
        let inner = ScriptedService::new([events(last), events(last)].map(Step::Respond));
        let service = ServiceBuilder::new()
            .layer(layer.clone())
            .layer(ObserveLayer::new(words))
            .service(inner);
        text(service.clone().oneshot(request()).await.unwrap())
            .await
            .unwrap();
        let second = service.oneshot(request()).await.unwrap();
        assert_eq!(status(&second), again, "{last}");
        let outcome = second.extensions().get::<Outcome>().unwrap().clone();
        text(second).await.unwrap();
        assert_eq!(outcome.complete(), last == "stop");
        let saved = if last == "stop" { (8, 7) } else { (0, 0) };
        let stats = layer.handle().stats();
        assert_eq!((stats.saved_bytes, stats.saved_tokens), saved);
    }
    // Without anybody who watches there is no proof.
    let stack = Stack::new(layer()).replies([events("stop"), events("stop")]);
    stack.ask(request()).await;
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
}

/// Reads a reply into its words.
struct Read(Bytes);

impl Watch for Read {
    fn data(&mut self, data: &Bytes, _: &mut Record) -> bool {
        self.0 = data.clone();
        true
    }

    fn end(&mut self, _: End, _: &mut Record) -> Option<Deferred> {
        let words = |data: &Bytes, record: &mut Record| {
            record.model = Some("m".into());
            Some(Decoded::new(data.len()))
        };
        Some(Deferred::decoding(self.0.clone(), words))
    }
}

#[tokio::test]
async fn what_a_reply_was_decoded_to_is_for_its_caller_and_is_not_kept() {
    let service = ServiceBuilder::new()
        .layer(layer())
        .layer(ObserveLayer::new(|_: &Parts| Some(Read(Bytes::new()))))
        .service(ScriptedService::new([Step::Respond(reply(&[]))]));
    let mut decoded = Vec::new();
    for _ in 0..2 {
        let response = service.clone().oneshot(request()).await.unwrap();
        let outcome = response.extensions().get::<Outcome>().unwrap().clone();
        text(response).await.unwrap();
        assert_eq!(outcome.record().model.as_deref(), Some("m"));
        decoded.push(outcome.take_decoded::<usize>());
    }
    assert_eq!(decoded, [Some(1), None]);
}

fn failure(code: u16) -> Response<ScriptedBody> {
    let mut response = reply(&[]);
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

#[tokio::test(start_paused = true)]
async fn a8_failures_are_not_stored_unless_asked_for_and_then_five_seconds_at_most() {
    for code in [206, 304, 307, 401, 403, 404, 429, 500, 503] {
        let stack = Stack::new(layer()).replies([failure(code), reply(&[])]);
        stack.ask(request()).await;
        assert_eq!(stack.ask(request()).await, CacheStatus::Miss, "{code}");
    }
    for (code, kept) in [(404, true), (503, true), (401, false), (429, false)] {
        let negative = layer().negative_time_to_live(MINUTE);
        let stack = Stack::new(negative).replies([failure(code), reply(&[])]);
        stack.ask(request()).await;
        let again = if kept {
            CacheStatus::Hit
        } else {
            CacheStatus::Miss
        };
        assert_eq!(stack.ask(request()).await, again, "{code}");
        if kept {
            sleep(SECOND * 5).await;
            assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a8_an_old_reply_stands_in_for_a_failure_and_says_so() {
    let stack = Stack::new(layer().stale_if_error(MINUTE).negative_time_to_live(SECOND));
    stack.inner.push([
        Step::Respond(reply(&[("x-from", "old")])),
        Step::Respond(failure(503)),
        Step::Fail("gone"),
        Step::Respond(failure(400)),
        Step::Respond(reply(&[("x-from", "new")])),
        Step::Fail("gone"),
    ]);
    stack.ask(request()).await;
    sleep(MINUTE + SECOND).await;

    for _ in 0..2 {
        let old = stack.send(request()).await.unwrap();
        assert_eq!(status(&old), CacheStatus::Stale);
        assert_eq!(old.headers()["x-from"], "old");
        assert_eq!(old.headers()["age"], "61");
        assert!(
            old.headers()["cache-status"]
                .to_str()
                .unwrap()
                .contains("stale")
        );
    }
    // The request's own fault is its answer.
    assert_eq!(stack.send(request()).await.unwrap().status(), 400);
    assert_eq!(stack.ask(request()).await, CacheStatus::Miss);
    assert_eq!(stack.ask(request()).await, CacheStatus::Hit);
    sleep(MINUTE * 3).await;
    assert!(stack.send(request()).await.is_err());
    assert_eq!(stack.handle().stats().rescued, 2);
}

#[tokio::test]
async fn a9_what_the_reply_forbids_is_not_stored() {
    let cases: [(&[(&str, &str)], bool); 10] = [
        (&[("cache-control", "no-store")], false),
        (&[("cache-control", "max-age=60, PRIVATE")], false),
        (&[("cache-control", "no-cache")], false),
        (&[("cache-control", "max-age=0")], false),
        (&[("set-cookie", "id=1")], false),
        (&[("vary", "*")], false),
        (&[("vary", "accept-language, Accept-Encoding")], false),
        (
            &[
                ("vary", "Accept-Language"),
                ("vary", "ACCEPT-LANGUAGE, accept-language"),
            ],
            true,
        ),
        (&[("cache-control", "max-age=60")], true),
        (&[], true),
    ];
    for (fields, stored) in cases {
        let stack = Stack::new(layer()).replies([reply(fields), reply(fields)]);
        stack.ask(request()).await;
        let again = if stored {
            CacheStatus::Hit
        } else {
            CacheStatus::Miss
        };
        assert_eq!(stack.ask(request()).await, again, "{fields:?}");
        let stats = stack.handle().stats();
        assert_eq!(
            (stats.stored, stats.not_stored),
            if stored { (1, 0) } else { (0, 2) }
        );
    }
}

#[tokio::test]
async fn a9_among_strangers_what_was_asked_with_a_key_is_for_one_unless_it_says_it_is_public() {
    for (fields, again) in [
        (&[][..], CacheStatus::Miss),
        (
            &[("cache-control", "public, max-age=60")][..],
            CacheStatus::Hit,
        ),
    ] {
        let shared = CacheLayer::new(MemoryTier::new(1 << 20), ByPath, Scope::shared());
        let stack = Stack::new(shared.time_to_live(MINUTE)).replies([reply(fields), reply(fields)]);
        stack.ask(asking("authorization", "Bearer a")).await;
        assert_eq!(stack.ask(asking("authorization", "Bearer b")).await, again);
    }
}

#[tokio::test]
async fn a10_a_policy_of_ones_own_decides_what_is_stored() {
    use blossom_layers::cache::{ByDirectives, CachePolicy, Lifetime, Storage};

    type Any = fn(&Request<ReqBody>) -> Option<CacheKey>;

    #[derive(Debug, Clone)]
    struct Always;

    impl CachePolicy<ReqBody> for Always {
        fn request(&self, _: &Request<ReqBody>) -> bool {
            true
        }

        fn reply(&self, _: &Parts) -> Storage {
            Storage::For(Lifetime::new(MINUTE))
        }
    }

    async fn twice<P>(policy: impl FnOnce(CacheLayer<Any>) -> CacheLayer<Any, P>) -> CacheStatus
    where
        P: CachePolicy<ReqBody> + Clone + Send + Sync + 'static,
    {
        let any: Any = |_| Some(CacheKey::new([7; 32]));
        let layer = CacheLayer::new(MemoryTier::new(1 << 20), any, Scope::fixed("a"));
        let inner = ScriptedService::new([reply(&[]), reply(&[])].map(Step::Respond));
        let service = policy(layer.time_to_live(MINUTE)).layer(inner);
        let post = || Request::post("/").body(ReqBody::from("{}")).unwrap();
        text(service.clone().oneshot(post()).await.unwrap())
            .await
            .unwrap();
        status(&service.oneshot(post()).await.unwrap())
    }

    let one_answer = |request: &Request<ReqBody>| request.body().bytes().is_some();
    assert_eq!(twice(|layer| layer).await, CacheStatus::Miss);
    let known = ByDirectives::new().deterministic(one_answer);
    assert_eq!(twice(|layer| layer.policy(known)).await, CacheStatus::Hit);
    assert_eq!(twice(|layer| layer.policy(Always)).await, CacheStatus::Hit);
}
