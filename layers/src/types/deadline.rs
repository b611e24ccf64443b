use std::time::{Duration, Instant};

use http::Extensions;

use crate::sync::{Arc, Mutex, lock};

/// The instant at which the caller stops waiting for the end of the reply.
///
/// `timeout::total` places it in the extensions of the request, and so does the gRPC layer of
/// `timeout` where a caller says it in `grpc-timeout`. Layers further in read it by
/// [`Deadline::of`]: who waits for a permit leaves the queue, who would back off past it gives up.
/// The time that remains only shrinks on the way in.
///
/// It holds a [`std::time::Instant`], which tokio's clock converts to and from, so that a paused
/// clock pauses deadlines as well.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use blossom_layers::types::Deadline;
/// use http::Request;
///
/// let mut request = Request::new(());
/// let in_time = Deadline::after(Instant::now(), Duration::from_secs(30));
/// if let Some(deadline) = in_time {
///     request.extensions_mut().insert(deadline);
/// }
/// assert_eq!(Deadline::of(request.extensions()), in_time);
/// assert_eq!(Deadline::after(Instant::now(), Duration::MAX), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline at `instant`.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use blossom_layers::types::Deadline;
    ///
    /// let now = Instant::now();
    /// assert_eq!(Deadline::at(now).remaining(now).as_nanos(), 0);
    /// ```
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// A deadline `timeout` after `now`, or `None` if that is past the end of time, as
    /// [`Duration::MAX`] is.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use blossom_layers::types::Deadline;
    ///
    /// let now = Instant::now();
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(Deadline::after(now, minute), Some(Deadline::at(now + minute)));
    /// assert_eq!(Deadline::after(now, Duration::MAX), None);
    /// ```
    #[must_use]
    pub fn after(now: Instant, timeout: Duration) -> Option<Self> {
        now.checked_add(timeout).map(Self)
    }

    /// The deadline of the request with these extensions, as it stands now: its own or, where equal
    /// requests share a call, the latest of those who wait ([`SharedDeadline`]).
    ///
    /// A shared one can move while the call is under way: who waits for long asks again before it
    /// gives up.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use blossom_layers::types::Deadline;
    ///
    /// let mut request = http::Request::new(());
    /// assert_eq!(Deadline::of(request.extensions()), None);
    /// let deadline = Deadline::at(Instant::now());
    /// request.extensions_mut().insert(deadline);
    /// assert_eq!(Deadline::of(request.extensions()), Some(deadline));
    /// ```
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        let own = extensions.get::<Self>().copied();
        let shared = extensions.get().and_then(SharedDeadline::get);
        match (own, shared) {
            (Some(own), Some(shared)) => Some(own.min(shared)),
            (own, shared) => own.or(shared),
        }
    }

    /// The instant.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use blossom_layers::types::Deadline;
    ///
    /// let now = Instant::now();
    /// assert_eq!(Deadline::at(now).instant(), now);
    /// ```
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What remains at `now`; zero once it has passed.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use blossom_layers::types::Deadline;
    ///
    /// let (now, second) = (Instant::now(), Duration::from_secs(1));
    /// let deadline = Deadline::at(now + second);
    /// assert_eq!(deadline.remaining(now), second);
    /// assert_eq!(deadline.remaining(now + 2 * second), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }
}

/// The deadline of a call that several callers share: the latest of theirs, as they come and go.
///
/// A layer that lets equal requests share a call places it in the extensions of the request that it
/// sends, instead of the [`Deadline`] of the caller who came first. Clones share it.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use blossom_layers::types::{Deadline, SharedDeadline};
///
/// let now = Instant::now();
/// let first = Deadline::at(now + Duration::from_secs(1));
/// let second = Deadline::at(now + Duration::from_secs(2));
///
/// let shared = SharedDeadline::new(first);
/// shared.extend(Some(second)); // another caller joins
/// assert_eq!(shared.get(), Some(second));
/// ```
#[derive(Debug, Clone)]
pub struct SharedDeadline(Arc<Mutex<Option<Deadline>>>);

impl SharedDeadline {
    /// One that begins as `first`.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use blossom_layers::types::{Deadline, SharedDeadline};
    ///
    /// let first = Deadline::at(Instant::now());
    /// assert_eq!(SharedDeadline::new(first).get(), Some(first));
    /// ```
    #[must_use]
    pub fn new(first: Deadline) -> Self {
        Self(Arc::new(Mutex::new(Some(first))))
    }

    /// Puts it into the extensions of a request, in place of the caller's own.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use blossom_layers::types::{Deadline, SharedDeadline};
    ///
    /// let own = Deadline::at(Instant::now());
    /// let mut request = http::Request::new(());
    /// request.extensions_mut().insert(own);
    ///
    /// let later = Deadline::at(own.instant() + Duration::from_secs(1));
    /// SharedDeadline::new(later).place(request.extensions_mut());
    /// assert_eq!(Deadline::of(request.extensions()), Some(later));
    /// ```
    pub fn place(self, extensions: &mut Extensions) {
        extensions.remove::<Deadline>();
        extensions.insert(self);
    }

    /// The deadline as it stands now; `None` if somebody waits without one.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use blossom_layers::types::{Deadline, SharedDeadline};
    ///
    /// let shared = SharedDeadline::new(Deadline::at(Instant::now()));
    /// shared.extend(None); // somebody waits without one
    /// assert_eq!(shared.get(), None);
    /// ```
    #[must_use]
    pub fn get(&self) -> Option<Deadline> {
        *lock(&self.0)
    }

    /// Moves it.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use blossom_layers::types::{Deadline, SharedDeadline};
    ///
    /// let earlier = Deadline::at(Instant::now());
    /// let shared = SharedDeadline::new(Deadline::at(earlier.instant() + Duration::from_secs(1)));
    /// shared.set(Some(earlier)); // who could wait longer has gone
    /// assert_eq!(shared.get(), Some(earlier));
    /// ```
    pub fn set(&self, deadline: Option<Deadline>) {
        *lock(&self.0) = deadline;
    }

    /// Moves it to `deadline` if that is later; `None` is the latest of all.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use blossom_layers::types::{Deadline, SharedDeadline};
    ///
    /// let earlier = Deadline::at(Instant::now());
    /// let later = Deadline::at(earlier.instant() + Duration::from_secs(1));
    /// let shared = SharedDeadline::new(later);
    /// shared.extend(Some(earlier));
    /// assert_eq!(shared.get(), Some(later));
    /// ```
    pub fn extend(&self, deadline: Option<Deadline>) {
        let mut latest = lock(&self.0);
        *latest = match (*latest, deadline) {
            (Some(latest), Some(deadline)) => Some(latest.max(deadline)),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b6_a_shared_deadline_is_the_latest_and_bounds_only_what_is_further_in() {
        let start = tokio::time::Instant::now().into_std();
        let at = |seconds| Deadline::at(start + Duration::from_secs(seconds));
        let shared = SharedDeadline::new(at(2));
        let mut extensions = Extensions::new();
        extensions.insert(at(1));
        shared.clone().place(&mut extensions);

        shared.extend(Some(at(5)));
        shared.extend(Some(at(3)));
        assert_eq!(Deadline::of(&extensions), Some(at(5)));
        extensions.insert(at(4));
        assert_eq!(Deadline::of(&extensions), Some(at(4)));
        extensions.remove::<Deadline>();
        shared.extend(None);
        shared.extend(Some(at(9)));
        assert_eq!(Deadline::of(&extensions), None);
    }

    #[tokio::test(start_paused = true)]
    async fn remaining_time_only_shrinks_to_zero() {
        let start = tokio::time::Instant::now().into_std();
        let deadline = Deadline::after(start, Duration::from_secs(2)).unwrap();

        assert_eq!(deadline.remaining(start), Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(
            deadline.remaining(tokio::time::Instant::now().into_std()),
            Duration::ZERO
        );
        assert_eq!(Deadline::after(start, Duration::MAX), None);
    }
}
