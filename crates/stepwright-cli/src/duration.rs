//! Durations as people write them, on the command line and in workflow files.

use std::time::Duration;

/// Parses a duration such as `30s`, `5m` or `1h30m`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let hint = "write it like `30s`, `5m` or `1h30m`";
    stepwright::file::parse_duration(text).map_err(|wrong| format!("it {wrong}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(parse("1h30m"), Ok(Duration::from_mins(90)));
        let wrong = parse("10").unwrap_err();
        assert_eq!(wrong, "it has no unit; write it like `30s`, `5m` or `1h30m`");
    }
}
