//! The journals whose facts a fork shares.

use crate::backend::{Columns as _, Connection};
use crate::errors::{Failure, corrupt_row};
use crate::rows::from_column;
use stepwright_core::RunId;

/// The largest number of runs from a fork back to the first origin. Each costs a query.
pub(crate) const ORIGINS_MAX: usize = 256;

/// The facts of a run that are in one journal.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The number of the journal.
    pub(crate) journal: i64,
    /// The run whose facts they were first. Their checksums have its name.
    pub(crate) run: RunId,
    /// The number of the first fact.
    pub(crate) first: u64,
    /// The number behind the last fact.
    pub(crate) until: u64,
}

const OF_RUN: &str = "SELECT id, run_id, origin, origin_until FROM runs WHERE run_id = $1";

const OF_JOURNAL: &str = "SELECT id, run_id, origin, origin_until FROM runs WHERE id = $1
    UNION ALL SELECT id, run_id, origin, origin_until FROM kept WHERE id = $1";

/// Returns the parts of a run, the first facts first. Empty for an unknown run.
pub(crate) async fn parts<C: Connection>(
    c: &mut C,
    run: &RunId,
) -> Result<Vec<Part>, Failure<C::Error>> {
    let read = |row: &C::Row<'_>| {
        Ok((row.number(0)?, row.text(1)?, row.maybe_number(2)?, row.maybe_number(3)?))
    };
    let mut parts: Vec<Part> = Vec::new();
    let mut found = c.select(OF_RUN, &[run.as_str().into()], read).await?.pop();
    let mut until = u64::MAX;
    while let Some((journal, name, origin, origin_until)) = found {
        let first = from_column(origin_until.filter(|_| origin.is_some()).unwrap_or_default());
        let name = RunId::new(&name).map_err(|error| corrupt_row(run, &error.to_string()))?;
        parts.push(Part { journal, run: name, first, until });
        let Some(origin) = origin else { break };
        if parts.len() > ORIGINS_MAX {
            return Err(corrupt_row(run, "it has too many origins").into());
        }
        // A fork may leave where its origin had no facts of its own.
        until = until.min(first);
        found = c.select(OF_JOURNAL, &[origin.into()], read).await?.pop();
        if found.is_none() {
            return Err(corrupt_row(run, "the facts of its origin are missing").into());
        }
    }
    parts.reverse();
    Ok(parts)
}
