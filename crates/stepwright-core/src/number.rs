//! Exact comparison and addition of JSON numbers.
//!
//! A JSON number is an integer of 64 bits or a double. To compare or add both, `as_f64` would round
//! integers beyond 2^53.
//!
//! ```
//! use serde_json::Number;
//! use std::cmp::Ordering;
//! use stepwright_core::number;
//! let integer = Number::from(9_007_199_254_740_993_u64);
//! let double = Number::from_f64(9_007_199_254_740_992.0).unwrap();
//! assert_eq!(number::compare(&integer, &double), Ordering::Greater);
//! assert_eq!(number::sum(&integer, &Number::from_f64(0.5).unwrap()), None);
//! ```

use serde_json::Number;
use std::cmp::Ordering;
use std::fmt;

/// The integers up to here, in both directions, are exact as doubles: 2^53.
pub const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// Compares two numbers without rounding. The [module](self) has an example.
pub fn compare(a: &Number, b: &Number) -> Ordering {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => compare_mixed(a, as_double(b)),
        (None, Some(b)) => compare_mixed(b, as_double(a)).reverse(),
        (None, None) => as_double(a).total_cmp(&as_double(b)),
    }
}

/// Compares an integer with a double that is a number, without rounding. See [`compare`].
#[expect(clippy::cast_possible_truncation, reason = "beyond 128 bits it saturates")]
pub fn compare_mixed(integer: i128, double: f64) -> Ordering {
    let floor = double.floor();
    // Beyond 128 bits the cast saturates, which keeps the order.
    let order = integer.cmp(&(floor as i128));
    if order == Ordering::Equal && double > floor { Ordering::Less } else { order }
}

/// Returns `true` for a number without a fraction: `2` and `2.0`. See [`compare`].
pub fn is_integer(number: &Number) -> bool {
    number.as_i128().is_some() || as_double(number).fract() == 0.0
}

/// Returns the integer as a double, if that is exact. See [`compare`].
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "compared after")]
pub fn exact_double(integer: i128) -> Option<f64> {
    let double = integer as f64;
    (double as i128 == integer).then_some(double)
}

/// Returns `true` if the whole part of `sum` is that of `a + b`. Below 2^53 only the fraction of a
/// double is rounded.
///
/// See [`sum`].
pub fn is_whole_sum(a: f64, b: f64, sum: f64) -> bool {
    // The error of a sum of doubles is a double itself.
    let of_b = sum - a;
    let error = (a - (sum - of_b)) + (b - of_b);
    sum.is_finite() && (sum.abs() < EXACT_BELOW || error == 0.0)
}

/// Returns the sum. `None` if it exceeds 64 bits, is not finite, or would lose whole units by
/// rounding.
///
/// The [module](self) has an example.
pub fn sum(a: &Number, b: &Number) -> Option<Number> {
    if let (Some(a), Some(b)) = (a.as_i128(), b.as_i128()) {
        let sum = a.checked_add(b)?;
        let signed = i64::try_from(sum).map(Number::from);
        return signed.or_else(|_| u64::try_from(sum).map(Number::from)).ok();
    }
    let exact = |number: &Number| number.as_i128().map_or(number.as_f64(), exact_double);
    let (a, b) = (exact(a)?, exact(b)?);
    let sum = a + b;
    is_whole_sum(a, b, sum).then(|| Number::from_f64(sum)).flatten()
}

fn as_double(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// The reason that a written number cannot be held. It displays as the end of a sentence that
/// begins with the number.
///
/// The module [`json`](crate::json) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inexact {
    /// An integer of more than 64 bits.
    Integer,
    /// A number beyond 2^53 with a fraction or an exponent, which a double holds as another one.
    Rounded,
    /// A number that a double holds as infinite.
    TooLarge,
    /// A number other than zero that a double holds as zero.
    TooSmall,
}

impl Inexact {
    /// Returns advice to the author of the number.
    pub fn help(self) -> &'static str {
        match self {
            Self::Rounded => "write it without fraction and exponent, or as a text, in quotes",
            _ => "write it as a text, in quotes",
        }
    }
}

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "does not fit into 64 bits",
            Self::Rounded => "would be rounded",
            Self::TooLarge => "is too large",
            Self::TooSmall => "is too small and would become 0",
        })
    }
}

/// Checks that a number can be held as it is written: digits, and maybe a sign, a fraction and an
/// exponent. Other texts pass.
///
/// Every double is binary, so a fraction such as `0.1` is never exact, and passes. An integer
/// passes if 64 bits hold it. A number with a fraction or an exponent passes up to 2^53. Beyond
/// that it denotes a whole number, and passes if a double holds that one, or if it has more than 64
/// bits and the double is written with the same digits: `1e23`.
///
/// # Errors
/// Fails if the number would be rounded to another whole number, to zero, or to infinity.
///
/// ```
/// use stepwright_core::number::{Inexact, check_literal};
/// assert_eq!(check_literal("9007199254740993"), Ok(()));
/// assert_eq!(check_literal("9007199254740993.0"), Err(Inexact::Rounded));
/// assert_eq!(check_literal("1e400"), Err(Inexact::TooLarge));
/// ```
pub fn check_literal(text: &str) -> Result<(), Inexact> {
    let has_exponent = text.contains(['e', 'E']);
    // That many digits fit into 64 bits and into a double.
    if text.len() <= 15 && !has_exponent {
        return Ok(());
    }
    let is_decimal = has_exponent || text.contains('.');
    let Some(written) = Decimal::of(text) else { return Ok(()) };
    if !is_decimal {
        let fits = text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
        return if fits { Ok(()) } else { Err(Inexact::Integer) };
    }
    let Ok(double) = text.parse::<f64>().map(f64::abs) else { return Ok(()) };
    if double.is_infinite() {
        return Err(Inexact::TooLarge);
    }
    if double == 0.0 && !written.digits.is_empty() {
        return Err(Inexact::TooSmall);
    }
    let is_held = double < EXACT_BELOW
        || Decimal::of(&format!("{double:.0}")).as_ref() == Some(&written)
        || (double >= BEYOND_64_BITS && Decimal::of(&format!("{double:e}")) == Some(written));
    if is_held { Ok(()) } else { Err(Inexact::Rounded) }
}

/// Checks that a double holds the number in a text, like [`check_literal`]. An integer is one with
/// a fraction of zero.
///
/// # Errors
/// Fails if the number would be rounded to another whole number, to zero, or to infinity.
///
/// ```
/// use stepwright_core::number::{Inexact, check_double};
/// assert_eq!(check_double("9007199254740992"), Ok(()));
/// assert_eq!(check_double("9007199254740993"), Err(Inexact::Rounded));
/// ```
pub fn check_double(text: &str) -> Result<(), Inexact> {
    let is_integer =
        text.len() > 15 && text.bytes().all(|b| matches!(b, b'+' | b'-' | b'0'..=b'9'));
    if is_integer { check_literal(&format!("{text}.0")) } else { check_literal(text) }
}

/// The first double beyond the integers of 64 bits: 2^64.
const BEYOND_64_BITS: f64 = 18_446_744_073_709_551_616.0;

/// The size of a number as it is written: digits without zeros at both ends, and an exponent of
/// ten.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// `None` if the text is not a number.
    fn of(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, Some(exponent)),
            None => (text, None),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let exponent = exponent.map_or(Some(0), |exponent| {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            let is_number = !digits.is_empty() && digits.bytes().all(|d| d.is_ascii_digit());
            // An exponent that is too long decides alone.
            let far = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
            is_number.then(|| exponent.parse().unwrap_or(far))
        })?;
        let after = i64::try_from(fraction.len()).unwrap_or(i64::MAX / 4);
        let kept = digits.trim_end_matches('0').len();
        let zeros = i64::try_from(digits.len() - kept).unwrap_or_default();
        digits.truncate(kept);
        digits.drain(..digits.len() - digits.trim_start_matches('0').len());
        let exponent = if digits.is_empty() {
            0
        } else {
            exponent.saturating_sub(after).saturating_add(zeros)
        };
        Some(Self { digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn number(value: &serde_json::Value) -> Number {
        value.as_number().unwrap().clone()
    }

    #[test]
    fn numbers_are_compared_without_rounding() {
        for (a, order, b) in [
            (json!(9_007_199_254_740_993_u64), Ordering::Greater, json!(9_007_199_254_740_992.0)),
            (json!(9_007_199_254_740_992_u64), Ordering::Equal, json!(9_007_199_254_740_992.0)),
            (json!(u64::MAX), Ordering::Less, json!(18_446_744_073_709_551_616.0)),
            (json!(i64::MIN), Ordering::Equal, json!(-9_223_372_036_854_775_808.0)),
            (json!(2), Ordering::Less, json!(2.5)),
            (json!(-2), Ordering::Greater, json!(-2.5)),
            (json!(1), Ordering::Less, json!(1e300)),
            (json!(0), Ordering::Equal, json!(0.0)),
        ] {
            assert_eq!(compare(&number(&a), &number(&b)), order, "{a} {b}");
            assert_eq!(compare(&number(&b), &number(&a)), order.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn written_numbers_are_held_or_refused() {
        use Inexact::{Integer, Rounded, TooLarge, TooSmall};
        for number in [
            "0",
            "-0",
            "0.0",
            "-0.0",
            "0e999999999999999999999",
            "0.1",
            "1e-300",
            "4.9e-324",
            "1e22",
            "1e23",
            "6.02214076e23",
            "1e300",
            "1e30",
            "9007199254740993",
            "9007199254740992.0",
            "9007199254740994e0",
            "90071992547409.92e2",
            "4503599627370497.25",
            "1e18",
            "1.5e3",
            "36893488147419103232.0",
            "18446744073709551615",
            "-9223372036854775808",
            "1e+2",
            "1.7976931348623157e308",
            "0.30000000000000000000000004",
            "1e0000000000000000000002",
            "nan",
            "inf",
            "1.2.3",
            "e",
            "1e",
            "-",
            "",
            "0x1e400e400e400e400",
            "2026-11-29T10:00:00",
        ] {
            assert_eq!(check_literal(number), Ok(()), "{number}");
        }
        for (number, why) in [
            ("18446744073709551616", Integer),
            ("-9223372036854775809", Integer),
            ("9007199254740993.0", Rounded),
            ("9007199254740993e0", Rounded),
            ("-9007199254740993.0", Rounded),
            ("0.9007199254740993e16", Rounded),
            ("900719925474099300E-2", Rounded),
            ("9007199254740993.5", Rounded),
            ("9007199254740991.9", Rounded),
            ("1234567890123456789.0", Rounded),
            ("18446744073709551615.0", Rounded),
            ("1.2345678901234567e18", Rounded),
            ("100000000000000000000001.0", Rounded),
            ("1e309", TooLarge),
            ("-1e400", TooLarge),
            ("1e99999999999999999999", TooLarge),
            ("1e-400", TooSmall),
            ("-0.1e-99999999999999999999", TooSmall),
        ] {
            assert_eq!(check_literal(number), Err(why), "{number}");
        }
        let long = format!("0.{}1", "0".repeat(400));
        assert_eq!(check_literal(&long), Err(TooSmall));
        assert_eq!(check_literal(&format!("1{}.0", "0".repeat(400))), Err(TooLarge));
    }

    #[test]
    fn sums_are_exact_in_their_whole_part_or_refused() {
        for (a, b, wanted) in [
            (json!(1), json!(0.5), Some(json!(1.5))),
            (json!(0.1), json!(0.2), Some(json!(0.1 + 0.2))),
            (json!(u64::MAX), json!(-1), Some(json!(u64::MAX - 1))),
            (json!(9_007_199_254_740_992_u64), json!(2.0), Some(json!(9_007_199_254_740_994.0))),
            (json!(1_u64 << 60), json!(-0.0), Some(json!(1_152_921_504_606_846_976.0))),
            (json!(9_007_199_254_740_993_u64), json!(0.5), None),
            (json!(9_007_199_254_740_992_u64), json!(0.5), None),
            (json!(9_007_199_254_740_991_u64), json!(0.75), None),
            (json!(9_007_199_254_740_992.0), json!(1), None),
            (json!(9_007_199_254_740_992.0), json!(0.5), None),
            (json!(u64::MAX), json!(1), None),
            (json!(1e308), json!(1e308), None),
        ] {
            let wanted = wanted.map(|wanted| number(&wanted));
            assert_eq!(sum(&number(&a), &number(&b)), wanted, "{a} + {b}");
            assert_eq!(sum(&number(&b), &number(&a)), wanted, "{b} + {a}");
        }
    }
}
