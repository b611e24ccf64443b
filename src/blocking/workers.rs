//! The runtime of a client without async, and the parking of its callers.

use std::{
    fmt,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, ErrorKind, Result};

/// The thread that makes calls.
///
/// One, not two: a worker that is woken for a call wakes another to look for more, so that a second
/// one costs each call a wake-up that finds nothing. What takes time is the network, not this thread.
pub(super) struct Workers {
    // `None` only while it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    begins_here: bool,
}

impl Workers {
    /// Starts it. With `begins_here`, calls begin on their caller's thread.
    pub(super) fn start(begins_here: bool) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("blossom-worker")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Builder, format!("no thread can be had: {error}"))
                    .with_source(error)
            })?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            begins_here,
        })
    }

    /// Makes a call. Where there is a cache it begins on the caller's thread: a hit needs no other, and
    /// is there without a wake-up. The rest is a task of the workers.
    pub(super) fn call<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        if !self.begins_here {
            return self.wait(future);
        }
        let mut future = Box::pin(future);
        let begun = {
            let _context = self.handle.enter();
            panic::catch_unwind(AssertUnwindSafe(|| {
                // Nobody is woken by it: the task polls it again, with a waker of its own.
                future
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
            }))
        };
        let ended = match begun {
            Ok(Poll::Pending) => return self.wait(future),
            Ok(Poll::Ready(output)) => Ok(output),
            Err(_) => Err(panicked()),
        };
        self.release(future);
        ended
    }

    /// Makes `future` a task of the workers, and parks until it is done.
    pub(super) fn wait<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let (done, answer) = mpsc::sync_channel(1);
        drop(self.handle.spawn(async move {
            // Nobody else receives: it fails only for who has gone, and that one is parked.
            drop(done.send(future.await));
        }));
        answer.recv().map_err(|_| panicked())
    }

    /// Polls on the caller's thread, with the runtime's clock and sockets, and parks in between.
    pub(super) fn poll<T>(&self, poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let _context = self.handle.enter();
        park(poll)
    }

    /// Drops `value` where it can start tasks.
    pub(super) fn release<T>(&self, value: T) {
        let _context = self.handle.enter();
        drop(value);
    }
}

fn panicked() -> Error {
    Error::new(ErrorKind::Canceled, "the call has panicked")
        .with_retryable(false)
        .with_suggestion("the panic's message stands on standard error")
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // To wait for its threads would panic inside another runtime.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

/// Waits for a future that needs no runtime.
pub(crate) fn park_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    park(|cx| future.as_mut().poll(cx))
}

fn park<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = poll(&mut cx) {
            return value;
        }
        // A wake that came in between is remembered, and one of somebody else's does no harm.
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
