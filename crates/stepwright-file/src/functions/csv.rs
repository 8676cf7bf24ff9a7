//! CSV, as RFC 4180 defines it.

use super::{Given, text, what};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// The maximum number of columns. Each row names all of them.
const COLUMNS_MAX: usize = 1000;

fn separator(value: Option<&Value>) -> Result<char, String> {
    let Some(value) = value else { return Ok(',') };
    let mut characters = text(value)?.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) if !"\"\r\n".contains(one) => Ok(one),
        _ => Err("the separator is one character, such as `;`".to_owned()),
    }
}

/// Returns a list of objects, whose names are in the first line.
pub(super) fn from_csv(args: &[Value]) -> Given {
    let by = separator(args.get(1))?;
    let mut rows = rows(text(&args[0])?, by)?.into_iter();
    let Some(names) = rows.next() else { return Ok(Value::Array(Vec::new())) };
    if names.len() > COLUMNS_MAX {
        return Err(format!("the table has more than {COLUMNS_MAX} columns"));
    }
    let mut known = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !known.insert(name.as_str())) {
        return Err(format!("the first row has the name `{twice}` twice"));
    }
    let mut list = Vec::new();
    for (nth, row) in rows.enumerate() {
        if row.len() != names.len() {
            let (line, has, wanted) = (nth + 2, row.len(), names.len());
            return Err(format!("row {line} has {has} fields, and the first row has {wanted}"));
        }
        let members = names.iter().cloned().zip(row.into_iter().map(Value::String));
        list.push(Value::Object(members.collect::<Map<_, _>>()));
    }
    Ok(Value::Array(list))
}

fn rows(text: &str, by: char) -> Result<Vec<Vec<String>>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut is_quoted, mut was_quoted) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            character if is_quoted => field.push(character),
            '"' if field.is_empty() && !was_quoted => (is_quoted, was_quoted) = (true, true),
            '\r' if characters.peek() == Some(&'\n') => {}
            // Some programs end lines with a `\r` alone.
            '\n' | '\r' => {
                row.push(std::mem::take(&mut field));
                // An empty line is no row.
                if row.len() > 1 || !row[0].is_empty() || was_quoted {
                    rows.push(std::mem::take(&mut row));
                }
                row.clear();
                was_quoted = false;
            }
            character if character == by => {
                row.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            character if was_quoted => {
                let row = rows.len() + 1;
                return Err(format!("row {row} has `{character}` behind a quoted field"));
            }
            character => field.push(character),
        }
    }
    if is_quoted {
        return Err("a quote is not closed".to_owned());
    }
    if !field.is_empty() || !row.is_empty() || was_quoted {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

/// Writes a list of objects with a first line of their names, or a list of lists without one.
pub(super) fn to_csv(args: &[Value]) -> Given {
    let by = separator(args.get(1))?;
    let Value::Array(list) = &args[0] else {
        return Err(format!("needs a list, not {}", what(&args[0])));
    };
    let mut names: Vec<&str> = Vec::new();
    for name in list.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
        if names.len() > COLUMNS_MAX {
            return Err(format!("the table has more than {COLUMNS_MAX} columns"));
        }
    }
    let mut written = String::new();
    if !names.is_empty() {
        line(names.iter().map(|name| (*name).to_owned()), by, &mut written);
    }
    for one in list {
        match one {
            Value::Object(members) => {
                let cells =
                    names.iter().map(|name| members.get(*name).map(cell).unwrap_or_default());
                line(cells, by, &mut written);
            }
            Value::Array(cells) if names.is_empty() => {
                line(cells.iter().map(cell), by, &mut written);
            }
            other => return Err(format!("needs rows of one kind, and has {}", what(other))),
        }
    }
    Ok(written.into())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn line(cells: impl Iterator<Item = String>, by: char, to: &mut String) {
    let start = to.len();
    for (nth, cell) in cells.enumerate() {
        if nth > 0 {
            to.push(by);
        }
        if cell.contains([by, '"', '\n', '\r']) {
            to.push('"');
            to.push_str(&cell.replace('"', "\"\""));
            to.push('"');
        } else {
            to.push_str(&cell);
        }
    }
    if to.len() == start {
        // An empty line would be no row.
        to.push_str("\"\"");
    }
    to.push('\n');
}
