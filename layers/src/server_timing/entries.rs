//! The entries of the field.

use std::{fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::types::{CacheStatus, Timing};

pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Entries of one field.
#[derive(Debug, Default)]
pub(super) struct Entries(String);

impl Entries {
    /// What is known when the head comes.
    pub(super) fn head(cache: Option<CacheStatus>, timing: Option<Timing>) -> Self {
        let mut entries = Self::default();
        if let Some(cache) = cache {
            entries.push(format_args!("cache;desc={cache}"));
        }
        if let Some(timing) = timing {
            entries.time("queue", timing.queue);
            entries.time("head", timing.head);
        }
        entries
    }

    /// What is known when the body has ended.
    pub(super) fn body(mut self, timing: Timing) -> Self {
        self.time("first", timing.first_event);
        self.time("body", timing.end);
        self
    }

    /// Adds the field, beside those that are there.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        if !self.0.is_empty()
            && let Ok(value) = HeaderValue::try_from(self.0)
        {
            headers.append(SERVER_TIMING, value);
        }
    }

    fn time(&mut self, name: &str, time: Option<Duration>) {
        if let Some(time) = time {
            let milliseconds = time.as_secs_f64() * 1000.0;
            self.push(format_args!("{name};dur={milliseconds:.3}"));
        }
    }

    fn push(&mut self, entry: std::fmt::Arguments<'_>) {
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
        // Writing to a string cannot fail.
        self.0.write_fmt(entry).ok();
    }
}
