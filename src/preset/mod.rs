//! The ready-made stack.
//!
//! Outermost first, and why each layer stands where it does:
//!
//! | layer | why here |
//! | --- | --- |
//! | `trace::call` | outermost: its span covers all that the caller sees |
//! | `metrics` | measures what the caller sees, refusals of all within included |
//! | `timeout::total` | covers everything within, to the end of the body |
//! | `buffer` | the one place that buffers a request |
//! | `trace::attempt` | a span for each request that is sent |
//! | `timeout::head`, `first_event`, `idle` | clocks of one attempt |
//! | `observe` | sees what the wire gave, decompressed |
//! | decompression (feature) | inside all that reads bodies |
//! | credentials | innermost: nobody further out ever holds the key |
//! | transport | connections |

use http::{Request, Response};
use http_body::Body;
use tower::ServiceBuilder;
use tower_service::Service;

#[cfg(feature = "decompression")]
use crate::transport::decompress::DecompressLayer;
use crate::{
    builder::Settings,
    layers::{
        BoxError,
        body::ReqBody,
        buffer::BufferLayer,
        metrics::MetricsLayer,
        observe::ObserveLayer,
        timeout::{FirstEventTimeoutLayer, HeadTimeoutLayer, IdleTimeoutLayer, TotalTimeoutLayer},
        trace::TraceLayer,
    },
    policy::{DescribeRequest, HeadAfter, NameError, ObserveReply},
    transport::Transport,
};
#[cfg(feature = "decompression")]
use tower_layer::Layer as _;

/// The stack of [`Blossom::builder`](crate::Blossom::builder).
pub(crate) fn standard(
    settings: &Settings,
    transport: Transport,
) -> impl Service<
    Request<ReqBody>,
    Response = Response<impl Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + use<>>,
    Error = BoxError,
    Future: Send,
>
+ Clone
+ Send
+ Sync
+ 'static
+ use<> {
    #[cfg(feature = "decompression")]
    let transport = DecompressLayer::new()
        .enabled(settings.decompression)
        .layer(transport);
    ServiceBuilder::new()
        .layer(
            TraceLayer::call()
                .describe(DescribeRequest)
                .error_type(NameError)
                .propagate(settings.propagation.clone())
                .content(settings.show_content),
        )
        .layer(
            MetricsLayer::new()
                .describe(DescribeRequest)
                .error_type(NameError),
        )
        .layer(TotalTimeoutLayer::new(settings.total_timeout))
        .layer(BufferLayer::new().max_request_bytes(settings.max_request_bytes))
        .layer(
            TraceLayer::attempt()
                .describe(DescribeRequest)
                .error_type(NameError)
                .propagate(settings.propagation.clone()),
        )
        .layer(HeadTimeoutLayer::new(HeadAfter::new(
            settings.head_timeout,
            settings.unary_timeout,
        )))
        // The head has a clock of its own; where that is the longer one, this one must watch it too.
        .layer(
            FirstEventTimeoutLayer::new(settings.first_event_timeout).only_body(
                settings.first_event_timeout >= settings.head_timeout.max(settings.unary_timeout),
            ),
        )
        .layer(IdleTimeoutLayer::new(settings.idle_timeout).max_unread(settings.max_unread))
        .layer(ObserveLayer::new(ObserveReply))
        .service(transport)
}
