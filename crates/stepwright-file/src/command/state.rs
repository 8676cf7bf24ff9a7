//! The state of the check of one command, and the checks of single words.

use super::programs::is_setting;
use super::script::{Checked, DEPTH_MAX, Word, Wrong};
use super::written::Written;
use crate::source::Span;

/// The state of the check of one command.
#[derive(Default)]
pub(super) struct Rules {
    /// The files that the script writes.
    pub(super) written: Written,
    pub(super) depth: usize,
    pub(super) bytes: usize,
}

impl Rules {
    /// Does the work one level deeper.
    pub(super) fn deeper(&mut self, at: Span, work: impl FnOnce(&mut Self) -> Checked) -> Checked {
        if self.depth >= DEPTH_MAX {
            return Err((at, Wrong::TooIntricate));
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }
}

pub(super) fn assignment(word: &Word, name: &str, is_element: bool) -> Checked {
    if is_element {
        return Err((word.span, Wrong::Construct("the index of an array")));
    }
    if word.is_dynamic() && is_setting(name) {
        return Err((word.span, Wrong::Setting(name.to_owned())));
    }
    Ok(())
}
