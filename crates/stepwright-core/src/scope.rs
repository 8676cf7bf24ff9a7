//! The earlier outputs that a step can see.

use crate::path::StepPath;
use crate::status::StepStatus;
use crate::step::StepOutput;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// The earlier outputs that a step can see: those of its earlier siblings, of the nodes around it,
/// and of everything inside these. Parallel branches do not see each other.
///
/// Cheap to clone and to extend, because scopes share their history.
#[derive(Clone, Default)]
pub struct Scope(Option<Arc<Entry>>);

/// The end of a node, as later steps see it. [`Scope`] has them.
pub struct Entry {
    before: Scope,
    path: StepPath,
    status: StepStatus,
    output: Arc<StepOutput>,
    inside: Inside,
    outcome: Option<LoopOutcome>,
}

/// The final scopes of the bodies of a container. One of them needs no memory of its own: each turn
/// of a loop has one.
enum Inside {
    One(Scope),
    All(Vec<Scope>),
}

impl Inside {
    fn all(&self) -> &[Scope] {
        match self {
            Self::One(scope) => std::slice::from_ref(scope),
            Self::All(scopes) => scopes,
        }
    }
}

/// The outcome of a loop, as later steps see it. See
/// [`StepInput::loop_outcome`](crate::StepInput::loop_outcome).
///
/// ```
/// use stepwright_core::scope::LoopOutcome;
/// let outcome = LoopOutcome { iterations: 3, exhausted: true };
/// assert_eq!(serde_json::to_string(&outcome)?, r#"{"iterations":3,"exhausted":true}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoopOutcome {
    /// The number of turns that the loop made.
    pub iterations: u32,
    /// `true` if the loop made all its turns and its condition was not met. Always `false` for a
    /// loop without a condition.
    pub exhausted: bool,
}

impl Scope {
    /// Returns this scope extended by one output. `inside` holds the final scopes of the bodies of
    /// a container: one for a sequence, one per branch, one per turn.
    #[must_use]
    pub fn with(
        self,
        path: StepPath,
        status: StepStatus,
        output: Arc<StepOutput>,
        inside: Vec<Self>,
    ) -> Self {
        self.extended(path, status, output, Inside::All(inside))
    }

    /// Like [`Scope::with`], for a container with one body.
    #[must_use]
    pub fn with_one(
        self,
        path: StepPath,
        status: StepStatus,
        output: Arc<StepOutput>,
        inside: Self,
    ) -> Self {
        self.extended(path, status, output, Inside::One(inside))
    }

    fn extended(
        self,
        path: StepPath,
        status: StepStatus,
        output: Arc<StepOutput>,
        inside: Inside,
    ) -> Self {
        Self(Some(Arc::new(Entry { before: self, path, status, output, inside, outcome: None })))
    }

    /// Sets the outcome of the loop that this scope was just extended by.
    pub fn note_outcome(&mut self, outcome: LoopOutcome) {
        if let Some(entry) = self.0.as_mut().and_then(Arc::get_mut) {
            entry.outcome = Some(outcome);
        }
    }

    /// Returns the previous output, at the same level or around it.
    pub fn last(&self) -> Option<&Entry> {
        self.0.as_deref()
    }

    /// Returns the entries from the latest to the earliest, without those inside them.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        std::iter::successors(self.last(), |entry| entry.before.last())
    }

    /// Returns the latest output with this name. Looks among siblings and the nodes around them
    /// first, then inside these.
    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.latest(&|entry| entry.name() == name)
    }

    /// Returns the outcome of the last loop with this name. Searches like [`Scope::named`].
    pub fn loop_named(&self, name: &str) -> Option<&LoopOutcome> {
        let wanted = |entry: &Entry| entry.name() == name && entry.outcome.is_some();
        self.latest(&wanted)?.outcome.as_ref()
    }

    /// Returns the latest output with this name inside the last entry.
    pub fn inside_last(&self, name: &str) -> Option<&Entry> {
        self.last()?.inner(&|entry| entry.name() == name)
    }

    fn latest(&self, wanted: &dyn Fn(&Entry) -> bool) -> Option<&Entry> {
        self.iter()
            .find(|entry| wanted(entry))
            .or_else(|| self.iter().find_map(|entry| entry.inner(wanted)))
    }

    /// Returns the output at this path.
    pub fn at(&self, path: &str) -> Option<&Entry> {
        self.iter().find_map(|entry| {
            (entry.path.as_str() == path)
                .then_some(entry)
                .or_else(|| entry.inner(&|e| e.path.as_str() == path))
        })
    }

    /// Returns the outputs of all visible steps, without containers, earliest first.
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
            if entry.inside.all().is_empty() {
                leaves.push(entry);
            } else {
                entry.inside.all().iter().for_each(|end| end.collect_until(&entry.before, leaves));
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
    /// Returns the name of the step.
    pub fn name(&self) -> &str {
        self.path.name()
    }

    /// Returns the path of the step.
    pub fn path(&self) -> &StepPath {
        &self.path
    }

    /// Returns the status of the step. Only a completed step has an output.
    pub fn status(&self) -> StepStatus {
        self.status
    }

    /// Returns the output of the step.
    pub fn output(&self) -> &Arc<StepOutput> {
        &self.output
    }

    /// Returns the latest wanted entry inside this one.
    fn inner(&self, wanted: &dyn Fn(&Self) -> bool) -> Option<&Self> {
        self.inside.all().iter().rev().find_map(|end| {
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

// Drop the chain in a loop: ten thousand steps would overflow the stack recursively.
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
        let web = outer.clone().with("facts/web".into(), StepStatus::Completed, out("2"), vec![]);
        let deep = outer.clone().with("facts/a".into(), StepStatus::Completed, out("3"), vec![]);
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
