//! The times at which a delivery is tried again, and what an answer means.

use jiff::fmt::rfc2822::DateTimeParser;
use std::time::Duration;
use stepwright_core::Timestamp;

/// The number of requests that a delivery has at most.
pub const DELIVERY_ATTEMPTS_MAX: usize = 10;

/// The waits between the attempts, those of Standard Webhooks: nine retries within 76 hours.
const WAITS: [Duration; DELIVERY_ATTEMPTS_MAX - 1] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// The longest wait that a receiver can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The part of a wait by which it is lengthened at most, so that many deliveries spread out.
const JITTER_PART: u64 = 10;

/// The result of an attempt.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The receiver has it.
    Arrived,
    /// It is tried again, not before the wait that the receiver asks for.
    Failed(String, Option<Duration>),
    /// It is not tried again.
    Refused(String),
}

/// Judges an answer.
pub(crate) fn judge(status: u16, retry_after: Option<&str>, now: Timestamp) -> Outcome {
    match status {
        200..=299 => Outcome::Arrived,
        410 => Outcome::Refused("the receiver answered 410: it is gone".to_owned()),
        300..=399 => {
            let what = format!("the receiver answered {status}; redirects are not followed");
            Outcome::Failed(what, None)
        }
        _ => {
            let wait = retry_after.and_then(|text| wait(text, now));
            Outcome::Failed(format!("the receiver answered {status}"), wait)
        }
    }
}

/// Returns the wait after so many attempts, or `None` if there are no more. `chance` is a random
/// number.
pub(crate) fn wait_after(attempts: u32, asked: Option<Duration>, chance: u64) -> Option<Duration> {
    let nth = usize::try_from(attempts.max(1) - 1).ok()?;
    let wait = *WAITS.get(nth)?;
    let most = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) / JITTER_PART;
    let jitter = Duration::from_millis(chance % (most + 1));
    Some(wait.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX)) + jitter)
}

/// Reads `Retry-After`: seconds, or a date.
fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    static DATES: DateTimeParser = DateTimeParser::new();
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DATES.parse_timestamp(text).ok()?;
    let until = Timestamp(u64::try_from(date.as_millisecond()).ok()?);
    Some(until.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_can_ask_for_a_longer_wait() {
        let now = Timestamp(1_445_412_440_000);
        let asked = |text: &str| match judge(429, Some(text), now) {
            Outcome::Failed(_, asked) => asked,
            other => panic!("{other:?}"),
        };
        assert_eq!(asked("120"), Some(Duration::from_mins(2)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(40)));
        assert_eq!(asked("soon"), None);
        assert_eq!(wait_after(1, asked("120"), 0), Some(Duration::from_mins(2)));
        assert_eq!(wait_after(1, asked("1"), 0), Some(Duration::from_secs(5)));
        assert_eq!(wait_after(1, asked("9999999"), 0), Some(RETRY_AFTER_MAX));
        assert_eq!(wait_after(10, None, 0), None);
    }

    #[test]
    fn jitter_lengthens_a_wait_by_a_tenth_at_most() {
        for chance in [0, 1, 500, 501, u64::MAX] {
            let wait = wait_after(1, None, chance).map(|wait| wait.as_millis());
            assert!(wait.is_some_and(|wait| (5_000..=5_500).contains(&wait)), "{chance}");
        }
    }
}
