//! Limits on what goes to an upstream.
//!
//! | module | limits | a call counts |
//! | --- | --- | --- |
//! | [`concurrency`] | calls at once | until its body ends |

pub mod concurrency;
