//! Sends requests: a minimal Tower service over hyper's pooled client.
//!
//! [`Transport`] is the innermost service of a stack. It takes an absolute URI, finds or opens a
//! connection, sends the request and passes the answer on as it comes. It does *not* follow
//! redirects (a 3xx is an answer like any other), keep cookies, retry what was sent, resolve a base
//! URL, limit how long an answer may take, or read the environment unless
//! [`proxy_from_env`](Builder::proxy_from_env) asks it to.
//!
//! # Where it goes
//!
//! Innermost, as the `service(..)` of a `ServiceBuilder`. Clocks for head, first event, idle and
//! total belong to the timeout layers outside; the only clock in here is the one on connecting.
//!
//! # What it refuses
//!
//! Before anything leaves the process:
//!
//! | request | error |
//! | --- | --- |
//! | without scheme or authority | [`NoAuthority`] |
//! | with `user:password@` in the URI, which ends up in logs | [`UserInfoRefused`] |
//! | plain `http`, except to loopback or where [`allow_plain_http`](Builder::allow_plain_http) names the host | [`PlainHttpRefused`] |
//! | `https` when the crate was built without a TLS feature | [`TlsUnavailable`] |
//! | any other scheme | [`UnsupportedScheme`] |
//!
//! The name `localhost`, and any below it, counts as loopback only as far as it resolves to loopback
//! addresses: the addresses that are checked are the ones that are dialled.
//!
//! # Readiness
//!
//! Always ready. The number of connections is not bounded here; a concurrency limit outside does
//! that.
//!
//! # Streaming
//!
//! The request body is sent as it is read, the response body is read as it is polled: a reader that
//! pauses stops the upstream by flow control. A response body ends cleanly only if the upstream said
//! so; else it ends in [`BodyInterrupted`]. (A HTTP/1.1 body without length and without chunks is
//! ended by the close of the connection and cannot be told from a cut one; see RFC 9112 section 8.)
//!
//! # Cancellation
//!
//! Dropping the future or the response body before its end closes the connection on HTTP/1 and
//! resets the stream on HTTP/2. When an answer has ended before the upload has (a 413, say), the
//! rest of the upload is given up and an HTTP/1 connection is closed, because it can never be used
//! again ([hyper #4176](https://github.com/hyperium/hyper/issues/4176)).
//!
//! # What was sent
//!
//! A retry must know whether the upstream can have seen the request. [`nothing_was_sent`] answers
//! that for every error of this module. A request that meets a pooled connection which the upstream
//! has just closed is sent again on another one by itself, but only if no byte of it had been
//! written.
//!
//! # Cost
//!
//! What hyper-util's client costs, plus a few comparisons: no allocation and no lock of its own for
//! a request whose body is in memory, one allocation for a streamed upload.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use blossom::{layers::body::ReqBody, transport::{PlainHttpRefused, Transport}};
//! use http::Request;
//! use tower::ServiceExt;
//!
//! let transport = Transport::builder().build()?;
//! let request = Request::get("http://example.com/models").body(ReqBody::empty())?;
//!
//! let error = transport.oneshot(request).await.unwrap_err();
//! assert_eq!(error.downcast_ref::<PlainHttpRefused>().unwrap().host(), "example.com");
//! # Ok(())
//! # }
//! ```

mod body;
mod builder;
mod connect;
mod credentials;
#[cfg(feature = "decompression")]
pub mod decompress;
mod error;
mod future;
mod policy;
mod service;
mod upload;

pub use self::{
    body::Body,
    builder::{Builder, InvalidBuilder},
    connect::{Resolve, Resolving},
    credentials::{ApiKey, Auth, AuthLayer, InvalidKey},
    error::{
        BodyInterrupted, ConnectCause, ConnectError, ConnectTimeout, Interrupted, InvalidResponse,
        NoAuthority, PlainHttpRefused, RequestBodyFailed, TlsProblem, TlsUnavailable,
        UnsupportedScheme, UserInfoRefused, nothing_was_sent,
    },
    future::ResponseFuture,
    service::Transport,
};
