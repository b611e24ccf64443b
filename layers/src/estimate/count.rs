/// Counts the tokens of a text.
///
/// Implemented for closures.
///
/// ```
/// use blossom_layers::estimate::CountTokens;
///
/// /// A token for each word.
/// struct Words;
///
/// impl CountTokens for Words {
///     fn count(&self, text: &str) -> u64 {
///         text.split_whitespace().count() as u64
///     }
/// }
/// assert_eq!(Words.count("What is Rust?"), 3);
/// ```
pub trait CountTokens {
    /// The tokens of `text`.
    ///
    /// ```
    /// use blossom_layers::estimate::{CountTokens, Heuristic};
    ///
    /// assert_eq!(Heuristic::new().count("What is a flower?"), 5);
    /// let four_bytes = |text: &str| text.len() as u64 / 4;
    /// assert_eq!(four_bytes.count("What is a flower?"), 4);
    /// ```
    fn count(&self, text: &str) -> u64;

    /// The tokens of any bytes. What is no UTF-8 counts as one token for each sequence that cannot be
    /// read.
    ///
    /// ```
    /// use blossom_layers::estimate::{CountTokens, Heuristic};
    ///
    /// assert_eq!(Heuristic::new().count_bytes(b"hello \xff\xfe world"), 4);
    /// ```
    fn count_bytes(&self, bytes: &[u8]) -> u64 {
        bytes.utf8_chunks().fold(0, |sum: u64, chunk| {
            let broken = u64::from(!chunk.invalid().is_empty());
            sum.saturating_add(self.count(chunk.valid()))
                .saturating_add(broken)
        })
    }
}

impl<F: Fn(&str) -> u64> CountTokens for F {
    fn count(&self, text: &str) -> u64 {
        self(text)
    }
}
