//! What there is to learn from a reply of the Blossom protocol.

mod events;
mod scan;
mod whole;

use bytes::Bytes;
use http::response::Parts;

pub(crate) use self::whole::ReadReply;
use self::{events::Events, whole::Whole};
use crate::{
    layers::{
        body::End,
        estimate::{Heuristic, HeuristicTally},
        types::{Deferred, FinishReason, Observe, Record, Usage, Watch},
    },
    protocol,
};

/// Follows replies of the Blossom protocol: chat replies, streams, plain text, media.
///
/// A reply is complete when the transport says so and
/// - a stream has shown a finish reason, and no error event: `[DONE]` proves nothing;
/// - a JSON reply can be read, is one of the protocol and holds no error;
/// - the status is a success, the finish is no failure, and it is no notice to pay.
///
/// JSON is parsed only where an event can hold what is looked for.
///
/// ```
/// use blossom::{layers::observe::ObserveLayer, policy::ObserveReply};
///
/// let layer = ObserveLayer::new(ObserveReply);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ObserveReply;

impl Observe for ObserveReply {
    type Watch = WatchReply;

    fn observe(&self, head: &Parts) -> Option<WatchReply> {
        Some(WatchReply::new(head, false))
    }
}

/// Follows replies as [`ObserveReply`], and can also count what streams and texts produce, so that a
/// reply that breaks off has a price.
///
/// It estimates the tokens of the answer as they pass, by the
/// [`Heuristic`](crate::layers::estimate::Heuristic): reasoning and calls of tools too. The upstream's
/// own usage stands beside it, where it tells.
///
/// ```
/// use blossom::{layers::observe::ObserveLayer, policy::CountReply};
///
/// let layer = ObserveLayer::new(CountReply::new(true));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct CountReply {
    count: bool,
}

impl CountReply {
    /// Counts, or only follows.
    ///
    /// ```
    /// use blossom::{layers::types::{Observe, Record, Watch}, policy::CountReply};
    /// use http::Response;
    ///
    /// let produced = |policy: CountReply| {
    ///     let head = Response::builder().header("content-type", "text/plain").body(())?.into_parts().0;
    ///     let mut record = Record::default();
    ///     let mut watch = policy.observe(&head).ok_or("it follows all")?;
    ///     watch.data(&"What is a flower?".into(), &mut record);
    ///     Ok::<_, Box<dyn std::error::Error>>(record.produced_tokens)
    /// };
    /// assert_eq!(produced(CountReply::new(true))?, Some(5));
    /// assert_eq!(produced(CountReply::new(false))?, None);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn new(count: bool) -> Self {
        Self { count }
    }
}

impl Observe for CountReply {
    type Watch = WatchReply;

    fn observe(&self, head: &Parts) -> Option<WatchReply> {
        Some(WatchReply::new(head, self.count))
    }
}

impl WatchReply {
    fn new(head: &Parts, count: bool) -> Self {
        let headers = &head.headers;
        let tally = count.then(|| Box::new(Heuristic::new().tally()));
        let kind = match protocol::media_type(headers) {
            _ if !head.status.is_success() => Kind::Failed,
            "text/event-stream" => Kind::Events(Box::new(Events::new(tally))),
            "application/json" => Kind::Whole(Whole::default()),
            media_type => Kind::Other {
                tally: tally.filter(|_| media_type == "text/plain"),
                usage: protocol::reply_usage(headers),
                model: protocol::model_used(headers).map(Into::into),
            },
        };
        Self {
            kind,
            no_store: protocol::no_store(headers),
        }
    }
}

/// Follows one reply. See [`ObserveReply`].
///
/// ```
/// use blossom::{
///     layers::{body::End, types::{FinishReason, Observe, Record, Watch}},
///     policy::{ObserveReply, WatchReply},
/// };
/// use http::Response;
///
/// let (head, ()) = Response::builder().header("content-type", "text/event-stream").body(())?.into_parts();
/// let mut watch: WatchReply = ObserveReply.observe(&head).ok_or("it follows all")?;
/// let mut record = Record::default();
/// record.complete = true; // as the transport says
/// let event = "data: {\"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n";
/// watch.data(&event.into(), &mut record);
/// watch.end(End::Complete, &mut record);
/// assert_eq!(record.finish_reason, Some(FinishReason::Stop));
/// assert!(record.complete);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WatchReply {
    kind: Kind,
    no_store: bool,
}

#[derive(Debug)]
enum Kind {
    Events(Box<Events>),
    Whole(Whole),
    /// Text, pictures, sound: the transport's word is all there is, beside the headers.
    Other {
        tally: Option<Box<HeuristicTally>>,
        usage: Option<Usage>,
        model: Option<Box<str>>,
    },
    /// The answer is a failure, whatever its body.
    Failed,
}

impl Watch for WatchReply {
    fn data(&mut self, data: &Bytes, record: &mut Record) -> bool {
        match &mut self.kind {
            Kind::Events(events) => events.data(data, record),
            Kind::Whole(whole) => whole.data(data),
            Kind::Other {
                tally,
                usage,
                model,
            } => {
                // The head has told it; who lets the body go asks before its end is seen here.
                record.usage = *usage;
                record.model = model.take().or(record.model.take());
                if let Some(tally) = tally {
                    // A character that is cut between two frames counts in both: one too many.
                    tally.push(&String::from_utf8_lossy(data));
                    record.produced_tokens = Some(tally.tokens());
                }
                !data.is_empty()
            }
            Kind::Failed => !data.is_empty(),
        }
    }

    fn end(&mut self, end: End, record: &mut Record) -> Option<Deferred> {
        let no_store = self.no_store;
        match &mut self.kind {
            Kind::Events(events) => record.complete &= events.end(end, record),
            // Nobody may ever ask: the client reads the body itself.
            Kind::Whole(whole) => {
                return Some(std::mem::take(whole).defer(no_store));
            }
            Kind::Other { usage, model, .. } => {
                record.usage = *usage;
                record.model = model.take().or(record.model.take());
            }
            Kind::Failed => record.complete = false,
        }
        judge(record, no_store);
        None
    }
}

/// What is no answer is not complete.
fn judge(record: &mut Record, no_store: bool) {
    if no_store && record.usage.is_some_and(|usage| usage.is_zero()) {
        record.failure = Some("a notice to pay instead of an answer".into());
    }
    let failed = matches!(
        record.finish_reason,
        Some(FinishReason::Error | FinishReason::ContentFilter)
    );
    record.complete &= !failed && record.failure.is_none();
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn head(status: u16, content_type: &str) -> Parts {
        let response = Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(());
        response.unwrap().into_parts().0
    }

    /// The record of a body that came in `frames` and ended well.
    fn record(head: &Parts, frames: &[&[u8]]) -> Record {
        let mut record = Record::default();
        let mut watch = ObserveReply.observe(head).unwrap();
        for frame in frames {
            watch.data(&Bytes::copy_from_slice(frame), &mut record);
        }
        record.complete = true;
        if let Some(deferred) = watch.end(End::Complete, &mut record) {
            deferred.run(&mut record);
        }
        record
    }

    fn stream(body: &str) -> Record {
        let head = head(200, "text/event-stream; charset=utf-8");
        record(&head, &[body.as_bytes()])
    }

    const ROLE: &str = r#"{"model":"m","choices":[{"delta":{"role":"assistant","content":""}}]}"#;
    const WORD: &str =
        r#"{"choices":[{"delta":{"content":"Café"},"finish_reason":null}],"usage":null}"#;
    const STOP: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;

    fn events(data: &[&str]) -> String {
        data.iter()
            .map(|data| format!("data: {data}\n\n"))
            .collect()
    }

    fn whole_stream() -> String {
        format!(
            ": hello\n\n{}",
            events(&[ROLE, WORD, STOP, USAGE, "[DONE]"])
        )
    }

    #[test]
    fn a_stream_says_the_same_wherever_it_is_split() {
        let body = whole_stream();
        let whole = stream(&body);
        assert_eq!(whole.usage, Some(Usage::new(3, 4)));
        assert_eq!(whole.finish_reason, Some(FinishReason::Stop));
        assert_eq!(whole.model.as_deref(), Some("m"));
        assert!(whole.complete);

        let head = head(200, "text/event-stream");
        for at in 0..body.len() {
            let (a, b) = body.as_bytes().split_at(at);
            assert_eq!(record(&head, &[a, b]), whole, "split at {at}");
        }
    }

    #[test]
    fn the_answer_begins_with_its_first_content() {
        let mut record = Record::default();
        let head = head(200, "text/event-stream");
        let mut watch = ObserveReply.observe(&head).unwrap();
        let begun: Vec<_> = whole_stream()
            .split_inclusive("\n\n")
            .map(|event| watch.data(&Bytes::copy_from_slice(event.as_bytes()), &mut record))
            .collect();

        assert_eq!(begun, [false, false, true, true, true, true]);
    }

    #[test]
    fn a_stream_may_repeat_the_whole_message_beside_each_delta() {
        let both = r#"{"choices":[{"message":{"content":"Ca"},"delta":{"content":"a"},
            "finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
        let seen = stream(&events(&[&both.replace('\n', "")]));

        assert_eq!(seen.finish_reason, Some(FinishReason::Stop));
        assert!(seen.complete);
    }

    #[test]
    fn an_event_that_was_cut_in_its_middle_is_no_answer() {
        let cut = WORD.get(..WORD.len() - 9).unwrap();

        assert!(!stream(&events(&[cut, STOP, "[DONE]"])).complete);
        assert!(stream(&events(&["ping", WORD, STOP])).complete);
    }

    #[test]
    fn done_proves_nothing_and_errors_are_no_answer() {
        assert!(!stream(&events(&[WORD, "[DONE]"])).complete);

        let error = stream(&events(&[WORD, r#"{"error":{"message":"gone"}}"#]));
        assert_eq!(error.failure.as_deref(), Some("gone"));
        assert!(!error.complete);

        for reason in ["error", "content_filter"] {
            let finish = STOP.replace("stop", reason);
            assert!(!stream(&events(&[WORD, &finish])).complete, "{reason}");
        }
        let length = STOP.replace("stop", "length");
        assert!(stream(&events(&[WORD, &length])).complete);
    }

    #[test]
    fn a_json_reply_is_read_at_its_end() {
        let body = br#"{"model":"m","choices":[{"message":{"content":"a"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
        let json = head(200, "application/json");
        let seen = record(&json, &[&body[..20], &body[20..]]);
        assert_eq!(seen.usage, Some(Usage::new(3, 4)));
        assert!(seen.complete);

        assert!(!record(&json, &[br#"{"choices":[{"#]).complete, "cut");
        assert!(!record(&json, &[br#"{"error":{"message":"no"}}"#]).complete);
        assert!(
            record(&json, &[br#"[{"name":"a"}]"#]).complete,
            "a list of models"
        );
        for nonsense in [
            "null",
            "[]",
            "{}",
            r#"{"choices":[]}"#,
            r#"{"choices":[{"message":null}]}"#,
            r#"{"choices":[{"message":{"content":"a"}}],"usage":{"total_tokens":1e999}}"#,
        ] {
            let seen = record(&json, &[nonsense.as_bytes()]);
            assert!(!seen.complete, "{nonsense}");
        }
    }

    #[test]
    fn a_chat_that_is_read_for_the_client_as_well_tells_the_same() {
        let json = head(200, "application/json");
        for body in [
            r#"{"model":"m","choices":[{"message":{"content":"a"},"finish_reason":"stop"}],
                "usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
            r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"1"}]}}]}"#,
            r#"{"choices":[{"message":{"content":"a"},"finish_reason":"error"}]}"#,
            r#"{"choices":[{"message":{"content":"a"},"error":{"message":"cut"}}],"error":"no"}"#,
            r#"{"choices":[{"message":{"content":"a"}}],"error":{"message":"no"}}"#,
            r#"{"choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"choices":[{"message":{"content":"a"}},{"message":7}]}"#,
            r#"{"role":"assistant","content":"the \"choices\" are these"}"#,
            r#"{"choices":[{"message":{"content":"a"}}]"#,
        ] {
            // What comes in parts is read for what it tells alone.
            let (first, rest) = body.as_bytes().split_at(7);
            let alone = record(&json, &[first, rest]);
            assert_eq!(record(&json, &[body.as_bytes()]), alone, "{body}");
        }
    }

    #[test]
    fn a_chat_that_was_read_stands_for_no_other_body() {
        let read = |body: &'static str| {
            let mut record = Record::default();
            let mut watch = ObserveReply
                .observe(&head(200, "application/json"))
                .unwrap();
            watch.data(&Bytes::from_static(body.as_bytes()), &mut record);
            let deferred = watch.end(End::Complete, &mut record).unwrap();
            let decoded = deferred.run(&mut record)?;
            decoded.downcast::<ReadReply>().ok()
        };
        let chat = r#"{"choices":[{"message":{"content":"a"}}]}"#;
        let reply = read(chat).unwrap().of(chat.as_bytes()).unwrap();
        assert_eq!(reply.content(), "a");
        assert!(read(chat).unwrap().of(b"{}").is_none());
        assert!(read(r#"{"data":[]}"#).is_none());
    }

    #[test]
    fn text_is_complete_by_the_transports_word_and_told_by_headers() {
        let mut text = head(200, "text/plain; charset=utf-8");
        let usage = "x-usage-completion-text-tokens";
        text.headers.insert(usage, "5".parse().unwrap());
        text.headers.insert("x-model-used", "m".parse().unwrap());

        let seen = record(&text, &[b"hello"]);
        assert_eq!(seen.usage, Some(Usage::new(0, 5)));
        assert_eq!(seen.model.as_deref(), Some("m"));
        assert!(seen.complete);
    }

    #[test]
    fn what_is_produced_is_counted_as_it_passes_where_that_is_asked_for() {
        let produced = |count: bool, content_type: &str, frame: &str| {
            let mut record = Record::default();
            let head = head(200, content_type);
            let mut watch = CountReply::new(count).observe(&head).unwrap();
            watch.data(&Bytes::copy_from_slice(frame.as_bytes()), &mut record);
            record.produced_tokens
        };
        let counted = |text: &str| Some(crate::tokens::estimate(text));
        let stream = events(&[ROLE, WORD, WORD]);

        assert_eq!(
            produced(true, "text/event-stream", &stream),
            counted("CaféCafé")
        );
        assert_eq!(
            produced(true, "text/plain", "hello world"),
            counted("hello world")
        );
        assert_eq!(produced(true, "image/png", "hello world"), None);
        assert_eq!(produced(false, "text/event-stream", &stream), None);
    }

    #[test]
    fn failures_and_notices_are_never_complete() {
        assert!(!record(&head(503, "application/json"), &[b"{}"]).complete);

        let mut notice = head(200, "application/json");
        let no_store = "private, no-store".parse().unwrap();
        notice.headers.insert("cache-control", no_store);
        let body = br#"{"choices":[{"message":{"content":"top up"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
        assert!(!record(&notice, &[body]).complete);
    }
}
