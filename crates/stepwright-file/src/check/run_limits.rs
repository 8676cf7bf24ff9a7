//! Checks of the keys of runs.

use super::{Checker, Place};
use crate::format::{Expr, File, Referring};
use crate::shape::Shape;
use crate::source::Span;
use stepwright_core::ErrorId;
use stepwright_engine::OnBusy;

/// The names that exist before a step has run, and are the same when the run is resumed.
const ROOTS: [&str; 4] = ["input", "content", "state", "vars"];

impl<'a> Checker<'a, '_> {
    /// Checks `concurrency` and `dedupe` of the file.
    pub(super) fn run_limits(&mut self, place: &Place<'a>) {
        let file: &'a File = self.file;
        let at_once = file.concurrency.as_ref().and_then(|limit| limit.key.as_ref());
        let once = file.dedupe.as_ref().and_then(|dedupe| dedupe.key.as_ref());
        for (what, key) in [("concurrency", at_once), ("dedupe", once)] {
            if let Some(key) = key {
                self.run_key(what, key, place);
            }
        }
        self.on_busy();
    }

    /// Reports a message that no agent can get.
    fn on_busy(&mut self) {
        let Some(busy) = self.file.on_busy else { return };
        let word = match busy.then {
            OnBusy::Steer => "steer",
            OnBusy::Interrupt => "interrupt",
            _ => return,
        };
        if self.file.has_agents() {
            return;
        }
        let message = format!("`on_busy: {word}` needs an agent, and no step of this file has one");
        let mistake = crate::diagnostic::Diagnostic::new(
            ErrorId::KEY_INVALID,
            &self.file.source,
            busy.span,
            message,
        );
        let help = "the input becomes a message to an agent at work: use `queue` or `reject`";
        self.mistakes.push(mistake.help(help));
    }

    fn run_key(&mut self, what: &str, key: &'a Expr, place: &Place<'a>) {
        let refers = Referring::from(key);
        let others: Vec<_> = refers
            .references
            .iter()
            .filter(|reference| !ROOTS.contains(&reference.root.as_str()))
            .collect();
        for other in &others {
            let message = format!("the key of `{what}` cannot refer to `{}`", other.root);
            let at = refers.written.place(other.span);
            let help = "it is computed before the first step: use `input`, `state` or `vars`";
            let mistake = self.at(at, message).label("not known yet").help(help);
            self.mistakes.push(mistake);
        }
        if !others.is_empty() {
            return;
        }
        self.all_of(std::iter::once(refers), place);
        let shape = self.shape(key, place);
        let (kind, is_constant) = match &shape {
            Shape::List(_) => (Some("a list"), false),
            Shape::Closed(_) | Shape::Object => (Some("an object"), false),
            Shape::Constant(value) if value.is_array() => (Some("a list"), true),
            Shape::Constant(value) if value.is_object() => (Some("an object"), true),
            Shape::Constant(value) if value.is_null() => (Some("nothing"), true),
            Shape::Constant(value) if value.as_str().is_some_and(|text| text.trim().is_empty()) => {
                (Some("an empty text"), true)
            }
            _ => (None, false),
        };
        if let Some(kind) = kind {
            let whole = Span::new(0, key.expression.text().len());
            let verb = if is_constant { "is always" } else { "is" };
            let message = format!("the key of `{what}` {verb} {kind}");
            let mistake =
                self.at(refers.written.place(whole), message).coded(ErrorId::RUN_KEY_INVALID);
            let help = "a key is a text or a number of the input, such as `= input.customer`";
            self.mistakes.push(mistake.help(help));
        }
    }

    /// Reports limits of runs in a file that is a step of another one, which is not a run.
    pub(super) fn no_run_limits(&mut self, inner: &File) {
        let at_once = inner.concurrency.as_ref().map(|limit| ("concurrency", limit.span));
        let once = inner.dedupe.as_ref().map(|dedupe| ("dedupe", dedupe.span));
        let busy = inner.on_busy.map(|busy| ("on_busy", busy.span));
        let on = inner.on.as_ref().map(|on| ("on", on.span));
        let notify = inner.notify.as_ref().map(|notify| ("notify", notify.span));
        let all = at_once.into_iter().chain(once).chain(busy).chain(on).chain(notify);
        for (what, span) in all {
            let message = format!("`{what}` is about runs, and this file is a step of another one");
            let mistake = crate::diagnostic::Diagnostic::new(
                ErrorId::KEY_INVALID,
                &inner.source,
                span,
                message,
            );
            let help = format!("set `{what}` in `{}`", self.file.source.name);
            self.mistakes.push(mistake.help(help));
        }
    }
}
