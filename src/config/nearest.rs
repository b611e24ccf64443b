//! What a misspelt word was meant to be.

/// The candidate that differs from `word` least, if it is near enough to be meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = |candidate: &'a str| (distance(word, candidate), candidate);
    let (distance, candidate) = candidates.into_iter().map(near).min()?;
    (distance <= word.chars().count().max(3) / 3 + 1).then_some(candidate)
}

/// How many letters must be added, taken away or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, right) in row.iter_mut().skip(1).zip(b.chars()) {
            let changed = diagonal + usize::from(left != right);
            diagonal = *cell;
            before = changed.min(diagonal + 1).min(before + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_must_change() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("cache", "cache", 0),
            ("cahe_ttl", "cache_ttl", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn a_word_that_is_far_from_all_is_near_none() {
        assert_eq!(nearest("zzz", ["cache", "model"]), None);
        assert_eq!(nearest("modle", ["cache", "model"]), Some("model"));
    }
}
