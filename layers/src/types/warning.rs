use std::fmt;

/// Something that the caller should know and that stopped nothing.
///
/// ```
/// use blossom_layers::types::Warning;
///
/// let warning = Warning::LargePrompt { estimated_tokens: 9_000, limit_tokens: 8_000 };
/// assert_eq!(
///     warning.to_string(),
///     "the prompt is estimated at 9000 tokens, which is more than 8000"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// The prompt is estimated at more tokens than is usual here.
    LargePrompt {
        /// The estimate.
        estimated_tokens: u64,
        /// From where on there is a warning.
        limit_tokens: u64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LargePrompt {
                estimated_tokens,
                limit_tokens,
            } => write!(
                f,
                "the prompt is estimated at {estimated_tokens} tokens, which is more than \
                 {limit_tokens}"
            ),
        }
    }
}

/// The warnings of a call; layers that warn place them in the extensions of the response.
///
/// ```
/// use blossom_layers::types::{Warning, Warnings};
///
/// let mut response = http::Response::new(());
/// let warnings: &mut Warnings = response.extensions_mut().get_or_insert_default();
/// warnings.push(Warning::LargePrompt { estimated_tokens: 9_000, limit_tokens: 8_000 });
/// let seen = response.extensions().get::<Warnings>();
/// assert_eq!(seen.map(|warnings| warnings.as_slice().len()), Some(1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Warnings(Vec<Warning>);

impl Warnings {
    /// Adds one.
    ///
    /// ```
    /// use blossom_layers::types::{Warning, Warnings};
    ///
    /// let warning = Warning::LargePrompt { estimated_tokens: 9_000, limit_tokens: 8_000 };
    /// let mut warnings = Warnings::default();
    /// warnings.push(warning);
    /// assert_eq!(warnings.as_slice(), [warning]);
    /// ```
    pub fn push(&mut self, warning: Warning) {
        self.0.push(warning);
    }

    /// All of them, the innermost first.
    ///
    /// ```
    /// use blossom_layers::types::{Warning, Warnings};
    ///
    /// let mut warnings = Warnings::default();
    /// assert!(warnings.as_slice().is_empty());
    /// for limit_tokens in [8_000, 1_000] {
    ///     warnings.push(Warning::LargePrompt { estimated_tokens: 9_000, limit_tokens });
    /// }
    /// let innermost = warnings.as_slice().first();
    /// assert!(matches!(innermost, Some(Warning::LargePrompt { limit_tokens: 8_000, .. })));
    /// ```
    #[must_use]
    pub fn as_slice(&self) -> &[Warning] {
        &self.0
    }
}
