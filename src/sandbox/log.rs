//! What was asked, and how much is under way.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use serde_json::Value;

use super::fault::Fault;

/// The most requests that are kept.
const KEPT: usize = 10_000;

/// A request as the sandbox understood it. Keys are redacted.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = blossom::sandbox::Sandbox::start()?;
/// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
/// client.text().chat(["Hi"]).seed(7).await?;
/// let request = &sandbox.requests()[0];
/// assert_eq!((request.method(), request.prompt()), ("POST", Some("Hi")));
/// assert_eq!(request.parsed()["seed"], 7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) dialect: Option<&'static str>,
    pub(super) operation: Option<&'static str>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) prompt: Option<String>,
    pub(super) parsed: Value,
    pub(super) dropped: Vec<String>,
}

impl Recorded {
    /// The method.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("Hi").await?;
    /// assert_eq!(sandbox.requests()[0].method(), "GET");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path as it came, still encoded.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("a/b?").await?;
    /// assert_eq!(sandbox.requests()[0].path(), "/text/a%2Fb%3F");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The dialect that the path belongs to: `v1`, `enter` or `gen`; `None` if there is no such
    /// route.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("Hi").await?;
    /// assert_eq!(sandbox.requests()[0].dialect(), Some("gen"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn dialect(&self) -> Option<&'static str> {
        self.dialect
    }

    /// What was asked for: `chat`, `text`, `image`, `speech` or `models`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.audio().speak("Hello").await?;
    /// assert_eq!(sandbox.requests()[0].operation(), Some("speech"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn operation(&self) -> Option<&'static str> {
        self.operation
    }

    /// The pairs of the query, decoded.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("Hi").seed(7).await?;
    /// assert_eq!(sandbox.requests()[0].query(), [("seed".to_owned(), "7".to_owned())]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// The value of a header, by its name in lower case.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("Hi").header("X-Team", "blue").await?;
    /// assert_eq!(sandbox.requests()[0].header("x-team"), Some("blue"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The JSON body; `null` if there is none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().chat(["Hi"]).await?;
    /// assert_eq!(sandbox.requests()[0].body()["messages"][0]["content"], "Hi");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn body(&self) -> &Value {
        &self.body
    }

    /// The prompt: of the path, decoded, or the text of the last message.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("a/b?").await?;
    /// client.text().chat(["One", "Two"]).await?;
    /// let requests = sandbox.requests();
    /// assert_eq!((requests[0].prompt(), requests[1].prompt()), (Some("a/b?"), Some("Two")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn prompt(&self) -> Option<&str> {
        self.prompt.as_deref()
    }

    /// The parameters that were understood, from query and body together.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().generate("Hi").seed(7).await?;
    /// assert_eq!(sandbox.requests()[0].parsed()["seed"], 7);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn parsed(&self) -> &Value {
        &self.parsed
    }

    /// The members that were not understood, and would be dropped by the service.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = blossom::sandbox::Sandbox::start()?;
    /// # let client = blossom::Blossom::builder().base_url(sandbox.base_url()).build()?;
    /// client.text().chat(["Hi"]).request(|chat| chat.extra("min_p", 0.1)).await?;
    /// assert_eq!(sandbox.requests()[0].dropped(), ["min_p"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Counts {
    pub(super) count: u64,
    pub(super) connections: u64,
    pub(super) in_flight: u64,
    pub(super) max_in_flight: u64,
    pub(super) generations: u64,
    /// What they cost.
    pub(super) pollen: f64,
    #[serde(skip)]
    pub(super) bytes_sent: u64,
}

#[derive(Debug, Default)]
pub(super) struct Log(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    requests: VecDeque<Recorded>,
    fault: Option<Fault>,
    script: VecDeque<(u16, String)>,
    /// How often a fault with `times` has struck, by fault and prompt.
    struck: HashMap<String, u64>,
}

impl Log {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connected(&self) {
        self.state().counts.connections += 1;
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.state().requests.iter().cloned().collect()
    }

    pub(super) fn reset(&self) {
        let mut state = self.state();
        let in_flight = state.counts.in_flight;
        state.counts = Counts {
            in_flight,
            max_in_flight: in_flight,
            ..Counts::default()
        };
        state.requests.clear();
        state.struck.clear();
    }

    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.state().fault.clone()
    }

    pub(super) fn script(&self, replies: impl Iterator<Item = (u16, String)>) {
        self.state().script.extend(replies);
    }

    pub(super) fn scripted(&self) -> Option<(u16, String)> {
        self.state().script.pop_front()
    }

    pub(super) fn record(&self, request: Recorded) {
        let mut state = self.state();
        if state.requests.len() == KEPT {
            state.requests.pop_front();
        }
        state.requests.push_back(request);
    }

    /// Whether a fault that strikes `times` times has struck them all for `key`; counts this one.
    pub(super) fn spent(&self, key: String, times: u64) -> bool {
        let mut state = self.state();
        let struck = state.struck.entry(key).or_default();
        *struck += 1;
        *struck > times
    }

    pub(super) fn began(&self) {
        let mut state = self.state();
        let counts = &mut state.counts;
        counts.count += 1;
        counts.in_flight += 1;
        counts.max_in_flight = counts.max_in_flight.max(counts.in_flight);
    }

    pub(super) fn ended(&self) {
        let mut state = self.state();
        state.counts.in_flight = state.counts.in_flight.saturating_sub(1);
    }

    /// A generation that cost this much pollen.
    pub(super) fn generated(&self, cost: f64) {
        let mut state = self.state();
        state.counts.generations += 1;
        state.counts.pollen += cost;
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.state().counts.bytes_sent += bytes as u64;
    }
}
