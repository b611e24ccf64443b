//! Prices, which are decimal numbers.

/// A decimal number times 10^15: billionths for a million units. Digits beyond are cut off; what is
/// too large stays at the largest. Never through a float, which cannot hold most decimal numbers.
pub(crate) fn per_million(decimal: &str) -> Option<u64> {
    const PLACES: i32 = 15;
    let (mantissa, exponent) = match decimal.trim().split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
        None => (decimal.trim(), 0_i32),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && part.is_empty() || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let part_length = i32::try_from(part.len()).ok()?;
    let shift = exponent.checked_sub(part_length)?.checked_add(PLACES)?;
    let digits = format!("{whole}{part}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    if shift < 0 {
        let cut = usize::try_from(shift.unsigned_abs()).ok()?;
        let kept = digits.len().checked_sub(cut);
        let kept = kept.and_then(|kept| digits.get(..kept)).unwrap_or("");
        return Some(number(kept));
    }
    let power = 10_u64.checked_pow(shift.unsigned_abs());
    Some(power.map_or(u64::MAX, |power| number(digits).saturating_mul(power)))
}

/// The number that these digits are, or the largest.
fn number(digits: &str) -> u64 {
    if digits.is_empty() {
        0
    } else {
        digits.parse().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_and_never_go_through_a_float() {
        for (decimal, expected) in [
            ("0", Some(0)),
            ("0.0000000375", Some(37_500_000)),
            ("1.5e-7", Some(150_000_000)),
            ("1E-7", Some(100_000_000)),
            ("3", Some(3_000_000_000_000_000)),
            (".5", Some(500_000_000_000_000)),
            ("0.1", Some(100_000_000_000_000)),
            ("0.0000000000000009", Some(0)),
            ("0.00000000000000199", Some(1)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("1e999", Some(u64::MAX)),
            ("1e-999", Some(0)),
            ("-1", None),
            ("", None),
            (".", None),
            ("NaN", None),
            ("pollen", None),
            ("1e99999999999", None),
        ] {
            assert_eq!(per_million(decimal), expected, "{decimal}");
        }
    }
}
