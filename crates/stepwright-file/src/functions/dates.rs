//! Moments and time zones. A moment is a text of RFC 3339, such as `2026-11-29T18:00:00Z`.

use super::{Given, text};
use crate::duration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::Value;

/// Parses a moment. A date without an offset is in the zone.
pub(crate) fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Ok(zoned.timestamp());
    }
    let civil: DateTime = text.parse().map_err(|_| {
        format!("`{text}` is not a moment such as `2026-11-29T18:00:00Z` or `2026-11-29`")
    })?;
    let zoned = zone.to_zoned(civil);
    zoned.map(|zoned| zoned.timestamp()).map_err(|_| format!("`{text}` is out of range"))
}

/// Returns a time zone, such as `Europe/Berlin`, `UTC` or `+02:00`.
pub(crate) fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    if let Ok(zone) = TimeZone::get(name) {
        return Ok(zone);
    }
    if name.starts_with(['+', '-'])
        && let Ok(zoned) = format!("2026-01-01T00:00:00{name}[{name}]").parse::<Zoned>()
    {
        return Ok(zoned.time_zone().clone());
    }
    Err(format!("there is no time zone `{name}`: write one such as `Europe/Berlin`"))
}

fn zone_of(args: &[Value], at: usize) -> Result<TimeZone, String> {
    zone(args.get(at).map(text).transpose()?)
}

fn rfc3339(moment: Timestamp) -> Value {
    moment.to_string().into()
}

/// Adds a duration to a moment: `7d`, `-2h30m`. In a time zone, a day is a day of the calendar.
pub(super) fn date_add(args: &[Value]) -> Given {
    let zone = zone_of(args, 2)?;
    let moment = moment(text(&args[0])?, &zone)?;
    let written = text(&args[1])?.trim();
    let (sign, plain) = match written.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, written.strip_prefix('+').unwrap_or(written)),
    };
    let duration =
        duration::parse(plain).map_err(|why| format!("the duration `{written}` {why}"))?;
    let range = |_| format!("`{written}` leads out of the calendar");
    let days = duration.as_secs() / 86_400;
    let rest = duration.saturating_sub(std::time::Duration::from_secs(days * 86_400));
    let days = i64::try_from(days).map_err(|_| format!("`{written}` is too long"))? * sign;
    let days = jiff::Span::new().try_days(days).map_err(range)?;
    let zoned = moment.to_zoned(zone).checked_add(days).map_err(range)?;
    let rest = SignedDuration::try_from(rest).map_err(range)?;
    let rest = if sign < 0 { -rest } else { rest };
    Ok(rfc3339(zoned.timestamp().checked_add(rest).map_err(range)?))
}

/// Returns the seconds from the second moment to the first.
pub(super) fn date_diff(args: &[Value]) -> Given {
    let later = moment(text(&args[0])?, &TimeZone::UTC)?;
    let earlier = moment(text(&args[1])?, &TimeZone::UTC)?;
    Ok(later.duration_since(earlier).as_secs().into())
}

/// Writes a moment in a time zone: `%Y-%m-%d %H:%M`.
pub(super) fn date_format(args: &[Value]) -> Given {
    let zone = zone_of(args, 2)?;
    let zoned = moment(text(&args[0])?, &zone)?.to_zoned(zone);
    let format = text(&args[1])?;
    let written = jiff::fmt::strtime::format(format, &zoned);
    written.map(Into::into).map_err(|error| format!("the format `{format}` is not valid: {error}"))
}

/// Reads a moment, of a format if there is one, and in a time zone.
pub(super) fn date_parse(args: &[Value]) -> Given {
    let zone = zone_of(args, 2)?;
    let written = text(&args[0])?;
    let Some(format) = args.get(1).filter(|format| !format.is_null()) else {
        return moment(written, &zone).map(rfc3339);
    };
    let format = text(format)?;
    let parsed = jiff::fmt::strtime::parse(format, written)
        .map_err(|error| format!("`{written}` is not of the format `{format}`: {error}"))?;
    if let Ok(zoned) = parsed.to_zoned() {
        return Ok(rfc3339(zoned.timestamp()));
    }
    let civil = parsed.to_datetime().or_else(|_| parsed.to_date().map(|date| date.at(0, 0, 0, 0)));
    let civil = civil.map_err(|_| format!("the format `{format}` has no whole date"))?;
    let zoned = zone.to_zoned(civil).map_err(|_| format!("`{written}` is out of range"))?;
    Ok(rfc3339(zoned.timestamp()))
}
