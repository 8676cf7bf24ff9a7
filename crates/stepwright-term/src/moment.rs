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

#[cfg(test)]
mod tests {
    use super::*;

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
