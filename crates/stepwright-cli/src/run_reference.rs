//! References to stored runs: whole ids, parts of ids, and the newest run.

use std::str::FromStr;
use stepwright::store::{RunFilter, RunRow};
use stepwright::{Error, ErrorId, ErrorKind, RunId};
use stepwright_engine::Runs;

/// The reference to the newest run.
const LAST: &str = "last";

/// The number of characters of a short id: the end of a generated id, which is random. Its
/// beginning is the time, and runs of one minute have it in common.
const SHORT_CHARS: usize = 8;

/// The length of a generated id.
const GENERATED_CHARS: usize = 36;

/// The fewest characters of a part of an id.
const PART_CHARS_MIN: usize = 3;

/// The largest number of runs that are searched for a part of an id, the newest first.
const RUNS_SEARCHED_MAX: usize = 10_000;

/// The number of runs that are read at once.
const PAGE: usize = 1_000;

/// The number of runs that the error for an ambiguous part names.
const NAMED_MAX: usize = 5;

/// A run as the user refers to it: by its id, by the beginning or the end of its id, or as `last`.
#[derive(Clone, Debug)]
pub(crate) struct RunReference(RunId);

impl FromStr for RunReference {
    type Err = <RunId as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl RunReference {
    /// Finds the run.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none. [`ErrorKind::Usage`] if there are several, or if
    /// the part is too short.
    pub(crate) async fn find(&self, runs: &Runs) -> Result<RunId, Error> {
        let text = self.0.as_str();
        let missing = match runs.row(&self.0).await {
            Ok(row) => return Ok(row.run_id),
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            Err(error) => return Err(error),
        };
        if text == LAST {
            let newest = runs.list(RunFilter { limit: 1, ..RunFilter::default() }).await?;
            return newest.into_iter().next().map(|row| row.run_id).ok_or_else(no_runs);
        }
        let mut found: Vec<RunRow> = Vec::new();
        for offset in (0..RUNS_SEARCHED_MAX).step_by(PAGE) {
            let filter = RunFilter { limit: PAGE, offset, ..RunFilter::default() };
            let page = runs.list(filter).await?;
            let is_last = page.len() < PAGE;
            found.extend(page.into_iter().filter(|row| is_meant(&row.run_id, text)));
            if is_last {
                break;
            }
        }
        let is_short = text.chars().count() < PART_CHARS_MIN;
        match found.as_slice() {
            [] => Err(missing),
            [one] if !is_short => Ok(one.run_id.clone()),
            several => Err(ambiguous(text, several, is_short)),
        }
    }
}

/// Returns `true` if `part` is the beginning of an id, or the end of a generated one.
fn is_meant(id: &RunId, part: &str) -> bool {
    let id = id.as_str();
    id.starts_with(part) || (is_generated(id) && id.ends_with(part))
}

fn is_generated(id: &str) -> bool {
    let fits = |(at, c): (usize, char)| match at {
        8 | 13 | 18 | 23 => c == '-',
        _ => c.is_ascii_hexdigit(),
    };
    id.len() == GENERATED_CHARS && id.char_indices().all(fits)
}

/// Returns the short id of a run: the end of a generated id, and any other id whole.
pub(crate) fn short(id: &RunId) -> &str {
    short_text(id.as_str())
}

/// Returns the end of a generated id of a run or session, and any other id whole.
pub(crate) fn short_text(id: &str) -> &str {
    if is_generated(id) { &id[GENERATED_CHARS - SHORT_CHARS..] } else { id }
}

/// Makes the error of a database without runs.
pub(crate) fn no_runs() -> Error {
    Error::new(ErrorKind::NotFound, "there is no run in this database")
        .with_id(ErrorId::RUN_NOT_FOUND)
        .with_hint("`stepwright run FILE` makes one; `--db DB` names another database")
}

/// Makes the error of a part of an id that fits several runs, or that is too short.
fn ambiguous(part: &str, found: &[RunRow], is_short: bool) -> Error {
    let named: Vec<String> =
        found.iter().take(NAMED_MAX).map(|row| format!("`{}`", row.run_id)).collect();
    let more = match found.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let fits = match found.len() {
        1 => "the id of 1 run".to_owned(),
        count => format!("the ids of {count} runs"),
    };
    let what = if is_short {
        format!(
            "`{part}` is part of {fits}, and too short: write at least {PART_CHARS_MIN} characters"
        )
    } else {
        format!("`{part}` is part of {fits}")
    };
    let error = Error::usage(what).with_id(ErrorId::RUN_AMBIGUOUS);
    error.with_hint(format!("write more of the id: {}{more}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_meant_by_the_beginning_of_its_id_and_a_generated_one_by_its_end() {
        let id = |text: &str| text.parse::<RunId>().unwrap();
        let made = id("0195f3c2-7a10-7c3e-9b1d-2f6a8c04d1e7");
        assert_eq!(short(&made), "8c04d1e7");
        assert!(is_meant(&made, "0195f3") && is_meant(&made, "8c04d1e7"));
        assert!(!is_meant(&made, "195f3"));
        let own = id("nightly-7");
        assert_eq!(short(&own), "nightly-7");
        assert!(is_meant(&own, "nigh") && !is_meant(&own, "ly-7"));
    }
}
