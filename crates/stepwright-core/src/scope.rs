//! The earlier outputs that a step can see.

use crate::executor::StepOutput;
use crate::output::StepStatus;
use crate::path::StepPath;
use std::fmt;
use std::sync::Arc;

/// What a step can see of what was done before it: the outputs of its earlier siblings, of what
/// encloses it, and of everything inside those. Parallel branches do not see each other.
///
/// Cheap to clone and to extend: scopes share their past.
#[derive(Clone, Default)]
pub struct Scope(Option<Arc<Entry>>);

/// The end of one node, as later steps see it.
pub struct Entry {
    before: Scope,
    path: StepPath,
    status: StepStatus,
    output: Arc<StepOutput>,
    inside: Vec<Scope>,
}

impl Scope {
    /// This scope and one more output. `inside` are the scopes in which the bodies of a container
    /// ended: one for a sequence, one a branch, one an iteration.
    #[must_use]
    pub fn with(
        &self,
        path: StepPath,
        status: StepStatus,
        output: Arc<StepOutput>,
        inside: Vec<Self>,
    ) -> Self {
        Self(Some(Arc::new(Entry { before: self.clone(), path, status, output, inside })))
    }

    /// What came last: the output before, at the same level or around it.
    pub fn last(&self) -> Option<&Entry> {
        self.0.as_deref()
    }

    /// The entries from the latest to the earliest, without what is inside of them.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        std::iter::successors(self.last(), |entry| entry.before.last())
    }

    /// The latest output under this name: first among siblings and what encloses them, then
    /// inside of those. A name that ran more than once gives its last output.
    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.iter()
            .find(|entry| entry.name() == name)
            .or_else(|| self.iter().find_map(|entry| entry.inner(&|e| e.name() == name)))
    }

    /// The output at exactly this address.
    pub fn at(&self, path: &str) -> Option<&Entry> {
        self.iter().find_map(|entry| {
            (entry.path.as_str() == path)
                .then_some(entry)
                .or_else(|| entry.inner(&|e| e.path.as_str() == path))
        })
    }

    /// The outputs of all steps that can be seen, without containers, the earliest first.
    pub fn leaves(&self) -> Vec<&Entry> {
        let mut leaves = Vec::new();
        self.collect_until(&Self::default(), &mut leaves);
        leaves
    }

    fn collect_until<'a>(&'a self, start: &Self, leaves: &mut Vec<&'a Entry>) {
        let mut entries = Vec::new();
        let mut scope = self;
        while let Some(entry) = scope.last().filter(|_| !scope.is(start)) {
            entries.push(entry);
            scope = &entry.before;
        }
        for entry in entries.into_iter().rev() {
            if entry.inside.is_empty() {
                leaves.push(entry);
            } else {
                entry.inside.iter().for_each(|end| end.collect_until(&entry.before, leaves));
            }
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Entry {
    /// The name of the step.
    pub fn name(&self) -> &str {
        self.path.name()
    }

    /// Its address.
    pub fn path(&self) -> &StepPath {
        &self.path
    }

    /// How it ended. Only a completed step has an output worth reading.
    pub fn status(&self) -> StepStatus {
        self.status
    }

    /// What it gave.
    pub fn output(&self) -> &Arc<StepOutput> {
        &self.output
    }

    /// What was done inside of it, the latest first.
    fn inner(&self, wanted: &dyn Fn(&Self) -> bool) -> Option<&Self> {
        self.inside.iter().rev().find_map(|end| {
            let mut scope = end;
            while let Some(entry) = scope.last().filter(|_| !scope.is(&self.before)) {
                if wanted(entry) {
                    return Some(entry);
                }
                if let Some(found) = entry.inner(wanted) {
                    return Some(found);
                }
                scope = &entry.before;
            }
            None
        })
    }
}

// A chain of ten thousand steps is a chain of ten thousand entries: dropped one inside the other
// they would use up the stack.
impl Drop for Entry {
    fn drop(&mut self) {
        let mut next = self.before.0.take();
        while let Some(mut entry) = next.and_then(Arc::into_inner) {
            next = entry.before.0.take();
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.path).field(&self.output.content).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> Arc<StepOutput> {
        Arc::new(StepOutput::from(text))
    }

    fn text(entry: Option<&Entry>) -> Option<String> {
        entry.map(|e| e.output.content.text().into_owned())
    }

    #[test]
    fn names_are_found_beside_first_and_then_inside() {
        let outer = Scope::default().with("a".into(), StepStatus::Completed, out("1"), vec![]);
        let web = outer.with("facts/web".into(), StepStatus::Completed, out("2"), vec![]);
        let deep = outer.with("facts/a".into(), StepStatus::Completed, out("3"), vec![]);
        let after = outer.with("facts".into(), StepStatus::Completed, out("4"), vec![web, deep]);
        assert_eq!(text(after.named("a")).as_deref(), Some("1"));
        assert_eq!(text(after.named("web")).as_deref(), Some("2"));
        assert_eq!(text(after.at("facts/a")).as_deref(), Some("3"));
        assert_eq!(text(after.named("none")), None);
    }

    #[test]
    fn a_very_long_chain_can_be_dropped() {
        let mut scope = Scope::default();
        for _ in 0..200_000 {
            scope = scope.with("s".into(), StepStatus::Completed, out(""), vec![]);
        }
        drop(scope);
    }
}
