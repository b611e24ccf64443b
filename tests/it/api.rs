//! The public API as it is promised, line by line.

use std::{
    future::{Future, IntoFuture},
    pin::pin,
};

use blossom::{
    Blossom, Delta, Dialect, Endpoint, Image, Quality, Result, Speech, Text, TextStream,
    protocol::{Message, Tool},
    sandbox::Sandbox,
};
use futures_util::{Stream, StreamExt};

fn pair() -> (Sandbox, Blossom) {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .api_key("sk_test")
        .base_url(sandbox.base_url())
        .max_attempts(1)
        .breaker(blossom::layers::breaker::Rules::never())
        .build()
        .unwrap();
    (sandbox, client)
}

fn is_stream<S: Stream<Item = Result<Delta>> + Send + Unpin + 'static>(stream: S) -> S {
    stream
}

/// A call can be stored in a struct by its name, and moved into a task.
fn is_call<C>(call: C) -> C::IntoFuture
where
    C: IntoFuture<IntoFuture: Future + Send + 'static> + Clone + Send + Sync + 'static,
{
    call.into_future()
}

#[tokio::test]
async fn text_reads_as_it_is_promised() -> Result<()> {
    let (_sandbox, client) = pair();

    let answer = client
        .text()
        .generate("What is Rust?")
        .max_tokens(200)
        .await?;
    assert_eq!(format!("{answer}"), answer.content());
    assert!(answer.usage().is_some());
    assert!(answer.model().is_some() && answer.timing().is_some());
    let _ = (answer.finish_reason(), answer.cache_status());

    let mut stream = client.text().generate("Write a story").stream().await?;
    let mut story = String::new();
    while let Some(delta) = stream.next().await {
        story += &delta?.to_string();
    }
    let whole = stream.finish().await?;
    assert_eq!(whole.content(), story);
    assert!(whole.usage().is_some() && whole.finish_reason().is_some());

    let stream = client.text().generate("Write a story").stream().await?;
    let pieces: Vec<_> = is_stream(stream).collect().await;
    let pieces: Result<Vec<_>> = pieces.into_iter().collect();
    assert_eq!(
        pieces?.iter().map(Delta::content).collect::<String>(),
        story
    );
    Ok(())
}

#[tokio::test]
async fn chats_tools_and_types_read_as_they_are_promised() -> Result<()> {
    #[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
    struct Recipe {
        title: String,
        minutes: u32,
        steps: Vec<String>,
    }
    let (_sandbox, client) = pair();
    let messages = vec![
        Message::system("Be brief."),
        Message::user("Weather in Paris?"),
    ];
    let tools = [Tool::function("weather").parameters(serde_json::json!({ "type": "object" }))];

    let reply = client
        .text()
        .chat(messages.clone())
        .model("openai")
        .temperature(0.1)
        .seed(7)
        .tools(tools)
        .await?;
    assert_eq!(reply.content(), "", "empty with tool calls");
    assert_eq!(reply.tool_calls()[0].name(), "weather");

    let typed = client.text().chat(messages).parse::<Recipe>().await?;
    let recipe: &Recipe = typed.value();
    assert!(!recipe.title.is_empty(), "{recipe:?}");
    let list = client
        .text()
        .generate("Three words")
        .parse::<Vec<String>>()
        .await?;
    let words: Vec<String> = list.into_value();
    assert!(words.iter().all(|word| !word.is_empty()));
    Ok(())
}

#[tokio::test]
async fn images_speech_and_models_read_as_they_are_promised() -> Result<()> {
    let (sandbox, client) = pair();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.png");

    let image = client
        .image()
        .generate("a cat")
        .size(512, 512)
        .quality(Quality::Medium)
        .await?;
    image.save(&path).await?;
    assert_eq!(std::fs::read(&path).unwrap(), image.bytes());
    assert!(image.content_type().starts_with("image/"));

    let before = sandbox.count();
    let url = client.image().generate("a cat").url()?;
    assert!(url.contains("/image/a%20cat") && !url.contains("sk_test"));
    assert_eq!(sandbox.count(), before, "no call");

    let speech = client.audio().speak("Hello").voice("nova").await?;
    assert!(speech.content_type().starts_with("audio/"));
    let models = client.models().await?;
    assert!(!models.is_empty());
    assert!(!client.image().models().await?.is_empty());
    assert!(!client.audio().models().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_client_over_a_stack_of_ones_own_reads_as_it_is_promised() -> Result<()> {
    use blossom::{layers::buffer::BufferLayer, transport::Transport};
    use tower::ServiceBuilder;

    let (sandbox, _) = pair();
    let stack = ServiceBuilder::new()
        .layer(BufferLayer::new())
        .service(Transport::builder().api_key("sk_test").build().unwrap());
    let client = Blossom::from_service(stack)
        .endpoint(Endpoint::new(Dialect::Gen, sandbox.base_url())?)
        .build();
    assert!(!client.text().generate("Hi").await?.content().is_empty());
    let v1 = Endpoint::v1();
    assert_ne!(v1.base(), v1.image_base());
    Ok(())
}

#[tokio::test]
async fn every_call_is_a_named_future_that_owns_all_it_needs() {
    let (_sandbox, client) = pair();
    let text = is_call(client.text().generate("Hi"));
    let chat = is_call(client.text().chat(["Hi"]));
    let image = is_call(client.image().generate("a cat").size(8, 8));
    let speech = is_call(client.audio().speak("Hi"));
    let models = is_call(client.models());
    let stream = client.text().generate("Hi").stream();
    drop(client);

    let (text, chat): (Text, Text) = (text.await.unwrap(), chat.await.unwrap());
    assert!(!text.content().is_empty() && !chat.content().is_empty());
    let image: Image = image.await.unwrap();
    let speech: Speech = speech.await.unwrap();
    assert!(!speech.bytes().is_empty());
    assert!(!models.await.unwrap().is_empty());
    let mut stream: TextStream = pin!(stream).await.unwrap();
    assert!(stream.next().await.is_some());

    let json = serde_json::to_string(&image).unwrap();
    let read: Image = serde_json::from_str(&json).unwrap();
    assert_eq!(read.bytes(), image.bytes());
}
