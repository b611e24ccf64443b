use super::Unusable;

/// Appends the string that begins with its opening quote, and gives what follows.
///
/// What is canonical as it stands is copied in one piece, escapes included.
pub(super) fn append<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Unusable> {
    // What stands from `start` to `at` has been read, and has to be copied; `seen` is all of it in one.
    let (mut start, mut at, mut seen) = (0, 1, 0);
    loop {
        at = plain(text, at, &mut seen);
        match text.get(at..) {
            Some([b'"', rest @ ..]) => {
                copy(text.get(start..=at), seen, out)?;
                return Ok(rest);
            }
            Some([b'\\', b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..]) => at += 2,
            Some([b'\\', b'/', ..]) => {
                copy(text.get(start..at), seen, out)?;
                // The slash stays.
                (start, at) = (at + 1, at + 2);
            }
            Some([b'\\', b'u', rest @ ..]) => {
                copy(text.get(start..at), seen, out)?;
                at += 2 + unicode(rest, out)?;
                start = at;
            }
            // A bare control character, an escape that there is not, or the end of the text.
            _ => return Err(Unusable::Malformed),
        }
    }
}

/// Copies a part of a string. Outside of strings JSON is ASCII, so that this is where UTF-8 is checked.
fn copy(text: Option<&[u8]>, seen: u64, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let text = text.unwrap_or_default();
    if seen & HIGH != 0 && std::str::from_utf8(text).is_err() {
        return Err(Unusable::Malformed);
    }
    out.extend_from_slice(text);
    Ok(())
}

/// Where the next quote, backslash, control character or the end stands, at `at` or after. Adds the
/// bytes before it to `seen`, and perhaps some after it.
fn plain(text: &[u8], mut at: usize, seen: &mut u64) -> usize {
    while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*bytes);
        *seen |= word;
        let special = specials(word);
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    for byte in text.get(at..).unwrap_or_default() {
        if matches!(*byte, b'"' | b'\\' | 0..0x20) {
            break;
        }
        *seen |= u64::from(*byte);
        at += 1;
    }
    at
}

/// The high bit of each byte that is special; above the lowest that is set, others may be as well.
const fn specials(word: u64) -> u64 {
    const fn zeros(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word
    }
    let quotes = zeros(word ^ (ONES * b'"' as u64));
    let backslashes = zeros(word ^ (ONES * b'\\' as u64));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGH
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES * 0x80;

/// Appends the character whose number stands in hexadecimal after `\u`, and says how many bytes of the
/// text that took.
fn unicode(text: &[u8], out: &mut Vec<u8>) -> Result<usize, Unusable> {
    let (unit, rest) = hex(text).ok_or(Unusable::Malformed)?;
    if let (0xd800..0xdc00, Some((low @ 0xdc00..0xe000, _))) =
        (unit, rest.strip_prefix(b"\\u").and_then(hex))
    {
        let number = 0x10000 + (u32::from(unit) - 0xd800) * 0x400 + (u32::from(low) - 0xdc00);
        character(number, out);
        return Ok(10);
    }
    character(unit.into(), out);
    Ok(4)
}

fn hex(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let mut number = 0;
    for digit in digits {
        let value = char::from(*digit).to_digit(16)?;
        number = number << 4 | u16::try_from(value).ok()?;
    }
    Some((number, rest))
}

fn character(number: u32, out: &mut Vec<u8>) {
    let short = match number {
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        0x22 => b'"',
        0x5c => b'\\',
        _ => 0,
    };
    if short != 0 {
        out.extend_from_slice(&[b'\\', short]);
        return;
    }
    match char::from_u32(number) {
        Some(character) if number >= 0x20 => {
            let mut buffer = [0; 4];
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
        // A control character, or half of a pair, which has no other form.
        _ => {
            out.extend_from_slice(b"\\u");
            for shift in [12, 8, 4, 0] {
                let digit = char::from_digit(number >> shift & 0xf, 16).unwrap_or('0');
                let mut buffer = [0; 4];
                out.extend_from_slice(digit.encode_utf8(&mut buffer).as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> Result<String, Unusable> {
        let mut out = Vec::new();
        let rest = append(text.as_bytes(), &mut out)?;
        assert!(rest.is_empty());
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_character_has_one_form() {
        for (text, form) in [
            (r#""a""#, r#""a""#),
            (r#""\u0061""#, r#""a""#),
            (r#""\/\u002F""#, r#""//""#),
            (r#""\u000A\n""#, r#""\n\n""#),
            (r#""\u0022\u005c""#, r#""\"\\""#),
            (r#""\u001F""#, r#""\u001f""#),
            (r#""\u007f""#, "\"\u{7f}\""),
            (r#""\ud83d\uDE02 😂""#, r#""😂 😂""#),
            (r#""\uD83D x\ude02""#, r#""\ud83d x\ude02""#),
            (r#""\ud83d\ud83d\ude02""#, r#""\ud83d😂""#),
            (r#""\u20ac€""#, r#""€€""#),
        ] {
            assert_eq!(canonical(text).unwrap(), form, "{text}");
        }
    }

    #[test]
    fn what_is_no_string_is_refused() {
        for text in [
            r#""a"#,
            r#""\"#,
            r#""\x""#,
            r#""\u12"#,
            r#""\u12g4""#,
            "\"\n\"",
            "\"\0\"",
            "\"0123456\u{1f}\"",
            "\"0123456789\u{1}\"",
        ] {
            assert_eq!(canonical(text), Err(Unusable::Malformed), "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_wherever_they_stand() {
        for text in [
            &b"\"\xff\""[..],
            b"\"12345678\xe9\"",
            b"\"\\n\xe9\\n\"",
            b"\"\xe2\x82\\u0041\xac\"",
            b"\"\xe2\x82\\/\xac\"",
            b"\"\\/\xac\"",
            b"\"\xed\xa0\x80\"",
        ] {
            assert_eq!(
                append(text, &mut Vec::new()),
                Err(Unusable::Malformed),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn words_are_scanned_as_bytes_are(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let special = |byte: &u8| matches!(*byte, b'"' | b'\\' | 0..0x20);
            let expected = text.iter().position(special).unwrap_or(text.len());
            let mut seen = 0;
            prop_assert_eq!(plain(&text, 0, &mut seen), expected);
            prop_assert!(seen & HIGH != 0 || text[..expected].is_ascii());
        }

        #[test]
        fn serde_json_writes_strings_canonically(text: String) {
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(canonical(&written).unwrap(), written);
        }
    }
}
