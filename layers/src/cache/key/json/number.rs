//! Numbers by their decimal digits, never through a float: `1`, `1.0` and `10e-1` are one number, and
//! `0.1` and `0.10000000000000001` are two.
//!
//! The form is that of JavaScript, without a sign of the exponent that says nothing: digits with no
//! zero to spare, a point where it falls among or shortly before them, else an exponent.

use super::Unusable;

/// Appends the number that `rest` begins with, and gives what follows.
pub(super) fn append<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Unusable> {
    let (negative, after) = match rest {
        [b'-', after @ ..] => (true, after),
        _ => (false, rest),
    };
    let (whole, after) = digits(after);
    match whole {
        [] => return Err(Unusable::Malformed),
        [b'0', _, ..] => return Err(Unusable::Malformed),
        _ => {}
    }
    let (fraction, after) = match after {
        [b'.', after @ ..] => match digits(after) {
            ([], _) => return Err(Unusable::Malformed),
            found => found,
        },
        _ => (&[][..], after),
    };
    let (exponent, after) = exponent(after)?;
    write(negative, whole, fraction, exponent, out);
    Ok(after)
}

/// The digits at the beginning of `text`, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at_checked(count).unwrap_or((text, &[]))
}

fn exponent(text: &[u8]) -> Result<(i64, &[u8]), Unusable> {
    let [b'e' | b'E', text @ ..] = text else {
        return Ok((0, text));
    };
    let (negative, text) = match text {
        [b'-', text @ ..] => (true, text),
        [b'+', text @ ..] => (false, text),
        _ => (false, text),
    };
    let (found, rest) = digits(text);
    if found.is_empty() {
        return Err(Unusable::Malformed);
    }
    let mut exponent = 0_i64;
    for digit in found {
        exponent = exponent * 10 + i64::from(digit - b'0');
        if exponent > MAX_EXPONENT {
            return Err(Unusable::TooLarge);
        }
    }
    Ok((if negative { -exponent } else { exponent }, rest))
}

/// Writes the number with these digits before and after the point.
fn write(negative: bool, whole: &[u8], fraction: &[u8], exponent: i64, out: &mut Vec<u8>) {
    let start = out.len();
    if negative {
        out.push(b'-');
    }
    // The usual case: an integer as everybody writes it.
    if fraction.is_empty() && exponent == 0 && whole.len() <= 21 && whole != b"0" {
        out.extend_from_slice(whole);
        return;
    }
    let all = whole.iter().chain(fraction);
    let zero = |byte: &&u8| **byte == b'0';
    let zeros = all.clone().take_while(zero).count();
    let trailing = all.clone().rev().take_while(zero).count();
    let Some(count) = (whole.len() + fraction.len()).checked_sub(zeros + trailing) else {
        // Nothing but zeros. Zero has no sign: nobody means something else by it.
        out.truncate(start);
        out.push(b'0');
        return;
    };
    let digits = all.skip(zeros).take(count).copied();
    // Where the point stands, counted from the first digit that is no zero.
    let point = signed(whole.len()) - signed(zeros) + exponent;
    match usize::try_from(point) {
        Ok(point @ 1..=21) => {
            out.extend(digits.clone().take(point));
            out.resize(out.len() + point.saturating_sub(count), b'0');
            if count > point {
                out.push(b'.');
                out.extend(digits.skip(point));
            }
        }
        _ if (-5..=0).contains(&point) => {
            out.extend_from_slice(b"0.");
            let zeros = usize::try_from(-point).unwrap_or(0);
            out.resize(out.len() + zeros, b'0');
            out.extend(digits);
        }
        _ => {
            out.extend(digits.clone().take(1));
            if count > 1 {
                out.push(b'.');
                out.extend(digits.skip(1));
            }
            power(point - 1, out);
        }
    }
}

/// Writes the power of ten.
fn power(exponent: i64, out: &mut Vec<u8>) {
    out.push(b'e');
    if exponent < 0 {
        out.push(b'-');
    }
    let mut buffer = [0; 20];
    let mut left = exponent.unsigned_abs();
    let mut used = 0;
    for place in buffer.iter_mut().rev() {
        *place = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        used += 1;
        if left == 0 {
            break;
        }
    }
    out.extend(buffer.iter().skip(buffer.len() - used));
}

/// Lengths of texts are far below what an `i64` holds.
fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(MAX_EXPONENT)
}

// So that no sum of exponents and lengths overflows.
const MAX_EXPONENT: i64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, Unusable> {
        let mut out = Vec::new();
        let rest = append(text.as_bytes(), &mut out)?;
        if !rest.is_empty() {
            return Err(Unusable::Malformed);
        }
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a3_a_number_has_one_form() {
        for (form, texts) in [
            ("0", &["0", "-0", "0.0", "0e9", "-0.00e-7"][..]),
            (
                "1",
                &["1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "1000.000e-3"],
            ),
            ("-1", &["-1", "-1.0", "-10e-1"]),
            ("100", &["100", "1e2", "1.00e2", "0.001e5"]),
            ("0.7", &["0.7", "0.70", "7e-1", "70E-2"]),
            ("-12.5", &["-12.5", "-125e-1", "-1.25e1"]),
            ("0.000001", &["0.000001", "1e-6", "10e-7"]),
            ("1e-7", &["1e-7", "0.0000001", "0.1e-6"]),
            ("4.5e-9", &["4.5e-9", "0.0000000045"]),
            ("100000000000000000000", &["1e20", "100000000000000000000"]),
            ("1e21", &["1e21", "1000000000000000000000", "1E+021"]),
            ("1.5e300", &["1.5e300", "15e299"]),
            ("333333333.33333329", &["333333333.33333329"]),
            (
                "123456789012345678901",
                &["123456789012345678901", "1.23456789012345678901e20"],
            ),
            ("1e1099511627776", &["1e1099511627776"]),
        ] {
            for text in texts {
                assert_eq!(canonical(text).as_deref(), Ok(form), "{text}");
            }
        }
    }

    #[test]
    fn numbers_that_one_float_would_stand_for_stay_apart() {
        assert_ne!(canonical("0.1"), canonical("0.10000000000000001"));
        assert_ne!(canonical("9007199254740993"), canonical("9007199254740992"));
        assert_ne!(canonical("1e400"), canonical("2e400"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", "01", "00", "1.", ".5", "1e", "1e+", "+1", "1x", "NaN", "--1", "1.2.3",
        ] {
            assert_eq!(canonical(text), Err(Unusable::Malformed), "{text}");
        }
        assert_eq!(canonical("1e9999999999999999999"), Err(Unusable::TooLarge));
    }
}
