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
    ///
    /// ```
    /// use blossom_layers::types::TokenEstimate;
    ///
    /// let estimate = TokenEstimate::new(100);
    /// assert_eq!(estimate.completion_tokens, None);
    /// ```
    #[must_use]
    pub const fn new(prompt_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            completion_tokens: None,
        }
    }

    /// Bounds the answer.
    ///
    /// ```
    /// use blossom_layers::types::TokenEstimate;
    ///
    /// // As `max_tokens` of the request says.
    /// let estimate = TokenEstimate::new(100).completion_tokens(50);
    /// assert_eq!(estimate.completion_tokens, Some(50));
    /// ```
    #[must_use]
    pub const fn completion_tokens(mut self, at_most: u64) -> Self {
        self.completion_tokens = Some(at_most);
        self
    }

    /// Prompt and answer together; saturating.
    ///
    /// ```
    /// use blossom_layers::types::TokenEstimate;
    ///
    /// assert_eq!(TokenEstimate::new(100).total_tokens(), 100);
    /// assert_eq!(TokenEstimate::new(100).completion_tokens(50).total_tokens(), 150);
    /// ```
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens
            .saturating_add(self.completion_tokens.unwrap_or(0))
    }
}

/// How many tokens a request will take. Implemented for closures.
///
/// ```
/// use blossom_layers::types::{EstimateTokens, TokenEstimate};
/// use http::Request;
///
/// // Four bytes a token, as a rule of thumb.
/// let policy = |request: &Request<String>| {
///     Some(TokenEstimate::new(request.body().len() as u64 / 4))
/// };
/// let request = Request::new("What is a flower?".to_owned());
/// assert_eq!(policy.estimate(&request), Some(TokenEstimate::new(4)));
/// ```
pub trait EstimateTokens<B> {
    /// The estimate for `request`, or `None` if it takes none, as a list of models does.
    ///
    /// ```
    /// use blossom_layers::types::{EstimateTokens, TokenEstimate};
    /// use http::{Method, Request};
    ///
    /// let posts = |request: &Request<()>| {
    ///     (request.method() == Method::POST).then(|| TokenEstimate::new(100))
    /// };
    /// assert_eq!(posts.estimate(&Request::new(())), None);
    /// ```
    fn estimate(&self, request: &Request<B>) -> Option<TokenEstimate>;

    /// The most prompt tokens that `request` can take, if that is known without looking closely, such
    /// as from the length of its body. It may be far too much, never too little. Default: not known.
    ///
    /// ```
    /// use blossom_layers::types::{EstimateTokens, TokenEstimate};
    /// use http::Request;
    ///
    /// struct Words;
    ///
    /// impl EstimateTokens<String> for Words {
    ///     fn estimate(&self, request: &Request<String>) -> Option<TokenEstimate> {
    ///         Some(TokenEstimate::new(request.body().split_whitespace().count() as u64))
    ///     }
    ///
    ///     // No word is shorter than a byte.
    ///     fn at_most(&self, request: &Request<String>) -> Option<u64> {
    ///         Some(request.body().len() as u64)
    ///     }
    /// }
    /// let request = Request::new("What is a flower?".to_owned());
    /// assert!(Words.estimate(&request).map(|it| it.prompt_tokens) <= Words.at_most(&request));
    /// ```
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
