//! The times of a schedule.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{Error, ErrorKind, Timestamp};

/// The shortest time between two times of [`Timetable::every`].
const EVERY_MIN: Duration = Duration::from_secs(1);

/// The longest.
const EVERY_MAX: Duration = Duration::from_hours(24 * 366);

/// The time zone of a timetable without one.
const UTC: &str = "UTC";

/// The times of a schedule: those of a cron expression in a time zone, or equal steps.
///
/// ```
/// use stepwright_core::Timestamp;
/// use stepwright_triggers::Timetable;
/// let mornings = Timetable::cron("0 9 * * mon-fri", Some("Europe/Berlin"))?;
/// assert_eq!(mornings.to_string(), "`0 9 * * mon-fri` in Europe/Berlin");
/// let night = Timestamp(1_796_000_000_000);
/// assert_eq!(night.to_string(), "2026-11-30 00:53:20 UTC");
/// let next = mornings.next_after(night).unwrap();
/// assert_eq!(next.to_string(), "2026-11-30 08:00:00 UTC");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
///
/// On days on which the clocks change, each time that an expression names comes once: one that they
/// skip in spring at the first moment after the gap, and one that they repeat in autumn the first
/// time. An expression with a wildcard or a step in its minutes or hours follows the clock instead:
/// it has no time in the gap, and comes in both of the repeated hours.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Timetable(Times);

#[derive(Clone, Debug)]
enum Times {
    Cron { text: Arc<str>, zone: Arc<str>, parsed: Arc<Parsed> },
    Every(Duration),
}

/// A cron expression in its time zone.
#[derive(Debug)]
struct Parsed {
    cron: Cron,
    zone: TimeZone,
    /// `true` if it names its minutes and hours, so that each of its times comes once on days on
    /// which the clocks change, too.
    is_named: bool,
}

impl Parsed {
    /// Returns the first time after `second`.
    fn next_after(&self, second: i64) -> Option<jiff::Timestamp> {
        let after = jiff::Timestamp::from_second(second).ok()?;
        if !self.is_named {
            let from = after.to_zoned(self.zone.clone());
            return Some(self.cron.find_next_occurrence(&from, false).ok()?.timestamp());
        }
        // The wall clock is searched as one that never changes.
        let mut wall = self.zone.to_datetime(after);
        loop {
            let from = wall.to_zoned(TimeZone::UTC).ok()?;
            wall = self.cron.find_next_occurrence(&from, false).ok()?.datetime();
            let next = self.moment(wall)?;
            // In a repeated hour, the first of the two has passed.
            if next > after {
                return Some(next);
            }
        }
    }

    /// Returns the moment of a time of the wall clock: the first of two, or the end of the gap.
    fn moment(&self, wall: DateTime) -> Option<jiff::Timestamp> {
        let known = self.zone.to_ambiguous_timestamp(wall);
        let is_gap = matches!(known.offset(), AmbiguousOffset::Gap { .. });
        let moment = known.compatible().ok()?;
        if !is_gap {
            return Some(moment);
        }
        let just_after = moment.checked_add(SignedDuration::from_secs(1)).ok()?;
        Some(self.zone.preceding(just_after).next()?.timestamp())
    }
}

/// The words that stand for a cron expression behind `@`.
const NICKNAMES: [&str; 7] =
    ["hourly", "daily", "midnight", "weekly", "monthly", "yearly", "annually"];

/// The fields of a cron expression, each with its values.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12 or `jan` to `dec`"),
    ("weekday", "0 to 7 or `sun` to `sat`"),
];

/// Parses a cron expression.
fn parsed(text: &str) -> Option<Cron> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed);
    parser.build().parse(text).ok()
}

/// Returns the mistake in a cron expression: the number of its fields, or the first field that is
/// wrong beside four that are right.
fn mistake(text: &str) -> Option<String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let plural = if fields.len() == 1 { "" } else { "s" };
        return Some(format!("it has {} field{plural} of {}", fields.len(), FIELDS.len()));
    }
    (0..FIELDS.len()).find_map(|at| {
        let mut alone = ["*"; FIELDS.len()];
        alone[at] = fields[at];
        let (name, values) = FIELDS[at];
        let wrong = parsed(&alone.join(" ")).is_none();
        wrong.then(|| format!("`{}` is no {name}, which is {values}", fields[at]))
    })
}

/// Returns `true` if a cron expression has no wildcard and no step in its minutes and hours.
fn names_its_times(text: &str) -> bool {
    let text = text.trim();
    match text.strip_prefix('@') {
        Some(nickname) => !nickname.eq_ignore_ascii_case("hourly"),
        None => text.split_whitespace().take(2).all(|field| !field.contains(['*', '/', '?'])),
    }
}

/// A timetable as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Cron { cron: Arc<str>, zone: Arc<str> },
    EveryMs(u64),
}

impl Timetable {
    /// Creates the timetable of a cron expression with five fields: minute, hour, day of the month,
    /// month, day of the week. Names such as `mon` and `jan` are allowed, and so are `@hourly`,
    /// `@daily`, `@weekly`, `@monthly` and `@yearly`. The zone is a name such as `Europe/Berlin`;
    /// the default is UTC.
    ///
    /// # Errors
    /// If the expression or the zone is not valid, or if the expression matches no date.
    pub fn cron(text: &str, zone: Option<&str>) -> Result<Self, Error> {
        let refused = |what: String| Error::new(ErrorKind::Definition, what);
        let cron = parsed(text).ok_or_else(|| {
            let why = mistake(text).map(|why| format!(": {why}")).unwrap_or_default();
            let error = refused(format!("`{text}` is not a cron expression{why}"));
            let word = text.trim().to_ascii_lowercase();
            if NICKNAMES.contains(&word.as_str()) {
                return error.with_hint(format!("did you mean `@{word}`?"));
            }
            error.with_hint("write minute, hour, day, month and weekday, such as `0 9 * * mon-fri`")
        })?;
        let zone = zone.unwrap_or(UTC);
        let known = TimeZone::get(zone).map_err(|_| {
            let error = refused(format!("there is no time zone `{zone}`"));
            error.with_hint("write one such as `Europe/Berlin`, or leave it out for UTC")
        })?;
        let made = Self(Times::Cron {
            text: text.trim().into(),
            zone: zone.into(),
            parsed: Arc::new(Parsed { cron, zone: known, is_named: names_its_times(text) }),
        });
        // The times of an expression without years repeat, so any moment will do.
        if made.next_after(Timestamp(0)).is_none() {
            let error = refused(format!("cron expression `{text}` matches no date"));
            return Err(error.with_hint("no month of the expression has such a day"));
        }
        Ok(made)
    }

    /// Creates a timetable with equal steps. They are counted from 1970 in UTC, so that all
    /// processes agree: `every(15 minutes)` comes at each full quarter of an hour.
    ///
    /// # Errors
    /// If the step is shorter than a second or longer than 366 days.
    pub fn every(step: Duration) -> Result<Self, Error> {
        if (EVERY_MIN..=EVERY_MAX).contains(&step) {
            return Ok(Self(Times::Every(step)));
        }
        let what = format!("`every` is {}; it must be from 1s to 366d", shown(step));
        Err(Error::new(ErrorKind::Definition, what))
    }

    /// Returns the first time after `time`. `None` if the calendar ends before.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Times::Every(step) => {
                let step = u64::try_from(step.as_millis()).ok()?;
                let next = (time.0 / step).checked_add(1)?.checked_mul(step)?;
                Some(Timestamp(next))
            }
            Times::Cron { parsed, .. } => {
                let next = parsed.next_after(i64::try_from(time.seconds()).ok()?)?;
                let next = u64::try_from(next.as_millisecond()).ok()?;
                // A search that does not move would never end.
                (next > time.0).then_some(Timestamp(next))
            }
        }
    }

    /// Returns `true` if both have the same times.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Times::Every(one), Times::Every(other)) => one == other,
            (
                Times::Cron { text, zone, .. },
                Times::Cron { text: other_text, zone: other_zone, .. },
            ) => (text, zone) == (other_text, other_zone),
            _ => false,
        }
    }
}

impl fmt::Display for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Times::Cron { text, zone, .. } => write!(f, "`{text}` in {zone}"),
            Times::Every(step) => write!(f, "every {}", shown(*step)),
        }
    }
}

/// Writes a duration as files have it: `1d2h`, `90s` as `1m30s`.
fn shown(duration: Duration) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (size, unit) in units {
        let count = rest / size;
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

impl From<Timetable> for Written {
    fn from(timetable: Timetable) -> Self {
        match timetable.0 {
            Times::Cron { text, zone, .. } => Self::Cron { cron: text, zone },
            Times::Every(step) => {
                Self::EveryMs(u64::try_from(step.as_millis()).unwrap_or(u64::MAX))
            }
        }
    }
}

impl TryFrom<Written> for Timetable {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        match written {
            Written::Cron { cron, zone } => Self::cron(&cron, Some(&zone)),
            Written::EveryMs(step) => Self::every(Duration::from_millis(step)),
        }
    }
}
