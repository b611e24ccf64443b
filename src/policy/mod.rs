//! Blossom's answers to the questions that the layers ask.
//!
//! | question | answer |
//! | --- | --- |
//! | [`Observe`](crate::layers::types::Observe) | [`ObserveReply`]: usage, finish reason, errors, completeness |
//! | [`After`](crate::layers::timeout::After) | [`HeadAfter`]: how long to wait for a head |
//! | [`Describe`](crate::layers::types::Describe) | [`DescribeRequest`]: operation, provider and model, for metrics and spans |
//! | [`ErrorType`](crate::layers::types::ErrorType) | [`NameError`]: the word for an error |

mod describe;
mod head;
mod observe;
mod trace;

pub(crate) use self::trace::{Propagation, ShowContent};
pub use self::{
    describe::{DescribeRequest, NameError},
    head::HeadAfter,
    observe::{ObserveReply, WatchReply},
};
