use bpe_openai::{Tokenizer, cl100k_base, o200k_base};

use super::CountTokens;

/// A vocabulary, and the rules by which text is cut for it.
///
/// ```
/// use blossom_layers::estimate::{Bpe, CountTokens as _, Encoding};
///
/// assert_eq!(Bpe::new(Encoding::Cl100kBase).count("hello world"), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Encoding {
    /// `o200k_base`: GPT-4o and later.
    #[default]
    O200kBase,
    /// `cl100k_base`: GPT-3.5 and GPT-4.
    Cl100kBase,
}

/// Counts tokens exactly, by byte-pair encoding.
///
/// The vocabularies are inside the crate `bpe-openai`, unpacked when the first text is counted (some
/// hundred milliseconds, 50 MB); nothing is fetched. Time is linear in the text, also for a megabyte of
/// one letter. What looks like a special token, such as `<|endoftext|>`, counts as the text that it is.
///
/// ```
/// use blossom_layers::estimate::{Bpe, CountTokens, Encoding};
///
/// assert_eq!(Bpe::new(Encoding::O200kBase).count("hello world"), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bpe {
    encoding: Encoding,
}

impl Bpe {
    /// Counts by this vocabulary. Loads nothing yet.
    ///
    /// ```
    /// use blossom_layers::estimate::{Bpe, Encoding};
    ///
    /// assert_eq!(Bpe::default(), Bpe::new(Encoding::O200kBase));
    /// ```
    #[must_use]
    pub const fn new(encoding: Encoding) -> Self {
        Self { encoding }
    }

    /// The vocabulary.
    ///
    /// ```
    /// use blossom_layers::estimate::{Bpe, Encoding};
    ///
    /// assert_eq!(Bpe::new(Encoding::Cl100kBase).encoding(), Encoding::Cl100kBase);
    /// ```
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Begins to count a text that comes in parts.
    ///
    /// ```
    /// use blossom_layers::estimate::{Bpe, CountTokens, Encoding};
    ///
    /// let bpe = Bpe::new(Encoding::Cl100kBase);
    /// let mut tally = bpe.tally();
    /// for part in ["Hel", "lo, wor", "ld!"] {
    ///     tally.push(part);
    /// }
    /// assert_eq!(tally.tokens(), bpe.count("Hello, world!"));
    /// ```
    #[must_use]
    pub const fn tally(self) -> BpeTally {
        BpeTally {
            bpe: self,
            counted: 0,
            open: String::new(),
            due: OPEN_BYTES,
        }
    }

    fn tokenizer(self) -> &'static Tokenizer {
        match self.encoding {
            Encoding::O200kBase => o200k_base(),
            Encoding::Cl100kBase => cl100k_base(),
        }
    }
}

impl CountTokens for Bpe {
    fn count(&self, text: &str) -> u64 {
        self.tokenizer().count(text) as u64
    }
}

/// Counts a text that comes in parts, exactly, wherever it is cut between characters. Made by
/// [`Bpe::tally`].
///
/// It holds the text whose tokens may still change: mostly the last words, at most 64 KiB. A single
/// word or run of signs that is longer than that is counted in pieces of 64 KiB.
///
/// ```
/// use blossom_layers::estimate::{Bpe, Encoding};
///
/// let mut tally = Bpe::new(Encoding::O200kBase).tally();
/// tally.push("hello");
/// tally.push(" world");
/// assert_eq!(tally.tokens(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct BpeTally {
    bpe: Bpe,
    counted: u64,
    open: String,
    // How long `open` may grow before what is certain is counted.
    due: usize,
}

impl BpeTally {
    /// Takes the next part.
    ///
    /// ```
    /// use blossom_layers::estimate::{Bpe, Encoding};
    ///
    /// // The end of a word that was cut changes what its beginning counts.
    /// let mut tally = Bpe::new(Encoding::Cl100kBase).tally();
    /// tally.push("hel");
    /// tally.push("lo");
    /// assert_eq!(tally.tokens(), 1);
    /// ```
    pub fn push(&mut self, part: &str) {
        self.open.push_str(part);
        if self.open.len() >= self.due {
            self.settle();
            // Twice what is left, so that a word that never ends costs linear time.
            self.due = OPEN_BYTES.max(self.open.len().saturating_mul(2));
        }
    }

    /// The tokens of all parts together. Takes time in what is still open.
    ///
    /// ```
    /// use blossom_layers::estimate::{Bpe, Encoding};
    ///
    /// let mut tally = Bpe::new(Encoding::Cl100kBase).tally();
    /// assert_eq!(tally.tokens(), 0);
    /// tally.push("hello world");
    /// assert_eq!(tally.tokens(), 2);
    /// ```
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.counted.saturating_add(self.bpe.count(&self.open))
    }

    /// Counts the pieces that no further text can change: all but the last few.
    fn settle(&mut self) {
        let tokenizer = self.bpe.tokenizer();
        let mut held = [""; HELD];
        let mut certain = 0;
        let mut tokens = 0_u64;
        for piece in tokenizer.split(&self.open) {
            let oldest = held[0];
            certain += oldest.len();
            tokens += tokenizer.bpe.count(oldest.as_bytes()) as u64;
            held.rotate_left(1);
            held[HELD - 1] = piece;
        }
        self.counted = self.counted.saturating_add(tokens);
        self.open.drain(..certain);
        if self.open.len() > MOST_BYTES {
            self.counted = self.counted.saturating_add(self.bpe.count(&self.open));
            self.open.clear();
        }
    }
}

/// Pieces that text to come may change: a word may go on after an apostrophe, and white space belongs
/// to what follows.
const HELD: usize = 4;
const OPEN_BYTES: usize = 256;
const MOST_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(encoding: Encoding, text: &str) -> u64 {
        Bpe::new(encoding).count(text)
    }

    #[test]
    fn counts_what_the_reference_counts() {
        // From running the reference implementation on texts of our own.
        let vectors = [
            ("", 0, 0),
            ("hello world", 2, 2),
            ("The petals of 1,234,567 flowers.", 11, 11),
            ("fn main() {\n    println!(\"hi\");\n}\n", 10, 10),
            ("don't we'll I'M", 4, 6),
            ("a  b   c    \n\n  d\t\te", 10, 10),
            ("Über die Brücke ging ein Mädchen", 7, 9),
            ("Мимо сада шла весна", 7, 11),
            ("زهرة في الحديقة", 5, 10),
            ("花は咲く", 5, 7),
            ("👩\u{200d}🌾🌷👍🏽", 10, 17),
            // White space at the end of a text is cut otherwise than in its middle.
            ("rose\n ", 3, 3),
            ("\u{a0}0", 2, 2),
        ];
        for (text, o200k, cl100k) in vectors {
            assert_eq!(counts(Encoding::O200kBase, text), o200k, "{text:?}");
            assert_eq!(counts(Encoding::Cl100kBase, text), cl100k, "{text:?}");
        }
    }

    #[test]
    fn special_tokens_count_as_the_text_that_they_are() {
        assert_eq!(counts(Encoding::O200kBase, "<|endoftext|>"), 7);
    }

    #[test]
    fn a_word_without_end_is_counted_in_bounded_memory() {
        let mut tally = Bpe::new(Encoding::O200kBase).tally();
        for _ in 0..4096 {
            tally.push("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
            assert!(tally.open.len() <= 3 * MOST_BYTES);
        }
        assert_eq!(tally.tokens(), 131_072 / 8);
    }

    proptest! {
        #[test]
        fn parts_count_as_the_whole(
            parts in prop::collection::vec("(?s)[a-zA-Z' \n\r\t./0-9é中あ👍-]{0,40}", 0..60),
            cl100k: bool,
        ) {
            let encoding = if cl100k { Encoding::Cl100kBase } else { Encoding::O200kBase };
            let mut tally = Bpe::new(encoding).tally();
            for part in &parts {
                tally.push(part);
            }
            prop_assert_eq!(tally.tokens(), counts(encoding, &parts.concat()));
        }
    }
}
