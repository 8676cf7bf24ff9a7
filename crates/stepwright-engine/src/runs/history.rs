//! The inputs and outputs of the earlier runs of a session.

use crate::journal::{fold_all, load_all};
use stepwright_core::session::HISTORY_RUNS_MAX;
use stepwright_core::store::RunFilter;
use stepwright_core::{
    AnyStore, Exchange, RunId, RunStatus, SessionId, StoreError, Timestamp, WorkflowId,
};

/// The number of rows that are read at a time.
const PAGE: usize = 200;

/// Returns the last `runs` runs of a session that had ended at `until`, the oldest first: all of
/// them, or only those that completed.
///
/// Runs that end later are left out, so that a resumed run sees the same history as before.
/// `own` is the run that looks: of those that ended in the millisecond `until`, those before it
/// count.
pub(crate) async fn of(
    store: &AnyStore,
    (session, workflow): (&SessionId, Option<&WorkflowId>),
    until: Timestamp,
    (runs, completed_only): (u32, bool),
    own: Option<&RunId>,
) -> Result<Vec<Exchange>, StoreError> {
    let wanted = runs.min(HISTORY_RUNS_MAX) as usize;
    let mut exchanges = Vec::with_capacity(wanted);
    let mut filter = RunFilter {
        session_id: Some(session.clone()),
        workflow_id: workflow.cloned(),
        limit: PAGE,
        ..RunFilter::default()
    };
    let is_of = |status: RunStatus| {
        if completed_only { status == RunStatus::Completed } else { status.is_terminal() }
    };
    // Runs of one millisecond are told apart by their places in the list.
    let mut is_before = own.is_none();
    while exchanges.len() < wanted {
        let page = store.runs(filter.clone()).await?;
        let last = page.len() < PAGE;
        filter.offset += page.len();
        for row in page {
            if exchanges.len() == wanted {
                break;
            }
            if own == Some(&row.run_id) {
                is_before = true;
                continue;
            }
            let ended = row.updated_at < until || (is_before && row.updated_at == until);
            if !ended || !is_of(row.status) {
                continue;
            }
            let facts = load_all(store, &row.run_id).await?;
            // A run that was deleted meanwhile has no history any more.
            let Some(output) = fold_all(&row.run_id, &facts)?.into_output() else { continue };
            exchanges.push(Exchange::of(output));
        }
        if last {
            break;
        }
    }
    exchanges.reverse();
    Ok(exchanges)
}
