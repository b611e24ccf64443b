//! What makes two calls the same: all arguments, some of them, or a key of your own; and for requests,
//! everything but what you say.

use std::time::Duration;

use blossom::{
    Body, cached,
    layers::{
        cache::key::CanonicalKey,
        types::{KeyPolicy as _, Owner, ScopeDigest},
    },
};
use http::{Request, header::CONTENT_TYPE};

type Arguments = (String, String, u32);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hour = Duration::from_secs(60 * 60);
    let generate = |(prompt, model, max_tokens): Arguments| async move {
        Ok::<_, blossom::Error>(format!("{prompt} by {model} in {max_tokens}"))
    };
    let arguments = |prompt: &str, tokens| (prompt.to_owned(), "openai".to_owned(), tokens);

    // All arguments, unless told otherwise: another number of tokens is another call.
    let by_all = cached(hour, generate);
    by_all.call(arguments("Hello", 100)).await?;
    by_all.call(arguments("Hello", 200)).await?;
    by_all.call(arguments("Hello", 100)).await?;
    println!("by all arguments: {} saved", by_all.stats().calls_saved());
    assert_eq!(by_all.stats().calls_saved(), 1);

    // A key of your own: prompts that differ in case and white space only are the same.
    let by_words = cached(hour, generate).key(|(prompt, model, _)| {
        let words: Vec<_> = prompt.split_whitespace().map(str::to_lowercase).collect();
        (words, model.clone())
    });
    by_words.call(arguments("Hello  world", 100)).await?;
    by_words.call(arguments("hello world", 200)).await?;
    println!("by words: {} saved", by_words.stats().calls_saved());
    assert_eq!(by_words.stats().calls_saved(), 1);

    // Requests: the meaning of the body counts, not how it is written.
    let chat = |body: &'static str| {
        Request::post("https://example.com/chat")
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
    };
    let policy = CanonicalKey::new().ignoring(["user"]);
    let key = |body| Ok::<_, http::Error>(policy.key(&chat(body)?));
    let plain = key(r#"{"model":"a","seed":1}"#)?;
    assert_eq!(
        plain,
        key(r#"{ "seed": 1.0, "user": "me", "model": "\u0061" }"#)?
    );
    assert_ne!(plain, key(r#"{"model":"a","seed":1,"min_p":0.1}"#)?);
    // What readers may disagree on is never shared.
    assert_eq!(None, key(r#"{"model":"a","model":"b"}"#)?);

    // Whose the answer is, is part of the key in the cache: two tenants never meet.
    let plain = plain.ok_or("it has a key")?;
    let of = |tenant| ScopeDigest::of(Owner::Tenant(tenant)).scoped(&plain);
    assert_ne!(of("a"), of("b"));
    println!("a request's key for tenant a: {}", of("a"));
    Ok(())
}
