use bytes::Bytes;

/// `count` events of 100 bytes each.
pub(crate) fn short(count: usize) -> Vec<Bytes> {
    let event = |n: usize| {
        let word = WORDS[n % WORDS.len()];
        let mut event = format!(
            r#"data: {{"choices":[{{"index":0,"delta":{{"content":"{word}"}}}}],"id":"c-{n:06}"}}"#
        );
        event.extend(std::iter::repeat_n(' ', 98 - event.len()));
        event + "\n\n"
    };
    slices((0..count).map(event))
}

/// `count` chunks as a chat completion sends them, some 240 bytes each.
pub(crate) fn chat(count: usize) -> Vec<Bytes> {
    let event = |n: usize| {
        format!(
            concat!(
                r#"data: {{"id":"chatcmpl-AbCdEf{:08}","object":"chat.completion.chunk","#,
                r#""created":1732400000,"model":"openai","system_fingerprint":"fp_0123456789","#,
                r#""choices":[{{"index":0,"delta":{{"content":"{}"}},"logprobs":null,"#,
                r#""finish_reason":null}}]}}"#,
                "\n\n"
            ),
            n,
            WORDS[n % WORDS.len()]
        )
    };
    slices((0..count).map(event))
}

/// Puts the events into one buffer, as a socket does.
fn slices(events: impl Iterator<Item = String>) -> Vec<Bytes> {
    let events: Vec<String> = events.collect();
    let mut all = Bytes::from(events.concat());
    events
        .iter()
        .map(|event| all.split_to(event.len()))
        .collect()
}

/// Cuts the stream of `events` into frames of `size` bytes.
pub(crate) fn frames(events: &[Bytes], size: usize) -> Vec<Bytes> {
    let all = Bytes::from(events.concat());
    all.chunks(size).map(|frame| all.slice_ref(frame)).collect()
}

const WORDS: [&str; 9] = [
    "the ",
    "quick ",
    "na\u{ef}ve",
    " 17",
    "\\n",
    "fox",
    " jump",
    "ing",
    ".",
];
