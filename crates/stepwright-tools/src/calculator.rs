//! The `Calculator` toolkit.

use crate::kit::KitTool;
use schemars::JsonSchema;
use serde::Deserialize;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::Error;
use stepwright_core::tool::{AnyTool, ToolError};

/// The longest expression that the calculator reads, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 2_000;

/// The deepest nesting of an expression.
const NESTING_MAX: usize = 64;

/// The significant digits of a result that is not exact.
const DIGITS: usize = 15;

/// The largest exponent that is computed exactly.
const EXACT_POWER_MAX: u32 = 256;

/// The decimal places of the longest decimal fraction that is written exactly.
const PLACES_MAX: u32 = 18;

/// A toolkit with one tool, `calculate`, which computes an arithmetic expression.
///
/// It computes with fractions, so that `0.1 + 0.2` is `0.3`. A result that is rounded begins with
/// `about`.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::Calculator;
/// let agent = Agent::builder("Clerk").model("offline")?.tool(Calculator).build()?;
/// assert_eq!(agent.tools()[0].name, "calculate");
/// assert_eq!(Calculator::calculate("(0.1 + 0.2) * 10^3"), Ok("300".into()));
/// assert_eq!(Calculator::calculate("1 / 3"), Ok("about 0.333333333333333".into()));
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Calculator;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Calculate {
    /// The expression, such as `(3 + 4.5) * 2^10 / sqrt(2)`. It may have `+ - * / % ^`, `pi`, `e`,
    /// and the functions sqrt, abs, round, floor, ceil, exp, ln, log10, log2, sin, cos, tan, min,
    /// max. `%` is the remainder; `round(x, 2)` rounds to two decimal places.
    expression: String,
}

impl Toolkit for Calculator {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        let tool = FunctionTool::new(
            "calculate",
            "Computes an arithmetic expression, exactly where that is possible.",
            |args: Calculate| async move {
                Self::calculate(&args.expression).map_err(ToolError::Failed)
            },
        );
        Ok(vec![KitTool::within(tool.read_only())])
    }
}

impl Calculator {
    /// Computes an expression.
    ///
    /// # Errors
    /// Returns what is wrong with the expression, or why it has no value.
    pub fn calculate(expression: &str) -> Result<String, String> {
        if expression.len() > EXPRESSION_BYTES_MAX {
            let bytes = expression.len();
            return Err(format!(
                "the expression has {bytes} bytes; the limit is {EXPRESSION_BYTES_MAX}"
            ));
        }
        let mut parser = Parser { text: expression, at: 0, depth: 0 };
        let value = parser.sum()?;
        parser.skip_space();
        match parser.rest().chars().next() {
            None => value.written(),
            Some(other) => Err(format!("unexpected {other:?} at character {}", parser.place())),
        }
    }
}

/// A number: a fraction in lowest terms, or a rounded number.
#[derive(Clone, Copy, Debug)]
enum Number {
    /// The denominator is positive.
    Exact(i128, i128),
    Rounded(f64),
}

use Number::{Exact, Rounded};

fn divisor(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a).unwrap_or(1).max(1)
}

impl Number {
    fn fraction(top: i128, bottom: i128) -> Self {
        let divisor = divisor(top, bottom);
        let (top, bottom) = (top / divisor, bottom / divisor);
        match (bottom < 0, top.checked_neg(), bottom.checked_neg()) {
            (true, Some(top), Some(bottom)) => Exact(top, bottom),
            _ => Exact(top, bottom),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rounded number is what is asked for")]
    fn rounded(self) -> f64 {
        match self {
            Exact(top, bottom) => top as f64 / bottom as f64,
            Rounded(value) => value,
        }
    }

    /// Computes exactly, or rounds where the exact result is too long.
    fn with(
        self,
        other: Self,
        exact: impl Fn(i128, i128, i128, i128) -> Option<(i128, i128)>,
        rounded: impl Fn(f64, f64) -> f64,
    ) -> Self {
        if let (Exact(a, b), Exact(c, d)) = (self, other)
            && let Some((top, bottom)) = exact(a, b, c, d)
        {
            return Self::fraction(top, bottom);
        }
        Rounded(rounded(self.rounded(), other.rounded()))
    }

    fn plus(self, other: Self) -> Self {
        let exact = |a: i128, b: i128, c: i128, d: i128| {
            Some((a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?, b.checked_mul(d)?))
        };
        self.with(other, exact, |a, b| a + b)
    }

    fn negated(self) -> Self {
        match self {
            Exact(top, bottom) if top != i128::MIN => Exact(-top, bottom),
            other => Rounded(-other.rounded()),
        }
    }

    fn times(self, other: Self) -> Self {
        let exact = |a: i128, b: i128, c: i128, d: i128| {
            // Shortened first, so that a large product stays exact.
            let (first, second) = (divisor(a, d), divisor(c, b));
            let top = (a / first).checked_mul(c / second)?;
            Some((top, (b / second).checked_mul(d / first)?))
        };
        self.with(other, exact, |a, b| a * b)
    }

    fn over(self, other: Self) -> Result<Self, String> {
        if other.is_zero() {
            return Err("a division by zero has no value".into());
        }
        Ok(match other {
            Exact(top, bottom) => self.times(Self::fraction(bottom, top)),
            Rounded(value) => Rounded(self.rounded() / value),
        })
    }

    fn is_zero(self) -> bool {
        match self {
            Exact(top, _) => top == 0,
            Rounded(value) => value == 0.0,
        }
    }

    /// The remainder of a division, with the sign of the dividend.
    fn modulo(self, other: Self) -> Result<Self, String> {
        if other.is_zero() {
            return Err("a division by zero has no remainder".into());
        }
        let exact = |a: i128, b: i128, c: i128, d: i128| {
            let bottom = b.checked_mul(d)?;
            Some((a.checked_mul(d)?.checked_rem(c.checked_mul(b)?)?, bottom))
        };
        Ok(self.with(other, exact, |a, b| a % b))
    }

    fn power(self, other: Self) -> Result<Self, String> {
        if let Exact(exponent, 1) = other
            && let Exact(..) = self
            && exponent.unsigned_abs() <= u128::from(EXACT_POWER_MAX)
        {
            if exponent < 0 && self.is_zero() {
                return Err("zero has no negative power".into());
            }
            let mut value = Exact(1, 1);
            for _ in 0..exponent.unsigned_abs() {
                value = value.times(self);
            }
            if let Exact(..) = value {
                return if exponent < 0 { Exact(1, 1).over(value) } else { Ok(value) };
            }
        }
        Ok(Rounded(self.rounded().powf(other.rounded())))
    }

    /// Rounds to a whole number, or to decimal places.
    fn round(self, places: u32, how: Round) -> Self {
        let factor = Exact(10_i128.pow(places.min(PLACES_MAX)), 1);
        let scaled = self.times(factor);
        let whole = match scaled {
            Exact(top, bottom) => {
                let floor = top.div_euclid(bottom);
                let rest = top.rem_euclid(bottom);
                let half = rest.checked_mul(2).is_none_or(|twice| twice >= bottom);
                // Halves are rounded away from zero, as people do.
                let up = match how {
                    Round::Floor => false,
                    Round::Ceil => rest > 0,
                    Round::Nearest if top < 0 => half && rest.saturating_mul(2) != bottom,
                    Round::Nearest => half,
                };
                Exact(floor + i128::from(up), 1)
            }
            Rounded(value) => Rounded(match how {
                Round::Floor => value.floor(),
                Round::Ceil => value.ceil(),
                Round::Nearest => value.round(),
            }),
        };
        whole.over(factor).unwrap_or(whole)
    }

    fn written(self) -> Result<String, String> {
        match self {
            Exact(top, 1) => Ok(top.to_string()),
            Exact(top, bottom) => Ok(decimal(top, bottom).unwrap_or_else(|| about(self.rounded()))),
            Rounded(value) if value.is_nan() => Err("the expression has no value".into()),
            Rounded(value) if value.is_infinite() => Err("the result is too large".into()),
            Rounded(value) => Ok(about(value)),
        }
    }
}

#[derive(Clone, Copy)]
enum Round {
    Nearest,
    Floor,
    Ceil,
}

/// Returns a fraction as a decimal number, if it is one.
fn decimal(top: i128, bottom: i128) -> Option<String> {
    let mut places = 0_u32;
    let mut scale = 1_i128;
    while scale % bottom != 0 {
        places += 1;
        if places > PLACES_MAX {
            return None;
        }
        scale = scale.checked_mul(10)?;
    }
    let digits = top.checked_mul(scale / bottom)?;
    let (sign, digits) = (if digits < 0 { "-" } else { "" }, digits.unsigned_abs().to_string());
    let width = usize::try_from(places).ok()? + 1;
    let digits = format!("{digits:0>width$}");
    let (whole, rest) = digits.split_at(digits.len() + 1 - width);
    Some(format!("{sign}{whole}.{rest}"))
}

fn about(value: f64) -> String {
    let digits = format!("{value:.*e}", DIGITS - 1);
    let parsed: f64 = digits.parse().unwrap_or(value);
    let plain = parsed.abs();
    if plain != 0.0 && !(1e-6..1e21).contains(&plain) {
        return format!("about {parsed:e}");
    }
    format!("about {parsed}")
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Returns the number of the next character, from 1.
    fn place(&self) -> usize {
        self.text[..self.at].chars().count() + 1
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes one of these signs.
    fn sign(&mut self, signs: &[char]) -> Option<char> {
        self.skip_space();
        let next = self.rest().chars().next().filter(|next| signs.contains(next))?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn sum(&mut self) -> Result<Number, String> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(format!("the expression is nested deeper than {NESTING_MAX} levels"));
        }
        let mut value = self.product()?;
        while let Some(sign) = self.sign(&['+', '-', '−']) {
            let other = self.product()?;
            value = value.plus(if sign == '+' { other } else { other.negated() });
        }
        self.depth -= 1;
        Ok(value)
    }

    fn product(&mut self) -> Result<Number, String> {
        let mut value = self.factor()?;
        loop {
            self.skip_space();
            // `**` is a power.
            let is_power = self.rest().starts_with("**");
            let Some(sign) = (!is_power).then(|| self.sign(&['*', '/', '%', '×', '÷'])).flatten()
            else {
                return Ok(value);
            };
            let other = self.factor()?;
            value = match sign {
                '*' | '×' => value.times(other),
                '%' => value.modulo(other)?,
                _ => value.over(other)?,
            };
        }
    }

    /// A power, perhaps with signs before it: `-2^2` is `-4`.
    fn factor(&mut self) -> Result<Number, String> {
        let mut is_negative = false;
        while let Some(sign) = self.sign(&['+', '-', '−']) {
            is_negative ^= sign != '+';
        }
        let base = self.atom()?;
        self.skip_space();
        let is_power = if self.rest().starts_with("**") {
            self.at += 2;
            true
        } else {
            self.sign(&['^']).is_some()
        };
        let value = if is_power {
            self.depth += 1;
            if self.depth > NESTING_MAX {
                return Err(format!("the expression is nested deeper than {NESTING_MAX} levels"));
            }
            let exponent = self.factor()?;
            self.depth -= 1;
            base.power(exponent)?
        } else {
            base
        };
        Ok(if is_negative { value.negated() } else { value })
    }

    fn atom(&mut self) -> Result<Number, String> {
        if self.sign(&['(']).is_some() {
            let value = self.sum()?;
            return match self.sign(&[')']) {
                Some(_) => Ok(value),
                None => Err(format!("`)` is missing at character {}", self.place())),
            };
        }
        let rest = self.rest();
        match rest.chars().next() {
            Some(next) if next.is_ascii_digit() || next == '.' => self.number(),
            Some(next) if next.is_ascii_alphabetic() => {
                let is_name = |c: char| c.is_ascii_alphanumeric();
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                let name = rest[..end].to_ascii_lowercase();
                self.at += end;
                self.named(&name)
            }
            Some(other) => Err(format!("unexpected {other:?} at character {}", self.place())),
            None => Err("the expression ends where a number is expected".into()),
        }
    }

    fn number(&mut self) -> Result<Number, String> {
        let rest = self.rest();
        let is_digit = |c: char| c.is_ascii_digit() || c == '_';
        let whole = rest.find(|c| !is_digit(c)).unwrap_or(rest.len());
        let fraction = match rest[whole..].strip_prefix('.') {
            Some(after) => 1 + after.find(|c| !is_digit(c)).unwrap_or(after.len()),
            None => 0,
        };
        let mut end = whole + fraction;
        let exponent = rest[end..].strip_prefix(['e', 'E']).map(|after| {
            let signed = after.strip_prefix(['+', '-']).unwrap_or(after);
            let digits = signed.find(|c: char| !c.is_ascii_digit()).unwrap_or(signed.len());
            (after.len() - signed.len() + digits, digits)
        });
        let mantissa = rest[..end].replace('_', "");
        let mut power = 0_i32;
        if let Some((length, 1..)) = exponent {
            let text = &rest[end + 1..=end + length];
            power = text.parse().map_err(|_| format!("the exponent {text} is too large"))?;
            end += 1 + length;
        }
        let written = &rest[..end];
        let digits = mantissa.replace('.', "");
        let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len());
        let scale = i32::try_from(places).ok().and_then(|places| power.checked_sub(places));
        let exact = digits.parse::<i128>().ok().zip(scale).and_then(|(digits, scale)| {
            let factor = 10_i128.checked_pow(scale.unsigned_abs())?;
            match scale {
                0.. => Some(Number::fraction(digits.checked_mul(factor)?, 1)),
                _ => Some(Number::fraction(digits, factor)),
            }
        });
        let rounded = || mantissa.parse::<f64>().ok().map(|value| value * 10_f64.powi(power));
        let value = exact.or_else(|| rounded().map(Rounded));
        let value = value.ok_or_else(|| format!("`{written}` is not a number"))?;
        self.at += end;
        Ok(value)
    }

    fn named(&mut self, name: &str) -> Result<Number, String> {
        match name {
            "pi" => return Ok(Rounded(std::f64::consts::PI)),
            "e" => return Ok(Rounded(std::f64::consts::E)),
            _ => {}
        }
        if self.sign(&['(']).is_none() {
            return Err(format!("there is no number called `{name}`"));
        }
        let mut given = vec![self.sum()?];
        while self.sign(&[',', ';']).is_some() {
            given.push(self.sum()?);
        }
        if self.sign(&[')']).is_none() {
            return Err(format!("`)` is missing at character {}", self.place()));
        }
        let float = |work: fn(f64) -> f64| match given.as_slice() {
            [one] => Ok(Rounded(work(one.rounded()))),
            _ => Err(format!("`{name}` takes one number")),
        };
        let rounding = |how| match given.as_slice() {
            [one] => Ok(one.round(0, how)),
            [one, Exact(places, 1)] if (0..=i128::from(PLACES_MAX)).contains(places) => {
                Ok(one.round(u32::try_from(*places).unwrap_or(0), how))
            }
            _ => Err(format!("`{name}` takes a number, and decimal places from 0 to {PLACES_MAX}")),
        };
        let best = |is_better: fn(f64) -> bool| {
            let better = |best: Number, next: &Number| {
                let difference = next.plus(best.negated());
                if is_better(difference.rounded()) { *next } else { best }
            };
            given.iter().skip(1).fold(given[0], better)
        };
        match name {
            "sqrt" => match given.as_slice() {
                [one] if one.rounded() < 0.0 => Err("a negative number has no square root".into()),
                [one] => Ok(root(*one)),
                _ => Err("`sqrt` takes one number".into()),
            },
            "abs" => match given.as_slice() {
                [one] if one.rounded() < 0.0 => Ok(one.negated()),
                [one] => Ok(*one),
                _ => Err("`abs` takes one number".into()),
            },
            "round" => rounding(Round::Nearest),
            "floor" => rounding(Round::Floor),
            "ceil" => rounding(Round::Ceil),
            "min" => Ok(best(|difference| difference < 0.0)),
            "max" => Ok(best(|difference| difference > 0.0)),
            "exp" => float(f64::exp),
            "ln" | "log" if given.len() == 1 && given[0].rounded() <= 0.0 => {
                Err("only positive numbers have a logarithm".into())
            }
            "ln" => float(f64::ln),
            "log10" | "log" => float(f64::log10),
            "log2" => float(f64::log2),
            "sin" => float(f64::sin),
            "cos" => float(f64::cos),
            "tan" => float(f64::tan),
            _ => Err(format!("there is no function `{name}`")),
        }
    }
}

/// Returns a square root, exactly if it is a fraction.
fn root(of: Number) -> Number {
    let whole = |number: i128| {
        let root = u128::try_from(number).ok()?.isqrt();
        let root = i128::try_from(root).ok()?;
        (root.checked_mul(root)? == number).then_some(root)
    };
    if let Exact(top, bottom) = of
        && let (Some(top), Some(bottom)) = (whole(top), whole(bottom))
    {
        return Exact(top, bottom);
    }
    Rounded(of.rounded().sqrt())
}
