//! The notifications of a workflow, which store a delivery ahead of each fact that they are about.

use crate::delivery::{State, add};
use crate::notification::{Notification, RunEvent};
use std::sync::Arc;
use stepwright_core::observe::BeforeAppend;
use stepwright_core::{AnyStore, BoxFuture, Event, StoreError, Timestamp, WorkflowId};

/// The notifications of a workflow. Cheap to clone.
///
/// Each process that drives runs of the workflow needs them: it stores the deliveries ahead of the
/// facts that they are about, so that no crash loses one. A [`Notifier`](crate::Notifier) sends
/// them.
///
/// ```
/// use std::sync::Arc;
/// use stepwright_core::Memory;
/// use stepwright_engine::Workflow;
/// use stepwright_triggers::{Notification, Notifications};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// let told = Notification::new("told", "https://hooks.example.org/runs")?;
/// let told = Notifications::new([told]);
/// let workflow = Workflow::builder("greeting").store(Memory::default()).step(greet);
/// let workflow = workflow.before_append(Arc::new(told.clone())).build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Notifications(Arc<[Notification]>);

impl Notifications {
    /// Creates the notifications of a workflow. Of several of one name, the first one counts.
    pub fn new(all: impl IntoIterator<Item = Notification>) -> Self {
        let mut kept: Vec<Notification> = Vec::new();
        for one in all {
            if kept.iter().all(|other| other.name() != one.name()) {
                kept.push(one);
            }
        }
        Self(kept.into())
    }

    /// Returns `true` if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the notifications.
    pub fn iter(&self) -> impl Iterator<Item = &Notification> {
        self.0.iter()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Notification> {
        self.iter().find(|one| one.name() == name)
    }

    /// Returns the deliveries of a fact.
    fn of_fact(&self, workflow: &WorkflowId, fact: &Event) -> Vec<State> {
        let Some(event) = RunEvent::of(fact) else { return Vec::new() };
        let wanted = self.iter().filter(|one| one.has(event));
        wanted
            .map(|one| State {
                workflow: workflow.clone(),
                name: one.name().into(),
                run: fact.run.clone(),
                event,
                sequence: fact.sequence,
                at: fact.time,
                attempts: 0,
                next: Timestamp::default(),
                error: None,
                died: None,
            })
            .collect()
    }
}

impl BeforeAppend for Notifications {
    fn before_append(
        &self,
        store: &AnyStore,
        workflow: &WorkflowId,
        facts: &[Event],
    ) -> Option<BoxFuture<'static, Result<(), StoreError>>> {
        let of_fact = |fact| self.of_fact(workflow, fact);
        let new: Vec<State> = facts.iter().flat_map(of_fact).collect();
        if new.is_empty() {
            return None;
        }
        let store = store.clone();
        Some(Box::pin(async move {
            for state in &new {
                add(&store, state).await?;
            }
            Ok(())
        }))
    }
}
