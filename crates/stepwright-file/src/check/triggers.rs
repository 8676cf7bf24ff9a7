//! Checks of the inputs of triggers, and of notifications.

use super::with::{self, Words};
use super::{Checker, Place};
use crate::format::{Computed, File, Referring};
use crate::source::Span;
use stepwright_core::ErrorId;

/// The names that the address of a notification can refer to.
const CONSTANTS: [&str; 3] = ["vars", "env", "secrets"];

/// The names that an input of a trigger, or the body of a notification, can refer to.
const ROOTS: [&str; 3] = ["input", "vars", "env"];

impl<'a> Checker<'a, '_> {
    /// Checks `on` of the file.
    pub(super) fn triggers(&mut self) {
        let file: &'a File = self.file;
        let Some(on) = &file.on else { return };
        for written in &on.schedules {
            let words = (on.span, "schedule", written.schedule.name());
            match &written.input {
                Some(input) => self.input_of_trigger(input, words),
                None => self.no_input(words),
            }
            for expr in written.input.iter().flat_map(|input| input.expressions()) {
                self.trigger_input(Referring::from(expr));
            }
        }
        for written in &on.webhooks {
            if let Some(input) = &written.input {
                self.input_of_trigger(input, (on.span, "webhook", written.webhook.name()));
            }
            let input = written.input.iter().flat_map(|input| input.expressions());
            for expr in input.chain(&written.when).chain(&written.id).chain(&written.key) {
                self.trigger_input(Referring::from(expr));
            }
        }
    }

    /// Reports an input of a trigger that the workflow refuses whenever it comes.
    fn input_of_trigger(&mut self, input: &Computed, (span, kind, name): (Span, &str, &str)) {
        let words = Words { key: "input", workflow: "this workflow" };
        for (message, help) in with::mistakes(input, self.file.input.as_ref(), words) {
            let message = format!("the {kind} `{name}` begins no run: {message}");
            let mistake = self.at(span, message).coded(ErrorId::INPUT_MISMATCH);
            self.mistakes.push(mistake.maybe_help(help));
        }
    }

    /// Reports a trigger without an input if the workflow needs one.
    fn no_input(&mut self, (span, kind, name): (Span, &str, &str)) {
        let none = Computed::Object(Vec::new());
        let is_object =
            self.file.input.as_ref().is_some_and(|schema| {
                schema["type"] == "object" && schema.get("default").is_none()
            });
        if is_object {
            self.input_of_trigger(&none, (span, kind, name));
        }
    }

    /// Checks `notify` of the file.
    pub(super) fn notifications(&mut self) {
        let file: &'a File = self.file;
        for written in file.notify.iter().flat_map(|notify| &notify.all) {
            let to = Referring::from(&written.to).taking_secrets();
            let of_run = to.references.iter().find(|it| !CONSTANTS.contains(&it.root.as_str()));
            if let Some(reference) = of_run {
                let message = format!("`to` cannot refer to `{}`", reference.root);
                let at = to.written.place(reference.span);
                let help = "an address is the same for all runs: use `secrets`, `env` or `vars`";
                self.mistakes.push(self.at(at, message).help(help));
            } else {
                self.all_of(std::iter::once(to), &Place::default());
            }
            for expr in written.json.iter().flat_map(|json| json.expressions()) {
                self.trigger_input(Referring::from(expr));
            }
        }
    }

    fn trigger_input(&mut self, refers: Referring<'a>) {
        let mut has_input = false;
        let mut is_known = true;
        for reference in refers.references {
            has_input |= reference.root == "input";
            if !ROOTS.contains(&reference.root.as_str()) {
                is_known = false;
                let message = format!("this expression cannot refer to `{}`", reference.root);
                let at = refers.written.place(reference.span);
                let help =
                    "it is outside of the run: use `input`, which says what happened, or `vars`";
                self.mistakes.push(self.at(at, message).label("not known here").help(help));
            }
        }
        // `input` is not the one that the schema of the file describes.
        if is_known && !has_input {
            self.all_of(std::iter::once(refers), &Place::default());
        }
    }
}
