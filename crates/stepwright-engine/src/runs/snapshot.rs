//! One run as it stands in the store.

use crate::journal::{PAGE, corrupt};
use std::collections::HashMap;
use std::sync::Arc;
use stepwright_core::event::Event;
use stepwright_core::fold::Fold;
use stepwright_core::store::{RunRow, Signal, SignalKind};
use stepwright_core::{
    AnyStore, Error, ErrorId, ErrorKind, EventKind, Requirement, RunOutput, RunStatus, Timestamp,
};

/// A run as it stood in its store when it was loaded: see [`Runs::load`](super::Runs::load).
///
/// ```
/// # use stepwright_core::{AnyStore, Memory, RunStatus};
/// # use stepwright_engine::{Runs, Workflow};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let memory = Memory::default();
/// # let workflow = Workflow::builder("Greeting").store(memory.clone()).step(greet).build()?;
/// # let run = workflow.run("Ada").await?.run_id;
/// let snapshot = Runs::of(AnyStore::new(memory)).load(&run).await?;
/// assert_eq!(snapshot.status(), RunStatus::Completed);
/// assert!(snapshot.unanswered().is_empty() && snapshot.row().driver.is_none());
/// assert_eq!(snapshot.into_output().content.text(), "Hello Ada");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Snapshot {
    row: RunRow,
    fold: Fold,
    /// Empty if the facts are not kept.
    facts: Vec<Event>,
    inbox: Vec<Signal>,
    asked: HashMap<Arc<str>, Asked>,
}

/// The place of a request in the journal.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// The number of the fact that made it last.
    made: u64,
    /// The number of the first pause after that.
    paused: Option<u64>,
}

impl Snapshot {
    pub(super) async fn load(
        store: &AnyStore,
        row: RunRow,
        keeps_facts: bool,
    ) -> Result<Self, Error> {
        let run = &row.run_id;
        let (mut fold, mut facts, mut asked) = (Fold::default(), Vec::new(), HashMap::new());
        loop {
            let page = store.load(run, fold.next_sequence(), PAGE).await?;
            for fact in &page {
                fold.apply(fact).map_err(|illegal| corrupt(run, &illegal))?;
                note(&mut asked, fact);
            }
            let last = page.len() < PAGE;
            if keeps_facts {
                facts.extend(page);
            }
            if last {
                break;
            }
        }
        if fold.started().is_none() {
            let what = format!("the journal of run `{run}` has no beginning");
            return Err(Error::new(ErrorKind::Store, what).with_id(ErrorId::JOURNAL_DAMAGED));
        }
        let inbox = if fold.status().is_terminal() { Vec::new() } else { store.inbox(run).await? };
        Ok(Self { row, fold, facts, inbox, asked })
    }

    /// Returns the row of the run.
    pub fn row(&self) -> &RunRow {
        &self.row
    }

    /// Returns the signals in the run's inbox. A run that has ended has none.
    pub fn inbox(&self) -> &[Signal] {
        &self.inbox
    }

    /// Returns the status of the run, according to its journal.
    pub fn status(&self) -> RunStatus {
        self.fold.status()
    }

    /// Returns the pending requests that people must answer, without those that have an answer in
    /// the inbox.
    pub fn unanswered(&self) -> Vec<Requirement> {
        let open = self.fold.requirements().iter().filter(|asked| asked.needs_person());
        open.filter(|asked| self.waiting_answer(&asked.id).is_none()).cloned().collect()
    }

    /// Returns the number of the fact that made this request. The same request made anew, as by a
    /// retry, has another one.
    pub fn asked_at(&self, id: &str) -> Option<u64> {
        self.asked.get(id).map(|asked| asked.made)
    }

    /// Returns the number of the first pause after this request was made.
    pub fn paused_at(&self, id: &str) -> Option<u64> {
        self.asked.get(id).and_then(|asked| asked.paused)
    }

    /// Returns the deadline for an answer to this request: see [`Fold::answer_due`].
    pub fn answer_due(&self, id: &str) -> Option<Timestamp> {
        self.fold.answer_due(id)
    }

    /// Returns the output so far.
    pub fn output(&self) -> RunOutput {
        let mut output = self.fold.output().expect("a snapshot has a beginning");
        self.row.tell(&mut output);
        output
    }

    /// Returns the output so far, without a copy.
    pub fn into_output(self) -> RunOutput {
        self.into_parts().0
    }

    /// Returns the output so far, and the facts if they were kept.
    pub(crate) fn into_parts(self) -> (RunOutput, Vec<Event>) {
        let mut output = self.fold.into_output().expect("a snapshot has a beginning");
        self.row.tell(&mut output);
        (output, self.facts)
    }

    pub(crate) fn facts(&self) -> &[Event] {
        &self.facts
    }

    pub(crate) fn into_facts(self) -> Vec<Event> {
        self.facts
    }

    pub(crate) fn fold(&self) -> &Fold {
        &self.fold
    }

    /// Returns the signal in the inbox that answers this request. The run takes it when it is
    /// driven.
    pub fn waiting_answer(&self, id: &str) -> Option<&Signal> {
        answer_in(&self.inbox, id)
    }
}

/// Notes the place of a request.
fn note(asked: &mut HashMap<Arc<str>, Asked>, fact: &Event) {
    if let Some(request) = fact.kind.requirement() {
        asked.insert(request.id.clone(), Asked { made: fact.sequence, paused: None });
    } else if matches!(fact.kind, EventKind::WorkflowPaused { .. }) {
        for one in asked.values_mut() {
            one.paused.get_or_insert(fact.sequence);
        }
    } else if matches!(fact.kind, EventKind::WorkflowForked { .. }) {
        // The pauses before it were those of its origin.
        for one in asked.values_mut() {
            one.paused = None;
        }
    }
}

/// Returns the signal that answers the request with this id.
pub(super) fn answer_in<'a>(inbox: &'a [Signal], id: &str) -> Option<&'a Signal> {
    inbox.iter().find(|signal| match &signal.kind {
        SignalKind::Answer(reply) => *reply.requirement_id == *id,
        _ => false,
    })
}
