/// The tokens that an upstream says a reply took.
///
/// ```
/// use blossom_layers::types::Usage;
///
/// let sum = Usage::new(10, 5).saturating_add(Usage::new(1, 1));
/// assert_eq!((sum.prompt_tokens, sum.total_tokens), (11, 17));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the prompt, those read from the upstream's prompt cache included.
    pub prompt_tokens: u64,
    /// Tokens of the answer, those of reasoning included.
    pub completion_tokens: u64,
    /// All tokens, as the upstream counts them.
    pub total_tokens: u64,
    /// The part of the prompt that the upstream had in its own prompt cache.
    pub cached_prompt_tokens: u64,
    /// The part of the answer that was reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// A usage of `prompt_tokens` and `completion_tokens`, without details.
    ///
    /// ```
    /// use blossom_layers::types::Usage;
    ///
    /// assert_eq!(Usage::new(10, 5).total_tokens, 15);
    /// ```
    #[must_use]
    pub const fn new(prompt_tokens: u64, completion_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            cached_prompt_tokens: 0,
            reasoning_tokens: 0,
        }
    }

    /// Whether nothing was counted.
    ///
    /// ```
    /// use blossom_layers::types::Usage;
    ///
    /// assert!(Usage::default().is_zero());
    /// assert!(!Usage::new(10, 0).is_zero());
    /// ```
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.prompt_tokens == 0 && self.completion_tokens == 0 && self.total_tokens == 0
    }

    /// The sum of two usages; each count saturates.
    ///
    /// ```
    /// use blossom_layers::types::Usage;
    ///
    /// let sum = Usage::new(10, 5).saturating_add(Usage::new(1, 2));
    /// assert_eq!(sum, Usage::new(11, 7));
    /// ```
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self {
            prompt_tokens: self.prompt_tokens.saturating_add(other.prompt_tokens),
            completion_tokens: self
                .completion_tokens
                .saturating_add(other.completion_tokens),
            total_tokens: self.total_tokens.saturating_add(other.total_tokens),
            cached_prompt_tokens: self
                .cached_prompt_tokens
                .saturating_add(other.cached_prompt_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate() {
        let most = Usage::new(u64::MAX, 1);

        assert_eq!(most.total_tokens, u64::MAX);
        assert_eq!(most.saturating_add(most).completion_tokens, 2);
        assert_eq!(most.saturating_add(most).prompt_tokens, u64::MAX);
        assert!(Usage::default().is_zero());
    }
}
