//! An upstream in every mood.

use std::{
    future::Future,
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use blossom_layers::{BoxError, body::ReqBody};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use tower::Service;

/// A sequence that looks random and is the same for each seed.
#[derive(Clone)]
pub(super) struct Dice(pub(super) Arc<AtomicU64>);

impl Dice {
    /// A number below `sides`.
    pub(super) fn roll(&self, sides: usize) -> usize {
        // SplitMix64.
        let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let sides = u64::try_from(sides).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % sides).unwrap()
    }
}

/// How many calls and bodies of the inner service are alive.
#[derive(Clone, Default)]
pub(super) struct Alive(Arc<AtomicUsize>);

struct Life(Alive);

impl Alive {
    fn begin(&self) -> Life {
        self.0.fetch_add(1, Ordering::Relaxed);
        Life(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes its time, fails and panics, in readiness, call, head and body.
#[derive(Clone)]
pub(super) struct Moody {
    pub(super) dice: Dice,
    pub(super) alive: Alive,
    // Also in readiness and with panics; then nobody knows for sure what was sent.
    pub(super) wild: bool,
    // How many calls have reached it.
    pub(super) reached: Arc<AtomicUsize>,
}

impl Moody {
    fn mood<T>(&self, good: T) -> Poll<Result<T, BoxError>> {
        match self.dice.roll(16) {
            0..6 => Poll::Pending,
            6 => Poll::Ready(Err("moody".into())),
            7 if self.wild => resume_unwind(Box::new("moody")),
            _ => Poll::Ready(Ok(good)),
        }
    }
}

impl Service<Request<ReqBody>> for Moody {
    type Response = Response<MoodyBody>;
    type Error = BoxError;
    type Future = MoodyCall;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.wild {
            self.mood(())
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn call(&mut self, _: Request<ReqBody>) -> MoodyCall {
        self.reached.fetch_add(1, Ordering::Relaxed);
        if self.wild && self.dice.roll(32) == 0 {
            resume_unwind(Box::new("moody"));
        }
        MoodyCall {
            moody: self.clone(),
            life: Some(self.alive.begin()),
        }
    }
}

pub(super) struct MoodyCall {
    moody: Moody,
    life: Option<Life>,
}

impl Future for MoodyCall {
    type Output = Result<Response<MoodyBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(mood) = self.moody.mood(()) else {
            return Poll::Pending;
        };
        let life = self.life.take();
        Poll::Ready(mood.map(|()| {
            Response::new(MoodyBody {
                moody: self.moody.clone(),
                life,
            })
        }))
    }
}

pub(super) struct MoodyBody {
    moody: Moody,
    // Until it has ended.
    life: Option<Life>,
}

impl Body for MoodyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.life.is_none() {
            return Poll::Ready(None);
        }
        let ends = self.moody.dice.roll(4) == 0;
        match self.moody.mood(Frame::data(Bytes::from_static(b"a"))) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(frame)) if !ends => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Ok(_)) => {
                self.life = None;
                Poll::Ready(None)
            }
            Poll::Ready(Err(error)) => {
                self.life = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}
