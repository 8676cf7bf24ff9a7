//! The schedules of a scheduler, and the webhooks of a receiver, each with its workflow.

use std::sync::Arc;
use stepwright_engine::{Run, Workflow};

/// A schedule or a webhook, and its workflow.
#[derive(Clone)]
pub(crate) struct Entry<T> {
    pub(crate) id: Arc<str>,
    pub(crate) workflow: Workflow,
    pub(crate) trigger: T,
    /// Sets options of each run.
    pub(crate) prepare: Arc<dyn Fn(Run) -> Run + Send + Sync>,
}

/// Entries in the order in which they were added. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Entries<T>(Arc<Vec<Entry<T>>>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Entries<T> {
    /// Adds a trigger of a workflow. A later one of the same name replaces it.
    pub(crate) fn add(
        &mut self,
        id: String,
        workflow: &Workflow,
        trigger: T,
        prepare: impl Fn(Run) -> Run + Send + Sync + 'static,
    ) {
        let (id, workflow, prepare) = (id.into(), workflow.clone(), Arc::new(prepare));
        let entry = Entry { id, workflow, trigger, prepare };
        let entries = Arc::make_mut(&mut self.0);
        entries.retain(|other| other.id != entry.id);
        entries.push(entry);
    }
}

impl<T> Entries<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Entry<T>> {
        self.iter().find(|entry| *entry.id == *id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry<T>> {
        self.0.iter()
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.iter().map(|entry| &*entry.id).collect()
    }
}
