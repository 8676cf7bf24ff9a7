//! The effects of coding agents, as permissions judge them.

use crate::event::{Act, Question};
use crate::kind::HarnessKind;
use std::path::{Component, Path, PathBuf};
use stepwright_core::permission::{CommandLine, Effect, PathForm, PathForms};

/// Returns the effect of starting an agent.
pub(crate) fn start(kind: &HarnessKind, words: &[String]) -> Effect {
    let line = CommandLine::of_words(words);
    Effect::command("shell", line).also(format!("harness:{}", kind.name()))
}

/// Returns the effects of a tool call that an agent asks about. All of them must be permitted.
pub(crate) fn asked(
    kind: &HarnessKind,
    question: &Question,
    base: &Path,
    dir: &Path,
    split: fn(&str) -> CommandLine,
) -> Vec<Effect> {
    let tool = rule_name(&question.tool);
    let named = |effect: Effect| effect.also(format!("harness:{}:{tool}", kind.name()));
    let files = |name: &str, other: &str, paths: &[PathBuf]| -> Vec<Effect> {
        let file = |path: &PathBuf| {
            named(Effect::file(name.to_owned(), forms(base, dir, path)).also(other.to_owned()))
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

/// Returns the forms of a path: as the agent has it, and without links.
fn forms(base: &Path, dir: &Path, path: &Path) -> PathForms {
    let whole = without_dots(&dir.join(path));
    let real = real(&whole);
    let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
    let mut forms = vec![form(&base, &whole)];
    if real != whole {
        forms.push(form(&base, &real));
    }
    // A worktree stands for its repository only as itself.
    PathForms { shown: path.display().to_string(), forms, is_pattern: false }
}

fn form(base: &Path, path: &Path) -> PathForm {
    let text = |path: &Path| path.to_string_lossy().replace('\\', "/");
    PathForm { relative: path.strip_prefix(base).ok().map(text), absolute: Some(text(path)) }
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// Returns the path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let mut rest = Vec::new();
    let mut there = path;
    loop {
        if let Ok(real) = there.canonicalize() {
            return rest.iter().rev().fold(real, |path, name| path.join(name));
        }
        let (Some(parent), Some(name)) = (there.parent(), there.file_name()) else {
            return path.to_owned();
        };
        rest.push(name.to_owned());
        there = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
