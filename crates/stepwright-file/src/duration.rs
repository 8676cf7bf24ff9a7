//! Durations as people write them.

use std::fmt::Write as _;
use std::time::Duration;

/// The maximum duration: a year.
const DURATION_MAX: Duration = Duration::from_hours(8760);

/// Parses `500ms`, `10s`, `5m`, `2h`, `1d`, or several of these in a row, such as `1h30m`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(stepwright_file::parse_duration("1h30m"), Ok(Duration::from_mins(90)));
/// assert_eq!(stepwright_file::parse_duration("10"), Err("has no unit".to_owned()));
/// ```
///
/// # Errors
/// Returns a message about the mistake, as the end of a sentence.
pub fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("is empty".into());
    }
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: f64 = match number {
            "" => return Err("is not a duration".into()),
            number => number.parse().map_err(|_| format!("`{number}` is not a number"))?,
        };
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "" => {
                let word = after.trim_start();
                let end = word.find(|c: char| !c.is_alphabetic()).unwrap_or(word.len());
                return Err(match &word[..end] {
                    "" => "has no unit".into(),
                    unit if seconds_of(unit).is_some() => "has a space before its unit".into(),
                    unit => format!("has an unknown unit `{unit}`"),
                });
            }
            unit => match seconds_of(unit) {
                Some(seconds) => seconds,
                None => return Err(format!("has an unknown unit `{unit}`")),
            },
        };
        total += number * seconds;
        rest = after.trim_start();
    }
    match Duration::try_from_secs_f64(total) {
        Ok(Duration::ZERO) if total == 0.0 => Err("is zero".into()),
        // Deadlines are kept in milliseconds.
        Ok(duration) if duration < Duration::from_millis(1) => {
            Err("is shorter than a millisecond".into())
        }
        Ok(duration) if duration <= DURATION_MAX => Ok(duration),
        _ => Err("is longer than a year".into()),
    }
}

fn seconds_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" => 0.001,
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    })
}

/// Returns the duration that a text with the words of a language stands for: `5 minutes` is `5m`.
pub(crate) fn meant(text: &str) -> Option<String> {
    let mut short = String::new();
    for word in text.to_lowercase().split(|c: char| c.is_whitespace() || c == ',') {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        short.push_str(&word[..word.len() - unit.len()]);
        short.push_str(match unit {
            "millisecond" | "milliseconds" | "msec" | "msecs" => "ms",
            "second" | "seconds" | "secs" => "s",
            "minute" | "minutes" | "mins" => "m",
            "hour" | "hours" | "hr" | "hrs" => "h",
            "day" | "days" => "d",
            "and" => "",
            other => other,
        });
    }
    parse(&short).is_ok().then_some(short)
}

/// Formats a duration so that [`parse`] can read it.
pub(crate) fn display(duration: Duration) -> String {
    let ms = duration.as_millis();
    let mut text = String::new();
    let mut rest = ms;
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
    {
        if rest >= size {
            let _ = write!(text, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [("500ms", 500), ("10s", 10_000), ("1.5s", 1500), ("1h30m", 5_400_000)] {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(ms));
        }
        assert_eq!(display(parse("90m").unwrap()), "1h30m");
        assert_eq!(parse("10").unwrap_err(), "has no unit");
        assert_eq!(parse("10 parsecs").unwrap_err(), "has an unknown unit `parsecs`");
        assert_eq!(parse("10 s").unwrap_err(), "has a space before its unit");
        assert_eq!(meant("1 hour and 5 minutes").as_deref(), Some("1h5m"));
        assert_eq!(meant("soon"), None);
        assert_eq!(parse("10parsecs").unwrap_err(), "has an unknown unit `parsecs`");
        assert_eq!(parse("soon").unwrap_err(), "is not a duration");
        assert_eq!(parse("0s").unwrap_err(), "is zero");
        for short in ["0.0001ms", "0.9ms", "0.0000000000001s"] {
            assert_eq!(parse(short).unwrap_err(), "is shorter than a millisecond");
        }
        assert_eq!(parse("1ms").unwrap(), Duration::from_millis(1));
    }
}
