//! Accepts connections.

use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
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
    time::Sleep,
};

use super::{answer, cache::Cache, limits::Limits, log::Log};

/// What a sandbox was told to do.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) port: u16,
    pub(super) latency: Duration,
    pub(super) first_event: Duration,
    pub(super) event: Duration,
    pub(super) api_key: Option<String>,
    pub(super) compress: bool,
    pub(super) server_cache: bool,
    pub(super) unpaid: bool,
    pub(super) pollen_per_hour: f64,
    pub(super) pollen_burst: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            latency: Duration::ZERO,
            first_event: Duration::ZERO,
            event: Duration::ZERO,
            api_key: None,
            compress: false,
            server_cache: false,
            unpaid: false,
            pollen_per_hour: 1.0,
            pollen_burst: 10.0,
        }
    }
}

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) config: Arc<Config>,
    pub(super) log: Arc<Log>,
    pub(super) cache: Arc<Cache>,
    pub(super) limits: Arc<Limits>,
}

impl Server {
    pub(super) fn new(config: Config, log: Arc<Log>) -> Self {
        Self {
            limits: Arc::new(Limits::new(config.pollen_per_hour, config.pollen_burst)),
            config: Arc::new(config),
            cache: Arc::default(),
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
        let wire = Wire::default();
        let stream = Connection {
            stream,
            wire: wire.clone(),
            sleep: None,
            written: [0; 4],
        };
        let service = service_fn(move |request: Request<Incoming>| {
            let server = server.clone();
            let wire = wire.clone();
            async move { Ok::<_, Infallible>(answer::answer(server, request, wire).await) }
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

/// What a connection is to do to its next answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Wire(Arc<Misconduct>);

#[derive(Debug, Default)]
struct Misconduct {
    resets: AtomicBool,
    /// Milliseconds before each byte of a head.
    head_byte_ms: AtomicU64,
}

impl Wire {
    /// Ends the connection with RST instead of an orderly close.
    pub(super) fn reset(&self) {
        self.0.resets.store(true, Ordering::Relaxed);
    }

    fn resets(&self) -> bool {
        self.0.resets.load(Ordering::Relaxed)
    }

    /// Writes the next head byte by byte, so many milliseconds apart. Only HTTP/1 has such heads.
    pub(super) fn dribble_head(&self, byte_ms: u64) {
        self.0.head_byte_ms.store(byte_ms, Ordering::Relaxed);
    }

    fn head_byte(&self) -> Option<Duration> {
        let millis = self.0.head_byte_ms.load(Ordering::Relaxed);
        (millis > 0).then(|| Duration::from_millis(millis))
    }
}

/// A connection that misbehaves where it was told to.
struct Connection {
    stream: TcpStream,
    wire: Wire,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The last bytes of a head that dribbles.
    written: [u8; 4],
}

impl Connection {
    /// Writes one byte of a head, after its pause; an empty line ends the head.
    fn dribble(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        pause: Duration,
    ) -> Poll<io::Result<usize>> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        ready!(sleep.as_mut().poll(cx));
        let first = bytes.get(..1).unwrap_or_default();
        let wrote = ready!(Pin::new(&mut self.stream).poll_write(cx, first))?;
        self.sleep = None;
        self.written.rotate_left(1);
        if let (Some(last), Some(byte)) = (self.written.last_mut(), first.first()) {
            *last = *byte;
        }
        if self.written == *b"\r\n\r\n" {
            self.wire.dribble_head(0);
        }
        Poll::Ready(Ok(wrote))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.wire.resets() {
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.wire.head_byte() {
            Some(pause) => self.dribble(cx, bytes, pause),
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(pause) = self.wire.head_byte() {
            let slice = slices.iter().find(|slice| !slice.is_empty());
            return self.dribble(cx, slice.map_or(&[][..], |slice| slice), pause);
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.resets() {
            // An orderly end is what this connection must not have.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
