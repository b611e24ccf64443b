//! The event-stream decoder against the catalogue of broken streams, and against a slow one.

mod reference;

use std::{
    iter::repeat_n,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blossom_layers::sse::{DecodeError, Decoder, Ending, Events};
use bytes::Bytes;
use http_body_util::Full;
use proptest::{collection::vec, prelude::*};

use self::reference::{Caps, Outcome, decode, reference};

/// Streams as gateways and providers of language models send them, and what their data is.
const STREAMS: &[(&str, &str, &[&str])] = &[
    (
        "two deltas, a finish reason, usage and an end mark",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Gr\u{fc}\"}}]}\n\n\
         data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\u{df}e \u{1f338}\"}}]}\n\n\
         data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
         data: {\"choices\":[],\"usage\":{\"total_tokens\":9}}\n\n\
         data: [DONE]\n\n",
        &[
            "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Gr\u{fc}\"}}]}",
            "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\u{df}e \u{1f338}\"}}]}",
            "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
            "{\"choices\":[],\"usage\":{\"total_tokens\":9}}",
            "[DONE]",
        ],
    ),
    (
        "no space after the colon, and CRLF",
        "data:{\"a\":1}\r\n\r\ndata:[DONE]\r\n\r\n",
        &["{\"a\":1}", "[DONE]"],
    ),
    (
        "keep-alive comments before, between and inside of events",
        ": waiting for a provider\n\n:\n\ndata: one\n: still here\n\n: and here\ndata: two\n\n",
        &["one", "two"],
    ),
    (
        "an error event in mid-stream, and what follows it",
        "data: {\"choices\":[]}\n\ndata: {\"error\":{\"message\":\"gone\",\"code\":502}}\n\ndata: [DONE]\n\n",
        &[
            "{\"choices\":[]}",
            "{\"error\":{\"message\":\"gone\",\"code\":502}}",
            "[DONE]",
        ],
    ),
    (
        "JSON that is printed over several lines",
        "data: {\ndata:   \"a\": [\ndata:   ]\ndata: }\n\n",
        &["{\n  \"a\": [\n  ]\n}"],
    ),
];

fn by_size(stream: &[u8], size: usize) -> Outcome {
    let frames = stream.chunks(size).map(Bytes::copy_from_slice);
    decode(Caps::default(), frames)
}

fn whole(stream: impl AsRef<[u8]>) -> Outcome {
    by_size(stream.as_ref(), usize::MAX)
}

fn data(outcome: &Outcome) -> Vec<&str> {
    let text = |data| std::str::from_utf8(data).unwrap();
    outcome
        .events
        .iter()
        .map(|event| text(&event.data))
        .collect()
}

#[test]
fn reads_the_streams_of_language_models() {
    for (name, stream, expected) in STREAMS {
        let outcome = whole(stream);

        assert_eq!(data(&outcome), *expected, "{name}");
        assert_eq!(outcome.end, Ok(Ending::Clean), "{name}");
    }
}

#[test]
fn i1_gives_the_same_events_for_frames_of_any_size() {
    for (name, stream, _) in STREAMS {
        let expected = whole(stream);
        for size in 1..=stream.len() {
            assert_eq!(by_size(stream.as_bytes(), size), expected, "{name}, {size}");
        }
    }
}

#[test]
fn i1_gives_the_same_events_for_a_cut_at_any_place() {
    for (name, stream, _) in STREAMS {
        for stream in [stream.to_string(), stream.replace('\n', "\r\n")] {
            let expected = whole(&stream);
            for at in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(at);
                let frames = [head, tail].map(Bytes::copy_from_slice);

                assert_eq!(decode(Caps::default(), frames), expected, "{name}, {at}");
            }
        }
    }
}

#[test]
fn i1_keeps_a_character_whole_that_is_split_over_frames() {
    for size in 1..9 {
        assert_eq!(
            data(&by_size("data: caf\u{e9} \u{1f338}\n\n".as_bytes(), size)),
            ["caf\u{e9} \u{1f338}"]
        );
    }
}

#[test]
fn i2_ends_lines_with_lf_cr_or_crlf_also_mixed() {
    for stream in [
        "data: a\ndata: b\n\ndata: c\n\n",
        "data: a\rdata: b\r\rdata: c\r\r",
        "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n",
        "data: a\rdata: b\n\rdata: c\r\n\n",
        "data: a\ndata: b\r\rdata: c\n\r\n",
    ] {
        for size in [1, 2, 3, usize::MAX] {
            let outcome = by_size(stream.as_bytes(), size);
            assert_eq!(data(&outcome), ["a\nb", "c"], "{stream:?} by {size}");
            assert_eq!(outcome.end, Ok(Ending::Clean));
        }
    }
}

#[test]
fn i2_skips_a_byte_order_mark_at_the_very_start_only() {
    for size in [1, 2, 3, 4, usize::MAX] {
        let once = "\u{feff}data: a\n\n\u{feff}data: b\n\ndata: \u{feff}c\n\n";
        assert_eq!(data(&by_size(once.as_bytes(), size)), ["a", "\u{feff}c"]);

        let twice = "\u{feff}\u{feff}data: a\n\ndata: b\n\n";
        assert_eq!(data(&by_size(twice.as_bytes(), size)), ["b"]);

        let half = b"\xef\xbbdata: a\n\ndata: b\n\n";
        assert_eq!(data(&by_size(half, size)), ["b"]);
    }
}

#[test]
fn i2_gives_events_with_empty_data() {
    let outcome = whole("data\n\ndata:\ndata: \n\ndata:a\n\n: none\n\nevent: none\n\n");

    assert_eq!(data(&outcome), ["", "\n", "a"]);
}

#[test]
fn i2_types_the_event_of_its_block_only() {
    let outcome = whole(
        "event: first\nevent: delta\ndata: 1\n\ndata: 2\n\nevent: lost\n\nevent\ndata: 3\n\n",
    );

    let types: Vec<_> = outcome
        .events
        .iter()
        .map(|event| &*event.event_type)
        .collect();
    assert_eq!(types, ["delta", "message", "message"]);
}

#[test]
fn i2_keeps_the_last_id_until_another_comes() {
    let mut decoder = Decoder::new();
    let mut next = |frame: &'static str| {
        decoder.push(Bytes::from(frame));
        let event = decoder.next_event().unwrap();
        let own = event.and_then(|event| event.id().map(str::to_owned));
        (own, decoder.last_event_id().map(str::to_owned))
    };
    let some = |id: &str| Some(id.to_owned());

    assert_eq!(next("data: a\n\n"), (None, None));
    assert_eq!(next("id: 1\ndata: b\n\n"), (some("1"), some("1")));
    assert_eq!(next("data: c\n\n"), (None, some("1")));
    assert_eq!(next("id: 2\n\n"), (None, some("2")));
    assert_eq!(next("id: \u{0}3\ndata: d\n\n"), (None, some("2")));
    assert_eq!(next("id: 4\n"), (None, some("2")));
    assert_eq!(next("id\ndata: e\n\n"), (some(""), None));
}

#[test]
fn i3_refuses_a_line_over_the_cap() {
    const FRAME: usize = 16 * 1024;
    let frame = Bytes::from(vec![b'x'; FRAME]);
    let mut decoder = Decoder::new();
    let limit_bytes = 1024 * 1024;
    for _ in 0..limit_bytes / FRAME {
        decoder.push(frame.clone());
        assert_eq!(decoder.next_event(), Ok(None));
    }
    decoder.push(frame.clone());

    let error = decoder.next_event();

    assert_eq!(error, Err(DecodeError::LineTooLong { limit_bytes }));
    assert!(frame.is_unique(), "the frame is let go");
}

#[test]
fn i3_refuses_eight_mebibytes_in_one_frame() {
    let limit_bytes = 1024 * 1024;
    for end in ["", "\n\n"] {
        let outcome = whole(["data: 1\n\ndata: ", &"x".repeat(8 * limit_bytes), end].concat());

        assert_eq!(data(&outcome), ["1"]);
        assert_eq!(outcome.end, Err(DecodeError::LineTooLong { limit_bytes }));
    }
}

#[test]
fn i3_accepts_a_line_of_just_the_cap() {
    let outcome = whole(format!("data: {}\n\n", "x".repeat(1024 * 1024 - 6)));

    assert_eq!(outcome.events.len(), 1);
    assert_eq!(outcome.end, Ok(Ending::Clean));
}

#[test]
fn i4_counts_empty_lines_towards_the_cap_of_an_event() {
    let outcome = whole("data:\n".repeat(100_000));

    let limit_bytes = 1024 * 1024;
    assert_eq!(outcome.events, []);
    assert_eq!(outcome.end, Err(DecodeError::EventTooLong { limit_bytes }));
}

#[test]
fn i4_refuses_lines_without_data_that_do_not_end() {
    for line in [
        ": wait\n",
        ": wait\n\n",
        "\n",
        "event: ping\n\n",
        "data:\n\n",
        "x\n\n",
    ] {
        let limit_bytes = 500;
        let mut decoder = Decoder::new().max_bytes_without_data(limit_bytes);
        decoder.push(Bytes::from(
            ["data: 1\n\n", &line.repeat(limit_bytes + 1)].concat(),
        ));

        let error = loop {
            match decoder.next_event() {
                Ok(event) => assert!(event.is_some(), "{line:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, DecodeError::NoData { limit_bytes }, "{line:?}");
    }
}

#[test]
fn i4_forgets_comments_when_data_comes() {
    let mut decoder = Decoder::new().max_bytes_without_data(100);
    decoder.push(Bytes::from(": wait a little\n\ndata: 1\n\n".repeat(100)));

    for _ in 0..100 {
        assert!(decoder.next_event().unwrap().is_some());
    }
}

#[test]
fn i5_reads_a_large_event_that_comes_byte_by_byte() {
    let text = "caf\u{e9} ".repeat(64 * 1024 / 6);

    let outcome = by_size(format!("data: {text}\n\n").as_bytes(), 1);

    assert_eq!(data(&outcome), [text]);
}

#[test]
fn i6_concerns_only_the_event_that_is_not_utf8() {
    let mut decoder = Decoder::new();
    decoder.push(Bytes::from_static(
        b"data: caf\xe9!\n\ndata: caf\xc3\xa9\n\n",
    ));

    let broken = decoder.next_event().unwrap().unwrap().to_event();
    assert_eq!(broken.data_str().unwrap_err().valid_up_to(), 3);
    assert_eq!(broken.data_lossy(), "caf\u{fffd}!");
    let next = decoder.next_event().unwrap().unwrap();
    assert_eq!(next.data_str(), Ok("caf\u{e9}"));
}

#[test]
fn i6_replaces_what_is_not_utf8_in_a_type_or_an_id() {
    let outcome = whole(b"event: a\xff\nid: b\xff\ndata: 1\n\n");

    assert_eq!(outcome.events[0].event_type, "a\u{fffd}");
    assert_eq!(outcome.events[0].id.as_deref(), Some("b\u{fffd}"));
    assert_eq!(outcome.last_event_id.as_deref(), Some("b\u{fffd}"));
}

#[test]
fn i7_tells_how_the_stream_ended() {
    for (rest, event, ending) in [
        ("", None, Ending::Clean),
        (": bye\n", None, Ending::Clean),
        ("\n\r\n", None, Ending::Clean),
        ("data: 2\r\r", Some("2"), Ending::Clean),
        ("data: 2\n", Some("2"), Ending::InsideEvent),
        ("data: 2\r", Some("2"), Ending::InsideEvent),
        ("data: 2\n: bye\n", Some("2"), Ending::InsideEvent),
        ("event: x\n", None, Ending::InsideEvent),
        ("data: 2", Some("2"), Ending::InsideLine),
        ("data: 2\ndata: {\"a", Some("2\n{\"a"), Ending::InsideLine),
        ("data: 2\nda", Some("2"), Ending::InsideLine),
        (": by", None, Ending::InsideLine),
    ] {
        let stream = format!("data: 1\n\n{rest}");
        for size in [1, usize::MAX] {
            let outcome = by_size(stream.as_bytes(), size);

            assert_eq!(outcome.end, Ok(ending), "{rest:?}");
            let expected: Vec<_> = Some("1").into_iter().chain(event).collect();
            assert_eq!(data(&outcome), expected, "{rest:?}");
        }
    }
}

#[tokio::test]
async fn i7_gives_all_that_arrived_before_it_reports_a_cut_line() {
    let mut events = Events::new(Full::from("data: 1\n\ndata: {\"te"));

    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert_eq!(events.next().await.unwrap().unwrap().data(), "{\"te");
    let error = events.next().await.unwrap().unwrap_err();
    let truncated: &blossom_layers::sse::Truncated = error.downcast_ref().unwrap();
    assert_eq!(truncated.ending(), Ending::InsideLine);
    assert!(events.next().await.is_none());
}

/// A frame that counts how many of its kind are held.
struct Held {
    bytes: Vec<u8>,
    count: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

// The bench sends ten million events and counts bytes; this one counts frames.
#[test]
fn i11_holds_one_frame_at_most_over_a_hundred_thousand_events() {
    let count = Arc::new(AtomicUsize::new(0));
    let stream = b"id: 7\ndata: a delta\n\n".repeat(1000);
    let mut decoder = Decoder::new();
    let mut events = 0;
    for frame in repeat_n(&stream, 100).flat_map(|stream| stream.chunks(1460)) {
        count.fetch_add(1, Ordering::Relaxed);
        decoder.push(Bytes::from_owner(Held {
            bytes: frame.to_vec(),
            count: Arc::clone(&count),
        }));
        while decoder.next_event().unwrap().is_some() {
            events += 1;
        }
        // The one whose data waits for its blank line.
        assert!(count.load(Ordering::Relaxed) <= 1);
    }

    assert_eq!(events, 100_000);
}

#[test]
fn i13_caps_the_reconnection_time() {
    for (value, millis) in [
        ("0", 0),
        ("007", 7),
        ("3600000", 3_600_000),
        ("3600001", 3_600_000),
        ("1000000000000000000", 3_600_000),
        ("99999999999999999999999999", 3_600_000),
    ] {
        let outcome = whole(format!("retry: {value}\ndata: 1\n\n"));

        let expected = Some(Duration::from_millis(millis));
        assert_eq!(outcome.events[0].retry, expected, "{value}");
        assert_eq!(outcome.retry, expected, "{value}");
    }
}

#[test]
fn i13_keeps_the_reconnection_time_of_a_block_without_data() {
    let outcome = whole("retry: 250\n\nretry: soon\n\nretry:\n\ndata: 1\n\n");

    assert_eq!(outcome.events[0].retry, None);
    assert_eq!(outcome.retry, Some(Duration::from_millis(250)));
}

/// Pieces that matter to a decoder, so that chance finds their combinations.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n"]),
        6 => prop::sample::select(vec!["data", "data: ", "data:", "event: ", "id: ", "retry: "]),
        4 => prop::sample::select(vec![":", " ", "\0", "\u{feff}", "7", "\u{1f338}", "x", "[DONE]"]),
    ]
    .prop_map(|piece| piece.as_bytes().to_vec())
    .boxed()
    .prop_union(vec(any::<u8>(), 1..4).boxed())
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let start = prop::sample::select(vec![&b""[..], b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"]);
    (start, vec(piece(), 0..60)).prop_map(|(start, pieces)| [start, &pieces.concat()].concat())
}

fn caps() -> impl Strategy<Value = Caps> {
    let tight =
        (0..40_usize, 0..120_usize, 0..60_usize).prop_map(|(line, event, without_data)| Caps {
            line,
            event,
            without_data,
            retry: Duration::from_millis(70),
        });
    prop_oneof![Just(Caps::default()), tight]
}

/// Cuts `stream` into frames of the given sizes, over and over.
fn frames(stream: &[u8], sizes: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(stream);
    let mut frames = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        frames.push(rest.split_to(rest.len().min(*size)));
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn p6_any_chunking_gives_the_same_events(
        stream in stream(),
        sizes in vec(1..12_usize, 1..8),
        caps in caps(),
    ) {
        let expected = reference(caps, &stream);

        prop_assert_eq!(&decode(caps, [stream.clone()]), &expected);
        prop_assert_eq!(&decode(caps, stream.iter().map(|byte| vec![*byte])), &expected);
        prop_assert_eq!(&decode(caps, frames(&stream, &sizes)), &expected);
    }

    #[test]
    fn p6_frames_pushed_ahead_give_the_same_events(
        stream in stream(),
        sizes in vec(1..12_usize, 1..8),
    ) {
        let mut decoder = Decoder::new();
        for frame in frames(&stream, &sizes) {
            decoder.push(frame);
        }
        let mut data = Vec::new();
        while let Some(event) = decoder.finish().unwrap() {
            data.push(event.to_bytes());
        }

        let expected = reference(Caps::default(), &stream);
        prop_assert_eq!(data, expected.events.into_iter().map(|event| event.data).collect::<Vec<_>>());
        prop_assert_eq!(decoder.ending(), expected.end.ok());
    }
}
