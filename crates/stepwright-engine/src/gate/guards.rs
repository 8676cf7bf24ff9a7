//! The permissions that hold at each place of a run.

use std::sync::Arc;
use stepwright_core::StepPath;
use stepwright_core::permission::{Effect, Permissions, Rule, Verdict};

/// The permissions of a workflow, of its user, or of a workflow that is a step.
#[derive(Clone)]
pub(crate) struct Guard {
    /// The node of the workflow that the permissions belong to. `None` for the whole run.
    pub(crate) node: Option<u32>,
    /// The owner of the permissions, as messages name it.
    pub(crate) by: Arc<str>,
    pub(crate) permissions: Arc<Permissions>,
}

/// The permissions of a run under way.
pub(crate) struct Guards {
    all: Arc<[Guard]>,
    /// The places of permissions that hold beneath a path.
    inside: Vec<(StepPath, usize)>,
    /// The permissions of workflows that tool calls run, with their paths.
    called: Vec<(StepPath, Guard)>,
    /// The rules that a person wants to hold for the session, or for this run.
    remembered: Permissions,
    /// Those of them that the session may not have yet.
    added: Vec<Arc<str>>,
}

/// The verdict about an effect.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) rule: Option<Rule>,
    pub(crate) by: Arc<str>,
}

impl Guards {
    pub(crate) fn new(all: Arc<[Guard]>) -> Self {
        let (inside, remembered, added) = (Vec::new(), Permissions::default(), Vec::new());
        Self { all, inside, called: Vec::new(), remembered, added }
    }

    /// Returns `true` if no permissions hold anywhere, and no person has said something for the
    /// session.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.remembered.is_empty()
    }

    /// Notes that the node at `path` begins, with the permissions that belong to it.
    pub(crate) fn enter(&mut self, node: u32, path: &StepPath) {
        for (place, guard) in self.all.iter().enumerate() {
            let entry = (path.clone(), place);
            if guard.node == Some(node) && !self.inside.contains(&entry) {
                self.inside.push(entry);
            }
        }
    }

    /// Notes that a workflow begins at `path` that a tool call runs, with permissions of its own.
    pub(crate) fn enter_called(&mut self, guard: &Guard, path: &StepPath) {
        let is_same = |(at, known): &(StepPath, Guard)| {
            at == path && Arc::ptr_eq(&known.permissions, &guard.permissions)
        };
        if !self.called.iter().any(is_same) {
            self.called.push((path.clone(), guard.clone()));
        }
    }

    /// Judges an effect at `path`. The strictest permissions decide. `None` if none hold there.
    pub(crate) fn judge(&self, path: &StepPath, effect: &Effect) -> Option<Judged> {
        let whole = self.all.iter().filter(|guard| guard.node.is_none());
        let inside = self.inside.iter().filter(|(at, _)| at.contains(path));
        let inside = inside.map(|(_, place)| &self.all[*place]);
        let called = self.called.iter().filter(|(at, _)| at.contains(path));
        let inside = inside.chain(called.map(|(_, guard)| guard));
        let mut strictest: Option<Judged> = None;
        for guard in whole.chain(inside) {
            let judged = guard.permissions.judge(effect);
            if strictest.as_ref().is_none_or(|other| other.verdict < judged.verdict) {
                let (verdict, rule, by) = (judged.verdict, judged.rule, guard.by.clone());
                strictest = Some(Judged { verdict, rule, by });
            }
        }
        let judged = strictest?;
        if judged.verdict != Verdict::Ask {
            return Some(judged);
        }
        // A person who is asked has the last word, and has given it for the session.
        Some(self.earlier(effect).unwrap_or(judged))
    }

    /// Returns what a person has said about an effect for the session.
    pub(crate) fn earlier(&self, effect: &Effect) -> Option<Judged> {
        let earlier = self.remembered.judge(effect);
        match (earlier.verdict, earlier.rule) {
            (Verdict::Allow, Some(rule)) => {
                let by = "an earlier answer".into();
                Some(Judged { verdict: Verdict::Allow, rule: Some(rule), by })
            }
            _ => None,
        }
    }

    /// Remembers a rule. `is_new` is `false` if it holds for the run alone, or if the session has
    /// it already.
    pub(crate) fn remember(&mut self, rule: &str, is_new: bool) {
        let Ok(parsed) = rule.parse::<Rule>() else { return };
        if !self.remembered.allow.contains(&parsed) {
            self.remembered.allow.push(parsed);
            if is_new {
                self.added.push(rule.into());
            }
        }
    }

    /// Returns the rules that the session may not have yet.
    pub(crate) fn added(&self) -> &[Arc<str>] {
        &self.added
    }

    /// Notes that the session has these rules.
    pub(crate) fn kept(&mut self, rules: &[Arc<str>]) {
        self.added.retain(|rule| !rules.contains(rule));
    }
}
