use std::time::Duration;

/// The bounds of a tier on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) max_bytes: u64,
    pub(super) max_files: u64,
    pub(super) max_time_to_live: Duration,
    /// How long a disk that failed is left alone at first.
    pub(super) first_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_files: 10_000,
            max_time_to_live: Duration::from_secs(30 * 24 * 60 * 60),
            first_wait: Duration::from_secs(1),
        }
    }
}
