//! Reads the facts of a run from its store, and folds them.

use stepwright_core::event::Event;
use stepwright_core::fold::{Fold, IllegalEvent};
use stepwright_core::{AnyStore, RunId, StoreError};

/// The number of facts that are read from a store at a time.
pub(crate) const PAGE: usize = 10_000;

/// Reads all facts of a run.
pub(crate) async fn load_all(store: &AnyStore, run: &RunId) -> Result<Vec<Event>, StoreError> {
    load_after(store, run, 0).await
}

/// Reads the facts of a run from the sequence number `from` on.
pub(crate) async fn load_after(
    store: &AnyStore,
    run: &RunId,
    from: u64,
) -> Result<Vec<Event>, StoreError> {
    let mut facts: Vec<Event> = Vec::new();
    loop {
        let page = store.load(run, from + facts.len() as u64, PAGE).await?;
        let last = page.len() < PAGE;
        if facts.is_empty() {
            facts = page;
        } else {
            facts.extend(page);
        }
        if last {
            return Ok(facts);
        }
    }
}

/// Folds all facts of a run.
pub(crate) fn fold_all(run: &RunId, facts: &[Event]) -> Result<Fold, StoreError> {
    let mut fold = Fold::default();
    for fact in facts {
        fold.apply(fact).map_err(|illegal| corrupt(run, &illegal))?;
    }
    Ok(fold)
}

/// Makes the error for a journal in which a fact cannot follow the facts before it.
pub(crate) fn corrupt(run: &RunId, illegal: &IllegalEvent) -> StoreError {
    StoreError::Corrupt {
        run: run.clone(),
        sequence: illegal.sequence,
        path: Some(illegal.path.clone()),
        what: illegal.to_string(),
    }
}
