//! Keeps integers exact in templates.
//!
//! minijinja calculates with an integer and a double as two doubles, which rounds integers beyond
//! 2^53 in silence. So filters around both operands look at them together: the one around the left
//! operand remembers it, and the one around the right operand compares.

use super::members::{attribute, check_defined, check_members, missing};
use super::order;
use super::words::said;
use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use stepwright_core::number;

/// The filter around a left operand.
pub(super) const LEFT: &str = "__left";
/// The filter around a right operand.
pub(super) const RIGHT: &str = "__right";
/// The filter that counts and checks the arguments that are applied to each element of a value.
pub(super) const EACH: &str = "__each";
/// The filters that apply their arguments to each element.
pub(super) const OF_EACH: [&str; 5] = ["map", "select", "reject", "selectattr", "rejectattr"];
/// The filter around a value whose elements are compared or added.
pub(super) const ALIKE: &str = "__alike";
/// The filters that compare or add the elements of their value.
pub(super) const OF_ALIKE: [&str; 8] =
    ["sum", "sort", "unique", "min", "max", "groupby", "dictsort", "format"];
/// The tests that compare.
pub(super) const COMPARING: [&str; 19] = [
    "eq",
    "equalto",
    "==",
    "ne",
    "!=",
    "lt",
    "lessthan",
    "<",
    "le",
    "<=",
    "gt",
    "greaterthan",
    ">",
    "ge",
    ">=",
    "in",
    "sameas",
    "divisibleby",
    "notin",
];

thread_local! {
    /// The left operands of the operations under way, with the places of these operations.
    static LEFTS: RefCell<Vec<(i64, Value)>> = const { RefCell::new(Vec::new()) };
}

/// Forgets the operations of an earlier rendering on this thread, which may have failed.
pub(super) fn begin() {
    LEFTS.with_borrow_mut(Vec::clear);
}

pub(super) fn add_filters(env: &mut Environment<'static>) {
    env.add_filter(LEFT, |value: &Value, place: i64| {
        LEFTS.with_borrow_mut(|lefts| lefts.push((place, value.clone())));
        value.clone()
    });
    env.add_filter(RIGHT, |state: &State<'_, '_>, right: &Value, place: i64, sign: &str| {
        let left = LEFTS.with_borrow_mut(|lefts| {
            // An operation that was decided by its first operands leaves the others behind.
            while let Some((other, left)) = lefts.pop() {
                if other == place {
                    return left;
                }
            }
            Value::UNDEFINED
        });
        if order::sign_of(sign).is_some() {
            order::check(sign, &left, right)?;
        }
        // Only numbers and their containers can be rounded.
        let left = match left.kind() {
            ValueKind::Number | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => left,
            _ => Value::UNDEFINED,
        };
        check(state, sign, &left, right)?;
        Ok::<_, Error>(right.clone())
    });
    env.add_filter(
        ALIKE,
        |state: &State<'_, '_>, value: &Value, filter: &str, args: Rest<Value>, named: Kwargs| {
            check_elements(state, filter, value, &args, &named)?;
            Ok::<_, Error>(value.clone())
        },
    );
    env.add_filter(
        "int",
        |state: &State<'_, '_>,
         value: &Value,
         default: Option<Value>,
         base: Option<u32>,
         named: Kwargs| {
            let base_of = base.or(named.peek::<Option<u32>>("base").ok().flatten()).unwrap_or(10);
            let other = default.clone().or(named.peek::<Option<Value>>("default").ok().flatten());
            match (check_whole(value, base_of), other) {
                (Err(_), Some(other)) => Ok(other),
                (Err(error), None) => Err(error),
                (Ok(()), _) => minijinja::filters::int(state, value, default, base, named),
            }
        },
    );
    env.add_filter(
        "float",
        |state: &State<'_, '_>, value: &Value, default: Option<Value>, named: Kwargs| {
            let other = default.clone().or(named.peek::<Option<Value>>("default").ok().flatten());
            // An integer is rounded on purpose, but a text may be any number.
            match (value.as_str().map_or(Ok(()), number::check_double), other) {
                (Err(_), Some(other)) => Ok(other),
                (Err(why), None) => Err(said(format!("the number `{}` {why}", excerpt(value)))),
                (Ok(()), other) => {
                    let read = minijinja::filters::float(state, value, default, named)?;
                    match (double(&read).is_some_and(|read| !read.is_finite()), other) {
                        (false, _) => Ok(read),
                        (true, Some(other)) => Ok(other),
                        (true, None) => {
                            Err(said(format!("the number `{}` is not finite", excerpt(value))))
                        }
                    }
                }
            }
        },
    );
    env.add_filter(
        "sum",
        |state: &State<'_, '_>,
         values: Value,
         path: Option<&str>,
         start: Option<Value>,
         named: Kwargs| {
            let named_path = named.peek::<Option<&str>>("attribute").ok().flatten();
            let named_start = named.peek::<Option<Value>>("start").ok().flatten();
            let first = start.clone().or(named_start);
            match sum(state, &values, path.or(named_path), first)? {
                Some(sum) => {
                    let _ = (named.get::<Value>("attribute"), named.get::<Value>("start"));
                    named.assert_all_used().map(|()| sum)
                }
                None => minijinja::filters::sum(state, values, path, start, named),
            }
        },
    );
}

/// Checks that `int` gives the whole part of a number, which it would round, cut off at 128 bits,
/// or take for zero.
fn check_whole(value: &Value, base: u32) -> Result<(), Error> {
    let wrong =
        |why: &dyn std::fmt::Display| Err(said(format!("the number `{}` {why}", excerpt(value))));
    let written = value.as_str();
    let number = match (written, double(value)) {
        (None, None) => return Ok(()),
        (None, Some(number)) => number,
        (Some(text), _) => {
            if is_integer(text, base) {
                return Ok(());
            }
            if let Err(why) = number::check_literal(text) {
                return wrong(&why);
            }
            // minijinja reports a text that is not a number.
            let Ok(number) = text.parse::<f64>() else { return Ok(()) };
            number
        }
    };
    if number.is_nan() {
        return wrong(&"has no whole part");
    }
    if number.abs() >= BEYOND_64_BITS { wrong(&number::Inexact::Integer) } else { Ok(()) }
}

/// The first double beyond the integers of 64 bits: 2^64.
const BEYOND_64_BITS: f64 = 18_446_744_073_709_551_616.0;

/// Returns `true` for a text that is read as an integer, which is exact.
fn is_integer(text: &str, base: u32) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let prefix = match base {
        2 => ["0b", "0B"],
        8 => ["0o", "0O"],
        16 => ["0x", "0X"],
        _ => [""; 2],
    };
    let digits = prefix.iter().find_map(|prefix| digits.strip_prefix(prefix)).unwrap_or(digits);
    (2..=36).contains(&base) && i128::from_str_radix(digits, base).is_ok()
}

/// Returns the beginning of a value for a message.
fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// Checks the arguments of `select` and its like, which compare each element with them or take a
/// member of it.
pub(super) fn check_each(
    state: &State<'_, '_>,
    filter: &str,
    value: &Value,
    args: &[Value],
) -> Result<(), Error> {
    if filter == "map" {
        return check_mapped(value, args);
    }
    let names_member = filter.ends_with("attr");
    let name = args.first().filter(|_| names_member).and_then(Value::as_str);
    let rest = &args[args.len().min(usize::from(names_member))..];
    let test = rest.first().and_then(Value::as_str);
    if let Some(name) = name
        && !matches!(test, Some("defined" | "undefined"))
    {
        check_members(value, name)?;
    }
    let Some(test) = test.filter(|test| COMPARING.contains(test)) else { return Ok(()) };
    if let (Some(sign), Some(other)) = (order::sign_of(test), rest.get(1)) {
        for element in value.try_iter()? {
            order::check(sign, &attribute(&element, name), other)?;
        }
    }
    let mut all = Alike::new(state);
    for element in value.try_iter()? {
        all.add(&attribute(&element, name))?;
    }
    for arg in &rest[1..] {
        all.add(arg)?;
        if test == "in"
            && let Ok(elements) = arg.try_iter()
        {
            elements.into_iter().try_for_each(|element| all.add(&element))?;
        }
    }
    all.end()
}

/// Checks that each element has the member that `map` takes of it.
fn check_mapped(value: &Value, args: &[Value]) -> Result<(), Error> {
    let named = args.last().and_then(|last| Kwargs::try_from(last.clone()).ok());
    let Some(named) = named.filter(|named| !named.has("default")) else { return Ok(()) };
    match named.peek::<Option<Value>>("attribute")?.as_ref().and_then(Value::as_str) {
        Some(path) => check_members(value, path),
        None => Ok(()),
    }
}

fn integer(value: &Value) -> Option<i128> {
    if value.is_integer() { i128::try_from(value.clone()).ok() } else { None }
}

fn double(value: &Value) -> Option<f64> {
    let is_double = value.kind() == ValueKind::Number && !value.is_integer();
    if is_double { f64::try_from(value.clone()).ok() } else { None }
}

fn not_exact(number: impl std::fmt::Display) -> Error {
    said(format!("`{number}` is not exact beside a number with a fraction; `| float` rounds it"))
}

fn not_finite(sum: impl std::fmt::Display) -> Error {
    said(format!("`{sum}` gives a number that is not finite, which is not a value"))
}

/// Returns both numbers as doubles. Fails for an integer that would be rounded.
fn both(left: &Value, right: &Value) -> Result<(f64, f64), Error> {
    let exact = |value: &Value| {
        let exact = double(value).or_else(|| integer(value).and_then(number::exact_double));
        exact.ok_or_else(|| not_exact(value))
    };
    Ok((exact(left)?, exact(right)?))
}

fn check(state: &State<'_, '_>, sign: &str, left: &Value, right: &Value) -> Result<(), Error> {
    let numbers = left.kind() == ValueKind::Number && right.kind() == ValueKind::Number;
    match sign {
        "+" | "-" | "*" | "/" | "//" | "%" | "**" if numbers => {
            let are_integers = left.is_integer() && right.is_integer();
            let is_power_of_one = sign == "**" && integer(right).is_some_and(|power| power < 0);
            if are_integers && sign != "/" && !is_power_of_one {
                return Ok(());
            }
            let (a, b) = both(left, right)?;
            let is_mixed = left.is_integer() || right.is_integer();
            let result = match sign {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "//" => (a / b).floor(),
                "%" => a % b,
                _ => a.powf(b),
            };
            if !result.is_finite() {
                return Err(not_finite(format_args!("{left} {sign} {right}")));
            }
            if matches!(sign, "//" | "%" | "**") {
                return Ok(());
            }
            let keeps_units = result.abs() < number::EXACT_BELOW
                || match sign {
                    "+" => number::is_whole_sum(a, b, result),
                    "-" => number::is_whole_sum(a, -b, result),
                    "*" => a.mul_add(b, -result) == 0.0,
                    _ => result.mul_add(b, -a) == 0.0,
                };
            if is_mixed && !keeps_units {
                return Err(not_exact(format_args!("{left} {sign} {right}")));
            }
            Ok(())
        }
        "+" | "-" | "*" | "/" | "//" | "%" | "**" => Ok(()),
        "in" => {
            let mut all = Alike::new(state);
            all.add(left)?;
            if right.kind() != ValueKind::String
                && let Ok(elements) = right.try_iter()
            {
                elements.into_iter().try_for_each(|element| all.add(&element))?;
            }
            all.end()
        }
        _ => {
            let mut all = Alike::new(state);
            all.add(left)?;
            all.add(right)?;
            all.end()
        }
    }
}

fn check_elements(
    state: &State<'_, '_>,
    filter: &str,
    value: &Value,
    args: &[Value],
    named: &Kwargs,
) -> Result<(), Error> {
    if filter == "format" {
        let rounds =
            value.as_str().is_some_and(|text| text.contains(['e', 'E', 'f', 'F', 'g', 'G']));
        let named = named.args().filter_map(|name| named.peek::<Value>(name).ok());
        let rounded =
            args.iter().cloned().chain(named).find(|arg| {
                integer(arg).is_some_and(|number| number::exact_double(number).is_none())
            });
        let writes_doubles = rounds && value.as_str().is_some_and(writes_doubles);
        return match rounded.filter(|_| writes_doubles) {
            Some(number) => Err(not_exact(number)),
            None => Ok(()),
        };
    }
    let path = named.peek::<Option<String>>("attribute").ok().flatten();
    let positional = matches!(filter, "groupby" | "sum");
    let path = path.or_else(|| args.first().filter(|_| positional)?.as_str().map(Into::into));
    let Ok(elements) = value.try_iter() else { return Ok(()) };
    let elements: Vec<Value> = elements.collect();
    // `sort` takes several members.
    let paths: Vec<&str> = match (filter, path.as_deref()) {
        ("sort", Some(path)) => path.split(',').map(str::trim).collect(),
        (_, path) => path.into_iter().collect(),
    };
    if filter == "dictsort" && value.kind() == ValueKind::Map {
        let members = |key| value.get_item(key).unwrap_or_default();
        let members: Vec<Value> = elements.iter().map(members).collect();
        if named.peek::<Option<String>>("by").ok().flatten().as_deref() == Some("value") {
            order::check_all(filter, &members)?;
        }
        return check_alike(state, &members);
    }
    let has_order = matches!(filter, "sort" | "min" | "max");
    if paths.is_empty() {
        if has_order {
            elements.iter().try_for_each(check_defined)?;
            order::check_all(filter, &elements)?;
        }
        return check_alike(state, &elements);
    }
    for path in paths {
        let members = elements.iter().map(|element| attribute(element, Some(path)));
        let members: Vec<Value> = members.collect();
        if !named.has("default") && members.iter().any(Value::is_undefined) {
            return Err(missing(path));
        }
        if has_order {
            order::check_all(filter, &members)?;
        }
        check_alike(state, &members)?;
    }
    Ok(())
}

/// Checks that values can be compared with each other, several times.
fn check_alike(state: &State<'_, '_>, elements: &[Value]) -> Result<(), Error> {
    let times = u64::from(elements.len().max(1).ilog2());
    let mut all = Alike::new(state);
    all.times = times + 1;
    elements.iter().try_for_each(|element| all.add(element))?;
    all.end()
}

/// Returns `true` if a text has a clause such as `%.2f`.
fn writes_doubles(text: &str) -> bool {
    text.split('%').skip(1).any(|clause| {
        let letter = clause.find(|c: char| c.is_ascii_alphabetic());
        letter.is_some_and(|at| clause[at..].starts_with(['e', 'E', 'f', 'F', 'g', 'G']))
    })
}

/// Adds numbers. `None` if one of the values is no number.
fn sum(
    state: &State<'_, '_>,
    values: &Value,
    path: Option<&str>,
    start: Option<Value>,
) -> Result<Option<Value>, Error> {
    let Ok(values) = values.try_iter() else { return Ok(None) };
    let (mut whole, mut rest, mut is_double) = (0_i128, 0.0, false);
    for value in start.into_iter().chain(values.map(|value| attribute(&value, path))) {
        state.consume_fuel(1)?;
        if let Some(number) = integer(&value) {
            let Some(sum) = whole.checked_add(number) else { return Ok(None) };
            whole = sum;
        } else if let Some(number) = double(&value) {
            rest += number;
            is_double = true;
        } else if value.is_undefined() {
            return Err(ErrorKind::UndefinedError.into());
        } else {
            return Ok(None);
        }
    }
    if !is_double {
        return Ok(Some(Value::from(whole)));
    }
    let exact = number::exact_double(whole).ok_or_else(|| not_exact(whole))?;
    let sum = exact + rest;
    if !sum.is_finite() {
        return Err(not_finite(format_args!("{whole} + {rest}")));
    }
    if whole != 0 && !number::is_whole_sum(exact, rest, sum) {
        return Err(not_exact(format_args!("{whole} + {rest}")));
    }
    Ok(Some(Value::from(sum)))
}

/// Looks for an integer and a double that are compared with each other: at the same place in values
/// that are compared.
struct Alike<'s, 't, 'e> {
    state: &'s State<'t, 'e>,
    places: HashMap<u64, (Option<i128>, bool)>,
    looked_at: u64,
    times: u64,
}

impl<'s, 't, 'e> Alike<'s, 't, 'e> {
    fn new(state: &'s State<'t, 'e>) -> Self {
        Self { state, places: HashMap::new(), looked_at: 0, times: 1 }
    }

    fn add(&mut self, value: &Value) -> Result<(), Error> {
        self.at(0, value)
    }

    fn at(&mut self, place: u64, value: &Value) -> Result<(), Error> {
        self.looked_at += 1 + value.as_str().map_or(0, str::len) as u64 / 256;
        if self.looked_at >= 1024 {
            self.charge()?;
        }
        let inside = |name: &dyn Fn(&mut DefaultHasher)| {
            let mut hasher = DefaultHasher::new();
            place.hash(&mut hasher);
            name(&mut hasher);
            hasher.finish()
        };
        match value.kind() {
            ValueKind::Number => {
                let (rounded, fraction) = self.places.entry(place).or_default();
                match integer(value) {
                    Some(number) if number::exact_double(number).is_none() => {
                        *rounded = Some(number);
                    }
                    Some(_) => {}
                    None => *fraction = true,
                }
                match (rounded, fraction) {
                    (Some(number), true) => Err(not_exact(number)),
                    _ => Ok(()),
                }
            }
            ValueKind::Map => {
                for key in value.try_iter()? {
                    let member = value.get_item(&key).unwrap_or_default();
                    self.at(inside(&|hasher| key.to_string().hash(hasher)), &member)?;
                }
                Ok(())
            }
            ValueKind::Seq | ValueKind::Iterable => {
                for (at, element) in value.try_iter()?.enumerate() {
                    self.at(inside(&|hasher| at.hash(hasher)), &element)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn charge(&mut self) -> Result<(), Error> {
        let looked_at = std::mem::take(&mut self.looked_at);
        self.state.consume_fuel((looked_at / 4).saturating_mul(self.times))
    }

    fn end(mut self) -> Result<(), Error> {
        self.charge()
    }
}
