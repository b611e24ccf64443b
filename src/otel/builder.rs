use std::time::Duration;

use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::SdkTracerProvider,
};

use super::{Otel, OtelError, export::Exporter};
use crate::{layers::BoxError, transport::Transport};

/// Settings of [`Otel`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use blossom::otel::{Otel, OtelBuilder};
///
/// fn exporters() -> OtelBuilder {
///     Otel::builder().service_name("shop").interval(Duration::from_secs(15))
/// }
///
/// assert!(exporters().endpoint("http://127.0.0.1:4318").build().is_ok());
/// assert!(exporters().endpoint("no URL").build().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct OtelBuilder {
    endpoint: String,
    service_name: String,
    interval: Duration,
    timeout: Duration,
    transport: Option<Transport>,
}

impl Default for OtelBuilder {
    fn default() -> Self {
        Self {
            endpoint: "http://127.0.0.1:4318".to_owned(),
            service_name: "blossom".to_owned(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            transport: None,
        }
    }
}

impl OtelBuilder {
    /// The collector's base URL, to which `/v1/traces` and `/v1/metrics` are added. Default:
    /// `http://127.0.0.1:4318`, where collectors listen.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{otel::Otel, sandbox::Sandbox};
    /// // It is no collector, but tells what it was asked.
    /// let sandbox = Sandbox::start()?;
    /// let otel = Otel::builder().endpoint(sandbox.base_url()).build()?;
    /// # metrics::with_local_recorder(&otel.recorder(), || metrics::counter!("sold").increment(1));
    /// assert!(otel.flush().is_err());
    /// assert_eq!(sandbox.requests()[0].path(), "/v1/metrics");
    /// # Ok(())
    /// # }
    /// ```
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// `service.name` of all that is exported. Default: `blossom`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::otel::Otel;
    /// # use std::io::{BufRead, BufReader, Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let collector = format!("http://{}", listener.local_addr()?);
    /// # let (tell, told) = std::sync::mpsc::channel();
    /// # std::thread::spawn(move || -> std::io::Result<()> {
    /// #     for stream in listener.incoming() {
    /// #         let mut stream = BufReader::new(stream?);
    /// #         let (mut line, mut length) = (String::new(), 0);
    /// #         while line != "\r\n" {
    /// #             line.clear();
    /// #             stream.read_line(&mut line)?;
    /// #             if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
    /// #                 length = value.trim().parse().unwrap_or(0);
    /// #             }
    /// #         }
    /// #         let mut body = vec![0; length];
    /// #         stream.read_exact(&mut body)?;
    /// #         let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    /// #         stream.get_mut().write_all(answer)?;
    /// #         tell.send(String::from_utf8_lossy(&body).into_owned()).ok();
    /// #     }
    /// #     Ok(())
    /// # });
    /// let otel = Otel::builder().endpoint(collector).service_name("shop").build()?;
    /// # metrics::with_local_recorder(&otel.recorder(), || metrics::counter!("sold").increment(1));
    /// otel.flush()?;
    /// let exported: String = told.recv()?;
    /// assert!(exported.contains("service.name") && exported.contains("shop"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn service_name(mut self, service_name: impl Into<String>) -> Self {
        self.service_name = service_name.into();
        self
    }

    /// How often figures are exported. Default: 60 s.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use blossom::otel::Otel;
    /// # use std::io::{BufRead, BufReader, Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let collector = format!("http://{}", listener.local_addr()?);
    /// # let (tell, told) = std::sync::mpsc::channel();
    /// # std::thread::spawn(move || -> std::io::Result<()> {
    /// #     for stream in listener.incoming() {
    /// #         let mut stream = BufReader::new(stream?);
    /// #         let (mut line, mut length) = (String::new(), 0);
    /// #         while line != "\r\n" {
    /// #             line.clear();
    /// #             stream.read_line(&mut line)?;
    /// #             if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
    /// #                 length = value.trim().parse().unwrap_or(0);
    /// #             }
    /// #         }
    /// #         let mut body = vec![0; length];
    /// #         stream.read_exact(&mut body)?;
    /// #         let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    /// #         stream.get_mut().write_all(answer)?;
    /// #         tell.send(String::from_utf8_lossy(&body).into_owned()).ok();
    /// #     }
    /// #     Ok(())
    /// # });
    /// let otel = Otel::builder().endpoint(collector).interval(Duration::from_millis(10)).build()?;
    /// metrics::with_local_recorder(&otel.recorder(), || metrics::counter!("sold").increment(1));
    /// let exported: String = told.recv()?;
    /// assert!(exported.contains("sold"), "without a flush");
    /// # Ok(())
    /// # }
    /// ```
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long one export may take. Default: 10 s.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use blossom::otel::Otel;
    /// // It takes connections, and never answers.
    /// let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let endpoint = format!("http://{}", silent.local_addr()?);
    /// let otel = Otel::builder().endpoint(endpoint).timeout(Duration::from_millis(10)).build()?;
    /// # metrics::with_local_recorder(&otel.recorder(), || metrics::counter!("sold").increment(1));
    /// assert!(otel.flush().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Exports through `transport`: for a collector with a key, a certificate of its own, or plain
    /// HTTP beyond this machine. Default: one that takes plain HTTP for loopback only.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::{otel::Otel, sandbox::Sandbox, transport::Transport};
    /// # let sandbox = Sandbox::start()?;
    /// let transport = Transport::builder().api_key("sk_collector").build()?;
    /// let otel = Otel::builder().endpoint(sandbox.base_url()).transport(transport).build()?;
    /// # metrics::with_local_recorder(&otel.recorder(), || metrics::counter!("sold").increment(1));
    /// assert!(otel.flush().is_err(), "the sandbox is no collector");
    /// assert_eq!(sandbox.requests()[0].header("authorization"), Some("redacted"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Builds the exporters. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`OtelError`] if the endpoint is no URL, or the machine gives no threads.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use blossom::otel::Otel;
    /// assert!(Otel::builder().build().is_ok());
    /// let error = Otel::builder().endpoint("no URL").build().unwrap_err();
    /// assert_eq!(error.to_string(), "the exporters cannot be built");
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> Result<Otel, OtelError> {
        let wrong = |error: BoxError| OtelError::new("the exporters cannot be built", error);
        let transport = match self.transport {
            Some(transport) => transport,
            None => Transport::builder()
                .build()
                .map_err(|error| wrong(error.into()))?,
        };
        let exporter = || Exporter::new(transport.clone(), self.timeout).map_err(wrong);
        let base = self.endpoint.trim_end_matches('/');
        if base.parse::<http::Uri>().is_err() {
            // Not shown: it may hold a secret.
            return Err(wrong("the endpoint is no URL".into()));
        }
        let spans = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(exporter()?)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(self.timeout)
            .with_endpoint(format!("{base}/v1/traces"))
            .build()
            .map_err(|error| wrong(error.into()))?;
        let figures = opentelemetry_otlp::MetricExporter::builder()
            .with_http()
            .with_http_client(exporter()?)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(self.timeout)
            .with_endpoint(format!("{base}/v1/metrics"))
            .build()
            .map_err(|error| wrong(error.into()))?;
        let resource = Resource::builder_empty()
            .with_service_name(self.service_name)
            .build();
        let reader = PeriodicReader::builder(figures)
            .with_interval(self.interval)
            .build();
        Ok(Otel {
            tracers: SdkTracerProvider::builder()
                .with_batch_exporter(spans)
                .with_resource(resource.clone())
                .build(),
            meters: SdkMeterProvider::builder()
                .with_reader(reader)
                .with_resource(resource)
                .build(),
        })
    }
}
