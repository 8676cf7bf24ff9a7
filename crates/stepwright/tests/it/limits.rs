//! `docs/limits.md` lists every maximum of the sources, with its value.
//!
//! `LIMITS=overwrite cargo test -p stepwright --test it limits` corrects the values, and adds a row
//! for each new constant. The words of a row are written by hand.

use crate::tidy::{File, none, root, sources};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

const PAGE: &str = "docs/limits.md";
const HEAD: &str = "| Bounds | Value | At the limit | Constant |\n|---|---|---|---|\n";

/// The place of words that a person has to write.
const MISSING: &str = "…";

/// The name and the place of a constant, such as `ID_BYTES_MAX` and `core: id.rs`.
type Key = (String, String);

/// Returns the constants of the sources, with their values as written there.
fn constants() -> BTreeMap<Key, String> {
    let mut constants = BTreeMap::new();
    for File { path, text } in sources() {
        let place = path.strip_prefix("crates/").and_then(|path| path.split_once("/src/"));
        let Some((krate, place)) = place else { continue };
        let krate = krate.strip_prefix("stepwright-").unwrap_or(krate);
        // The rest of a source is its tests.
        for line in text.lines().take_while(|line| !line.starts_with("mod tests")) {
            let Some((_, constant)) = line.split_once("const ") else { continue };
            let Some((name, rest)) = constant.split_once(':') else { continue };
            let Some((_, value)) = rest.split_once('=') else { continue };
            let value = value.trim().trim_end_matches(';').to_owned();
            constants.insert((name.to_owned(), format!("{krate}: {place}")), value);
        }
    }
    constants
}

/// A row of the page.
struct Row<'p> {
    bounds: &'p str,
    value: &'p str,
    effect: &'p str,
    key: Key,
}

impl<'p> Row<'p> {
    fn parse(line: &'p str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [bounds, value, effect, constant] = cells[..] else { return None };
        let (name, place) = constant.strip_prefix('`')?.strip_suffix('`')?.split_once("` in `")?;
        Some(Self { bounds, value, effect, key: (name.to_owned(), place.to_owned()) })
    }

    /// Returns the unit in its value: the words after the number.
    fn unit(&self) -> &'p str {
        self.value.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
    }
}

/// Evaluates a product of integers, such as `4 * 1024`.
fn product(text: &str) -> Option<u64> {
    text.split('*').map(|factor| factor.trim().replace('_', "").parse::<u64>().ok()).product()
}

/// Writes an integer with a space before each three digits.
fn spaced(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Returns the number in the largest of the units that divides it.
fn scaled(number: u64, units: &[(u64, &str)]) -> String {
    let (size, unit) = units.iter().find(|(size, _)| number.is_multiple_of(*size)).unwrap();
    format!("{} {unit}", spaced(number / size))
}

/// Returns a value for readers. `unit` is the word for numbers that are neither bytes nor times.
fn shown(name: &str, value: &str, unit: &str) -> Option<String> {
    const TIMES: [(u64, &str); 4] = [(3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    const BYTES: [(u64, &str); 4] =
        [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes")];
    if let Some(duration) = value.strip_prefix("Duration::from_") {
        let (unit, number) = duration.strip_suffix(')')?.split_once('(')?;
        let size = match unit {
            "millis" => 1,
            "secs" => 1_000,
            "mins" => 60_000,
            "hours" => 3_600_000,
            _ => return None,
        };
        return Some(scaled(product(number)? * size, &TIMES));
    }
    let number = product(value)?;
    Some(match name {
        _ if name.ends_with("_MS") => scaled(number, &TIMES),
        // A round number, such as 64 000 000, stays one.
        _ if name.contains("BYTES") && number.is_multiple_of(1_000) => {
            format!("{} bytes", spaced(number))
        }
        _ if name.contains("BYTES") => scaled(number, &BYTES),
        _ => format!("{} {unit}", spaced(number)),
    })
}

/// Returns the page with the values of the sources, and with a row for each missing constant.
fn corrected(page: &str) -> String {
    let mut left = constants();
    let mut text = String::new();
    for line in page.lines() {
        let Some(row) = Row::parse(line) else {
            let _ = writeln!(text, "{line}");
            continue;
        };
        let (name, place) = &row.key;
        // The row of a constant that is gone, goes.
        let Some(value) = left.remove(&row.key) else { continue };
        let value = shown(name, &value, row.unit()).unwrap_or(value);
        let _ =
            writeln!(text, "| {} | {value} | {} | `{name}` in `{place}` |", row.bounds, row.effect);
    }
    left.retain(|(name, _), _| name.ends_with("_MAX"));
    if !left.is_empty() {
        let _ = write!(text, "\n## To be described\n\n{HEAD}");
    }
    for ((name, place), value) in left {
        let value = shown(&name, &value, MISSING).unwrap_or(value);
        let _ = writeln!(text, "| {MISSING} | {value} | {MISSING} | `{name}` in `{place}` |");
    }
    text
}

#[test]
fn every_limit_is_on_its_page_with_its_value() {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let wanted = corrected(&page);
    if std::env::var("LIMITS").is_ok_and(|mode| mode == "overwrite") {
        fs::write(&path, &wanted).unwrap();
    } else {
        let (before, after): (Vec<_>, Vec<_>) = (page.lines().collect(), wanted.lines().collect());
        let gone =
            before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
        let new =
            after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
        let mut wrong: Vec<String> = gone.chain(new).collect();
        if !wrong.is_empty() {
            wrong.insert(0, format!("{PAGE} is stale: write it with LIMITS=overwrite"));
        }
        none(&wrong);
    }
    let rows: Vec<Row<'_>> = wanted.lines().filter_map(Row::parse).collect();
    assert!(rows.len() > 150, "the rows of {PAGE} were not found");
    let incomplete = rows.iter().filter(|row| {
        [row.bounds, row.effect, row.unit()].iter().any(|cell| ["", MISSING].contains(cell))
    });
    let incomplete = incomplete.map(|row| format!("{PAGE} does not describe `{}`", row.key.0));
    none(&incomplete.collect::<Vec<_>>());
}

#[test]
fn values_are_shown_in_the_unit_that_fits() {
    for (name, value, wanted) in [
        ("BODY_BYTES_MAX", "256 * 1024", "256 KiB"),
        ("BUILT_BYTES_MAX", "64_000_000", "64 000 000 bytes"),
        ("EXCERPT_BYTES_MAX", "1_000", "1 000 bytes"),
        ("PROBE_TIMEOUT", "Duration::from_millis(300)", "300 ms"),
        ("IDLE_TIMEOUT", "Duration::from_secs(120)", "2 min"),
        ("DRIVER_KEPT_MS", "24 * 60 * 60 * 1_000", "24 h"),
        ("FACTS_MAX", "4_000_000", "4 000 000 facts"),
    ] {
        assert_eq!(shown(name, value, "facts").as_deref(), Some(wanted), "{name}");
    }
}
