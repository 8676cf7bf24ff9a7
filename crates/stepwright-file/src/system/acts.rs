//! The effects on this machine, as permissions judge them: commands and files.

use super::shell;
use crate::command;
use crate::effects::SHELL;
use stepwright_core::permission::Effect;

pub(crate) use stepwright_tools::__private::folder::acts::{file, is_link};

/// Returns the effect of a command.
pub(crate) fn command(program: &shell::Program, env: &[(String, String)], stdin: &str) -> Effect {
    let mut line = match program {
        shell::Program::Line(text, args) => command::line(text, args),
        shell::Program::Argv(words) => command::argv(words),
    };
    if !stdin.is_empty() {
        line.shown = format!("{} <<< {stdin:?}", line.shown);
    }
    let env: Vec<_> = env.iter().map(|(name, value)| (&**name, Some(&**value))).collect();
    let effect = stepwright_process::effect(SHELL[0], line, &env);
    if stdin.is_empty() { effect } else { effect.unremembered() }
}
