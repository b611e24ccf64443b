//! How long to wait before another try.
//!
//! Two answers, and neither knows of a layer: [`Backoff`] is our own, [`retry_after`] reads the
//! upstream's.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use blossom_layers::backoff::{Backoff, retry_after};
//! use http::{HeaderMap, HeaderValue};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("retry-after", HeaderValue::from_static("7"));
//! let told = retry_after(&headers, SystemTime::now());
//! assert_eq!(told, Some(Duration::from_secs(7)));
//!
//! let backoff = Backoff::default();
//! assert_eq!(backoff.window(1), Duration::from_millis(500));
//! assert_eq!(backoff.window(2), Duration::from_secs(1));
//! assert!(backoff.wait(2) <= backoff.window(2));
//! ```

mod exponential;
mod retry_after;

pub use self::{
    exponential::Backoff,
    retry_after::{retry_after, seconds},
};
