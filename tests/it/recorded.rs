//! Streams in the manners of several providers, each beside what it says.

use std::convert::Infallible;

use blossom::{Blossom, Error, ErrorKind, Text, layers::BoxError};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::StreamBody;

/// A stream, and what must be read from it.
struct Recording {
    name: &'static str,
    /// The data of each event.
    events: &'static [&'static str],
    done: bool,
    content: &'static str,
    reasoning: Option<&'static str>,
    tools: &'static [(&'static str, &'static str, &'static str)],
    finish: &'static str,
    /// Prompt, completion, total, cached and reasoning tokens.
    usage: Option<[u64; 5]>,
    citations: usize,
    model: &'static str,
}

const PLAIN: Recording = Recording {
    name: "",
    events: &[],
    done: true,
    content: "",
    reasoning: None,
    tools: &[],
    finish: "stop",
    usage: None,
    citations: 0,
    model: "m-1",
};

const RECORDINGS: &[Recording] = &[
    Recording {
        name: "padded chunks, then usage in a chunk without choices",
        events: &[
            r#"{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m-1","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Qx"}"#,
            r#"{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m-1","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"**"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"yhB1"}"#,
            r#"{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m-1","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"Feast"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"d"}"#,
            r#"{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m-1","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":" \u00e9t\u00e9"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"yo"}"#,
            r#"{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m-1","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"**\n\n"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":""}"#,
            r#"{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null,"obfuscation":"z"}"#,
            r#"{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[],"usage":{"prompt_tokens":16,"completion_tokens":5,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"obfuscation":"h"}"#,
        ],
        content: "**Feast été**\n\n",
        usage: Some([16, 5, 21, 4, 0]),
        ..PLAIN
    },
    Recording {
        name: "usage in the chunk of the finish",
        events: &[
            r#"{"id":"a","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"logprobs":null}]}"#,
            r#"{"id":"a","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"content":"Good"},"finish_reason":null,"logprobs":null}]}"#,
            r#"{"id":"a","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"content":" day."},"finish_reason":null,"logprobs":null}]}"#,
            r#"{"id":"a","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":13,"total_tokens":15,"completion_tokens":2}}"#,
        ],
        content: "Good day.",
        usage: Some([13, 2, 15, 0, 0]),
        ..PLAIN
    },
    Recording {
        name: "usage and sources in every chunk, the whole message beside each delta, no end mark",
        events: &[
            r#"{"id":"p","model":"m-1","created":1,"usage":{"prompt_tokens":11,"completion_tokens":1,"total_tokens":12},"citations":["https://example.com/1","https://example.com/2"],"object":"chat.completion.chunk","choices":[{"index":0,"message":{"role":"assistant","content":"Rivers"},"delta":{"role":"assistant","content":"Rivers"}}]}"#,
            r#"{"id":"p","model":"m-1","created":1,"usage":{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13},"citations":["https://example.com/1","https://example.com/2"],"object":"chat.completion.chunk","choices":[{"index":0,"message":{"role":"assistant","content":"Rivers[1]"},"delta":{"role":"assistant","content":"[1]"}}]}"#,
            r#"{"id":"p","model":"m-1","created":2,"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14},"citations":["https://example.com/1","https://example.com/2"],"object":"chat.completion.done","choices":[{"index":0,"message":{"role":"assistant","content":"Rivers[1]"},"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
        ],
        done: false,
        content: "Rivers[1]",
        usage: Some([11, 3, 14, 0, 0]),
        citations: 2,
        ..PLAIN
    },
    Recording {
        name: "reasoning first, counted on top of the completion",
        events: &[
            r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"reasoning_content":"First","role":"assistant"}}],"system_fingerprint":"fp"}"#,
            r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"reasoning_content":", think"}}],"system_fingerprint":"fp"}"#,
            r#"{"id":"x","object":"chat.completion.chunk","created":2,"model":"m-1","choices":[{"index":0,"delta":{"content":"Yes"}}],"system_fingerprint":"fp"}"#,
            r#"{"id":"x","object":"chat.completion.chunk","created":2,"model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"system_fingerprint":"fp"}"#,
            r#"{"id":"x","object":"chat.completion.chunk","created":2,"model":"m-1","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":303,"prompt_tokens_details":{"text_tokens":12,"audio_tokens":0,"image_tokens":0,"cached_tokens":11},"completion_tokens_details":{"reasoning_tokens":290,"audio_tokens":0},"num_sources_used":0,"cost_in_usd_ticks":1466250},"system_fingerprint":"fp"}"#,
        ],
        content: "Yes",
        reasoning: Some("First, think"),
        usage: Some([12, 291, 303, 11, 290]),
        ..PLAIN
    },
    Recording {
        name: "a whole call of a tool in one delta, after reasoning",
        events: &[
            r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"reasoning_content":"Ask","role":"assistant"}}]}"#,
            r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"tool_calls":[{"id":"call_7","function":{"name":"weather","arguments":"{\"place\":\"Oslo\"}"},"index":0,"type":"function"}]}}]}"#,
            r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[],"usage":{"prompt_tokens":29,"completion_tokens":26,"total_tokens":55}}"#,
        ],
        reasoning: Some("Ask"),
        tools: &[("call_7", "weather", r#"{"place":"Oslo"}"#)],
        finish: "tool_calls",
        usage: Some([29, 26, 55, 0, 0]),
        ..PLAIN
    },
    Recording {
        name: "two calls in pieces that alternate",
        events: &[
            r#"{"model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"c0","type":"function","function":{"name":"add","arguments":""}}]},"finish_reason":null}]}"#,
            r#"{"model":"m-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]},"finish_reason":null}]}"#,
            r#"{"model":"m-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c1","type":"function","function":{"name":"mul","arguments":"{\"b\""}}]},"finish_reason":null}]}"#,
            r#"{"model":"m-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"function":{"arguments":":2}"}}]},"finish_reason":null}]}"#,
            r#"{"model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        ],
        tools: &[("c0", "add", r#"{"a":1}"#), ("c1", "mul", r#"{"b":2}"#)],
        finish: "tool_calls",
        ..PLAIN
    },
    Recording {
        name: "a local server: null content first, timings beside the finish, cut by its limit",
        events: &[
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"l","model":"m-1","system_fingerprint":"b0","object":"chat.completion.chunk"}"#,
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"{"}}],"created":1,"id":"l","model":"m-1","system_fingerprint":"b0","object":"chat.completion.chunk"}"#,
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"\n   "}}],"created":1,"id":"l","model":"m-1","system_fingerprint":"b0","object":"chat.completion.chunk"}"#,
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":" \""}}],"created":1,"id":"l","model":"m-1","system_fingerprint":"b0","object":"chat.completion.chunk"}"#,
            r#"{"choices":[{"finish_reason":"length","index":0,"delta":{}}],"created":1,"id":"l","model":"m-1","system_fingerprint":"b0","object":"chat.completion.chunk","timings":{"cache_n":24,"prompt_ms":346.94,"predicted_per_second":9.969241057015623}}"#,
        ],
        content: "{\n    \"",
        finish: "length",
        ..PLAIN
    },
    Recording {
        name: "thinking in blocks, and the finish beside the last content",
        events: &[
            r#"{"model":"m-1","choices":[{"delta":{"content_blocks":[{"type":"thinking","thinking":"hm "}]}}]}"#,
            r#"{"model":"m-1","choices":[{"delta":{"content_blocks":[{"type":"thinking","thinking":"well"},{"type":"redacted_thinking","data":"x"}]}}]}"#,
            r#"{"model":"m-1","choices":[{"delta":{"content":"No."},"finish_reason":"stop"}]}"#,
        ],
        content: "No.",
        reasoning: Some("hm well"),
        ..PLAIN
    },
];

/// The answer that a body in these frames gives.
async fn read(frames: Vec<Bytes>) -> Result<Text, Error> {
    let service = tower::service_fn(move |_: Request<blossom::Body>| {
        let frames = frames.clone();
        async move {
            let frames = frames
                .into_iter()
                .map(|frame| Ok::<_, Infallible>(http_body::Frame::data(frame)));
            let body = StreamBody::new(futures_util::stream::iter(frames));
            let response = Response::builder().header("content-type", "text/event-stream");
            Ok::<_, BoxError>(response.body(body).unwrap())
        }
    });
    let client = Blossom::from_service(service).build();
    client.text().chat(["Hi"]).stream().await?.finish().await
}

fn body(recording: &Recording, end: &str) -> String {
    let done = recording.done.then_some("[DONE]");
    let events = recording.events.iter().copied().chain(done);
    events
        .map(|data| format!("data: {data}{end}{end}"))
        .collect()
}

fn assert_says(text: &Text, recording: &Recording) {
    let name = recording.name;
    assert_eq!(text.content(), recording.content, "{name}");
    assert_eq!(text.reasoning(), recording.reasoning, "{name}");
    let tools: Vec<_> = text
        .tool_calls()
        .iter()
        .map(|call| (call.id(), call.name(), call.arguments()))
        .collect();
    assert_eq!(tools, recording.tools, "{name}");
    assert_eq!(
        text.finish_reason().unwrap().as_str(),
        recording.finish,
        "{name}"
    );
    let usage = text.usage().map(|usage| {
        [
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens,
            usage.cached_prompt_tokens,
            usage.reasoning_tokens,
        ]
    });
    assert_eq!(usage, recording.usage, "{name}");
    assert_eq!(text.citations().len(), recording.citations, "{name}");
    assert_eq!(text.model(), Some(recording.model), "{name}");
}

#[tokio::test]
async fn every_provider_is_understood_however_its_bytes_arrive() {
    for recording in RECORDINGS {
        for end in ["\n", "\r\n", "\r"] {
            let body = Bytes::from(body(recording, end));
            let one_by_one = body.iter().map(|byte| Bytes::copy_from_slice(&[*byte]));
            let by_sevens = body.chunks(7).map(Bytes::copy_from_slice);
            for frames in [
                vec![body.clone()],
                one_by_one.collect(),
                by_sevens.collect(),
            ] {
                assert_says(&read(frames).await.unwrap(), recording);
            }
        }
    }
}

#[tokio::test]
async fn every_cut_is_an_error_that_keeps_what_had_arrived() {
    for recording in RECORDINGS {
        let body = body(recording, "\n");
        let finish = body.find("\"finish_reason\":\"").unwrap();
        // A cut inside the last event before the finish, or between two.
        for at in (0..finish).filter(|at| body.is_char_boundary(*at)) {
            let cut = Bytes::copy_from_slice(&body.as_bytes()[..at]);
            let error = read(vec![cut]).await.unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Decode),
                "{} at {at}: {error:?}",
                recording.name
            );
            let partial = error.partial().unwrap();
            assert!(recording.content.starts_with(partial.content()));
        }
    }
}

#[tokio::test]
async fn errors_in_mid_stream_are_typed_by_what_they_say() {
    for (data, kind, retryable) in [
        (
            r#"{"error":{"message":"sorry","type":"server_error","param":null,"code":null}}"#,
            ErrorKind::Upstream,
            true,
        ),
        (
            r#"{"error":{"message":"bad","type":"provider_error","param":null,"code":400}}"#,
            ErrorKind::InvalidRequest,
            false,
        ),
        (
            r#"{"error":{"message":"too long","code":"CONTEXT_LENGTH_EXCEEDED"}}"#,
            ErrorKind::InvalidRequest,
            false,
        ),
        (
            r#"{"error":{"message":"sorry","type":"invalid_request_error"}}"#,
            ErrorKind::InvalidRequest,
            false,
        ),
        (r#"{"error":"overloaded"}"#, ErrorKind::Upstream, true),
    ] {
        for done in ["", "data: [DONE]\n\n"] {
            let word = r#"{"choices":[{"delta":{"content":"so far"}}]}"#;
            let body = format!("data: {word}\n\ndata: {data}\n\n{done}");
            let error = read(vec![body.into()]).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{data}");
            assert_eq!(error.is_retryable(), retryable, "{data}");
            assert_eq!(error.partial().unwrap().content(), "so far");
        }
    }
}
