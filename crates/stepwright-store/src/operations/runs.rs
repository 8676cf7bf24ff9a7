//! Rows of runs, and the plans that they follow.

use crate::backend::{Attempt, Columns, Connection, Value, Work};
use crate::errors::{Failure, corrupt_row, unnamed_run};
use crate::query::{DRIVERS, Query, SELECT_RUNS, waiting};
use crate::rows::{RunColumns, checked_plan, from_column, moment, to_column};
use crate::sums::Sums;
use stepwright_core::store::{RunFilter, RunRow, SeenDriver, Waiting, WaitingFilter};
use stepwright_core::{RunId, StoreError, Timestamp, WorkflowId};

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

/// Lists the drivers that have background runs of a workflow under way.
pub(crate) struct Drivers(pub(crate) WorkflowId);

impl<C: Connection> Work<C> for Drivers {
    type Made = Vec<SeenDriver>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let read = |row: &C::Row<'_>| {
            // The row of a run whose driver cannot be read is damaged, and is found as such.
            let Ok(driver) = row.text(0) else { return Ok(None) };
            let seen_at = Timestamp(from_column(row.number(1)?));
            Ok(Some(SeenDriver { driver: driver.into(), seen_at }))
        };
        let found = c.select(DRIVERS, &[self.0.as_str().into()], read).await?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// Lists runs that may need a driver.
pub(crate) struct FindWaiting {
    filter: WaitingFilter,
    alive: Vec<String>,
}

impl FindWaiting {
    pub(crate) fn new(filter: WaitingFilter) -> Self {
        let alive = filter.alive.iter().map(ToString::to_string).collect();
        Self { filter, alive }
    }
}

impl<C: Connection> Work<C> for FindWaiting {
    type Made = Waiting;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let WaitingFilter { workflow, now, after, limit, .. } = &self.filter;
        let values = [
            workflow.as_str().into(),
            to_column(*after).into(),
            moment(*now).into(),
            i64::try_from(*limit).unwrap_or(i64::MAX).into(),
            Value::Texts(&self.alive),
        ];
        let sums = c.sums();
        let read = |row: &C::Row<'_>| Ok((row.number(PLACE)?, readable(row, sums)));
        let found = c.select(waiting(C::DIALECT.is_alive), &values, read).await?;
        let next = found.last().map(|(place, _)| from_column(*place));
        let mut page =
            Waiting { next: next.filter(|_| found.len() == *limit), ..Waiting::default() };
        for (_, row) in found {
            match row {
                Ok(row) => page.runs.push(row),
                Err(error) => page.damaged.push(error),
            }
        }
        Ok(page)
    }
}

/// The column of [`SELECT_RUNS`] with the place of the run.
const PLACE: usize = 22;

/// Reads a row of [`SELECT_RUNS`] that may be damaged.
fn readable<R: Columns>(row: &R, sums: Sums) -> Result<RunRow, StoreError> {
    run(row, sums).map_err(|failure| match failure {
        Failure::Refused(error) => error,
        // A column has no value of its type.
        Failure::Sql(error) => match row.text(0).ok().and_then(|name| RunId::new(name).ok()) {
            Some(run) => corrupt_row(&run, &error.to_string()),
            None => unnamed_run(&error),
        },
    })
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
