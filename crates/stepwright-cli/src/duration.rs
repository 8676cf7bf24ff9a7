//! Durations as people write them, here and in workflow files.

use std::time::Duration;

/// The longest duration: a year.
const DURATION_MAX: Duration = Duration::from_hours(8760);

/// Reads `500ms`, `10s`, `5m`, `2h`, `1d` or several of them in a row, such as `1h30m`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| "write it like `30s`, `5m` or `1h30m`")?;
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        seconds += number
            * match unit {
                "ms" => 0.001,
                "s" | "sec" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                "" => return Err("it has no unit: write `30s`, `5m` or `1h30m`".into()),
                unit => return Err(format!("there is no unit `{unit}`: use ms, s, m, h or d")),
            };
        rest = after.trim_start();
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Err("it must be more than nothing".into()),
        Ok(duration) if duration <= DURATION_MAX => Ok(duration),
        _ => Err("it is longer than a year".into()),
    }
}

/// For people, who want to know about how long it took: `34ms`, `1.2s`, `2m05s`, `1h02m`.
pub(crate) fn about(duration: Duration) -> String {
    let (seconds, ms) = (duration.as_secs(), duration.subsec_millis());
    match seconds {
        0 if ms < 100 => format!("{ms}ms"),
        0..60 => format!("{seconds}.{}s", ms / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, ms) in [("500ms", 500), ("10s", 10_000), ("1.5s", 1500), ("1h 30m", 5_400_000)] {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(ms));
        }
        assert_eq!(parse("10").unwrap_err(), "it has no unit: write `30s`, `5m` or `1h30m`");
        assert!(parse("10parsecs").unwrap_err().contains("`parsecs`"));
        assert!(parse("soon").unwrap_err().contains("30s"));
        assert!(parse("0s").is_err() && parse("").is_err() && parse("400d").is_err());
    }

    #[test]
    fn durations_are_written_for_people() {
        let about = |ms| about(Duration::from_millis(ms));
        let shown = [0, 34, 100, 1_290, 59_999, 60_000, 125_000, 3_720_000].map(about);
        assert_eq!(shown, ["0ms", "34ms", "0.1s", "1.2s", "59.9s", "1m00s", "2m05s", "1h02m"]);
    }
}
