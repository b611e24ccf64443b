//! A TCP connection that can be closed from outside.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::net::TcpStream;

/// A handle on a connection, given along with each answer that came over it.
///
/// A peer that has answered and reads no more leaves the rest of the upload in hyper's buffers for
/// ever, and with it the connection (hyper #4176). hyper does not look, so the answer's end does.
#[derive(Debug, Clone)]
pub(in crate::transport) struct Line {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    // The peer has taken less than there is to write.
    blocked: AtomicBool,
    closed: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Line {
    /// Closes the connection if the peer does not take what is being written.
    pub(in crate::transport) fn close_if_blocked(&self) {
        if !self.shared.blocked.load(Ordering::Acquire) {
            return;
        }
        self.shared.closed.store(true, Ordering::Release);
        let waker = self.shared.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Shared {
    fn waker(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> io::Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the answer ended while the upload was blocked",
            ));
        }
        Ok(())
    }

    /// Keeps the task for `close_if_blocked`, and looks again: it may have come in between.
    fn block(&self, cx: &Context<'_>) -> io::Result<()> {
        {
            let mut waker = self.waker();
            match &mut *waker {
                Some(old) => old.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        self.blocked.store(true, Ordering::Release);
        self.check()
    }
}

/// Up to here a head and its body are written as one piece: the kernel takes longer to look at two
/// than it takes to copy them.
const SMALL: usize = 2048;

fn join<'a>(bufs: &[io::IoSlice<'_>], all: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    let mut len = 0;
    for buf in bufs {
        let end = len + buf.len();
        all.get_mut(len..end)?.copy_from_slice(buf);
        len = end;
    }
    all.get(..len)
}

/// The socket, with its [`Line`].
#[derive(Debug)]
pub(in crate::transport) struct Socket {
    inner: TokioIo<TcpStream>,
    shared: Arc<Shared>,
}

impl Socket {
    pub(super) fn new(inner: TokioIo<TcpStream>) -> Self {
        Self {
            inner,
            shared: Arc::default(),
        }
    }

    fn written(
        &self,
        cx: &Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            self.shared.block(cx)?;
        }
        written
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new().extra(Line {
            shared: self.shared.clone(),
        })
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.shared.check()?;
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.shared.check()?;
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.shared.check()?;
        let inner = Pin::new(&mut self.inner);
        let mut small = [0; SMALL];
        let written = match join(bufs, &mut small) {
            Some(all) => inner.poll_write(cx, all),
            None => inner.poll_write_vectored(cx, bufs),
        };
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when its buffers are empty: all that there was to write is written.
        if self.shared.blocked.load(Ordering::Relaxed) {
            self.shared.blocked.store(false, Ordering::Release);
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_is_one_piece_and_what_is_not_stays_as_it_is() {
        let joined = |parts: &[&[u8]]| {
            let bufs: Vec<_> = parts.iter().map(|part| io::IoSlice::new(part)).collect();
            join(&bufs, &mut [0; SMALL]).map(<[u8]>::to_vec)
        };
        assert_eq!(joined(&[]).unwrap(), b"");
        assert_eq!(
            joined(&[b"POST /", b"", b" HTTP/1.1"]).unwrap(),
            b"POST / HTTP/1.1"
        );

        let most = [b'a'; SMALL];
        assert_eq!(joined(&[&most[..1], &most[1..]]).unwrap(), most);
        assert_eq!(joined(&[&most, b"b"]), None);
    }
}
