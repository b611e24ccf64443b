//! Limits on what goes to an upstream: how many calls at once, and how much in a time.
//!
//! | module | limits | a call counts |
//! | --- | --- | --- |
//! | `concurrency` | calls at once | until its body ends |
//! | `rate` | requests, tokens or cost in any window of a period | when it is admitted |
//!
//! Who needs both puts `rate` outside: then nobody who waits for quota holds a permit.

#[cfg(feature = "limit-concurrency")]
pub mod concurrency;
#[cfg(feature = "limit-rate")]
pub mod rate;
