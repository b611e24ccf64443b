//! The event-stream decoder against a bare line parser and against `eventsource-stream`.
//!
//! Run it with `./run sse` in this package. It measures
//! 1. events of 100 bytes in frames of several sizes: time and allocations per event;
//! 2. the whole way from frames to a typed chunk of a chat completion, against `eventsource-stream`
//!    with the types of `async-openai`;
//! 3. streams that are hostile: 8 MiB without a line end, an event of 64 KiB that comes byte by byte;
//! 4. memory over ten million events.
//!
//! The bare parser is a lower bound, not a rival: it has no caps, no fields but `data`, and borrows.

mod baseline;
mod stream;

use std::{borrow::Borrow, convert::Infallible, hint::black_box, process::ExitCode};

use async_openai::types::chat::CreateChatCompletionStreamResponse;
use blossom::protocol::{StreamDecoder, StreamEvent};
use blossom_layers::sse::{DecodeError, Decoder, EventRef};
use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_util::{Stream, StreamExt, stream as futures};
use peers::{Contest, Report, Table, block_on, live_bytes, peak_bytes, restart_peak};

use self::baseline::LineParser;

#[global_allocator]
static ALLOCATOR: peers::Counting = peers::Counting;

const OURS: &str = "Decoder";
const BARE: &str = "bare line parser";
const OWNING: &str = "bare line parser, frames of its own";
const EACH: &str = "Decoder, each event parsed";
const PEER: &str = "eventsource-stream";

const OF_BARE: &str = "Decoder / bare line parser";
const OF_OWNING: &str = "Decoder / bare line parser, frames of its own";
const OF_PEER: &str = "eventsource-stream / Decoder";
const ALLOCATIONS: &str = "allocations per event";

fn main() -> ExitCode {
    let mut report = Report::new();
    short_events(&mut report);
    typed_chunks(&mut report);
    endless_line(&mut report);
    dribbled_event(&mut report);
    ten_million_events(&mut report);
    report.finish()
}

fn short_events(report: &mut Report) {
    const EVENTS: usize = 20_000;
    let all = stream::short(EVENTS);
    for (name, frames) in [
        ("1460 bytes", stream::frames(&all, 1460)),
        ("16 KiB", stream::frames(&all, 16 * 1024)),
    ] {
        let table = short_contest(name, &frames, EVENTS);
        report.at_most(OF_BARE, table.ratio(OURS, BARE), 1.5);
        report.at_least(OF_PEER, table.ratio(PEER, OURS), 8.0);
        report.at_most(ALLOCATIONS, table.allocations(OURS), 0.01);
    }
    // Frames so small that owning one costs as much as reading it. The decoder is given its frames,
    // as by a body; the parser borrows them, or is given them too.
    for (name, frames, limit) in [
        ("one event", all.clone(), 2.0),
        ("7 bytes", stream::frames(&all, 7), 2.5),
    ] {
        let table = short_contest(name, &frames, EVENTS);
        report.note(OF_BARE, table.ratio(OURS, BARE));
        report.at_most(OF_OWNING, table.ratio(OURS, OWNING), limit);
        report.at_least(OF_PEER, table.ratio(PEER, OURS), 4.0);
        report.at_most(ALLOCATIONS, table.allocations(OURS), 0.01);
    }
}

fn short_contest(name: &str, frames: &[Bytes], events: usize) -> Table {
    Contest::new(format!("100-byte events, frames of {name}"), events)
        .runner(OURS, || ours(frames, |event| _ = black_box(&event)))
        .runner(BARE, || bare(frames.iter()))
        .runner(OWNING, || bare(frames.iter().cloned()))
        .runner(PEER, || peer(frames, |event| _ = black_box(&event)))
        .run()
}

fn typed_chunks(report: &mut Report) {
    const EVENTS: usize = 20_000;
    let frames = stream::frames(&stream::chat(EVENTS), 1460);
    let table = Contest::new("chat chunks, frames of 1460 bytes, typed", EVENTS)
        .runner(OURS, || {
            let mut decoder = StreamDecoder::default();
            ours(&frames, |event| {
                let event = decoder.decode(event.data_str().expect("text"));
                drop(black_box(event));
            })
        })
        .runner(EACH, || {
            ours(&frames, |event| {
                let event = StreamEvent::decode(event.data_str().expect("text"));
                drop(black_box(event));
            })
        })
        .runner(PEER, || {
            peer(&frames, |event| {
                let chunk: CreateChatCompletionStreamResponse =
                    serde_json::from_str(&event.data).expect("a chunk");
                drop(black_box(chunk));
            })
        })
        .run();
    report.at_most(
        "Decoder and typed chunk / the peers'",
        table.ratio(OURS, PEER),
        0.35,
    );
    report.note(
        "each event parsed / the peers'",
        table.ratio(EACH, PEER),
    );
}

fn endless_line(report: &mut Report) {
    let line = Bytes::from([b"data: ".as_slice(), &vec![b'x'; 8 << 20]].concat());
    let frames = stream::frames(&[line], 16 * 1024);
    let table = Contest::new("8 MiB without a line end, frames of 16 KiB", 1)
        .rounds(5)
        .runner(OURS, || usize::from(refused(&frames)))
        .runner(BARE, || 1 + bare(frames.iter()))
        .run();
    let peer = Contest::new("the same, once", 1)
        .rounds(1)
        .runner(PEER, || 1 + peer_until_the_end(&frames))
        .run();
    report.note("milliseconds until refused", table.nanos(OURS) / 1e6);
    report.note("milliseconds of eventsource-stream", peer.nanos(PEER) / 1e6);
    // The cap is an eighth of the line.
    report.at_most("Decoder / bare line parser", table.ratio(OURS, BARE), 0.5);

    restart_peak();
    let before = peak_bytes();
    assert!(refused(&frames));
    let held = (peak_bytes() - before) as f64 / f64::from(1 << 20);
    report.at_most("MiB held at most", held, 2.0);
}

fn dribbled_event(report: &mut Report) {
    const SHORT: &str = "Decoder, 64 events of 1 KiB";
    const BYTES: usize = 64 * 1024;
    let event = |len| Bytes::from(format!("data: {}\n\n", "x".repeat(len - 8)));
    let long = stream::frames(&[event(BYTES)], 1);
    let short = stream::frames(&vec![event(1024); 64], 1);
    let all = |events| move |count: usize| if count == events { BYTES } else { 0 };
    let table = Contest::new("an event of 64 KiB, byte by byte, per byte", BYTES)
        .runner(OURS, || all(1)(ours(&long, |event| _ = black_box(&event))))
        .runner(BARE, || all(1)(bare(long.iter())))
        .runner(SHORT, || {
            all(64)(ours(&short, |event| _ = black_box(&event)))
        })
        .run();
    report.note(
        "milliseconds for the event",
        table.nanos(OURS) * BYTES as f64 / 1e6,
    );
    report.note(OF_BARE, table.ratio(OURS, BARE));
    // The work is linear: a byte of a long event costs what a byte of a short one does.
    report.at_most("64 KiB / 64 times 1 KiB", table.ratio(OURS, SHORT), 1.5);
}

fn ten_million_events(report: &mut Report) {
    const ROUNDS: usize = 500;
    const EVENTS: usize = 20_000;
    let frames = stream::frames(&stream::short(EVENTS), 1460);
    let mut decoder = Decoder::new();
    let mut count = 0;
    let mut round = |decoder: &mut Decoder| {
        for frame in &frames {
            // A copy, as a frame that came from a socket is gone once it is read.
            decoder.push(Bytes::copy_from_slice(frame));
            while let Some(event) = decoder.next_event().expect("a sound stream") {
                black_box(&event);
                count += 1;
            }
        }
    };
    let before = live_bytes();
    let mut held = |rounds| {
        restart_peak();
        (0..rounds).for_each(|_| round(&mut decoder));
        (peak_bytes() - before) as f64
    };
    let early = held(1);
    let late = held(ROUNDS - 1);
    assert_eq!(count, ROUNDS * EVENTS);
    println!("{count} events in one stream, frames of 1460 bytes");
    report.note("bytes held at most, first 20,000 events", early);
    report.at_most("bytes held at most, all others", late, early);
}

fn ours(frames: &[Bytes], mut each: impl FnMut(EventRef<'_>)) -> usize {
    let mut decoder = Decoder::new();
    let mut count = 0;
    for frame in frames {
        decoder.push(frame.clone());
        while let Some(event) = decoder.next_event().expect("a sound stream") {
            each(event);
            count += 1;
        }
    }
    count
}

fn refused(frames: &[Bytes]) -> bool {
    let mut decoder = Decoder::new();
    frames.iter().any(|frame| {
        decoder.push(frame.clone());
        matches!(decoder.next_event(), Err(DecodeError::LineTooLong { .. }))
    })
}

fn bare(frames: impl Iterator<Item = impl Borrow<Bytes>>) -> usize {
    let mut parser = LineParser::default();
    let mut count = 0;
    for frame in frames {
        parser.push(frame.borrow(), &mut |data| {
            black_box(data);
            count += 1;
        });
    }
    count
}

fn peer(frames: &[Bytes], mut each: impl FnMut(eventsource_stream::Event)) -> usize {
    block_on(async {
        let mut events = body(frames).eventsource();
        let mut count = 0;
        while let Some(event) = events.next().await {
            each(event.expect("a sound stream"));
            count += 1;
        }
        count
    })
}

fn peer_until_the_end(frames: &[Bytes]) -> usize {
    block_on(body(frames).eventsource().count())
}

fn body(frames: &[Bytes]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin + '_ {
    futures::iter(frames.iter().cloned().map(Ok))
}
