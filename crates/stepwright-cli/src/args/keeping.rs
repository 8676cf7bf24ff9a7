//! The arguments about what a database keeps.

use super::In;
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use std::time::Duration;
use stepwright::{RunId, SessionId, UserId, WorkflowId};

pub(super) const PRUNE: &str = "\
Only runs that have ended are deleted, by the time of their last event. A run that waits or is under
way stays, and so do all sessions with their states. `stepwright vacuum` then gives the space back.

Examples:
  stepwright prune --older-than 30d --db runs.db --dry-run
  stepwright prune --older-than 30d --keep 100 --db runs.db
  stepwright prune --older-than 12h --workflow nightly --db runs.db --json";

pub(super) const VACUUM: &str = "\
Examples:
  stepwright vacuum --db runs.db";

pub(super) const EXPORT: &str = "\
Each line is a JSON object: a session, a plan, a run, a fact of its journal. Each run ends with a
checksum of its lines, and so does the export. Without a choice, all runs are exported.

Examples:
  stepwright export --db runs.db > runs.jsonl
  stepwright export r-7 r-8 --db runs.db --output two.jsonl
  stepwright export --user anna --db runs.db --dry-run";

pub(super) const IMPORT: &str = "\
Checks the whole file before anything is written: checksums, the numbers of the facts, and that they
are a possible history. A run that the database has already with the same facts is passed over.

Examples:
  stepwright import runs.jsonl --db other.db
  stepwright import runs.jsonl --db other.db --dry-run";

pub(super) const ERASE: &str = "\
Erases journals with everything in them, inboxes, sessions with their names and states, and with
--user the memories of the user. Then the database is compacted, so that nothing is left in its free
space. Backups, logs and exports are not reached. If a run of it is under way, nothing is erased:
cancel it first.

Examples:
  stepwright erase --user anna --db runs.db --dry-run
  stepwright erase --session s-1 --db runs.db --yes
  stepwright erase --run r-7 --db runs.db --yes --json";

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Delete runs whose last event is older: `30d`, `12h`, `8w`
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Duration,
    /// Keep the newest N ended runs of each workflow, however old they are
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep: usize,
    /// Only runs of this workflow
    #[arg(long, value_name = "ID")]
    pub(crate) workflow: Option<WorkflowId>,
    #[command(flatten)]
    pub(crate) told: Told,
    #[command(flatten)]
    pub(crate) kept: In,
}

#[derive(Debug, Args)]
pub(crate) struct Vacuum {
    /// Write the sizes as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Change nothing, and say which database it would be
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) kept: In,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The ids of the runs; by default all
    #[arg(value_name = "RUN_ID", conflicts_with_all = ["session", "user"])]
    pub(crate) runs: Vec<RunId>,
    /// Only runs of this session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<SessionId>,
    /// Only runs of this user
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<UserId>,
    /// Write to this file instead of stdout; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) told: Told,
    #[command(flatten)]
    pub(crate) kept: In,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file that `stepwright export` has written; `-` is stdin
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) told: Told,
    #[command(flatten)]
    pub(crate) kept: In,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true))]
pub(crate) struct Erase {
    /// Erase this run
    #[arg(long, value_name = "ID", group = "subject")]
    pub(crate) run: Option<RunId>,
    /// Erase this session with all of its runs
    #[arg(long, value_name = "ID", group = "subject")]
    pub(crate) session: Option<SessionId>,
    /// Erase all sessions, runs and memories of this user
    #[arg(long, value_name = "ID", group = "subject")]
    pub(crate) user: Option<UserId>,
    /// Erase it; without this option, the command only shows what it would erase
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) told: Told,
    #[command(flatten)]
    pub(crate) kept: In,
}

/// The options about what is done and told.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Told {
    /// Change nothing, and say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Parses an age: whole numbers of weeks, days, hours, minutes or seconds.
fn age(text: &str) -> Result<Duration, String> {
    let hint = "write it like `30d`, `12h` or `8w`";
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        "" => return Err(format!("it has no unit; {hint}")),
        unit => return Err(format!("it has an unknown unit `{unit}`; {hint}")),
    };
    let number: u64 = number.parse().map_err(|_| format!("it is not an age; {hint}"))?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| "it is longer than time has lasted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read() {
        assert_eq!(age("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(age("800d"), Ok(Duration::from_hours(19_200)));
        assert_eq!(age("2w"), Ok(Duration::from_hours(336)));
        for wrong in ["30", "d", "-1d", "3 days", "1mo", "99999999999999999999d", ""] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
