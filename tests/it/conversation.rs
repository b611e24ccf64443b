//! Conversations against the embedded upstream.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use blossom::{
    ErrorKind,
    protocol::{Message, Role, Tool},
    sandbox::Sandbox,
};
use serde_json::{Value, json};

use crate::support::pair;

/// The roles of the messages of the last request.
fn sent(sandbox: &Sandbox) -> Vec<String> {
    let requests = sandbox.requests();
    let messages = requests.last().unwrap().parsed()["messages"].clone();
    let role = |message: &Value| message["role"].as_str().unwrap().to_owned();
    messages.as_array().unwrap().iter().map(role).collect()
}

/// Where to look.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Weather {
    city: String,
}

fn weather() -> Tool {
    Tool::typed::<Weather>("weather").description("The weather of a city")
}

#[tokio::test]
async fn the_system_message_is_given_once_and_the_history_is_kept() {
    let (sandbox, client) = pair();
    let mut talk = client
        .conversation()
        .system("Be brief.")
        .model("openai")
        .start();

    let first = talk.ask("Q1").await.unwrap();
    assert_eq!(sent(&sandbox), ["system", "user"]);
    talk.ask("Q2").await.unwrap();
    assert_eq!(sent(&sandbox), ["system", "user", "assistant", "user"]);

    let request = sandbox.requests().pop().unwrap();
    assert_eq!(request.parsed()["messages"][2]["content"], first.content());
    assert_eq!(request.parsed()["model"], "openai");
    assert_eq!(talk.messages().len(), 4);
    assert!(talk.usage().total_tokens > first.usage().unwrap().total_tokens);
}

#[tokio::test]
async fn a_question_that_failed_or_was_dropped_leaves_no_trace() {
    let (sandbox, client) = pair();
    let mut talk = client.conversation().start();
    talk.ask("Q1").await.unwrap();

    sandbox.fault("status;code=500").unwrap();
    assert!(talk.ask("Q2").await.is_err());
    sandbox.fault("cut;after-events=3").unwrap();
    let mut cut = talk.ask_stream("Q2");
    while let Some(Ok(_)) = cut.next().await {}
    assert_eq!(cut.finish().await.unwrap_err().kind(), ErrorKind::Truncated);
    sandbox.fault("").unwrap();
    let mut dropped = talk.ask_stream("Q2");
    dropped.next().await.unwrap().unwrap();
    drop(dropped);
    assert_eq!(talk.messages().len(), 2);

    talk.ask("Q2").await.unwrap();
    assert_eq!(sent(&sandbox), ["user", "assistant", "user"]);
}

#[tokio::test]
async fn a_streamed_answer_joins_the_history_at_its_end() {
    let (sandbox, client) = pair();
    let mut talk = client.conversation().system("Be brief.").start();

    let mut answer = talk.ask_stream("Q1");
    let mut pieces = String::new();
    while let Some(delta) = answer.next().await {
        pieces += delta.unwrap().content();
    }
    let whole = answer.finish().await.unwrap();

    assert_eq!(whole.content(), pieces);
    assert_eq!(talk.messages()[1].text(), pieces);
    talk.ask("Q2").await.unwrap();
    assert_eq!(sent(&sandbox), ["system", "user", "assistant", "user"]);
}

#[tokio::test]
async fn tools_are_answered_on_the_way_whole_and_streamed() {
    let (sandbox, client) = pair();
    let called = Arc::new(AtomicUsize::new(0));
    let count = called.clone();
    let handler = move |place: Weather| {
        count.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, Infallible>(json!({ "city": place.city, "sky": "clear" })) }
    };
    let mut talk = client.conversation().tool(weather(), handler).start();

    let answer = talk.ask("Weather in Paris?").await.unwrap();
    assert!(answer.tool_calls().is_empty() && !answer.content().is_empty());
    assert_eq!(called.load(Ordering::Relaxed), 1);
    let roles: Vec<_> = talk.messages().iter().map(Message::role).collect();
    assert_eq!(
        roles,
        [Role::User, Role::Assistant, Role::Tool, Role::Assistant]
    );
    assert_eq!(sent(&sandbox), ["user", "assistant", "tool"]);

    let mut again = client
        .conversation()
        .tool(weather(), |_: Weather| async { "clear" })
        .start();
    let streamed = again
        .ask_stream("Weather in Paris?")
        .finish()
        .await
        .unwrap();
    assert!(streamed.tool_calls().is_empty() && !streamed.content().is_empty());
    assert_eq!(again.messages()[2].text(), "clear");
    assert_eq!(again.messages().len(), 4);
}

#[tokio::test]
async fn what_goes_wrong_with_a_tool_is_told_to_the_model() {
    #[derive(serde::Deserialize)]
    struct Other {
        #[expect(dead_code, reason = "it is never there")]
        planet: u8,
    }
    let (sandbox, client) = pair();
    let told = || {
        let requests = sandbox.requests();
        let messages = &requests.last().unwrap().parsed()["messages"];
        messages[2]["content"].as_str().unwrap().to_owned()
    };

    let unfit = |_: Other| async { "never" };
    let mut talk = client.conversation().tool(weather(), unfit).start();
    talk.ask("Weather in Paris?").await.unwrap();
    assert!(told().starts_with("error: wrong arguments"), "{}", told());

    let fails = |_: Weather| async { Err::<String, _>("the station is closed") };
    let mut talk = client.conversation().tool(weather(), fails).start();
    talk.ask("Weather in Paris?").await.unwrap();
    assert_eq!(told(), "error: the station is closed");
}

#[tokio::test]
async fn a_model_that_never_stops_asking_for_tools_is_stopped() {
    let (sandbox, client) = pair();
    let call = json!({ "choices": [{ "finish_reason": "tool_calls", "message": { "role": "assistant",
        "content": null, "tool_calls": [{ "type": "function",
            "function": { "name": "nowhere", "arguments": "{}" } }] } }] });
    sandbox.script((0..9).map(|_| (200, call.to_string())));
    let handler = |_: Weather| async { "clear" };
    let mut talk = client
        .conversation()
        .tool(weather(), handler)
        .max_rounds(2)
        .start();

    let error = talk.ask("Weather?").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert!(!error.is_retryable() && error.suggestion().unwrap().contains("max_rounds"));
    assert_eq!(sandbox.count(), 3);
    assert!(talk.messages().is_empty());
    let last = sandbox.requests().pop().unwrap();
    let told = &last.parsed()["messages"][2];
    assert_eq!(told["content"], "error: there is no such tool");
    assert_eq!(
        told["tool_call_id"], "call_0",
        "a call without an id gets one"
    );
}

#[tokio::test]
async fn the_history_stays_within_its_tokens_and_the_system_message_stays() {
    let (sandbox, client) = pair();
    let mut talk = client
        .conversation()
        .system("Be brief.")
        .history_tokens(200)
        .start();

    for question in 0..12 {
        talk.ask(format!("Question {question}")).await.unwrap();
        let roles = sent(&sandbox);
        assert_eq!((roles[0].as_str(), roles[1].as_str()), ("system", "user"));
        let request = sandbox.requests().pop().unwrap();
        let messages: Vec<Message> =
            serde_json::from_value(request.parsed()["messages"].clone()).unwrap();
        assert!(messages.iter().map(Message::tokens).sum::<u64>() <= 200);
    }
    assert!(talk.dropped() > 0);
    assert_eq!(talk.messages().len() + talk.dropped(), 24);
}

#[tokio::test]
async fn a_fork_goes_on_by_itself() {
    let (_sandbox, client) = pair();
    let mut talk = client.conversation().start();
    talk.ask("Q1").await.unwrap();

    let mut fork = talk.fork();
    fork.ask("Q2").await.unwrap();
    fork.push("Q3");

    assert_eq!((talk.messages().len(), fork.messages().len()), (2, 5));
    fork.clear();
    assert!(fork.messages().is_empty());
}

#[tokio::test]
async fn a_conversation_is_saved_and_goes_on_elsewhere() {
    let (sandbox, client) = pair();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.json");
    let handler = |_: Weather| async { "clear" };
    let mut talk = client
        .conversation()
        .system("Be brief.")
        .tool(weather(), handler)
        .start();
    talk.ask("Weather in Paris?").await.unwrap();
    talk.save(&path).await.unwrap();

    let mut again = client.conversation().load(&path).await.unwrap();
    assert_eq!(again.messages(), talk.messages());
    again.ask("And now?").await.unwrap();
    assert_eq!(
        sent(&sandbox),
        ["system", "user", "assistant", "tool", "assistant", "user"]
    );

    let json = talk.to_json().unwrap();
    let other = client
        .conversation()
        .system("Be long.")
        .resume(&json)
        .unwrap();
    let json: Value = serde_json::from_str(&other.to_json().unwrap()).unwrap();
    assert_eq!(json["system"]["content"], "Be long.");
    for odd in ["", "[]", "{}", r#"{"version":2,"messages":[]}"#] {
        let error = client.conversation().resume(odd).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{odd}");
    }
    let error = client.conversation().load(folder.path().join("none")).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Io);
}
