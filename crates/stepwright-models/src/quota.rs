//! The rest of a provider's limits, as the headers of an answer tell it.

use http::header::HeaderMap;
use std::time::Duration;
use stepwright_core::model::{Quota, QuotaLeft};

/// The time after which a limit counts as reset, where a provider says how much is left and not
/// until when. Azure counts in windows of 1 and of 10 seconds.
const RESET_ASSUMED: Duration = Duration::from_secs(10);

/// The longest time to a reset that is believed. Limits of a day are not waited for.
const RESET_MAX: Duration = Duration::from_mins(2);

/// The names of the headers for what is left and for the time of the reset: of requests, then of
/// tokens. OpenAI, Azure, Groq and others share the first; of Anthropic's limits of tokens the
/// scarcest counts.
const REQUESTS: [(&str, &str); 2] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
];
const TOKENS: [(&str, &str); 4] = [
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
];

/// Reads the limits from the headers of an answer, whether it is a success or not.
pub(crate) fn quota(headers: &HeaderMap) -> Option<Box<Quota>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let now = text("date").and_then(crate::http_date::unix_seconds);
    let left = |(remaining, reset): &(&str, &str)| {
        let left = text(remaining)?.parse::<u64>().ok()?;
        let reset = text(reset).and_then(|reset| until(reset, now));
        let reset = reset.unwrap_or(RESET_ASSUMED);
        (reset <= RESET_MAX).then_some(QuotaLeft { left, reset })
    };
    let scarcest = |names: &[(&str, &str)]| {
        names.iter().filter_map(left).min_by_key(|left| (left.left, std::cmp::Reverse(left.reset)))
    };
    let quota = Quota { requests: scarcest(&REQUESTS), tokens: scarcest(&TOKENS) };
    (quota != Quota::default()).then(|| Box::new(quota))
}

/// Returns the time until a reset: a duration such as `6m0s` or `20ms`, a number of seconds, or a
/// moment, which is compared with the time of the server.
fn until(text: &str, now: Option<u64>) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    if text.contains('T') {
        let reset = moment(text)?;
        return Some(Duration::from_secs(reset.saturating_sub(now?)));
    }
    duration(text)
}

/// Reads `1h2m3.5s`, `6m0s` or `20ms`.
fn duration(mut text: &str) -> Option<Duration> {
    let mut whole = Duration::ZERO;
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = text.split_at(end);
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let seconds = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        whole = whole.checked_add(
            Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?,
        )?;
        text = rest;
    }
    Some(whole)
}

/// Reads `2025-11-29T08:49:37Z` as seconds since 1970 began.
fn moment(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, offset) = split_offset(time)?;
    let mut time = time.split(':').map(|part| part.split('.').next()?.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let seconds = crate::http_date::seconds_of((year, month, day), (hour, minute, second))?;
    seconds.checked_add_signed(-offset)
}

/// Splits `08:49:37+02:00` into the time and the seconds that it is ahead of UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (clock, offset) = time.split_at(at);
    let (hours, minutes) = offset[1..].split_once(':')?;
    let offset_seconds =
        (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?).checked_mul(60)?;
    Some((clock, if offset.starts_with('-') { -offset_seconds } else { offset_seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(all: &[(&'static str, &str)]) -> Option<Quota> {
        let pairs = all.iter().map(|(name, value)| {
            (http::header::HeaderName::from_static(name), value.parse().unwrap())
        });
        quota(&pairs.collect()).map(|quota| *quota)
    }

    fn left(left: u64, millis: u64) -> QuotaLeft {
        QuotaLeft { left, reset: Duration::from_millis(millis) }
    }

    #[test]
    fn headers_of_openai_have_durations() {
        let quota = read(&[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1m2.5s"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6ms"),
        ]);
        assert_eq!(
            quota,
            Some(Quota { requests: Some(left(0, 62_500)), tokens: Some(left(149_984, 6)) })
        );
    }

    #[test]
    fn headers_of_anthropic_have_moments_and_the_scarcest_tokens_count() {
        let quota = read(&[
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("anthropic-ratelimit-requests-remaining", "3"),
            ("anthropic-ratelimit-requests-reset", "1994-11-06T08:50:07Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "9000"),
            ("anthropic-ratelimit-input-tokens-reset", "1994-11-06T08:49:40Z"),
            ("anthropic-ratelimit-output-tokens-remaining", "10"),
            ("anthropic-ratelimit-output-tokens-reset", "1994-11-06T10:49:47+02:00"),
        ]);
        assert_eq!(
            quota,
            Some(Quota { requests: Some(left(3, 30_000)), tokens: Some(left(10, 10_000)) })
        );
    }

    #[test]
    fn headers_of_azure_may_lack_the_reset_or_have_seconds() {
        let quota = read(&[
            ("x-ratelimit-remaining-requests", "12"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "7"),
        ]);
        assert_eq!(
            quota,
            Some(Quota { requests: Some(left(12, 10_000)), tokens: Some(left(0, 7_000)) })
        );
    }

    #[test]
    fn headers_that_tell_nothing_of_use_are_ignored() {
        assert_eq!(read(&[]), None);
        for (remaining, reset) in
            [("many", "1s"), ("-1", "1s"), ("0", "24h0m0s"), ("0", "9999999999")]
        {
            let quota = read(&[
                ("x-ratelimit-remaining-requests", remaining),
                ("x-ratelimit-reset-requests", reset),
            ]);
            assert_eq!(quota, None, "{remaining} {reset}");
        }
        // A reset that cannot be read counts as none.
        for reset in ["soon", "-5", "1x", "1994-11-06T", "1994-13-06T08:50:07Z"] {
            let quota = read(&[
                ("x-ratelimit-remaining-requests", "1"),
                ("x-ratelimit-reset-requests", reset),
            ]);
            assert_eq!(quota.unwrap().requests, Some(left(1, 10_000)), "{reset}");
        }
    }
}
