//! `text.format(list)` with clauses such as `%s`, `%d` and `%.2f`, as in CEL.

use super::super::failure::{Evaluated, Failure, fails, type_word};
use super::super::value::{Key, List, Val};
use crate::budget::Budget;
use std::fmt::Write as _;

/// The default number of digits after the decimal point.
const PRECISION: usize = 6;
/// The maximum number of digits in a clause, as in CEL.
const PRECISION_MAX: usize = 100;

/// A text that grows within a budget.
struct Out<'b> {
    text: String,
    budget: &'b Budget<'b>,
}

impl Out<'_> {
    fn push(&mut self, text: &str) -> Result<(), Failure> {
        self.budget.steps(1)?;
        self.budget.build(text.len())?;
        self.text.push_str(text);
        Ok(())
    }
}

pub(super) fn format<'a>(this: &str, values: &List<'a>, budget: &Budget<'_>) -> Evaluated<'a> {
    let mut out = Out { text: String::new(), budget };
    let mut rest = this;
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        out.push(&rest[..at])?;
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push("%")?;
            rest = after;
            continue;
        }
        let Some(value) = values.get(next) else {
            return fails(format_args!("`format`: there is no value for clause {}", next + 1));
        };
        let (precision, after) = precision(rest)?;
        let mut letters = after.chars();
        let Some(letter) = letters.next() else {
            return fails("`format`: the text ends within a clause");
        };
        clause(letter, precision, &value, &mut out)?;
        rest = letters.as_str();
        next += 1;
    }
    out.push(rest)?;
    Ok(Val::text(out.text))
}

fn precision(clause: &str) -> Result<(usize, &str), Failure> {
    let Some(rest) = clause.strip_prefix('.') else { return Ok((PRECISION, clause)) };
    let end = rest.find(|c: char| !c.is_ascii_digit());
    let Some(end) = end else { return fails("`format`: the text ends within a clause") };
    match rest[..end].parse() {
        Ok(precision) if precision <= PRECISION_MAX => Ok((precision, &rest[end..])),
        _ => fails(format_args!("`format`: a precision is a number from 0 to {PRECISION_MAX}")),
    }
}

fn clause(
    letter: char,
    precision: usize,
    value: &Val<'_>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let text = match (letter, value) {
        ('s', value) => return string(value, out),
        ('d', Val::Int(number)) => number.to_string(),
        ('d', Val::UInt(number)) => number.to_string(),
        ('d', Val::Double(number)) => shown(*number),
        // An integer has no fraction, and is not rounded.
        ('f', Val::Int(number)) => with_zeros(&number.to_string(), precision),
        ('f', Val::UInt(number)) => with_zeros(&number.to_string(), precision),
        ('f', Val::Double(number)) => {
            special(*number).map_or_else(|| format!("{number:.precision$}"), Into::into)
        }
        ('e', Val::Int(number)) => scientific(&format!("{number:.precision$e}")),
        ('e', Val::UInt(number)) => scientific(&format!("{number:.precision$e}")),
        ('e', Val::Double(number)) => special(*number)
            .map_or_else(|| scientific(&format!("{number:.precision$e}")), Into::into),
        ('b', Val::Bool(value)) => u8::from(*value).to_string(),
        ('b', Val::Int(number)) => format!("{}{:b}", sign(*number), number.unsigned_abs()),
        ('b', Val::UInt(number)) => format!("{number:b}"),
        ('x', Val::Int(number)) => format!("{}{:x}", sign(*number), number.unsigned_abs()),
        ('X', Val::Int(number)) => format!("{}{:X}", sign(*number), number.unsigned_abs()),
        ('x', Val::UInt(number)) => format!("{number:x}"),
        ('X', Val::UInt(number)) => format!("{number:X}"),
        ('x' | 'X', Val::Text(text)) => return hex(text.as_str().as_bytes(), letter, out),
        ('x' | 'X', Val::Bytes(bytes)) => return hex(bytes, letter, out),
        ('o', Val::Int(number)) => format!("{}{:o}", sign(*number), number.unsigned_abs()),
        ('o', Val::UInt(number)) => format!("{number:o}"),
        ('d' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o', value) => {
            let word = type_word(value.type_name());
            return fails(format_args!("`format`: `%{letter}` does not write {word}"));
        }
        (letter, _) => return fails(format_args!("`format`: there is no clause `%{letter}`")),
    };
    out.push(&text)
}

/// Writes any value for `%s`.
fn string(value: &Val<'_>, out: &mut Out<'_>) -> Result<(), Failure> {
    match value {
        Val::Null => out.push("null"),
        Val::Bool(value) => out.push(&value.to_string()),
        Val::Int(number) => out.push(&number.to_string()),
        Val::UInt(number) => out.push(&number.to_string()),
        Val::Double(number) => out.push(&shown(*number)),
        Val::Text(text) => out.push(text.as_str()),
        Val::Bytes(bytes) => {
            for (at, chunk) in bytes.utf8_chunks().enumerate() {
                out.push(chunk.valid())?;
                // A run of invalid bytes becomes one character.
                if !chunk.invalid().is_empty() && (at == 0 || !chunk.valid().is_empty()) {
                    out.push("\u{fffd}")?;
                }
            }
            Ok(())
        }
        Val::Type(name) => out.push(name),
        Val::List(list) => {
            out.push("[")?;
            for (at, element) in list.iter().enumerate() {
                out.push(if at > 0 { ", " } else { "" })?;
                string(&element, out)?;
            }
            out.push("]")
        }
        Val::Map(map) => {
            // Sort the members by their written keys.
            let mut members = Vec::with_capacity(map.len());
            for (key, value) in map.entries() {
                let key = match &key {
                    Key::Text(key) => key.to_string(),
                    Key::Int(key) => key.to_string(),
                    Key::UInt(key) => key.to_string(),
                    Key::Bool(key) => key.to_string(),
                };
                let mut inner = Out { text: String::new(), budget: out.budget };
                inner.push(&key)?;
                inner.text.clear();
                string(&value, &mut inner)?;
                members.push((key, inner.text));
            }
            members.sort();
            out.push("{")?;
            for (at, (key, value)) in members.iter().enumerate() {
                out.push(if at > 0 { ", " } else { "" })?;
                out.push(key)?;
                out.push(": ")?;
                out.push(value)?;
            }
            out.push("}")
        }
        Val::Optional(_) => fails("`format`: `%s` does not write an optional value"),
    }
}

fn hex(bytes: &[u8], letter: char, out: &mut Out<'_>) -> Result<(), Failure> {
    out.budget.build(bytes.len().saturating_mul(2))?;
    for byte in bytes {
        let _ = if letter == 'x' {
            write!(out.text, "{byte:02x}")
        } else {
            write!(out.text, "{byte:02X}")
        };
    }
    Ok(())
}

fn with_zeros(integer: &str, precision: usize) -> String {
    if precision == 0 { integer.to_owned() } else { format!("{integer}.{}", "0".repeat(precision)) }
}

fn special(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number.is_infinite() {
        Some(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

fn shown(number: f64) -> String {
    special(number).map_or_else(|| number.to_string(), Into::into)
}

/// Formats a number as `d.ddde±dd`, because Rust writes `d.ddde[-]d`.
fn scientific(written: &str) -> String {
    let (digits, exponent) = written.split_once('e').unwrap_or((written, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

fn sign(number: i64) -> &'static str {
    if number < 0 { "-" } else { "" }
}
