//! Formats timestamps for people.

use stepwright_core::Timestamp;

/// Formats a timestamp as a UTC date and time, independent of the local time zone.
///
/// ```
/// use stepwright_core::Timestamp;
/// assert_eq!(stepwright_term::utc(Timestamp(1_780_000_000_000)), "2026-05-28 20:26:40 UTC");
/// ```
pub fn utc(time: Timestamp) -> String {
    Timestamp(time.seconds() * 1_000).to_string()
}

/// Formats a timestamp relative to now: `just now`, `40s ago`, `5m ago`, `3h ago`, `2d ago`. Older
/// than a month, it is a date.
///
/// ```
/// use stepwright_core::Timestamp;
/// use stepwright_term::ago;
/// let now = Timestamp(1_780_000_000_000);
/// assert_eq!(ago(Timestamp(now.0 - 3 * 3_600_000), now), "3h ago");
/// ```
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(time).as_secs();
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h ago", seconds / 3_600),
        86_400..2_592_000 => format!("{}d ago", seconds / 86_400),
        _ => utc(time).split(' ').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_for_a_month() {
        let now = Timestamp(1_780_000_000_000);
        let shown = |seconds: u64| ago(Timestamp(now.0 - seconds * 1_000), now);
        assert_eq!(
            [0, 9, 10, 59, 60, 3_599, 3_600, 86_399, 86_400, 2_591_999, 2_592_000].map(shown),
            [
                "just now",
                "just now",
                "10s ago",
                "59s ago",
                "1m ago",
                "59m ago",
                "1h ago",
                "23h ago",
                "1d ago",
                "29d ago",
                "2026-04-28"
            ]
        );
        assert_eq!(ago(Timestamp(now.0 + 60_000), now), "just now", "a clock that is ahead");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // The output of `date -u -d @…`.
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_709_251_200, "2024-03-01 00:00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(Timestamp(seconds * 1_000)), expected);
        }
    }
}
