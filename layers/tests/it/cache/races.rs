//! What is older does not come over what is newer; replays.

use super::*;

#[tokio::test(start_paused = true)]
async fn a18_a_fill_that_began_before_a_purge_does_not_store_after_it_and_nobody_joins_it() {
    let own = Owner::Fixed("a");
    let purges: [(&str, bool, &dyn Fn(&CacheHandle)); 7] = [
        ("all", true, &|cache| cache.clear()),
        ("scope", true, &|cache| cache.invalidate_scope(own)),
        ("tag", true, &|cache| cache.invalidate_tag("faq")),
        ("key", true, &|cache| cache.invalidate_key(own, "k")),
        ("other scope", false, &|cache| {
            cache.invalidate_scope(Owner::Fixed("b"));
        }),
        ("other tag", false, &|cache| cache.invalidate_tag("news")),
        ("other key", false, &|cache| cache.invalidate_key(own, "l")),
    ];
    let options = || with(CacheOptions::new().key("k").tag("faq"));
    for (name, covered, purge) in purges {
        // While it flies.
        let (half, _) = halves();
        let stack = Stack::new(layer()).replies([half, reply(&[]), reply(&[])]);
        let old = stack.send(options()).await.unwrap();
        purge(&stack.handle());
        let next = stack.send(options()).await.unwrap();
        let expected = if covered {
            CacheStatus::Miss
        } else {
            CacheStatus::Coalesced
        };
        assert_eq!(status(&next), expected, "{name}");
        drop(next);
        assert_eq!(text(old).await.unwrap(), "ab");
        let expected = if covered {
            CacheStatus::Miss
        } else {
            CacheStatus::Hit
        };
        assert_eq!(stack.ask(options()).await, expected, "{name}");

        // When it is there.
        assert_eq!(stack.ask(options()).await, CacheStatus::Hit);
        purge(&stack.handle());
        assert_eq!(stack.ask(options()).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn b7_an_old_call_does_not_overwrite_the_reply_of_a_newer_one() {
    let slow = |from, seconds| {
        let body = ScriptedBody::new().wait(SECOND * seconds).data("a").sized();
        let mut response = Response::new(body);
        response
            .headers_mut()
            .insert("x-from", HeaderValue::from_static(from));
        response
    };
    let stack = Stack::new(layer().max_age(SECOND * 5)).replies([slow("old", 20), slow("new", 1)]);
    let old = stack.send(request()).await.unwrap();
    let old = async { text(old).await.unwrap() };
    let new = async {
        sleep(SECOND * 6).await;
        stack.ask(request()).await
    };
    let (old, new) = tokio::join!(old, new);
    assert_eq!((old.as_ref(), new), (&b"a"[..], CacheStatus::Miss));

    let hit = stack.send(request()).await.unwrap();
    assert_eq!(hit.headers()["x-from"], "new");
}

#[tokio::test(start_paused = true)]
async fn a19_a_thousand_replays_are_all_the_same_and_share_their_bytes() {
    let frames = ["data: a\n\n", "da", "ta: b\n", "\n", "data: [DONE]\n\n"];
    let body = frames
        .into_iter()
        .fold(ScriptedBody::new(), |body, frame| body.data(frame));
    let stack = Stack::new(layer()).replies([Response::new(body.trailer("x-end", "1"))]);
    stack.ask(request()).await;

    let mut first = None;
    for n in 0..1000 {
        let mut body = stack.send(request()).await.unwrap().into_body();
        for expected in frames {
            if n % 100 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
            let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(data, expected);
            if expected == frames[0] {
                assert_eq!(*first.get_or_insert(data.as_ptr()), data.as_ptr());
            }
        }
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.is_end_stream());
    }
    assert_eq!(stack.inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replay_can_have_a_pace() {
    let body = ScriptedBody::new().data("a").data("b").data("c");
    let stack = Stack::new(layer().pace(SECOND)).replies([Response::new(body)]);
    stack.ask(request()).await;
    let start = Instant::now();

    assert_eq!(
        text(stack.send(request()).await.unwrap()).await.unwrap(),
        "abc"
    );
    assert_eq!(start.elapsed(), SECOND * 2);
}
