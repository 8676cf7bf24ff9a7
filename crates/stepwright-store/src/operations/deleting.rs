//! Deleting single runs.

use crate::backend::{Attempt, Columns, Connection, Work};
use crate::errors::Failure;
use stepwright_core::RunStatus;
use stepwright_core::store::{DeleteRun, DeletedRun};

/// Counts the facts and the signals of run `$1`, and the size of its facts.
const COUNT: &str = "SELECT
    (SELECT count(*) FROM journal WHERE run = runs.id),
    (SELECT count(*) FROM inbox WHERE run = runs.id),
    (SELECT coalesce(sum(octet_length(body)), 0) FROM journal WHERE run = runs.id)
        + (SELECT coalesce(sum(octet_length(blobs.body)), 0) FROM blobs WHERE uses = 1
            AND hash IN (SELECT blob FROM journal WHERE run = runs.id))
    FROM runs WHERE run_id = $1";

/// Deletes run `$1`: the uses of its large bodies, its journal, its inbox and its row.
const DELETE: [&str; 4] = [
    "UPDATE blobs SET uses = blobs.uses - gone.count
        FROM (SELECT blob, count(*) AS count FROM journal
            WHERE run IN (SELECT id FROM runs WHERE run_id = $1) AND blob IS NOT NULL
            GROUP BY blob) AS gone
        WHERE blobs.hash = gone.blob",
    "DELETE FROM journal WHERE run IN (SELECT id FROM runs WHERE run_id = $1)",
    "DELETE FROM inbox WHERE run IN (SELECT id FROM runs WHERE run_id = $1)",
    "DELETE FROM runs WHERE run_id = $1",
];

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
        let counted = c
            .select(COUNT, &id, |row| {
                let number = |nth| row.number(nth).map(|n| u64::try_from(n).unwrap_or_default());
                Ok(DeletedRun { facts: number(0)?, signals: number(1)?, bytes: number(2)? })
            })
            .await?
            .pop();
        if !self.0.dry_run {
            for sql in DELETE {
                c.execute(sql, &id).await?;
            }
            c.execute("DELETE FROM blobs WHERE uses <= 0", &[]).await?;
        }
        Ok(counted)
    }
}
