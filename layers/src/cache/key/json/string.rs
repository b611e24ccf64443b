use super::Unusable;

/// Appends the string that begins after its opening quote, quotes included, and gives what follows.
pub(super) fn append<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Unusable> {
    out.push(b'"');
    loop {
        let Some((plain, special)) = rest.split_at_checked(plain_len(rest)) else {
            return Err(Unusable::Malformed);
        };
        out.extend_from_slice(plain);
        rest = match special {
            [b'"', rest @ ..] => {
                out.push(b'"');
                return Ok(rest);
            }
            [b'\\', rest @ ..] => escape(rest, out)?,
            // A bare control character, or the end of the text.
            _ => return Err(Unusable::Malformed),
        };
    }
}

/// How many bytes stand before a quote, a backslash, a control character or the end.
fn plain_len(text: &[u8]) -> usize {
    let mut len = 0;
    let mut words = text.chunks_exact(8);
    for word in words.by_ref() {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        let special = specials(u64::from_le_bytes(bytes));
        if special != 0 {
            return len + special.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    let plain = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | 0..0x20);
    len + words.remainder().iter().take_while(plain).count()
}

/// The high bit of each byte that is special; above the lowest that is set, others may be as well.
const fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const fn zeros(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word
    }
    let quotes = zeros(word ^ (ONES * b'"' as u64));
    let backslashes = zeros(word ^ (ONES * b'\\' as u64));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & (ONES * 0x80)
}

/// Appends the character that stands after a backslash, as it is written canonically.
fn escape<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Unusable> {
    let (which, rest) = rest.split_first().ok_or(Unusable::Malformed)?;
    match which {
        b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => out.extend_from_slice(&[b'\\', *which]),
        b'/' => out.push(b'/'),
        b'u' => return unicode(rest, out),
        _ => return Err(Unusable::Malformed),
    }
    Ok(rest)
}

/// Appends the character whose number stands in hexadecimal after `\u`.
fn unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Unusable> {
    let (unit, rest) = hex(rest).ok_or(Unusable::Malformed)?;
    if let (0xd800..0xdc00, Some((low @ 0xdc00..0xe000, rest))) =
        (unit, rest.strip_prefix(b"\\u").and_then(hex))
    {
        let number = 0x10000 + (u32::from(unit) - 0xd800) * 0x400 + (u32::from(low) - 0xdc00);
        character(number, out);
        return Ok(rest);
    }
    character(unit.into(), out);
    Ok(rest)
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
        let rest = append(text.strip_prefix('"').unwrap().as_bytes(), &mut out)?;
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

    proptest! {
        #[test]
        fn words_are_scanned_as_bytes_are(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let special = |byte: &u8| matches!(*byte, b'"' | b'\\' | 0..0x20);
            let expected = text.iter().position(special).unwrap_or(text.len());
            prop_assert_eq!(plain_len(&text), expected);
        }

        #[test]
        fn serde_json_writes_strings_canonically(text: String) {
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(canonical(&written).unwrap(), written);
        }
    }
}
