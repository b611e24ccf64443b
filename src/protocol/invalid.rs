use std::{borrow::Cow, error, fmt};

use super::Dialect;

/// A request that the protocol does not allow, refused before anything was sent.
///
/// Names the parameter and says what is allowed and what was given. It never holds the prompt: a
/// text that is too long is told by its length.
///
/// ```
/// use blossom::protocol::{ChatRequest, Dialect};
///
/// let invalid = ChatRequest::new(["Hi"]).temperature(3.5).validate(Dialect::Gen).unwrap_err();
/// assert_eq!(invalid.parameter(), "temperature");
/// assert_eq!(invalid.to_string(), "temperature must be 0 to 2, not 3.5");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    parameter: Cow<'static, str>,
    problem: Cow<'static, str>,
}

impl Invalid {
    pub(crate) fn new(
        parameter: impl Into<Cow<'static, str>>,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            parameter: parameter.into(),
            problem: problem.into(),
        }
    }

    /// The parameter has no place in this operation of this dialect, and would be lost.
    pub(super) fn not_carried(
        parameter: impl Into<Cow<'static, str>>,
        operation: &str,
        dialect: Dialect,
    ) -> Self {
        Self::new(
            parameter,
            format!("cannot be sent with {operation} of the {dialect} dialect"),
        )
    }

    /// The name of the parameter, as it stands on the wire; nested ones as `messages[2].name`.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new([Message::user("Hi").name("a name")]);
    /// let invalid = chat.validate(Dialect::Gen).unwrap_err();
    /// assert_eq!(invalid.parameter(), "messages[0].name");
    /// ```
    #[must_use]
    pub fn parameter(&self) -> &str {
        &self.parameter
    }

    /// What is allowed and what was given.
    ///
    /// ```
    /// # use blossom::protocol::*;
    /// let chat = ChatRequest::new(["Hi"]).top_p(1.5);
    /// let invalid = chat.validate(Dialect::Gen).unwrap_err();
    /// assert_eq!(invalid.problem(), "must be 0 to 1, not 1.5");
    /// ```
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.parameter, self.problem)
    }
}

impl error::Error for Invalid {}

/// Checks that `value` lies in `min..=max`; `NaN` lies nowhere.
pub(super) fn number(
    parameter: &'static str,
    value: Option<f64>,
    min: f64,
    max: f64,
) -> Result<(), Invalid> {
    match value {
        Some(value) if !(min..=max).contains(&value) => Err(Invalid::new(
            parameter,
            format!("must be {min} to {max}, not {value}"),
        )),
        _ => Ok(()),
    }
}

/// Checks that `value` lies in `min..=max`.
pub(super) fn integer(
    parameter: &'static str,
    value: Option<i64>,
    min: i64,
    max: i64,
) -> Result<(), Invalid> {
    match value {
        Some(value) if !(min..=max).contains(&value) => Err(Invalid::new(
            parameter,
            format!("must be {min} to {max}, not {value}"),
        )),
        _ => Ok(()),
    }
}

/// Checks a count that JSON must carry without loss: numbers beyond 2^53 are rounded by many readers.
pub(super) fn count(parameter: &'static str, value: Option<u64>) -> Result<(), Invalid> {
    const MOST: u64 = (1 << 53) - 1;
    match value {
        Some(value) if value > MOST => Err(Invalid::new(
            parameter,
            format!("must be 0 to {MOST}, not {value}"),
        )),
        _ => Ok(()),
    }
}

/// Checks a text that must not be empty when given.
pub(super) fn not_empty(parameter: &'static str, text: Option<&str>) -> Result<(), Invalid> {
    match text {
        Some("") => Err(Invalid::new(parameter, "must not be empty")),
        _ => Ok(()),
    }
}

/// Whether `name` is one that the protocol accepts for functions and participants.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
