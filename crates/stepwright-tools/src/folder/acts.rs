//! The effects on files, as permissions judge them.

use super::Folder;
use crate::effects::{Names, called};
use std::path::{Component, Path, PathBuf};
use stepwright_core::StepError;
use stepwright_core::permission::{Effect, PathForm, PathForms, Subject};

/// Returns the effect on a file, or on the files of a pattern.
pub fn file(
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
pub fn without_dots(path: &Path) -> PathBuf {
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
pub fn is_link(effect: &Effect) -> bool {
    matches!(effect.subject(), Subject::Path(forms) if forms.forms.len() > 1)
}
