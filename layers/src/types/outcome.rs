use std::{any::Any, fmt, time::Instant};

use super::{Decoded, Deferred, Nanos, Timing, Usage};
use crate::{
    body::End,
    sync::{Arc, Mutex, lock},
};

/// What became of a reply: a handle that is shared by all who need to know.
///
/// The observe layer places it in the extensions of the response and writes to it while the body
/// passes. Whoever holds a clone can read it at any time; it is final once [`Outcome::ended`].
/// Cloning costs one reference count, reading one uncontended lock.
///
/// ```
/// use blossom_layers::types::{FinishReason, Outcome};
///
/// let outcome = Outcome::new();
/// outcome.update(|record| record.finish_reason = Some(FinishReason::Stop));
/// assert_eq!(outcome.read(|record| record.finish_reason.clone()), Some(FinishReason::Stop));
/// assert!(!outcome.ended());
/// ```
#[derive(Clone, Default)]
pub struct Outcome {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    record: Record,
    deferred: Option<Deferred>,
    decoded: Option<Decoded>,
}

impl State {
    /// The record, with what was deferred done.
    fn record(&mut self) -> &mut Record {
        if let Some(deferred) = self.deferred.take() {
            self.decoded = deferred.run(&mut self.record);
        }
        &mut self.record
    }
}

impl Outcome {
    /// The outcome of a reply that has just begun.
    ///
    /// ```
    /// use blossom_layers::types::Outcome;
    ///
    /// let outcome = Outcome::new();
    /// assert!(!outcome.ended() && !outcome.complete());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what is known so far.
    ///
    /// The lock is held while `read` runs: it must not call back into this outcome.
    ///
    /// ```
    /// use blossom_layers::types::{Outcome, Usage};
    ///
    /// let outcome = Outcome::new();
    /// outcome.update(|record| record.usage = Some(Usage::new(30, 12)));
    /// let tokens = outcome.read(|record| record.usage.map(|usage| usage.total_tokens));
    /// assert_eq!(tokens, Some(42));
    /// ```
    pub fn read<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        read(lock(&self.state).record())
    }

    /// Writes what was learnt. The same warning holds as for [`read`](Self::read).
    ///
    /// ```
    /// use blossom_layers::types::Outcome;
    ///
    /// let outcome = Outcome::new();
    /// let seen_elsewhere = outcome.clone();
    /// outcome.update(|record| record.model = Some("small".into()));
    /// assert_eq!(seen_elsewhere.record().model.as_deref(), Some("small"));
    /// ```
    pub fn update<T>(&self, update: impl FnOnce(&mut Record) -> T) -> T {
        update(lock(&self.state).record())
    }

    /// Leaves work to whoever first asks for more than times and the end.
    ///
    /// ```
    /// use blossom_layers::types::{Deferred, Outcome};
    ///
    /// let outcome = Outcome::new();
    /// outcome.defer(Deferred::new(|record| record.complete = true));
    /// assert!(outcome.complete());
    /// ```
    pub fn defer(&self, deferred: Deferred) {
        lock(&self.state).deferred = Some(deferred);
    }

    /// Both at once, where work is left.
    #[cfg(feature = "observe")]
    pub(crate) fn update_and_defer(&self, update: impl FnOnce(&mut Record) -> Option<Deferred>) {
        let mut state = lock(&self.state);
        let deferred = update(state.record());
        if deferred.is_some() {
            state.deferred = deferred;
        }
    }

    /// Whether work was left that [`read`](Self::read) would do.
    ///
    /// ```
    /// use blossom_layers::types::{Deferred, Outcome};
    ///
    /// let outcome = Outcome::new();
    /// outcome.defer(Deferred::new(|record| record.complete = true));
    /// assert!(!outcome.ended() && outcome.is_deferred()); // not done for this
    /// assert!(outcome.record().complete && !outcome.is_deferred());
    /// ```
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        lock(&self.state).deferred.is_some()
    }

    /// Takes the reply in the form that reading it has given, if it has been read and has this form.
    /// Whoever holds clones gets it once in all.
    ///
    /// ```
    /// use blossom_layers::types::{Decoded, Deferred, Outcome};
    /// use bytes::Bytes;
    ///
    /// let outcome = Outcome::new();
    /// let read = |body: &Bytes, _: &mut _| Some(Decoded::new(body.len()));
    /// outcome.defer(Deferred::decoding(Bytes::from_static(b"hello"), read));
    /// assert_eq!(outcome.take_decoded::<usize>(), None, "nobody has wanted to know yet");
    ///
    /// outcome.read(|_| ());
    /// assert_eq!(outcome.take_decoded::<String>(), None, "it is of another type");
    /// assert_eq!(outcome.take_decoded::<usize>(), Some(5));
    /// assert_eq!(outcome.take_decoded::<usize>(), None);
    /// ```
    #[must_use]
    pub fn take_decoded<T: Any>(&self) -> Option<T> {
        let mut state = lock(&self.state);
        match state.decoded.take()?.downcast() {
            Ok(value) => Some(value),
            Err(other) => {
                state.decoded = Some(other);
                None
            }
        }
    }

    /// When the parts of the reply arrived. Never does what was deferred.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use blossom_layers::types::Outcome;
    ///
    /// let outcome = Outcome::new();
    /// outcome.update(|record| record.timing.head = Some(Duration::from_millis(80)));
    /// assert_eq!(outcome.timing().head, Some(Duration::from_millis(80)));
    /// ```
    #[must_use]
    pub fn timing(&self) -> Timing {
        lock(&self.state).record.timing
    }

    /// Says when the call began whose reply this is, from which [`Timing::queue`] follows.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use blossom_layers::types::Outcome;
    ///
    /// let (start, second) = (Instant::now(), Duration::from_secs(1));
    /// let outcome = Outcome::new();
    /// outcome.update(|record| record.timing.sent = Some(start + second));
    /// outcome.begun_at(start);
    /// assert_eq!(outcome.timing().queue, Some(second));
    /// ```
    pub fn begun_at(&self, start: Instant) {
        let timing = &mut lock(&self.state).record.timing;
        *timing = timing.since(start);
    }

    /// A copy of what is known so far.
    ///
    /// ```
    /// use blossom_layers::types::Outcome;
    ///
    /// let outcome = Outcome::new();
    /// let copy = outcome.record();
    /// outcome.update(|record| record.complete = true);
    /// assert!(!copy.complete && outcome.record().complete);
    /// ```
    #[must_use]
    pub fn record(&self) -> Record {
        self.read(Clone::clone)
    }

    /// Whether the body has ended, in any of the four ways.
    ///
    /// ```
    /// use blossom_layers::{body::End, types::Outcome};
    ///
    /// let outcome = Outcome::new();
    /// assert!(!outcome.ended());
    /// outcome.update(|record| record.end = Some(End::Dropped));
    /// assert!(outcome.ended());
    /// ```
    #[must_use]
    pub fn ended(&self) -> bool {
        lock(&self.state).record.end.is_some()
    }

    /// Whether the reply is proven whole.
    ///
    /// ```
    /// use blossom_layers::{body::End, types::Outcome};
    ///
    /// // A body that came to its end is not for that alone a whole reply.
    /// let outcome = Outcome::new();
    /// outcome.update(|record| record.end = Some(End::Complete));
    /// assert!(!outcome.complete());
    /// ```
    #[must_use]
    pub fn complete(&self) -> bool {
        self.read(|record| record.complete)
    }
}

impl From<Record> for Outcome {
    fn from(record: Record) -> Self {
        let state = State {
            record,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|record| f.debug_tuple("Outcome").field(record).finish())
    }
}

/// What an [`Outcome`] says.
///
/// ```
/// use blossom_layers::types::{FinishReason, Outcome, Record, Usage};
///
/// let mut record = Record::default();
/// record.usage = Some(Usage::new(30, 12));
/// record.finish_reason = Some(FinishReason::Length);
/// // An outcome for a test of what reads one.
/// assert_eq!(Outcome::from(record.clone()).record(), record);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Tokens that the upstream reported.
    pub usage: Option<Usage>,
    /// Why the generation ended, as the upstream says.
    pub finish_reason: Option<FinishReason>,
    /// The message of an error that came inside the body of a successful reply.
    pub failure: Option<Box<str>>,
    /// The model that answered, if the upstream says so.
    pub model: Option<Box<str>>,
    /// Tokens of the answer that had passed, counted on our side, where the policy counts them: what is
    /// known of a reply that broke off before it told its usage.
    pub produced_tokens: Option<u64>,
    /// What the reply cost, if somebody priced it.
    pub cost: Option<Nanos>,
    /// When the parts of the reply arrived.
    pub timing: Timing,
    /// How the body ended; `None` while it runs.
    pub end: Option<End>,
    /// Whether the reply is whole: the transport says so and the policy agrees. Never assumed.
    pub complete: bool,
}

/// Why a generation ended.
///
/// ```
/// use blossom_layers::types::FinishReason;
///
/// assert_eq!(FinishReason::from("length"), FinishReason::Length);
/// assert_eq!(FinishReason::from("eos"), FinishReason::Other("eos".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model was done, or met a stop sequence.
    Stop,
    /// The token limit of the request was reached. Complete: it is the answer to that limit.
    Length,
    /// The model asks for tools to be called.
    ToolCalls,
    /// The upstream's filter ended it.
    ContentFilter,
    /// The upstream failed in the middle.
    Error,
    /// A reason of the upstream's own.
    Other(Box<str>),
}

impl FinishReason {
    /// The reason as it is usually written on the wire.
    ///
    /// ```
    /// use blossom_layers::types::FinishReason;
    ///
    /// assert_eq!(FinishReason::ToolCalls.as_str(), "tool_calls");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Error => "error",
            Self::Other(other) => other,
        }
    }
}

impl From<&str> for FinishReason {
    fn from(reason: &str) -> Self {
        match reason {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "error" => Self::Error,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for FinishReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_was_learnt() {
        let outcome = Outcome::new();
        let clone = outcome.clone();

        outcome.update(|record| record.end = Some(End::Complete));

        assert!(clone.ended());
        assert!(!clone.complete());
    }

    #[test]
    fn finish_reasons_keep_their_words() {
        for word in [
            "stop",
            "length",
            "tool_calls",
            "content_filter",
            "error",
            "end_turn",
        ] {
            assert_eq!(FinishReason::from(word).to_string(), word);
        }
    }
}
