//! The effect of a command with its environment.

use crate::is_setting;
use stepwright_core::permission::{CommandLine, Effect, EffectWord};

/// Returns the effect of a command with these variables. A variable without a value is a secret.
///
/// A variable by which programs load or run code is a word before each command, as in
/// `PATH=bin git status`, so a rule for `git *` does not allow it. Rules do not see the others, and
/// none is remembered for a command that has one.
///
/// ```
/// use stepwright_core::permission::{CommandLine, Permissions, Verdict};
/// let permissions = Permissions::default().allow("shell: git *")?;
/// let effect = |env: &[_]| {
///     stepwright_process::effect("shell", CommandLine::of_words(["git", "log"]), env)
/// };
/// let judged = |env: &[_]| permissions.judge(&effect(env)).verdict;
/// assert_eq!(judged(&[("PATH", Some("bin"))]), Verdict::Ask);
/// assert_eq!(judged(&[("TITLE", Some("x"))]), Verdict::Allow);
/// assert_eq!(effect(&[("TITLE", Some("x"))]).rule(), None);
/// # Ok::<(), stepwright_core::permission::RuleError>(())
/// ```
pub fn effect(name: &'static str, mut line: CommandLine, env: &[(&str, Option<&str>)]) -> Effect {
    let mut is_whole = true;
    for (name, value) in env.iter().rev() {
        let shown = value.map_or_else(|| "…".to_owned(), |value| format!("{value:?}"));
        line.shown = format!("{name}={shown} {}", line.shown);
        if !is_setting(name) {
            is_whole = false;
            continue;
        }
        let text = |value| EffectWord::Text(format!("{name}={value}"));
        let word = value.map_or(EffectWord::Unknown, text);
        for command in line.commands.iter_mut().chain(&mut line.inside) {
            command.insert(0, word.clone());
        }
    }
    let effect = Effect::command(name, line);
    if is_whole { effect } else { effect.unremembered() }
}
