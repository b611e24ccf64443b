//! Blossom's answers to the questions that the layers ask.
//!
//! | question | answer |
//! | --- | --- |
//! | [`Observe`](crate::layers::types::Observe) | [`ObserveReply`]: usage, finish reason, errors, completeness |
//! | [`After`](crate::layers::timeout::After) | [`HeadAfter`]: how long to wait for a head |

mod head;
mod observe;

pub use self::{
    head::HeadAfter,
    observe::{ObserveReply, WatchReply},
};
