//! Accepts connections.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use super::{answer, log::Log};

/// What a sandbox was told to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Config {
    pub(super) port: u16,
    pub(super) latency: Duration,
    pub(super) first_event: Duration,
    pub(super) event: Duration,
    pub(super) api_key: Option<String>,
}

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) config: Arc<Config>,
    pub(super) log: Arc<Log>,
}

impl Server {
    pub(super) fn new(config: Config, log: Arc<Log>) -> Self {
        Self {
            config: Arc::new(config),
            log,
        }
    }

    pub(super) async fn serve(self, listener: std::net::TcpListener) {
        let Ok(listener) = TcpListener::from_std(listener) else {
            return;
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.connection(stream),
                // Out of file descriptors: some will come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a server of its own, on a runtime of its own"
    )]
    fn connection(&self, stream: TcpStream) {
        self.log.connected();
        drop(stream.set_nodelay(true));
        let server = self.clone();
        let reset = Reset::default();
        let stream = Resettable {
            stream,
            reset: reset.clone(),
        };
        let service = service_fn(move |request: Request<Incoming>| {
            let server = server.clone();
            let reset = reset.clone();
            async move { Ok::<_, Infallible>(answer::answer(server, request, reset).await) }
        });
        tokio::task::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            drop(
                builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

/// Says that a connection is to be reset instead of closed.
#[derive(Debug, Clone, Default)]
pub(super) struct Reset(Arc<AtomicBool>);

impl Reset {
    pub(super) fn arm(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection that can end with RST.
struct Resettable {
    stream: TcpStream,
    reset: Reset,
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.reset.0.load(Ordering::Relaxed) {
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.0.load(Ordering::Relaxed) {
            // An orderly end is what this connection must not have.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
