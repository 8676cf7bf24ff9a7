//! Checks that changes of the session state add up.

use super::Checker;
use crate::diagnostic::Diagnostic;
use crate::format::StateEntry;
use stepwright_core::ErrorId;

impl Checker<'_, '_> {
    /// Refuses to set a key to a value made from its old value. If two runs, or two items of a map,
    /// do this at the same time, one change is lost.
    pub(super) fn sets(&mut self, values: &[StateEntry]) {
        for entry in values {
            let key = entry.key.text.as_str();
            for expr in entry.value.expressions() {
                let reads = expr.expression.references().iter().find(|reference| {
                    // A reference to the whole state includes the key.
                    reference.root == "state"
                        && reference.path.first().is_none_or(|first| first == key)
                });
                let Some(reference) = reads else { continue };
                let message = match reference.path.first() {
                    Some(_) => format!("`set_state` reads `state.{key}`, which it sets"),
                    None => format!("`set_state` reads all of `state`, and sets `{key}` in it"),
                };
                let span = expr.written.place(reference.span);
                let mistake =
                    Diagnostic::new(ErrorId::NAME_UNKNOWN, &expr.written.source, span, message);
                let shown = if key.chars().all(|c| c.is_alphanumeric() || c == '_') {
                    key.to_owned()
                } else {
                    format!("{key:?}")
                };
                let help = format!(
                    "what runs at the same time would be lost; add to it with \
                     `increment_state: {{{shown}: 1}}`, `append_state: {{{shown}: …}}` or \
                     `merge_state: {{{shown}: {{…}}}}`"
                );
                self.mistakes.push(mistake.label("read here").help(help));
            }
        }
    }
}
