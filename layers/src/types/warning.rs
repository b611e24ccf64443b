use std::fmt;

/// Something that the caller should know and that stopped nothing.
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Warnings(Vec<Warning>);

impl Warnings {
    /// Adds one.
    pub fn push(&mut self, warning: Warning) {
        self.0.push(warning);
    }

    /// All of them, the innermost first.
    #[must_use]
    pub fn as_slice(&self) -> &[Warning] {
        &self.0
    }
}
