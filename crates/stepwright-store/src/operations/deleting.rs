//! Deleting runs, one or those of a session.
//!
//! A fork shares the first facts of its origin, so these facts stay until the last fork is deleted.

use crate::backend::{Attempt, Columns, Connection, Work};
use crate::errors::Failure;
use stepwright_core::RunStatus;
use stepwright_core::store::{DeleteRun, DeletedRun};

/// The statements that delete the runs `$1` names, but for facts that forks share.
macro_rules! deletion {
    ($column:literal) => {
        [
            concat!(
                "INSERT INTO kept (id, run_id, origin, origin_until)
                SELECT id, run_id, origin, origin_until FROM runs WHERE ",
                $column,
                " = $1 AND EXISTS (SELECT 1 FROM runs AS fork WHERE fork.origin = runs.id)"
            ),
            unuse_blobs!(
                "SELECT id FROM runs WHERE ",
                $column,
                " = $1 AND id NOT IN (SELECT id FROM kept)"
            ),
            unuse_media!(
                "SELECT id FROM runs WHERE ",
                $column,
                " = $1 AND id NOT IN (SELECT id FROM kept)"
            ),
            concat!(
                "DELETE FROM media_uses WHERE run IN (SELECT id FROM runs WHERE ",
                $column,
                " = $1 AND id NOT IN (SELECT id FROM kept))"
            ),
            concat!(
                "DELETE FROM journal WHERE run IN (SELECT id FROM runs WHERE ",
                $column,
                " = $1 AND id NOT IN (SELECT id FROM kept))"
            ),
            concat!(
                "DELETE FROM inbox WHERE run IN (SELECT id FROM runs WHERE ",
                $column,
                " = $1)"
            ),
            // A key of which one run may begin holds for its time, without the name of the run.
            concat!(
                "UPDATE slots SET holder = '' WHERE until IS NOT NULL
                  AND holder IN (SELECT run_id FROM runs WHERE ",
                $column,
                " = $1)"
            ),
            concat!(
                "DELETE FROM slots WHERE holder IN (SELECT run_id FROM runs WHERE ",
                $column,
                " = $1)"
            ),
            concat!("DELETE FROM runs WHERE ", $column, " = $1"),
        ]
    };
}

/// Counts down the uses of the large bodies that facts of these runs have.
macro_rules! unuse_blobs {
    ($($runs:literal),+) => {
        concat!(
            "UPDATE blobs SET uses = blobs.uses - gone.count
            FROM (SELECT blob, count(*) AS count FROM journal
                WHERE run IN (",
            $($runs),+,
            ") AND blob IS NOT NULL GROUP BY blob) AS gone
            WHERE blobs.hash = gone.blob"
        )
    };
}

/// Counts down the uses of the media that these runs have.
macro_rules! unuse_media {
    ($($runs:literal),+) => {
        concat!(
            "UPDATE media SET uses = media.uses - gone.count
            FROM (SELECT hash, count(*) AS count FROM media_uses
                WHERE run IN (",
            $($runs),+,
            ") GROUP BY hash) AS gone
            WHERE media.hash = gone.hash"
        )
    };
}

const ONE_RUN: [&str; 9] = deletion!("run_id");
const RUNS_OF_SESSION: [&str; 9] = deletion!("session_id");

/// Selects deleted runs whose facts no fork shares any more.
const UNUSED: &str = "SELECT id FROM kept
    WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.origin = kept.id)
      AND NOT EXISTS (SELECT 1 FROM kept AS other WHERE other.origin = kept.id)";

const DELETE_KEPT: [&str; 5] = [
    unuse_blobs!("SELECT id FROM kept WHERE id = $1"),
    unuse_media!("SELECT id FROM kept WHERE id = $1"),
    "DELETE FROM media_uses WHERE run = $1",
    "DELETE FROM journal WHERE run = $1",
    "DELETE FROM kept WHERE id = $1",
];

/// Deletes the bodies and media that no fact refers to.
const UNUSED_BODIES: [&str; 3] = [
    "DELETE FROM blobs WHERE uses <= 0",
    "DELETE FROM media_parts WHERE hash IN (SELECT hash FROM media WHERE uses <= 0)",
    "DELETE FROM media WHERE uses <= 0",
];

/// The facts that run `$1` has of its own.
const FACTS: &str = "SELECT count(*), coalesce(sum(octet_length(body)), 0)
        + (SELECT coalesce(sum(octet_length(blobs.body)), 0) FROM blobs WHERE uses = 1
            AND hash IN (SELECT blob FROM journal WHERE run IN
                (SELECT id FROM runs WHERE run_id = $1)))
        + (SELECT CAST(coalesce(sum(size), 0) AS bigint) FROM media WHERE uses = 1
            AND hash IN (SELECT hash FROM media_uses WHERE run IN
                (SELECT id FROM runs WHERE run_id = $1)))
    FROM journal WHERE run IN (SELECT id FROM runs WHERE run_id = $1)";

/// The signals of run `$1`, and the forks that share its facts.
const SIGNALS_AND_FORKS: &str = "SELECT
    (SELECT count(*) FROM inbox WHERE run = runs.id),
    (SELECT count(*) FROM runs AS fork WHERE fork.origin = runs.id)
    FROM runs WHERE run_id = $1";

/// The runs to delete.
#[derive(Clone, Copy)]
pub(crate) enum Runs {
    One,
    OfSession,
}

/// Deletes runs by the id of the run or of the session: journals, inboxes, rows, and the large
/// bodies that only they had.
pub(crate) async fn delete_runs<C: Connection>(
    c: &mut C,
    runs: Runs,
    id: &str,
) -> Result<(), Failure<C::Error>> {
    let statements = match runs {
        Runs::One => ONE_RUN,
        Runs::OfSession => RUNS_OF_SESSION,
    };
    for sql in statements {
        c.execute(sql, &[id.into()]).await?;
    }
    // Each round may be the end of the last fork of another.
    loop {
        let unused = c.select(UNUSED, &[], |row| row.number(0)).await?;
        if unused.is_empty() {
            break;
        }
        for journal in unused {
            for sql in DELETE_KEPT {
                c.execute(sql, &[journal.into()]).await?;
            }
        }
    }
    for sql in UNUSED_BODIES {
        c.execute(sql, &[]).await?;
    }
    Ok(())
}

/// Deletes a run, unless its status forbids it.
pub(crate) struct Delete(pub(crate) DeleteRun);

impl<C: Connection> Work<C> for Delete {
    type Made = Option<DeletedRun>;
    const TOGETHER: bool = true;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let id = [self.0.run.as_str().into()];
        // Locked, so that no driver takes up the run before it is gone.
        let sql = format!("SELECT status FROM runs WHERE run_id = $1{}", C::DIALECT.lock);
        let status = c.select(sql, &id, |row| row.text(0)).await?.pop();
        let status = status.as_deref().and_then(RunStatus::from_word);
        if !status.is_some_and(|status| self.0.allows(status)) {
            return Ok(None);
        }
        let pair = |row: &C::Row<'_>| {
            let number = |nth| row.number(nth).map(|n| u64::try_from(n).unwrap_or_default());
            Ok((number(0)?, number(1)?))
        };
        let (facts, bytes) = c.select(FACTS, &id, pair).await?.pop().unwrap_or_default();
        let counted = c.select(SIGNALS_AND_FORKS, &id, pair).await?.pop();
        let (signals, forks) = counted.unwrap_or_default();
        if !self.0.dry_run {
            delete_runs(c, Runs::One, self.0.run.as_str()).await?;
        }
        Ok(Some(match forks {
            0 => DeletedRun { facts, signals, bytes, shared: 0 },
            _ => DeletedRun { facts: 0, signals, bytes: 0, shared: facts },
        }))
    }
}
