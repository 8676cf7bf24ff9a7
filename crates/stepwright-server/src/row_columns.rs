//! The columns of lists that the row of a run has not, or only when the run has ended.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use stepwright_core::store::RunRow;
use stepwright_core::{Content, Metrics, RunId, RunOutput, Timestamp};
use stepwright_engine::Runs;

/// The characters of an input.
const INPUT: usize = 200;

/// The runs whose columns are remembered.
const REMEMBERED: usize = 5_000;

/// The columns of a run in a list, besides its row.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) input: String,
    pub(crate) tokens: u64,
    /// In US dollars. `None` if the price of a model is not known.
    pub(crate) cost: Option<f64>,
}

/// The columns of runs that have ended, so that a list reads the facts of each once.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<RunId, (Timestamp, Columns)>>);

impl Columns {
    pub(crate) fn of(output: &RunOutput) -> Self {
        Self::new(&output.input, &output.metrics)
    }

    fn new(input: &Content, metrics: &Metrics) -> Self {
        let cost = metrics.cost;
        Self {
            input: input.text().chars().take(INPUT).collect(),
            tokens: metrics.usage.total_tokens(),
            cost: (cost.unpriced_requests() == 0).then(|| cost.as_usd()),
        }
    }
}

/// Returns the columns of a run. `None` if its facts cannot be read. The row of a run that has
/// ended has its metrics, so that only its input is read.
pub(crate) async fn of(known: &Known, runs: &Runs, row: &RunRow) -> Option<Columns> {
    let lock = || known.0.lock().unwrap_or_else(PoisonError::into_inner);
    let found = lock().get(&row.run_id).filter(|(at, _)| *at == row.updated_at).cloned();
    if let Some((_, columns)) = found {
        return Some(columns);
    }
    let columns = match &row.metrics {
        Some(metrics) => Columns::new(&runs.input(&row.run_id).await.ok()?, metrics),
        None => Columns::of(&runs.get(&row.run_id).await.ok()?),
    };
    if row.status.is_terminal() {
        let mut all = lock();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(row.run_id.clone(), (row.updated_at, columns.clone()));
    }
    Some(columns)
}
