//! Deltas, merged to an answer.

use super::{ChatAudio, Delta, ToolCall, ToolCallDelta};
use crate::layers::types::{FinishReason, Usage};

/// A finish that is a failure.
///
/// ```
/// use blossom::protocol::{Accumulator, FinishFailure, StreamEvent};
///
/// let mut all = Accumulator::default();
/// let last = r#"{"choices": [{"finish_reason": "content_filter"}]}"#;
/// if let StreamEvent::Delta(delta) = StreamEvent::decode(last) {
///     all.push(&delta);
/// }
/// assert_eq!(all.failure(), Some(FinishFailure::ContentFilter));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishFailure {
    /// The upstream's filter.
    ContentFilter,
    /// The upstream failed.
    Error,
}

/// Merges the deltas of a stream.
///
/// ```
/// use blossom::protocol::{Accumulator, StreamEvent};
///
/// let mut all = Accumulator::default();
/// for data in [r#"{"choices": [{"delta": {"content": "Hel"}}]}"#, r#"{"choices": [{"delta": {"content": "lo"}}]}"#] {
///     if let StreamEvent::Delta(delta) = StreamEvent::decode(data) {
///         all.push(&delta);
///     }
/// }
/// assert_eq!(all.content(), "Hello");
/// assert!(!all.is_complete(), "no finish reason was seen");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    content: String,
    reasoning: String,
    tool_calls: Vec<ToolCall>,
    /// The index of each call, as the stream numbers them.
    indices: Vec<usize>,
    // Boxed: few streams have it, and every open one would be larger for it.
    audio: Option<Box<ChatAudio>>,
    finish_reason: Option<FinishReason>,
    usage: Option<Usage>,
    model: Option<String>,
    citations: Vec<String>,
}

impl Accumulator {
    /// Adds a delta.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// all.push(&delta(r#"{"choices": [{"delta": {"content": "Hello"}}]}"#));
    /// all.push(&delta(r#"{"choices": [{"delta": {}, "finish_reason": "stop"}]}"#));
    /// assert_eq!((all.content(), all.is_complete()), ("Hello", true));
    /// ```
    pub fn push(&mut self, delta: &Delta) {
        self.content.push_str(&delta.content);
        self.reasoning
            .push_str(delta.reasoning.as_deref().unwrap_or_default());
        for call in &delta.tool_calls {
            self.push_call(call);
        }
        if let Some(piece) = &delta.audio {
            self.audio.get_or_insert_default().push(piece);
        }
        if self.model.is_none() {
            self.model.clone_from(&delta.model);
        }
        if delta.finish_reason.is_some() {
            self.finish_reason.clone_from(&delta.finish_reason);
        }
        self.usage = delta.usage.or(self.usage);
        if !delta.citations.is_empty() {
            self.citations.clone_from(&delta.citations);
        }
    }

    /// By index; a piece without one begins a call if it has a name or a new id, else it goes on
    /// with the last. Some number all calls alike: a name with another id begins one too.
    fn push_call(&mut self, piece: &ToolCallDelta) {
        let position = match piece.index {
            Some(index) => {
                let position = self.indices.iter().rposition(|known| *known == index);
                position.filter(|position| {
                    let known = self.tool_calls.get(*position).map_or("", |call| &call.id);
                    let other = !known.is_empty() && !piece.id.is_empty() && known != piece.id;
                    !other || piece.name.is_empty()
                })
            }
            None => {
                let last = self.tool_calls.last();
                let same = last.is_some_and(|last| {
                    piece.id.is_empty() && piece.name.is_empty() || last.id == piece.id
                });
                same.then(|| self.tool_calls.len().saturating_sub(1))
            }
        };
        match position.and_then(|position| self.tool_calls.get_mut(position)) {
            Some(call) => {
                if call.id.is_empty() {
                    call.id.push_str(&piece.id);
                }
                if call.name.is_empty() {
                    call.name.push_str(&piece.name);
                }
                call.arguments.push_str(&piece.arguments);
            }
            None => {
                self.indices
                    .push(piece.index.unwrap_or(self.tool_calls.len()));
                self.tool_calls.push(ToolCall::new(
                    piece.id.as_str(),
                    piece.name.as_str(),
                    piece.arguments.as_str(),
                ));
            }
        }
    }

    /// The text so far.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// all.push(&delta(r#"{"choices": [{"delta": {"content": "Hel"}}]}"#));
    /// assert_eq!(all.content(), "Hel");
    /// all.push(&delta(r#"{"choices": [{"delta": {"content": "lo"}}]}"#));
    /// assert_eq!(all.content(), "Hello");
    /// ```
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// The text, taken out.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// all.push(&delta(r#"{"choices": [{"delta": {"content": "Hello"}}]}"#));
    /// let text: String = all.into_content();
    /// assert_eq!(text, "Hello");
    /// ```
    #[must_use]
    pub fn into_content(self) -> String {
        self.content
    }

    /// What the model thought.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// assert_eq!(all.reasoning(), None);
    /// all.push(&delta(r#"{"choices": [{"delta": {"reasoning_content": "Let me see"}}]}"#));
    /// assert_eq!(all.reasoning(), Some("Let me see"));
    /// ```
    #[must_use]
    pub fn reasoning(&self) -> Option<&str> {
        (!self.reasoning.is_empty()).then_some(&*self.reasoning)
    }

    /// The calls of tools so far; the arguments of the last may be cut.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// # let mut push = |function: &str| {
    /// #     let calls = format!(r#"[{{"index": 0, "function": {function}}}]"#);
    /// #     all.push(&delta(&format!(r#"{{"choices": [{{"delta": {{"tool_calls": {calls}}}}}]}}"#)));
    /// # };
    /// push(r#"{"name": "weather", "arguments": "{\"city\": "}"#);
    /// push(r#"{"arguments": "\"Ulm\"}"}"#);
    /// let call = &all.tool_calls()[0];
    /// assert_eq!((call.name(), call.arguments()), ("weather", r#"{"city": "Ulm"}"#));
    /// ```
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        &self.tool_calls
    }

    /// What the model has said aloud so far.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// all.push(&delta(r#"{"choices": [{"delta": {"audio": {"data": "AQI=", "transcript": "Hel"}}}]}"#));
    /// all.push(&delta(r#"{"choices": [{"delta": {"audio": {"data": "Aw==", "transcript": "lo"}}}]}"#));
    /// let audio = all.audio().ok_or("it speaks")?;
    /// assert_eq!((audio.bytes(), audio.transcript()), (&[1, 2, 3][..], "Hello"));
    /// # Ok::<_, &str>(())
    /// ```
    #[must_use]
    pub fn audio(&self) -> Option<&ChatAudio> {
        self.audio.as_deref()
    }

    /// Why the generation ended, once it did.
    ///
    /// ```
    /// # use blossom::{layers::types::FinishReason, protocol::*};
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// assert_eq!(all.finish_reason(), None);
    /// all.push(&delta(r#"{"choices": [{"delta": {}, "finish_reason": "length"}]}"#));
    /// assert_eq!(all.finish_reason(), Some(&FinishReason::Length));
    /// ```
    #[must_use]
    pub const fn finish_reason(&self) -> Option<&FinishReason> {
        self.finish_reason.as_ref()
    }

    /// The tokens that were counted.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// all.push(&delta(r#"{"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#));
    /// assert_eq!(all.usage().map(|usage| usage.total_tokens), Some(15));
    /// ```
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The model that answers.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// all.push(&delta(r#"{"model": "openai", "choices": []}"#));
    /// assert_eq!(all.model(), Some("openai"));
    /// ```
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The sources of a model that searches.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// all.push(&delta(r#"{"choices": [], "citations": ["https://example.com/a"]}"#));
    /// assert_eq!(all.citations(), ["https://example.com/a"]);
    /// ```
    #[must_use]
    pub fn citations(&self) -> &[String] {
        &self.citations
    }

    /// Whether a finish reason was seen, which is the only proof that the answer is whole.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// all.push(&delta(r#"{"choices": [{"delta": {"content": "Hel"}}]}"#));
    /// assert!(!all.is_complete(), "the stream may have been cut");
    /// all.push(&delta(r#"{"choices": [{"delta": {}, "finish_reason": "stop"}]}"#));
    /// assert!(all.is_complete());
    /// ```
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// Whether the finish is a failure.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// # let delta = |data: &str| match StreamEvent::decode(data) {
    /// #     StreamEvent::Delta(delta) => delta,
    /// #     other => unreachable!("{other:?}"),
    /// # };
    /// # let mut all = Accumulator::default();
    /// all.push(&delta(r#"{"choices": [{"delta": {}, "finish_reason": "error"}]}"#));
    /// assert_eq!(all.failure(), Some(FinishFailure::Error));
    /// ```
    #[must_use]
    pub fn failure(&self) -> Option<FinishFailure> {
        match &self.finish_reason {
            Some(FinishReason::ContentFilter) => Some(FinishFailure::ContentFilter),
            Some(FinishReason::Error) => Some(FinishFailure::Error),
            _ => None,
        }
    }
}
