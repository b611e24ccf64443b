use http::Request;

/// How many tokens a request is expected to take.
///
/// ```
/// use blossom_layers::types::TokenEstimate;
///
/// let estimate = TokenEstimate::new(100).completion_tokens(50);
/// assert_eq!(estimate.total_tokens(), 150);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct TokenEstimate {
    /// Tokens of the prompt: messages, tools, images.
    pub prompt_tokens: u64,
    /// The most tokens that the answer may take, where the request bounds it.
    pub completion_tokens: Option<u64>,
}

impl TokenEstimate {
    /// An estimate of `prompt_tokens` with an answer of unknown length.
    #[must_use]
    pub const fn new(prompt_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            completion_tokens: None,
        }
    }

    /// Bounds the answer.
    #[must_use]
    pub const fn completion_tokens(mut self, at_most: u64) -> Self {
        self.completion_tokens = Some(at_most);
        self
    }

    /// Prompt and answer together; saturating.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens
            .saturating_add(self.completion_tokens.unwrap_or(0))
    }
}

/// How many tokens a request will take. Implemented for closures.
pub trait EstimateTokens<B> {
    /// The estimate for `request`, or `None` if it takes none, as a list of models does.
    fn estimate(&self, request: &Request<B>) -> Option<TokenEstimate>;

    /// The most prompt tokens that `request` can take, if that is known without looking closely, such
    /// as from the length of its body. It may be far too much, never too little. Default: not known.
    fn at_most(&self, request: &Request<B>) -> Option<u64> {
        let _ = request;
        None
    }
}

impl<B, F> EstimateTokens<B> for F
where
    F: Fn(&Request<B>) -> Option<TokenEstimate>,
{
    fn estimate(&self, request: &Request<B>) -> Option<TokenEstimate> {
        self(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_saturates() {
        assert_eq!(TokenEstimate::new(2).total_tokens(), 2);
        assert_eq!(
            TokenEstimate::new(2)
                .completion_tokens(u64::MAX)
                .total_tokens(),
            u64::MAX
        );
    }
}
