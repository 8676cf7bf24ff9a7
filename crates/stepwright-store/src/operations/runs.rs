//! Rows of runs, and the plans that they follow.

use crate::backend::{Attempt, Columns, Connection, Work};
use crate::errors::Failure;
use crate::query::{Query, SELECT_RUNS, WAITING};
use crate::rows::{RunColumns, checked_plan, moment};
use crate::sums::Sums;
use stepwright_core::store::{RunFilter, RunRow};
use stepwright_core::{RunId, Timestamp, WorkflowId};

/// Finds a run.
pub(crate) struct Find(pub(crate) RunId);

impl<C: Connection> Work<C> for Find {
    type Made = Option<RunRow>;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let (sql, sums) = (format!("{SELECT_RUNS} WHERE run_id = $1"), c.sums());
        let found = c.select(sql, &[self.0.as_str().into()], |row| run(row, sums)).await?;
        Ok(found.into_iter().next())
    }
}

/// Lists runs.
pub(crate) struct List(pub(crate) RunFilter);

impl<C: Connection> Work<C> for List {
    type Made = Vec<RunRow>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let (Query { sql, values }, sums) = (Query::runs(&self.0), c.sums());
        c.select(sql, &values, |row| run(row, sums)).await
    }
}

/// Lists runs that may need a driver.
pub(crate) struct Waiting {
    pub(crate) workflow: WorkflowId,
    pub(crate) now: Timestamp,
    pub(crate) limit: usize,
}

impl<C: Connection> Work<C> for Waiting {
    type Made = Vec<RunRow>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let (sql, sums) = (format!("{SELECT_RUNS}{WAITING}"), c.sums());
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let values = [self.workflow.as_str().into(), moment(self.now).into(), limit.into()];
        c.select(sql, &values, |row| run(row, sums)).await
    }
}

/// Reads a row of [`SELECT_RUNS`].
fn run<R: Columns>(row: &R, sums: Sums) -> Result<RunRow, Failure<R::Error>> {
    let columns = RunColumns {
        run_id: row.text(0)?,
        session_id: row.text(1)?,
        user_id: row.maybe_text(2)?,
        workflow_id: row.text(3)?,
        digest: row.text(4)?,
        status: row.text(5)?,
        created_at: row.number(6)?,
        updated_at: row.maybe_number(7)?,
        wake_at: row.maybe_number(8)?,
        background: row.flag(9)?,
        driver: row.maybe_text(10)?,
        stored_at: row.number(11)?,
        facts: row.maybe_number(12)?,
        sum: row.maybe_number(13)?,
        status_sum: row.maybe_number(14)?,
        driver_sum: row.maybe_number(15)?,
        origin: row.maybe_number(16)?,
        origin_run: row.maybe_text(17)?,
        origin_until: row.maybe_number(18)?,
        metrics: row.maybe_text(19)?,
        metrics_facts: row.maybe_number(20)?,
        metrics_sum: row.maybe_number(21)?,
    };
    Ok(columns.row(sums)?)
}

/// Finds a plan by its digest.
pub(crate) struct Plan(pub(crate) String);

impl<C: Connection> Work<C> for Plan {
    type Made = Option<String>;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let (digest, sums) = (&*self.0, c.sums());
        let sql = "SELECT plan, sum FROM plans WHERE digest = $1";
        let read =
            |row: &C::Row<'_>| Ok(checked_plan(digest, row.text(0)?, row.maybe_number(1)?, sums)?);
        Ok(c.select(sql, &[digest.into()], read).await?.pop())
    }
}

/// Stores a plan, unless there is one with its digest.
pub(crate) struct RememberPlan {
    pub(crate) digest: String,
    pub(crate) plan: String,
}

impl<C: Connection> Work<C> for RememberPlan {
    type Made = ();

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<(), Failure<C::Error>> {
        let sum = c.sums().plan(&self.digest, &self.plan);
        let sql = "INSERT INTO plans (digest, plan, sum) VALUES ($1, $2, $3)
            ON CONFLICT (digest) DO NOTHING";
        c.execute(sql, &[(&*self.digest).into(), (&*self.plan).into(), sum.into()]).await?;
        Ok(())
    }
}
