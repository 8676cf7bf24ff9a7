//! Conversions such as `int(x)` and `string(x)`.

use super::super::failure::{Evaluated, fails, unsupported};
use super::super::value::{Text, Val};
use crate::budget::Budget;
use stepwright_core::number::check_double;

pub(super) fn convert<'a>(to: &str, value: &Val<'a>, budget: &Budget<'_>) -> Evaluated<'a> {
    // Texts are read to their end.
    budget.read(value.as_text().map_or(0, str::len))?;
    match (to, value) {
        ("int", _) => int(value),
        ("uint", _) => uint(value),
        ("double", _) => double(value),
        ("bool", Val::Bool(_)) | ("string", Val::Text(_)) | ("bytes", Val::Bytes(_)) => {
            Ok(value.clone())
        }
        ("bool", Val::Text(text)) => match text.as_str() {
            "1" | "t" | "true" | "TRUE" | "True" => Ok(Val::Bool(true)),
            "0" | "f" | "false" | "FALSE" | "False" => Ok(Val::Bool(false)),
            other => not_a("true or false", other),
        },
        ("string", Val::Bool(value)) => Ok(Val::text(value.to_string())),
        ("string", Val::Int(number)) => Ok(Val::text(number.to_string())),
        ("string", Val::UInt(number)) => Ok(Val::text(number.to_string())),
        ("string", Val::Double(number)) => Ok(Val::text(number.to_string())),
        ("string", Val::Bytes(bytes)) => {
            budget.build(bytes.len())?;
            match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Val::text(text)),
                Err(_) => fails("`string`: the bytes are not UTF-8"),
            }
        }
        ("bytes", Val::Text(text)) => {
            budget.build(text.as_str().len())?;
            Ok(Val::Bytes(match text {
                Text::Borrowed(text) => text.as_bytes().into(),
                Text::Built(text) => text.as_bytes().into(),
            }))
        }
        (to, value) => unsupported(to, &[value]),
    }
}

fn not_a<'a>(what: &str, text: &str) -> Evaluated<'a> {
    fails(format_args!("`{}` is not {what}", super::super::failure::excerpt(text)))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked")]
fn int<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::Int(_) => Ok(value.clone()),
        Val::UInt(number) => match i64::try_from(*number) {
            Ok(number) => Ok(Val::Int(number)),
            Err(_) => beyond("int", number),
        },
        Val::Double(number) if *number > i64::MIN as f64 && *number < i64::MAX as f64 => {
            Ok(Val::Int(*number as i64))
        }
        Val::Double(number) => beyond("int", number),
        Val::Text(text) => match text.as_str().parse() {
            Ok(number) => Ok(Val::Int(number)),
            Err(_) => not_a("a whole number of 64 bits", text.as_str()),
        },
        other => unsupported("int", &[other]),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "checked"
)]
fn uint<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::UInt(_) => Ok(value.clone()),
        Val::Int(number) => match u64::try_from(*number) {
            Ok(number) => Ok(Val::UInt(number)),
            Err(_) => beyond("uint", number),
        },
        Val::Double(number) if *number >= 0.0 && *number < u64::MAX as f64 => {
            Ok(Val::UInt(*number as u64))
        }
        Val::Double(number) => beyond("uint", number),
        Val::Text(text) => match text.as_str().parse() {
            Ok(number) => Ok(Val::UInt(number)),
            Err(_) => not_a("a whole number of 64 bits without a sign", text.as_str()),
        },
        other => unsupported("uint", &[other]),
    }
}

fn beyond<'a>(to: &str, number: impl std::fmt::Display) -> Evaluated<'a> {
    fails(format_args!("overflow: {number} does not fit into `{to}`"))
}

#[expect(clippy::cast_precision_loss, reason = "that is what is asked for")]
fn double<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::Double(_) => Ok(value.clone()),
        Val::Int(number) => Ok(Val::Double(*number as f64)),
        Val::UInt(number) => Ok(Val::Double(*number as f64)),
        Val::Text(text) => match (text.as_str().parse(), check_double(text.as_str())) {
            (Ok(number), Ok(())) => Ok(Val::Double(number)),
            (Ok(_), Err(why)) => {
                let text = super::super::failure::excerpt(text.as_str());
                fails(format_args!("`double`: the number `{text}` {why}"))
            }
            (Err(_), _) => not_a("a number", text.as_str()),
        },
        other => unsupported("double", &[other]),
    }
}
