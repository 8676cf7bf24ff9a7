//! The effects on this machine, as permissions judge them: commands and files.

use super::{Folder, shell};
use crate::command;
use crate::effects::{Names, SHELL, called};
use std::path::{Component, Path, PathBuf};
use stepwright_core::StepError;
use stepwright_core::permission::{Effect, PathForm, PathForms, Subject};

/// Returns the effect of a command.
pub(crate) fn command(program: &shell::Program, env: &[(String, String)], stdin: &str) -> Effect {
    let mut line = match program {
        shell::Program::Line(text, args) => command::line(text, args),
        shell::Program::Argv(words) => command::argv(words),
    };
    for (name, value) in env.iter().rev() {
        line.shown = format!("{name}={value:?} {}", line.shown);
    }
    if !stdin.is_empty() {
        line.shown = format!("{} <<< {stdin:?}", line.shown);
    }
    Effect::command(SHELL[0], line)
}

/// Returns the effect on a file, or on the files of a pattern.
pub(crate) fn file(
    names: Names,
    folder: &Folder,
    path: &str,
    is_pattern: bool,
) -> Result<Effect, StepError> {
    let root = folder.root()?;
    let whole = without_dots(&root.join(path));
    let real = real_path(&whole);
    let mut forms = vec![form(&root, &whole)];
    if real != whole {
        forms.push(form(&root, &real));
    }
    let forms = PathForms { shown: path.to_owned(), forms, is_pattern };
    Ok(called(Effect::file(names[0], forms), names))
}

fn form(root: &Path, path: &Path) -> PathForm {
    let text = |path: &Path| path.to_string_lossy().replace('\\', "/");
    PathForm { relative: path.strip_prefix(root).ok().map(text), absolute: Some(text(path)) }
}

/// Resolves the dots of a path without access to the file system.
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

/// Resolves the links of a path, as far as it exists.
fn real_path(path: &Path) -> PathBuf {
    for known in path.ancestors() {
        if let Ok(real) = known.canonicalize() {
            return match path.strip_prefix(known) {
                Ok(rest) if rest.as_os_str().is_empty() => real,
                Ok(rest) => real.join(rest),
                Err(_) => real,
            };
        }
    }
    path.to_owned()
}

/// Returns `true` if a file is reached through a link.
pub(crate) fn is_link(effect: &Effect) -> bool {
    matches!(effect.subject(), Subject::Path(forms) if forms.forms.len() > 1)
}
