//! Texts that read like sentences, made from prompt, model and seed.

const ADJECTIVES: [&str; 12] = [
    "quiet", "bright", "patient", "narrow", "early", "distant", "gentle", "steady", "curious",
    "hidden", "warm", "simple",
];
pub(super) const NOUNS: [&str; 16] = [
    "river", "garden", "lantern", "harbor", "letter", "mountain", "window", "orchard", "bridge",
    "compass", "meadow", "library", "engine", "market", "signal", "story",
];
const VERBS: [&str; 12] = [
    "carries",
    "remembers",
    "follows",
    "opens",
    "measures",
    "answers",
    "crosses",
    "gathers",
    "explains",
    "protects",
    "mirrors",
    "changes",
];
const PLACES: [&str; 8] = [
    "at dawn",
    "in the north",
    "after the rain",
    "by the sea",
    "without a sound",
    "every winter",
    "under the old roof",
    "for a while",
];

/// The words of an answer, each with the space before it, so that they join to the text.
pub(super) fn words(parts: &[&[u8]]) -> Vec<String> {
    let mut chance = Chance::new(parts);
    let number = 3 + chance.below(4);
    sentences(&mut chance, number)
}

/// As many sentences, in words.
pub(super) fn sentences(chance: &mut Chance, number: u64) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..number {
        let mut sentence = vec!["The".to_owned()];
        sentence.push(chance.pick(&ADJECTIVES).to_owned());
        sentence.push(chance.pick(&NOUNS).to_owned());
        sentence.push(chance.pick(&VERBS).to_owned());
        sentence.push("the".to_owned());
        if chance.below(2) == 0 {
            sentence.push(chance.pick(&ADJECTIVES).to_owned());
        }
        sentence.push(chance.pick(&NOUNS).to_owned());
        sentence.extend(chance.pick(&PLACES).split(' ').map(str::to_owned));
        if let Some(last) = sentence.last_mut() {
            last.push('.');
        }
        words.extend(sentence);
    }
    for word in words.iter_mut().skip(1) {
        word.insert(0, ' ');
    }
    words
}

/// About how many tokens a text has: a word each, and one more for every eight letters.
pub(super) fn tokens(text: &str) -> u64 {
    let count: usize = text.split_whitespace().map(|word| 1 + word.len() / 9).sum();
    count as u64
}

/// A number for an id.
pub(super) fn digest(parts: &[&[u8]]) -> u64 {
    Chance::new(parts).0
}

/// `SplitMix64` over an FNV hash: the same in every process and release.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(parts: &[&[u8]]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for part in parts {
            for byte in *part {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
            hash = hash.wrapping_mul(0x0100_0000_01b3) ^ 0xff;
        }
        Self(hash)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }

    /// A number below a limit that is small itself.
    pub(super) fn small(&mut self, limit: u32) -> u32 {
        u32::try_from(self.below(u64::from(limit))).unwrap_or(0)
    }

    pub(super) fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_has_the_same_text() {
        let text = |seed: u8| words(&[b"What is Rust?", b"openai", &[seed]]).concat();

        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
        assert!(text(7).starts_with("The ") && text(7).ends_with('.'));
    }
}
