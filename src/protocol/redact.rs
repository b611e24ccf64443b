//! Texts of others, made fit to be shown.

use std::iter;

/// What stands before a key.
const MARKS: [&str; 8] = [
    "sk_", "pk_", "sk-", "ag_", "bearer ", "key=", "token=", "api_key=",
];

/// The shortest run of characters after a mark that is taken for a key.
const SHORTEST: usize = 4;

/// `text` in one line, without control characters and keys, `max` characters at most.
///
/// What stands after `sk_`, `pk_`, `ag_`, `Bearer `, `key=` or `token=` is taken for a key.
pub(crate) fn printable(text: &str, max: usize) -> String {
    // What is cut off need not be looked at; a key that is cut is still found by its mark.
    let text: String = text
        .chars()
        .take(max)
        .chain(text.chars().nth(max).map(|_| '…'))
        .collect();
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some((mark, after)) = mark(rest) {
            shown.push_str(mark);
            shown.push_str("[redacted]");
            rest = after;
            continue;
        }
        push(&mut shown, first);
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    shown
}

/// The mark at the beginning of `text`, and what follows its key.
fn mark(text: &str) -> Option<(&str, &str)> {
    let found = MARKS.iter().find_map(|mark| {
        let begin = text.get(..mark.len())?;
        begin.eq_ignore_ascii_case(mark).then_some(begin)
    })?;
    let after = text.get(found.len()..)?;
    let length: usize = after
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "_-.~+/=%".contains(*c))
        .map(char::len_utf8)
        .sum();
    (length >= SHORTEST).then(|| (found, after.get(length..).unwrap_or_default()))
}

/// Line ends become spaces; other control characters, and those that turn the direction of text,
/// are shown by their number.
fn push(shown: &mut String, c: char) {
    match c {
        '\n' | '\r' | '\t' => shown.push(' '),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {
            shown.extend(c.escape_unicode());
        }
        c if c.is_control() => shown.extend(c.escape_unicode()),
        c => shown.extend(iter::once(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j7_keys_are_taken_out_wherever_they_stand() {
        let key = "abcdefghijklmnopqrstuvwxyz012345";
        for text in [
            format!("The key sk_{key} is not known"),
            format!("pk_{key}"),
            format!("authorization: Bearer {key}!"),
            format!("https://example.com/?a=1&key={key}&b=2"),
            format!("?TOKEN={key}"),
        ] {
            let shown = printable(&text, 2000);
            assert!(!shown.contains("ghijk"), "{shown}");
            assert!(shown.contains("[redacted]"));
        }
        assert_eq!(printable("a monkey=b, token", 99), "a monkey=b, token");
    }

    #[test]
    fn j5_a_text_stays_on_one_line() {
        assert_eq!(printable("a\r\nb\tc", 99), "a  b c");
        assert_eq!(printable("\u{1b}[31m\u{202e}", 99), "\\u{1b}[31m\\u{202e}");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(printable("äöü", 2), "äö…");
        assert_eq!(printable("äöü", 3), "äöü");
    }
}
