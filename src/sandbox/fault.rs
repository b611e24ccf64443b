//! What can be made to go wrong.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// One fault: its name, its keys with their defaults, and what it does.
struct Spec {
    name: &'static str,
    keys: &'static [(&'static str, u64, &'static str)],
    does: &'static str,
}

const fn spec(
    name: &'static str,
    keys: &'static [(&'static str, u64, &'static str)],
    does: &'static str,
) -> Spec {
    Spec { name, keys, does }
}

/// Every fault takes this key.
const TIMES: (&str, u64, &str) = (
    "times",
    0,
    "strikes the first n requests with this fault and prompt, then no more; 0: always",
);

const AFTER: (&str, u64, &str) = ("after-events", 3, "events that come before");

const SPECS: &[Spec] = &[
    spec(
        "form-a",
        &[("status", 400, "of the answer")],
        "envelope of gen and enter",
    ),
    spec(
        "form-b",
        &[("status", 429, "of the answer")],
        "limiter of publishable keys",
    ),
    spec(
        "form-c",
        &[("status", 429, "of the answer")],
        "concurrency limit of an account",
    ),
    spec(
        "form-d",
        &[("status", 500, "of the answer")],
        "v1 text, which echoes the request",
    ),
    spec(
        "form-e",
        &[("status", 500, "of the answer")],
        "v1 image, which echoes the request",
    ),
    spec("form-f", &[("status", 503, "of the answer")], "plain text"),
    spec(
        "form-g",
        &[("status", 404, "of the answer")],
        "an OpenAI-like provider",
    ),
    spec(
        "form-h",
        &[("status", 522, "of the answer")],
        "a page of the edge",
    ),
    spec(
        "form-i",
        &[("status", 502, "of the answer")],
        "an empty body",
    ),
    spec(
        "form-j",
        &[("status", 200, "of the answer")],
        "a notice to pay, as if it were an answer",
    ),
    spec(
        "status",
        &[
            ("code", 503, "the status"),
            ("retry-after", 0, "seconds for Retry-After; 0: no header"),
            ("date", 0, "1: Retry-After as a date"),
            ("upstream", 0, "upstreamStatus inside; 0: none"),
        ],
        "an envelope with a status of your choice",
    ),
    spec("cut", &[AFTER], "breaks the connection in mid-body"),
    spec("stall", &[AFTER], "goes silent in mid-body"),
    spec(
        "delay",
        &[
            ("head-ms", 0, "before the head"),
            ("event-ms", 0, "before each event, or the body"),
        ],
        "answers slowly",
    ),
    spec(
        "dribble",
        &[("byte-ms", 0, "before each byte")],
        "one byte a frame",
    ),
    spec(
        "split-utf8",
        &[],
        "characters of several bytes, cut between frames",
    ),
    spec("crlf", &[], "lines that end in CRLF"),
    spec("no-space", &[], "no space after the colon"),
    spec("comments", &[], "comments between the events"),
    spec(
        "comments-only",
        &[("every-ms", 20, "between two comments")],
        "comments for ever, and no event",
    ),
    spec(
        "one-chunk",
        &[],
        "the whole stream in one frame, the answer in one delta",
    ),
    spec(
        "mid-error",
        &[
            AFTER,
            (
                "form",
                1,
                "1 error object, 2 finish reason error, 3 content filter",
            ),
        ],
        "an error event in mid-stream",
    ),
    spec("no-done", &[], "no [DONE] at the end"),
    spec(
        "done-without-finish",
        &[AFTER],
        "[DONE] in the middle, without a finish reason",
    ),
    spec(
        "flood",
        &[("events", 1_000_000, "how many")],
        "events at full speed",
    ),
    spec("reset", &[AFTER], "resets the TCP connection in mid-body"),
    spec(
        "redirect",
        &[("status", 302, "of the answer")],
        "a redirect to another origin",
    ),
    spec(
        "slow-head",
        &[("byte-ms", 20, "before each byte of the head")],
        "a head that dribbles; HTTP/1 only",
    ),
    spec(
        "early",
        &[("status", 413, "of the answer")],
        "answers before it reads the request's body; by header only",
    ),
    spec(
        "compress",
        &[],
        "zstd, br or gzip, whichever the request accepts best",
    ),
    spec(
        "bomb",
        &[("mib", 64, "mebibytes of blanks")],
        "a small body that decompresses to a large one",
    ),
    spec(
        "server-cache",
        &[],
        "the service's cache, with X-Cache; identical requests in flight are joined",
    ),
    spec(
        "unpaid",
        &[],
        "one generation at a time for each key, to the end of its body; else form C",
    ),
    spec(
        "pollen",
        &[(
            "cost-milli",
            1_000,
            "thousandths of a pollen that the answer costs",
        )],
        "the bucket of publishable keys (pk_..); form B when it is empty",
    ),
    spec(
        "long-length",
        &[("by", 10, "bytes that are promised and never come")],
        "a length that is more than there is; no stream",
    ),
    spec(
        "short-length",
        &[("by", 10, "bytes at the end that are cut off")],
        "a length that is less than there is; no stream",
    ),
    spec(
        "no-stream",
        &[],
        "a whole reply where a stream was asked for",
    ),
    spec(
        "fake-success",
        &[],
        "a stream that says it could not be processed, and ends well",
    ),
    spec(
        "no-usage",
        &[],
        "no usage, neither in the reply nor in its headers",
    ),
    spec("moderation", &[], "422 content_policy_violation"),
    spec(
        "not-json",
        &[],
        "a JSON content type over a body that is none",
    ),
];

/// A fault as it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    text: String,
    name: &'static str,
    values: BTreeMap<&'static str, u64>,
}

impl Fault {
    /// Reads `NAME;key=value;...`; the error lists what there is.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let name = parts.next().unwrap_or_default();
        let spec = SPECS.iter().find(|spec| spec.name == name).ok_or_else(|| {
            format!(
                "unknown fault {}; there are: {}",
                name.escape_debug(),
                names()
            )
        })?;
        let mut values: BTreeMap<_, _> = keys(spec)
            .map(|(key, default, _)| (*key, *default))
            .collect();
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let slot = values.get_mut(key.trim());
            match (slot, value.trim().parse()) {
                (Some(slot), Ok(value)) => *slot = value,
                (Some(_), Err(_)) => {
                    return Err(format!("{name};{key} wants a whole number, as in {key}=1"));
                }
                (None, _) => {
                    let known: Vec<_> = keys(spec).map(|(key, _, _)| *key).collect();
                    return Err(format!(
                        "fault {name} has no key {}; it has: {}",
                        key.escape_debug(),
                        known.join(", ")
                    ));
                }
            }
        }
        Ok(Self {
            text: text.to_owned(),
            name: spec.name,
            values,
        })
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn value(&self, key: &str) -> u64 {
        self.values.get(key).copied().unwrap_or(0)
    }

    pub(super) fn count(&self, key: &str) -> usize {
        usize::try_from(self.value(key)).unwrap_or(usize::MAX)
    }

    /// Whether the answer is whole all the same, so that the service would keep it.
    pub(super) fn is_harmless(&self) -> bool {
        [
            "compress",
            "delay",
            "pollen",
            "server-cache",
            "slow-head",
            "unpaid",
        ]
        .contains(&self.name)
    }

    pub(super) fn times(&self) -> u64 {
        self.value(TIMES.0)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Whether there is a fault, and this one.
pub(super) fn is(fault: Option<&Fault>, name: &str) -> bool {
    fault.is_some_and(|fault| fault.is(name))
}

fn keys(spec: &Spec) -> impl Iterator<Item = &'static (&'static str, u64, &'static str)> {
    spec.keys.iter().chain(std::iter::once(&TIMES))
}

fn names() -> String {
    let names: Vec<_> = SPECS.iter().map(|spec| spec.name).collect();
    names.join(", ")
}

/// All faults, for `GET /__sandbox/faults`.
pub(super) fn list() -> Value {
    let faults = SPECS.iter().map(|spec| {
        let keys: serde_json::Map<_, _> = keys(spec)
            .map(|(key, default, does)| {
                (
                    (*key).to_owned(),
                    json!({ "default": default, "does": does }),
                )
            })
            .collect();
        json!({ "name": spec.name, "does": spec.does, "keys": keys })
    });
    json!({ "faults": faults.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_keys_and_defaults() {
        let fault = Fault::parse("status;code=429;retry-after=1;times=2").unwrap();

        assert!(fault.is("status"));
        assert_eq!(fault.value("code"), 429);
        assert_eq!(fault.times(), 2);
        assert_eq!(Fault::parse("cut").unwrap().count("after-events"), 3);
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_list() {
        assert!(
            Fault::parse("explode")
                .unwrap_err()
                .contains("form-a, form-b")
        );
        assert!(
            Fault::parse("cut;soon=1")
                .unwrap_err()
                .contains("after-events, times")
        );
        assert!(
            Fault::parse("cut;after-events=x")
                .unwrap_err()
                .contains("whole number")
        );
    }
}
