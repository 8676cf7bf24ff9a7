//! The `Clock` toolkit: date and time.

use crate::kit::{KitTool, mistake};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp, Unit, Zoned};
use schemars::JsonSchema;
use serde::Deserialize;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::tool::{AnyTool, ToolError};
use stepwright_core::{Error, StepContext};

/// A toolkit for date and time: `current_time`, `add_time` and `time_between`.
///
/// The time is that of the run. It is recorded with the call, so a resumed run reads the same.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::Clock;
/// let agent = Agent::builder("Planner").model("offline")?.tool(Clock::in_zone("UTC")).build()?;
/// assert_eq!(agent.tools()[0].name, "current_time");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Clock {
    zone: String,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// Creates a toolkit whose times are in UTC unless the model names a zone.
    pub fn new() -> Self {
        Self::in_zone("UTC")
    }

    /// Creates a toolkit whose times are in this zone, such as `Europe/Berlin`, unless the model
    /// names another one.
    pub fn in_zone(zone: impl Into<String>) -> Self {
        Self { zone: zone.into() }
    }

    /// Checks the zone, as building an agent does.
    ///
    /// # Errors
    /// Returns an error if there is no such zone.
    pub fn check(&self) -> Result<(), Error> {
        zone(&self.zone).map(drop).map_err(mistake)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CurrentTime {
    /// A time zone, such as `Europe/Berlin`.
    zone: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddTime {
    /// A date or a moment, such as `2026-11-29` or `2026-11-29T08:00`.
    to: String,
    /// The time to add, such as `2 weeks`, `1 month 3 days` or `-90 minutes`.
    time: String,
    /// A time zone, such as `Europe/Berlin`.
    zone: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TimeBetween {
    /// A date or a moment, such as `2026-11-29` or `2026-11-29T08:00`.
    from: String,
    /// A later date or moment.
    to: String,
    /// A time zone, such as `Europe/Berlin`.
    zone: Option<String>,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        format!("there is no time zone `{name}`; write one such as `UTC` or `Europe/Berlin`")
    })
}

fn shown(moment: &Zoned) -> String {
    // Fractions of a second help no one.
    let moment = moment.round(Unit::Second).unwrap_or_else(|_| moment.clone());
    format!("{moment}, {}", moment.strftime("%A, week %V"))
}

/// Parses a date or a moment. A text without an offset is in `zone`.
fn moment(text: &str, zone: &TimeZone) -> Result<Zoned, ToolError> {
    let text = text.trim();
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Ok(zoned);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.to_zoned(zone.clone()));
    }
    let local = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(Into::into));
    local.and_then(|local| local.to_zoned(zone.clone())).map_err(|_| {
        let wrong = "is not a date or a moment; write `2026-11-29` or `2026-11-29T08:00`";
        ToolError::Arguments(format!("`{text}` {wrong}"))
    })
}

impl Toolkit for Clock {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        let wrong = |why: String| mistake(why);
        let own = zone(&self.zone).map_err(wrong)?;
        let chosen = move |asked: Option<String>| match asked.filter(|it| !it.trim().is_empty()) {
            None => Ok(own.clone()),
            Some(asked) => zone(asked.trim()).map_err(ToolError::Arguments),
        };
        let zone_of = chosen.clone();
        let now = FunctionTool::new(
            "current_time",
            "Tells the date, the time and the day of the week, now.",
            move |args: CurrentTime, cx: StepContext| {
                let zone = zone_of(args.zone);
                async move {
                    let now = i64::try_from(cx.world().now().0).unwrap_or(i64::MAX);
                    let now = Timestamp::from_millisecond(now);
                    let now = now.map_err(|error| ToolError::Failed(error.to_string()))?;
                    Ok::<_, ToolError>(shown(&now.to_zoned(zone?)))
                }
            },
        );
        let zone_of = chosen.clone();
        let add = FunctionTool::new(
            "add_time",
            "Adds a time to a date, or takes one away.",
            move |args: AddTime| {
                let zone = zone_of(args.zone);
                async move {
                    let from = moment(&args.to, &zone?)?;
                    let span = args.time.trim().parse::<Span>().map_err(|_| {
                        let wrong = "is not a time; write one such as `2 weeks` or `-90 minutes`";
                        ToolError::Arguments(format!("`{}` {wrong}", args.time))
                    })?;
                    let sum = from.checked_add(span);
                    let sum = sum.map_err(|error| ToolError::Failed(error.to_string()))?;
                    Ok::<_, ToolError>(shown(&sum))
                }
            },
        );
        let between = FunctionTool::new(
            "time_between",
            "Tells the time between two dates, in calendar units and in days.",
            move |args: TimeBetween| {
                let zone = chosen(args.zone);
                async move {
                    let zone = zone?;
                    let from = moment(&args.from, &zone)?;
                    let to = moment(&args.to, &zone)?;
                    let failed = |error: jiff::Error| ToolError::Failed(error.to_string());
                    let span = from.until((Unit::Year, &to)).map_err(failed)?;
                    let days = span.total((Unit::Day, SpanRelativeTo::from(&from)));
                    let days = days.map_err(failed)?;
                    // At most four decimal places.
                    let days = (days * 10_000.0).round() / 10_000.0;
                    Ok::<_, ToolError>(format!("{span:#} ({days} days)"))
                }
            },
        );
        let tools = [now, add, between].map(FunctionTool::read_only).map(KitTool::within);
        Ok(tools.into())
    }
}
