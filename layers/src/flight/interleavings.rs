//! The waking of a flight, in every order in which its steps can fall (up to three preemptions).
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p blossom-layers --lib --features coalesce loom_`

use std::{
    convert::Infallible,
    future::poll_fn,
    task::{Context, Poll, Wake, Waker},
};

use http::{Response, response::Parts};
use http_body_util::Empty;
use loom::{sync::Condvar, thread};

use super::{Boarded, Driver, Flights, Landing, Limits, Passenger, Reader, Share};
use crate::{
    body::Recording,
    sync::{Arc, Mutex, lock},
    types::CacheKey,
};

struct Lands;

impl Landing for Lands {
    const KEEPS: bool = false;

    type Note = ();
    type Cargo = ();

    fn note(&self) {}

    fn head(&mut self, _head: &mut Parts, (): ()) -> Share {
        Share::All
    }

    fn landed(self, _head: &Parts, _recording: Arc<Recording>) {}
}

/// An upstream that answers when it is told to.
#[derive(Clone)]
struct Upstream(Arc<Mutex<(bool, Option<Waker>)>>);

impl Upstream {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((false, None))))
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    fn answer(&self) {
        let mut state = lock(&self.0);
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A task of its own. Not `thread::park`: loom forgets an `unpark` of a thread that waits for a lock.
#[derive(Default)]
struct Task {
    woken: Mutex<bool>,
    wakes: Condvar,
}

impl Wake for Task {
    fn wake(self: std::sync::Arc<Self>) {
        *lock(&self.woken) = true;
        self.wakes.notify_one();
    }
}

impl Task {
    fn sleep(&self) {
        let mut woken = lock(&self.woken);
        while !*woken {
            woken = self.wakes.wait(woken).unwrap();
        }
        *woken = false;
    }
}

/// Waits for the head. A wake that is lost leaves it asleep for ever, which loom finds.
fn wait(mut reader: Reader<Lands>) {
    let task = std::sync::Arc::new(Task::default());
    let waker = task.clone().into();
    let mut cx = Context::from_waker(&waker);
    while let Poll::Pending = reader.poll_head(&mut cx).map(|head| assert!(head.is_ok())) {
        task.sleep();
    }
}

fn readers(upstream: &Upstream) -> [Reader<Lands>; 2] {
    let flights = Flights::new();
    [(); 2].map(|()| {
        let passenger = Passenger {
            key: CacheKey::new([1; 32]),
            limits: Limits::DEFAULT,
            deadline: None,
            fresh: false,
            landings: None,
        };
        let upstream = upstream.clone();
        let boarded = flights.board(passenger, (), |(), _| {
            let call = poll_fn(move |cx| {
                let answered = upstream.poll(cx);
                answered.map(|()| Ok::<_, Infallible>(Response::new(Empty::new())))
            });
            (Driver::new(call), Lands)
        });
        match boarded {
            Boarded::Began(reader) | Boarded::Joined(reader, ()) => reader,
            Boarded::Landed(()) => unreachable!("nobody asked for landings"),
        }
    })
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn loom_every_waiter_gets_the_head_whoever_polls() {
    check(|| {
        let upstream = Upstream::new();
        let [one, other] = readers(&upstream);
        let one = thread::spawn(move || wait(one));
        let told = thread::spawn(move || upstream.answer());
        wait(other);
        one.join().unwrap();
        told.join().unwrap();
    });
}

#[test]
fn loom_b4_one_who_goes_at_any_moment_takes_nobodys_wake_along() {
    check(|| {
        let upstream = Upstream::new();
        let [mut one, other] = readers(&upstream);
        let goes = thread::spawn(move || {
            let waker = std::sync::Arc::new(Task::default()).into();
            drop(one.poll_head(&mut Context::from_waker(&waker)));
            drop(one);
        });
        let told = thread::spawn(move || upstream.answer());
        wait(other);
        goes.join().unwrap();
        told.join().unwrap();
    });
}
