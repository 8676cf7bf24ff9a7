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

/// The integers up to here, in both directions, are exact as doubles: 2^53.
pub const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// Compares two numbers without rounding.
pub fn compare(a: &Number, b: &Number) -> Ordering {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => compare_mixed(a, as_double(b)),
        (None, Some(b)) => compare_mixed(b, as_double(a)).reverse(),
        (None, None) => as_double(a).total_cmp(&as_double(b)),
    }
}

/// Compares an integer with a double that is a number, without rounding.
#[expect(clippy::cast_possible_truncation, reason = "beyond 128 bits it saturates")]
pub fn compare_mixed(integer: i128, double: f64) -> Ordering {
    let floor = double.floor();
    // Beyond 128 bits the cast saturates, which keeps the order.
    let order = integer.cmp(&(floor as i128));
    if order == Ordering::Equal && double > floor { Ordering::Less } else { order }
}

/// Returns `true` for a number without a fraction: `2` and `2.0`.
pub fn is_integer(number: &Number) -> bool {
    number.as_i128().is_some() || as_double(number).fract() == 0.0
}

/// Returns the integer as a double, if that is exact.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "compared after")]
pub fn exact_double(integer: i128) -> Option<f64> {
    let double = integer as f64;
    (double as i128 == integer).then_some(double)
}

/// Returns `true` if the whole part of `sum` is that of `a + b`. Below 2^53 only the fraction of a
/// double is rounded.
pub fn is_whole_sum(a: f64, b: f64, sum: f64) -> bool {
    // The error of a sum of doubles is a double itself.
    let of_b = sum - a;
    let error = (a - (sum - of_b)) + (b - of_b);
    sum.is_finite() && (sum.abs() < EXACT_BELOW || error == 0.0)
}

/// Returns the sum. `None` if it exceeds 64 bits, is not finite, or would lose whole units by
/// rounding.
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
