//! Images, speech, vision, tools and types against the embedded upstream.

use std::time::Duration;

use blossom::{
    ErrorKind, Quality,
    protocol::{AudioFormat, AudioOutput, Capability, Message, Modality, Part, SpeechFormat, Tool},
};

use crate::support::{FAULT, pair};

#[tokio::test]
async fn an_image_by_get_and_by_post_is_the_one_that_was_asked_for() {
    let (sandbox, client) = pair();
    let call = || {
        client
            .image()
            .generate("a cat")
            .size(64, 32)
            .seed(7)
            .quality(Quality::High)
    };

    let by_get = call().await.unwrap();
    let by_post = call().by_post(true).await.unwrap();

    for image in [&by_get, &by_post] {
        assert!(image.content_type().starts_with("image/"));
        assert!(image.bytes().len() > 100);
        assert!(image.timing().is_some());
    }
    assert_eq!(by_get.declared_type(), Some(by_get.content_type()));
    assert!(by_get.url().unwrap().starts_with(sandbox.base_url()));
    assert_eq!(by_post.url(), None);
    assert_eq!(call().await.unwrap().bytes(), by_get.bytes());
}

#[tokio::test]
async fn a_prompt_that_a_path_cannot_hold_is_drawn_all_the_same() {
    let (sandbox, client) = pair();
    let long = "a very long prompt ".repeat(150);

    for prompt in [".", "..", long.as_str(), "100%41", "a/prompt/b"] {
        let image = client.image().generate(prompt).size(8, 8).await.unwrap();
        assert!(!image.bytes().is_empty());
        assert_eq!(sandbox.requests().last().unwrap().prompt(), Some(prompt));
    }
    let error = client.image().generate(long).url().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn an_image_that_breaks_off_is_truncated_and_kept() {
    let (_sandbox, client) = pair();
    let call = client.image().generate("a cat").size(64, 64);
    let whole = call.clone().await.unwrap();

    let error = call.header(FAULT, "cut").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Truncated);
    let partial = error.partial().unwrap();
    assert_eq!(partial.bytes(), partial.body().len() as u64);
    assert!(whole.bytes().starts_with(partial.body()));
}

#[tokio::test]
async fn a_saved_image_is_whole_also_when_the_future_is_dropped() {
    let (_sandbox, client) = pair();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.jpg");
    let image = client.image().generate("a cat").size(64, 64).await.unwrap();

    {
        // Polled once, so that the work has begun.
        let mut save = std::pin::pin!(image.save(&path));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(Future::poll(save.as_mut(), &mut cx).is_pending());
    }

    let start = tokio::time::Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(std::fs::read(&path).unwrap(), image.bytes());
}

#[tokio::test]
async fn speech_comes_in_the_format_that_was_asked_for() {
    let (_sandbox, client) = pair();

    let speech = client
        .audio()
        .speak("Hello")
        .voice("nova")
        .format(SpeechFormat::Wav)
        .await;
    let speech = speech.unwrap();
    assert_eq!(speech.content_type(), "audio/wav");
    assert!(speech.bytes().starts_with(b"RIFF"));

    let mp3 = client.audio().speak("Hello").await.unwrap();
    assert!(mp3.content_type().starts_with("audio/"));
}

#[tokio::test]
async fn images_by_url_bytes_and_file_reach_the_model() {
    let (sandbox, client) = pair();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.jpg");
    let drawn = client.image().generate("a cat").size(16, 16).await.unwrap();
    drawn.save(&path).await.unwrap();

    let message = Message::user("What do these show?")
        .part(Part::image_url("https://example.com/cat.png"))
        .part(Part::image_bytes(&drawn).unwrap())
        .part(Part::image_file(&path).await.unwrap());
    let answer = client.text().chat([message]).await.unwrap();

    assert!(!answer.content().is_empty());
    let seen = sandbox.requests().pop().unwrap();
    let parts = seen.parsed()["messages"][0]["content"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(parts.len(), 4);
    assert_eq!(parts[2]["image_url"], parts[3]["image_url"]);
    let url = parts[2]["image_url"]["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("data:{};base64,", drawn.content_type())));
}

#[tokio::test]
async fn a_chat_may_be_spoken_whole_and_streamed() {
    let (_sandbox, client) = pair();
    let call = |format| {
        client
            .text()
            .chat(["Say hello"])
            .modalities([Modality::Text, Modality::Audio])
            .audio(AudioOutput::new("nova", format))
    };

    let whole = call(AudioFormat::Wav).await.unwrap();
    let audio = whole.audio().unwrap();
    assert!(!audio.bytes().is_empty() && !audio.transcript().is_empty());

    let streamed = call(AudioFormat::Pcm16).stream().await.unwrap();
    let streamed = streamed.finish().await.unwrap();
    assert!(!streamed.audio().unwrap().bytes().is_empty());
    assert_eq!(streamed.audio().unwrap().transcript(), audio.transcript());

    let error = call(AudioFormat::Mp3).stream().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn reasoning_and_sources_are_told_beside_the_answer() {
    let (_sandbox, client) = pair();

    let call = || {
        let effort = blossom::protocol::ReasoningEffort::High;
        client.text().chat(["Why?"]).reasoning_effort(effort)
    };
    let whole = call().await.unwrap();
    let streamed = call().stream().await.unwrap().finish().await.unwrap();
    assert!(whole.reasoning().is_some());
    assert_eq!(whole.reasoning(), streamed.reasoning());

    let call = client.text().chat(["What is new?"]);
    let search = call
        .search_context(blossom::protocol::SearchContext::Low)
        .await;
    assert!(!search.unwrap().citations().is_empty());
}

#[tokio::test]
async fn typed_tools_are_called_answered_and_done_with() {
    /// Where to look.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Weather {
        city: String,
    }
    let (_sandbox, client) = pair();
    let tool = || Tool::typed::<Weather>("weather").description("The weather of a city");
    let mut history = vec![Message::user("Weather in Paris?")];

    let stream = client
        .text()
        .chat(history.clone())
        .tools([tool()])
        .stream()
        .await
        .unwrap();
    let asked = stream.finish().await.unwrap();
    let call = asked.tool_calls().first().unwrap();
    let arguments: Weather = call.parse().unwrap();
    assert!(!arguments.city.is_empty());

    history.push(asked.to_message());
    history.push(Message::tool(call.id(), "sunny"));
    let answer = client.text().chat(history).tools([tool()]).await.unwrap();
    assert!(answer.tool_calls().is_empty());
    assert!(!answer.content().is_empty());
}

#[tokio::test]
async fn the_cheapest_model_that_can_do_it_is_found() {
    let (_sandbox, client) = pair();
    let models = client.models().await.unwrap();

    let cheapest = models
        .cheapest(|model| model.can(Capability::Tools))
        .unwrap();

    let price = |model: &blossom::protocol::Model| {
        let units = ["promptTextTokens", "completionTextTokens"];
        let prices = units.map(|unit| model.price_per_million(unit).map_or(0, |price| price.0));
        prices[0] + prices[1]
    };
    for model in models.iter().filter(|model| model.can(Capability::Tools)) {
        assert!(price(cheapest) <= price(model));
    }
}
