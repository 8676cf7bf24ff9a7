//! Between the words of the core and the columns of tables.

use stepwright_core::journal::FACTS_MAX;
use stepwright_core::store::RunRow;
use stepwright_core::{Event, EventKind, RunId, RunStatus, StepPath, StoreError, Timestamp};

// The largest number of a fact fits into the signed integers of a database.
const _: () = assert!(FACTS_MAX < i64::MAX as u64);

/// A fact as its row has it: what its run and its number do not say already.
pub(crate) struct FactRow {
    pub(crate) sequence: u64,
    pub(crate) path: StepPath,
    pub(crate) at: Timestamp,
    pub(crate) body: String,
}

/// What the facts of one append do to the row of their run.
pub(crate) struct Effect {
    /// The row to make, if the first fact begins a run.
    pub(crate) begun: Option<RunRow>,
    /// The status that the run has afterwards, if it changes.
    pub(crate) status: Option<RunStatus>,
    /// When the last fact was recorded.
    pub(crate) at: Timestamp,
}

impl FactRow {
    pub(crate) fn of(fact: &Event) -> Result<Self, StoreError> {
        debug_assert!(fact.is_fact(), "a delta is not remembered: {fact:?}");
        let body = serde_json::to_string(&fact.kind).map_err(|error| StoreError::Unavailable {
            what: format!("fact {} (`{}`) cannot be written as JSON", fact.sequence, fact.path),
            source: error.into(),
            hint: None,
        })?;
        Ok(Self { sequence: fact.sequence, path: fact.path.clone(), at: fact.time, body })
    }
}

impl Effect {
    /// `None` if there are no facts.
    pub(crate) fn of(facts: &[Event]) -> Option<Self> {
        let (first, last) = (facts.first()?, facts.last()?);
        Some(Self {
            begun: RunRow::begun_by(first),
            status: facts.iter().rev().find_map(RunRow::status_after),
            at: last.time,
        })
    }
}

/// The fact of a row. `expected` is the number that must come next.
pub(crate) fn fact(
    run: &RunId,
    expected: u64,
    sequence: u64,
    path: &[u8],
    at: Timestamp,
    body: &[u8],
) -> Result<Event, StoreError> {
    let path = str::from_utf8(path).map(StepPath::from);
    let corrupt = |sequence, path: Option<&StepPath>, what| StoreError::Corrupt {
        run: run.clone(),
        sequence,
        path: path.cloned(),
        what,
    };
    if sequence != expected {
        return Err(corrupt(expected, None, format!("it is missing, {sequence} follows")));
    }
    let path = path.map_err(|error| corrupt(sequence, None, format!("its path: {error}")))?;
    let kind: EventKind = serde_json::from_slice(body)
        .map_err(|error| corrupt(sequence, Some(&path), error.to_string()))?;
    Ok(Event { sequence, delta: 0, time: at, run: run.clone(), path, kind })
}

/// A number of ours as an integer of a database, which has a sign. [`from_column`] undoes it.
pub(crate) fn to_column(number: u64) -> i64 {
    number.cast_signed()
}

/// Undoes [`to_column`].
pub(crate) fn from_column(number: i64) -> u64 {
    number.cast_unsigned()
}
