//! Counts tokens of text.
//!
//! [`estimate`] needs no vocabulary and errs by a few percent, `count` is exact and needs the feature
//! `tokens-bpe`. What a whole request takes, messages, tools and pictures, is estimated by
//! [`EstimatePrompt`](crate::policy::EstimatePrompt).
//!
//! ```
//! let text = "A flower is the reproductive part of a plant.";
//! assert_eq!(blossom::tokens::estimate(text), 10);
//!
//! // A text that comes in parts.
//! let mut tally = blossom::tokens::tally();
//! for part in ["A flower is the ", "reproductive part of a plant."] {
//!     tally.push(part);
//! }
//! assert_eq!(tally.tokens(), 10);
//! ```

#[cfg(feature = "tokens-bpe")]
use crate::layers::estimate::Bpe;
#[doc(inline)]
pub use crate::layers::estimate::HeuristicTally;
#[cfg(feature = "tokens-bpe")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokens-bpe")))]
#[doc(inline)]
pub use crate::layers::estimate::{BpeTally, Encoding};
use crate::layers::estimate::{CountTokens, Heuristic};

/// About how many tokens `text` takes.
///
/// Measured for `o200k_base`; how far it errs on which kind of text stands in the
/// [guide](crate::guide::cost).
///
/// ```
/// assert!((3..=6).contains(&blossom::tokens::estimate("What is a flower?")));
/// ```
#[must_use]
pub fn estimate(text: &str) -> u64 {
    Heuristic::new().count(text)
}

/// Begins to estimate a text that comes in parts, such as a stream.
///
/// ```
/// let mut tally = blossom::tokens::tally();
/// tally.push("What is ");
/// tally.push("a flower?");
/// assert!(tally.tokens() > 3);
/// ```
#[must_use]
pub const fn tally() -> HeuristicTally {
    Heuristic::new().tally()
}

/// How many tokens `text` takes, exactly. The first call unpacks the vocabulary.
///
/// ```
/// use blossom::tokens::{Encoding, count};
///
/// assert_eq!(count("hello world", Encoding::O200kBase), 2);
/// ```
#[cfg(feature = "tokens-bpe")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokens-bpe")))]
#[must_use]
pub fn count(text: &str, encoding: Encoding) -> u64 {
    Bpe::new(encoding).count(text)
}

/// Begins to count a text that comes in parts, exactly.
///
/// ```
/// let mut tally = blossom::tokens::tally_exactly(blossom::tokens::Encoding::O200kBase);
/// tally.push("hello");
/// tally.push(" world");
/// assert_eq!(tally.tokens(), 2);
/// ```
#[cfg(feature = "tokens-bpe")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokens-bpe")))]
#[must_use]
pub const fn tally_exactly(encoding: Encoding) -> BpeTally {
    Bpe::new(encoding).tally()
}
