//! Counts tokens without a vocabulary.

mod symbol;

use std::num::NonZeroU32;

use self::symbol::{CLASSES, Symbols, class, place};
use super::CountTokens;

/// Estimates tokens from scripts and common sequences of characters, without a vocabulary.
///
/// It walks over the text once and adds, for each character, how many tokens begin in it on average:
/// after the one to three characters that stand before it where that sequence is a common one, else
/// for characters of its kind. The weights (66 kB, built in) were measured for `o200k_base` on text in
/// some 80 languages, code, data and noise. How far it errs on which kind of text is measured by
/// `layers/benches/peers` (program `tokens`) and stands in the guide; `Bpe`, with the feature `tokens-bpe`, counts
/// exactly.
///
/// Linear in the text, allocates nothing, needs no setting up.
///
/// ```
/// use blossom_layers::estimate::{CountTokens, Heuristic};
///
/// let heuristic = Heuristic::new();
/// assert_eq!(heuristic.count(""), 0);
/// assert_eq!(heuristic.count("The quick brown fox jumps over the lazy dog."), 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Heuristic {
    characters: Option<NonZeroU32>,
}

impl Heuristic {
    /// By scripts and sequences of characters.
    ///
    /// ```
    /// use blossom_layers::estimate::{CountTokens as _, Heuristic};
    ///
    /// assert_eq!(Heuristic::new().count("What is a flower?"), 5);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { characters: None }
    }

    /// One token for each `characters` characters, rounded down, whatever the text. 4 is a common rule
    /// of thumb for English; on Chinese it is wrong by more than half.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    ///
    /// use blossom_layers::estimate::{CountTokens as _, Heuristic};
    ///
    /// let four = NonZeroU32::MIN.saturating_add(3);
    /// assert_eq!(Heuristic::one_per(four).count("flower"), 1);
    /// ```
    #[must_use]
    pub const fn one_per(characters: NonZeroU32) -> Self {
        Self {
            characters: Some(characters),
        }
    }

    /// Begins to count a text that comes in parts.
    ///
    /// ```
    /// use blossom_layers::estimate::{CountTokens, Heuristic};
    ///
    /// let mut tally = Heuristic::new().tally();
    /// tally.push("Hello, ");
    /// tally.push("world!");
    /// assert_eq!(tally.tokens(), Heuristic::new().count("Hello, world!"));
    /// ```
    #[must_use]
    pub const fn tally(self) -> HeuristicTally {
        HeuristicTally {
            characters: self.characters,
            symbols: Symbols::new(),
            seen: 0,
            weight: 0,
        }
    }
}

impl CountTokens for Heuristic {
    fn count(&self, text: &str) -> u64 {
        let mut tally = self.tally();
        tally.push(text);
        tally.tokens()
    }
}

/// Counts a text that comes in parts; the same as the whole, wherever it is cut between characters.
/// Made by [`Heuristic::tally`]; holds no text.
///
/// ```
/// use blossom_layers::estimate::Heuristic;
///
/// let mut tally = Heuristic::new().tally();
/// tally.push("What is ");
/// tally.push("a flower?");
/// assert!(tally.tokens() > 3);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct HeuristicTally {
    characters: Option<NonZeroU32>,
    symbols: Symbols,
    seen: u64,
    // In 64ths of a token.
    weight: u64,
}

impl HeuristicTally {
    /// Takes the next part.
    ///
    /// ```
    /// use blossom_layers::estimate::{CountTokens as _, Heuristic};
    ///
    /// let mut tally = Heuristic::new().tally();
    /// for part in ["Wh", "at is a fl", "ower?"] {
    ///     tally.push(part);
    /// }
    /// assert_eq!(tally.tokens(), Heuristic::new().count("What is a flower?"));
    /// ```
    pub fn push(&mut self, part: &str) {
        if self.characters.is_some() {
            self.seen += part.chars().count() as u64;
            return;
        }
        for c in part.chars() {
            if self.symbols.push(c) {
                self.weight += ONE;
            }
            self.weight += u64::from(weight(&self.symbols, c));
        }
    }

    /// The tokens of all parts together; at least one where there was anything.
    ///
    /// ```
    /// use blossom_layers::estimate::Heuristic;
    ///
    /// let mut tally = Heuristic::new().tally();
    /// assert_eq!(tally.tokens(), 0);
    /// tally.push(".");
    /// assert_eq!(tally.tokens(), 1);
    /// ```
    #[must_use]
    pub fn tokens(&self) -> u64 {
        match self.characters {
            Some(characters) => self.seen / u64::from(characters.get()),
            None if self.weight == 0 => 0,
            None => ((self.weight + ONE / 2) / ONE).max(1),
        }
    }
}

/// What the last character weighs, in 64ths of a token.
fn weight(symbols: &Symbols, c: char) -> u8 {
    symbols
        .contexts()
        .find_map(known)
        .or_else(|| CLASS_WEIGHTS.get(class(c) as usize).copied())
        .unwrap_or(0)
}

/// The weight of a context that is a common one.
fn known(context: u32) -> Option<u8> {
    let (bucket, mark) = place(context, BUCKETS.len());
    let [m0, m1, m2, m3, w0, w1, w2, w3] = *BUCKETS.get(bucket)?;
    let weight = match mark {
        _ if mark == m0 => w0,
        _ if mark == m1 => w1,
        _ if mark == m2 => w2,
        _ if mark == m3 => w3,
        _ => return None,
    };
    (weight != u8::MAX).then_some(weight)
}

/// A whole token.
const ONE: u64 = 64;

/// Made by `layers/benches/peers`, program `weigh_tokens`.
const WEIGHTS: &[u8; CLASSES + 8 * 8192] = include_bytes!("weights.bin");

const CLASS_WEIGHTS: &[u8] = WEIGHTS.split_at(CLASSES).0;

/// Four marks, then the four weights that belong to them; 255 is an empty place.
const BUCKETS: &[[u8; 8]] = WEIGHTS.split_at(CLASSES).1.as_chunks().0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(text: &str) -> u64 {
        Heuristic::new().count(text)
    }

    #[test]
    fn text_of_every_kind_is_near_its_true_count() {
        // The true counts are those of `o200k_base`.
        let texts = [
            (
                "Roses are red, violets are blue, and a stream is over when its body ends.",
                20,
            ),
            (
                "let total: u64 = items.iter().map(|item| item.price * item.count).sum();",
                21,
            ),
            (
                "{\"name\": \"rose\", \"petals\": 32, \"tags\": [\"red\", \"garden\"], \"alive\": true}",
                27,
            ),
            ("春天来了，花园里的玫瑰都开了，孩子们在树下唱歌。", 23),
            ("🌹🌷🌻🌼💐 👍🎉", 13),
        ];
        for (text, exact) in texts {
            let error = count(text).abs_diff(exact) * 100 / exact;
            assert!(error <= 20, "{text}: {} for {exact}", count(text));
        }
    }

    #[test]
    fn one_for_so_many_characters_is_what_the_rule_of_thumb_says() {
        let rule = Heuristic::one_per(NonZeroU32::new(4).unwrap());

        assert_eq!(rule.count("12345678"), 2);
        assert_eq!(rule.count("1234567"), 1);
        assert_eq!(rule.count("四个汉字四个汉字"), 2);
    }

    #[test]
    fn anything_is_at_least_one_token_and_nothing_is_none() {
        assert_eq!(count(""), 0);
        for text in ["a", " ", "\u{200d}", "\0"] {
            assert!(count(text) >= 1, "{text:?}");
        }
    }

    #[test]
    fn j1_a_mebibyte_of_any_bytes_is_counted_in_one_pass() {
        let letter = vec![b'a'; 1 << 20];
        let joiner = "\u{200d}".repeat((1 << 20) / 3);
        let mixed = "aя中あ한ع🙂\u{301} 1\n".repeat((1 << 20) / 24);
        let noise: Vec<u8> = (0..1_u32 << 20)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for bytes in [&letter[..], joiner.as_bytes(), mixed.as_bytes(), &noise] {
            let tokens = Heuristic::new().count_bytes(bytes);
            // No character holds more tokens than it has bytes.
            assert!(tokens > 0 && tokens <= bytes.len() as u64);
        }
    }

    #[test]
    fn the_weights_hold_a_place_for_each_context() {
        assert_eq!(BUCKETS.len() * 8 + CLASS_WEIGHTS.len(), WEIGHTS.len());
        assert_eq!(CLASS_WEIGHTS.len(), CLASSES);
    }

    proptest! {
        #[test]
        fn parts_count_as_the_whole(parts in prop::collection::vec(any::<String>(), 0..8)) {
            let mut tally = Heuristic::new().tally();
            for part in &parts {
                tally.push(part);
            }
            prop_assert_eq!(tally.tokens(), count(&parts.concat()));
        }
    }
}
