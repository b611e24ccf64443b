//! What the comparisons share.
//!
//! Each program in `src/bin` compares one part of the layers with a baseline and with what other
//! crates offer, all in one process and in turns, so that a busy machine slows both sides alike.
//! What is checked is always a ratio. A program prints a table and ends with 1 if a ratio is over
//! its limit; `./run` runs them all.
//!
//! A program has to install the allocator that counts:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: peers::Counting = peers::Counting;
//! ```

mod contest;
mod counting;
mod report;

pub use self::{
    contest::{Contest, Table},
    counting::{Counting, allocations, live_bytes, peak_bytes, restart_peak},
    report::Report,
};

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Runs a future that never waits for anything but itself.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}
