use std::time::Duration;

/// When the parts of a reply arrived, counted from the moment the request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Timing {
    /// How long the request waited for permits and quotas before it was sent; not part of the other
    /// times. `None` if nothing made it wait.
    pub queue: Option<Duration>,
    /// The response head.
    pub head: Option<Duration>,
    /// The first event that holds part of the answer; for a body that is no stream, its first frame.
    pub first_event: Option<Duration>,
    /// The end of the body, however it ended.
    pub end: Option<Duration>,
}
