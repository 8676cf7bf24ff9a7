//! Looks at runs without touching them: what is in the store, folded.

use crate::args::{In, OneRun};
use crate::database::{Database, Opened};
use std::collections::HashMap;
use std::sync::Arc;
use stepwright::store::RunRow;
use stepwright::{AnyStore, Error, ErrorKind, Event, RunId, RunOutput, StoreError, Timestamp};
use stepwright_core::fold::Fold;

/// How many events are read from a store at once.
const PAGE: usize = 1_000;

/// A run as the store has it.
pub(crate) struct Looked {
    pub(crate) row: RunRow,
    pub(crate) output: RunOutput,
    /// When answers to what it waits for come too late, by name.
    pub(crate) dues: HashMap<Arc<str>, Timestamp>,
}

/// Where to look.
///
/// # Errors
/// If nobody said it.
pub(crate) fn database(kept: &In) -> Result<Database, Error> {
    kept.database().ok_or_else(|| {
        Error::usage("nobody says which database to look into")
            .with_hint("add `--db DB`, or set `STEPWRIGHT_DB`")
    })
}

/// Opens the database to look into.
pub(crate) async fn opened(kept: &In) -> Result<Opened, Error> {
    database(kept)?.open_existing().await
}

/// What is known of a run without reading its journal. A run of another user than the one who asks,
/// if that is said, is one that does not exist.
pub(crate) async fn row(store: &AnyStore, wanted: &OneRun) -> Result<RunRow, Error> {
    let OneRun { run, user, .. } = wanted;
    let row = store.run(run).await?;
    row.filter(|row| user.is_none() || row.user_id == *user).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("run `{run}` was not found"))
            .with_hint("`stepwright runs` lists those that are there")
    })
}

/// All that is known of a run.
pub(crate) async fn run(store: &AnyStore, wanted: &OneRun) -> Result<Looked, Error> {
    let row = row(store, wanted).await?;
    let run = &wanted.run;
    let mut fold = Fold::default();
    loop {
        let facts = page(store, run, fold.next_sequence()).await?;
        for fact in &facts {
            fold.apply(fact).map_err(|illegal| StoreError::Corrupt {
                run: run.clone(),
                sequence: fact.sequence,
                path: Some(fact.path.clone()),
                what: illegal.to_string(),
            })?;
        }
        if facts.len() < PAGE {
            break;
        }
    }
    let asked = fold.requirements().iter();
    let dues = asked.filter_map(|asked| Some((asked.id.clone(), fold.answer_due(&asked.id)?)));
    let dues = dues.collect();
    let output = fold.into_output();
    let mut output = output.ok_or_else(|| {
        Error::new(ErrorKind::Store, format!("the journal of run `{run}` has no beginning"))
    })?;
    row.tell(&mut output);
    Ok(Looked { row, output, dues })
}

/// Facts of a run from this number on: fewer than asked for only at their end.
pub(crate) async fn page(
    store: &AnyStore,
    run: &RunId,
    from: u64,
) -> Result<Vec<Event>, StoreError> {
    store.load(run, from, PAGE).await
}

/// Whether more may follow a page of so many facts.
pub(crate) fn is_full(page: &[Event]) -> bool {
    page.len() == PAGE
}
