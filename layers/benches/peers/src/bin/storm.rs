//! Calls and bodies that are cut short at any point: permits, reservations and gauges come back to rest,
//! and no task and no socket is left.
//!
//! A million through the two limits, a million through a whole stack, as the suite of the layers does a
//! hundredth of; and a hundred thousand of a client over sockets, or as many as the argument says.

#[path = "../../../../tests/it/storm/mod.rs"]
mod storm;

use std::{
    error::Error,
    future::{Future, IntoFuture, poll_fn},
    hint::black_box,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use blossom::{Blossom, layers::types::Nanos, policy::Prices, sandbox::Sandbox};
use storm::Through;
use tokio::runtime::Handle;

const MILLION: usize = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let over_sockets = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => MILLION / 10,
    };
    for (through, what) in [
        (Through::Limits, "the two limits"),
        (Through::Everything, "a whole stack"),
    ] {
        let start = Instant::now();
        storm::cancel(through, MILLION);
        told(MILLION, what, start);
    }
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(sockets(over_sockets))?;
    told(over_sockets, "a client over sockets", start);
    Ok(())
}

fn told(count: usize, what: &str, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} cancellations through {what}: nothing is left; {seconds:.1} s");
}

/// Polls a call so often, and then drops it; whether it had not ended.
async fn cut_short(polls: usize, work: impl Future) -> bool {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|cx| {
        if work.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        if left == 0 {
            return Poll::Ready(true);
        }
        left -= 1;
        Poll::Pending
    })
    .await
}

/// Asks, and reads to the end.
async fn ask(client: &Blossom, call: usize) -> blossom::Result<()> {
    // Some are equal, and share a flight.
    let chat = client
        .text()
        .chat([format!("Tell me of river {}", call % 5)]);
    let chat = chat.max_tokens(30).fresh();
    if call.is_multiple_of(3) {
        black_box(chat.into_future().await?);
    } else {
        let mut stream = chat.stream().await?;
        while let Some(delta) = stream.next().await {
            black_box(delta?);
        }
    }
    Ok(())
}

async fn sockets(at_least: usize) -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::builder()
        .event(Duration::from_micros(200))
        .start()?;
    let over = || Blossom::builder().base_url(sandbox.base_url());
    let prices = Prices::from_models(&over().build()?.models().await?);
    rest("requests", || sandbox.in_flight() == 0).await?;
    let before = open_files()?;
    // What looks after bodies that nobody reads goes on for so long after the last of them.
    let unread = Duration::from_secs(1);
    let client = over()
        .max_in_flight(64)
        .max_unread(unread)
        .prices(prices)
        .build()?;
    let worker = async |worker: usize| {
        let (mut call, mut cut) = (worker, 0);
        while cut < at_least / WORKERS + 1 {
            call += WORKERS;
            // A sequence that hits every length.
            let polls = call.wrapping_mul(0x9E37_79B9) >> 7 & 15;
            cut += usize::from(cut_short(polls, ask(&client, call)).await);
        }
    };
    futures_util::future::join_all((0..WORKERS).map(worker)).await;

    let limits = client.limits().ok_or("no limits")?.concurrency().clone();
    let books = client.spend().ok_or("no books")?.clone();
    rest("permits", || {
        limits.in_flight() == 0 && limits.waiting() == 0
    })
    .await?;
    rest("reservations", || books.balance().open == 0).await?;
    let balance = books.balance();
    assert_eq!(balance.reserved, balance.settled + balance.refunded);
    assert!(books.totals().spent > Nanos::ZERO);
    drop((client, limits, books));
    rest("requests", || sandbox.in_flight() == 0).await?;
    rest("sockets", || open_files().is_ok_and(|open| open <= before)).await?;
    let runtime = Handle::current().metrics();
    rest("tasks", || runtime.num_alive_tasks() == 0).await
}

/// Looks until it is so, for ten seconds at most.
async fn rest(what: &str, so: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    while !so() {
        if start.elapsed() > Duration::from_secs(10) {
            return Err(format!("{what} are left").into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// How many files and sockets the process has open.
fn open_files() -> std::io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

const WORKERS: usize = 256;
