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
    check_offset(text)?;
    let moment = parsed(text, zone)?;
    if has_second_60(text) && !may_have_second_60(moment) {
        return Err(format!("`{text}` has a second 60, and no minute of that day has one"));
    }
    Ok(moment)
}

fn parsed(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
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

/// Returns the time of day of a moment with what follows it.
fn time_of_day(text: &str) -> Option<&str> {
    let date = text.find(['T', 't', ' '])?;
    Some(&text[date + 1..])
}

/// Checks that the offset of a moment is less than a day.
fn check_offset(text: &str) -> Result<(), String> {
    let time = time_of_day(text).unwrap_or_default();
    let time = time.split('[').next().unwrap_or_default();
    let Some(sign) = time.find(['+', '-']) else { return Ok(()) };
    let hours = time[sign + 1..].get(..2).and_then(|hours| hours.parse::<u8>().ok());
    if hours.is_some_and(|hours| hours > 23) {
        return Err(format!("the offset `{}` of `{text}` is not less than a day", &time[sign..]));
    }
    Ok(())
}

/// Returns `true` if the second of a moment is 60.
fn has_second_60(text: &str) -> bool {
    let Some(time) = time_of_day(text) else { return false };
    let digits = time.split(|c: char| !c.is_ascii_digit() && c != ':').next().unwrap_or_default();
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    digits.len() == 6 && digits.ends_with("60")
}

/// Returns `true` for the minutes that may have a leap second, which the moment leaves out.
fn may_have_second_60(moment: Timestamp) -> bool {
    let utc = moment.to_zoned(TimeZone::UTC);
    let ends_the_day = (utc.hour(), utc.minute()) == (23, 59);
    ends_the_day && [(6, 30), (12, 31)].contains(&(utc.month(), utc.day()))
}

/// Returns a time zone, such as `Europe/Berlin`, `UTC` or `+02:00`.
pub(crate) fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    if let Ok(zone) = TimeZone::get(name) {
        return Ok(zone);
    }
    let is_offset = name.starts_with(['+', '-']);
    if is_offset
        && check_offset(&format!("2026-01-01T00:00:00{name}")).is_ok()
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
    let duration = duration::parse(plain).map_err(|why| {
        format!("the duration `{written}` {why}: write one such as `7d` or `2h30m`")
    })?;
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

/// Returns the seconds from the second moment to the first, with their fraction if there is one.
pub(super) fn date_diff(args: &[Value]) -> Given {
    let later = moment(text(&args[0])?, &TimeZone::UTC)?;
    let earlier = moment(text(&args[1])?, &TimeZone::UTC)?;
    let between = later.duration_since(earlier);
    Ok(if between.subsec_nanos() == 0 {
        between.as_secs().into()
    } else {
        between.as_secs_f64().into()
    })
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
    let fields = fields(format);
    let has = |names: &[char]| names.iter().any(|name| fields.contains(name));
    if has(&['I', 'l']) && !has(&['p', 'P']) {
        return Err(format!(
            "the format `{format}` has hours from 1 to 12 and no `%p`: `%H` reads hours up to 23"
        ));
    }
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

/// Returns the letters of the fields of a format.
fn fields(format: &str) -> Vec<char> {
    let mut characters = format.chars();
    let mut fields = Vec::new();
    while characters.by_ref().any(|character| character == '%') {
        let is_flag = |c: &char| "-_0^#:.".contains(*c) || c.is_ascii_digit();
        fields.extend(characters.by_ref().find(|character| !is_flag(character)));
    }
    fields
}
