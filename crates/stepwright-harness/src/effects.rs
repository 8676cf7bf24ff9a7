//! The effects of coding agents, as permissions judge them.

use crate::event::{Act, Question};
use crate::kind::HarnessKind;
use std::path::{Path, PathBuf};
use stepwright_core::permission::{CommandLine, Effect, PathForms};
use stepwright_process::paths;

/// The variables of a process with their values, unless they are secrets.
pub(crate) type Env<'a> = &'a [(&'a str, Option<&'a str>)];

/// Returns the effect of starting an agent.
pub(crate) fn start(kind: &HarnessKind, words: &[String], env: Env<'_>) -> Effect {
    let line = CommandLine::of_words(words);
    stepwright_process::effect("shell", line, env).also(format!("harness:{}", kind.name()))
}

/// Returns the effects of a tool call that an agent asks about. All of them must be permitted.
pub(crate) fn asked(
    kind: &HarnessKind,
    question: &Question,
    (base, around): (&Path, Option<&Path>),
    dir: &Path,
    split: fn(&str) -> CommandLine,
) -> Vec<Effect> {
    let tool = rule_name(&question.tool);
    let named = |effect: Effect| effect.also(format!("harness:{}:{tool}", kind.name()));
    let files = |name: &str, other: &str, paths: &[PathBuf]| -> Vec<Effect> {
        let file = |path: &PathBuf| {
            named(
                Effect::file(name.to_owned(), forms((base, around), dir, path))
                    .also(other.to_owned()),
            )
        };
        paths.iter().map(file).collect()
    };
    match &question.act {
        Act::Command(line) if !line.trim().is_empty() => {
            vec![named(Effect::command("shell", split(line)))]
        }
        Act::Write(paths) if !paths.is_empty() => files("write_file", "write_file", paths),
        Act::Read(paths) if !paths.is_empty() => files("read_file", "read_files", paths),
        _ => {
            let name = format!("harness:{}:{tool}", kind.name());
            vec![Effect::call(name, &question.arguments)]
        }
    }
}

/// Returns the name of a tool as rules have it, in which a star would be a pattern.
fn rule_name(raw: &str) -> String {
    let is_one = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    raw.chars().map(|c| if is_one(c) { c } else { '_' }).collect()
}

/// Splits a command line that consists of plain words. Any other is unclear.
pub(crate) fn plain_words(line: &str) -> CommandLine {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@%+, ".contains(c);
    let words = line.split(' ').filter(|word| !word.is_empty());
    let mut split = CommandLine::of_words(words);
    line.clone_into(&mut split.shown);
    split.is_unclear = !line.chars().all(is_plain) || line.trim_start().starts_with('%');
    split
}

/// Returns the forms of a path: those relative to `base`, and, for rules that deny or ask, those
/// relative to the directory that a workspace takes the place of. A worktree stands for its
/// repository only as itself.
fn forms((base, around): (&Path, Option<&Path>), dir: &Path, path: &Path) -> PathForms {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (base, whole) = (real(base), dir.join(path));
    let forms = paths::forms(&base, &whole, path.display().to_string(), false);
    let around: Vec<PathBuf> = around.map(real).into_iter().collect();
    paths::with_around(forms, &base, &whole, &around)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The system follows a link before it goes to the folder above.
    #[cfg(unix)]
    #[test]
    fn a_path_above_a_link_has_the_form_that_the_system_gives_it() {
        let (base, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let inner = elsewhere.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::os::unix::fs::symlink(&inner, base.path().join("link")).unwrap();
        let forms = forms((base.path(), None), base.path(), Path::new("link/../key"));
        let real = elsewhere.path().canonicalize().unwrap().join("key").display().to_string();
        let all: Vec<_> = forms.forms.iter().filter_map(|form| form.absolute.clone()).collect();
        assert!(all.contains(&real), "{all:?}");
    }

    #[test]
    fn only_plain_words_are_clear() {
        for clear in ["git status", "cargo test -p a --all", "ls  ./src"] {
            assert!(!plain_words(clear).is_unclear, "{clear}");
        }
        for unclear in ["git status; rm x", "echo $HOME", "a | b", "echo 'x'", "a\nb", "~/x", "a*"]
        {
            assert!(plain_words(unclear).is_unclear, "{unclear}");
        }
    }
}
