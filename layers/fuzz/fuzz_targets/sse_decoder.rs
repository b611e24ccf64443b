//! The event-stream decoder gives what the slow decoder of the tests gives, for any bytes, in frames
//! of any size, with any caps.
//!
//! Run it in `layers/fuzz` with `cargo +nightly fuzz run sse_decoder`, or for a minute with
//! `cargo +nightly fuzz run sse_decoder -- -max_total_time=60`.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

use self::reference::{Caps, decode, reference};

#[path = "../../tests/it/sse/reference.rs"]
mod reference;

#[derive(Debug, Arbitrary)]
struct Input {
    /// Tight ones; none are the defaults.
    caps: Option<(u8, u8, u8)>,
    /// Used over and over.
    frame_sizes: Vec<u8>,
    stream: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let caps = input.caps.map_or_else(Caps::default, tight);
    let expected = reference(caps, &input.stream);

    assert_eq!(decode(caps, [input.stream.clone()]), expected);
    assert_eq!(
        decode(caps, frames(&input.stream, &input.frame_sizes)),
        expected
    );
});

fn tight((line, event, without_data): (u8, u8, u8)) -> Caps {
    Caps {
        line: line.into(),
        event: event.into(),
        without_data: without_data.into(),
        retry: Duration::from_millis(70),
    }
}

fn frames(stream: &[u8], sizes: &[u8]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(stream);
    let mut sizes = sizes.iter().cycle();
    let mut frames = Vec::new();
    while !rest.is_empty() {
        // One by one, where no size is given or it is zero.
        let size = sizes.next().copied().unwrap_or_default().max(1);
        frames.push(rest.split_to(rest.len().min(size.into())));
    }
    frames
}
