//! Checks of the inputs of triggers.

use super::{Checker, Place};
use crate::format::{File, Referring};

/// The names that an input of a trigger can refer to.
const ROOTS: [&str; 3] = ["input", "vars", "env"];

impl<'a> Checker<'a, '_> {
    /// Checks `on` of the file.
    pub(super) fn triggers(&mut self) {
        let file: &'a File = self.file;
        let Some(on) = &file.on else { return };
        for written in &on.schedules {
            for expr in written.input.iter().flat_map(|input| input.expressions()) {
                self.trigger_input(Referring::from(expr));
            }
        }
        for written in &on.webhooks {
            let input = written.input.iter().flat_map(|input| input.expressions());
            for expr in input.chain(&written.when).chain(&written.id) {
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
                let message = format!("a trigger cannot refer to `{}`", reference.root);
                let at = refers.written.place(reference.span);
                let help = "no run has begun: use `input`, which is what triggered it, or `vars`";
                self.mistakes.push(self.at(at, message).label("not known yet").help(help));
            }
        }
        // `input` is not the one that the schema of the file describes.
        if is_known && !has_input {
            self.all_of(std::iter::once(refers), &Place::default());
        }
    }
}
