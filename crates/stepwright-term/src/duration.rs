//! Formats durations for people.

use std::time::Duration;

/// Formats a duration in rounded-down form: `34ms`, `1.2s`, `2m05s`, `1h02m`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(stepwright_term::about(Duration::from_millis(1_290)), "1.2s");
/// ```
pub fn about(duration: Duration) -> String {
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
    fn durations_are_written_for_people() {
        let about = |ms| about(Duration::from_millis(ms));
        let shown = [0, 34, 100, 1_290, 59_999, 60_000, 125_000, 3_720_000].map(about);
        assert_eq!(shown, ["0ms", "34ms", "0.1s", "1.2s", "59.9s", "1m00s", "2m05s", "1h02m"]);
    }
}
