//! The innermost service: a thin newtype over hyper-util's client.
//!
//! It sends a request to the absolute URI that it bears and gives the response as it comes. It does
//! not follow redirects, keep cookies, read proxies from the environment, retry, or resolve relative
//! URIs: each of these is a way for a key or a prompt to go where nobody sent it.
//!
//! # What it refuses
//!
//! | request | error |
//! | --- | --- |
//! | a URI without scheme or authority | [`Refused`] |
//! | `http` to a host that is not loopback | [`Refused`], unless [allowed by name](TransportBuilder::allow_plain_http) |
//! | user name or password in the URI | [`Refused`] |
//! | `https` without the feature `tls-ring` | [`Refused`] |
//!
//! # Errors
//!
//! | error | when | sent? |
//! | --- | --- | --- |
//! | [`ConnectError`] | no connection: refused, name not found, TLS, too slow | nothing |
//! | [`SendError`] | the connection broke before the response head | perhaps, see [`SendError::was_sent`] |
//! | [`BodyInterrupted`] | the body broke off: closed early, reset, shorter than it said | yes |
//!
//! A pooled connection that the peer closed before anything was sent is replaced without an error.
//!
//! # Readiness
//!
//! Always ready.
//!
//! # Cancellation
//!
//! Dropping the future or the body resets the HTTP/2 stream or closes the HTTP/1 connection.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let sandbox = blossom::sandbox::Sandbox::start()?;
//! use blossom::{Body, transport::Transport};
//! use http::Request;
//! use tower::ServiceExt;
//!
//! let transport = Transport::builder().build()?;
//! let uri = format!("{}/v1/models", sandbox.base_url());
//! let response = transport.oneshot(Request::get(uri).body(Body::empty())?).await?;
//! assert!(response.status().is_success());
//! # Ok(())
//! # }
//! ```

mod body;
mod builder;
mod connect;
mod error;
mod key;
mod service;

pub use self::{
    body::ResponseBody,
    builder::TransportBuilder,
    error::{BodyInterrupted, ConnectError, ConnectFailure, InvalidTransport, Refused, SendError},
    key::{ApiKey, InvalidKey},
    service::{ResponseFuture, Transport},
};
