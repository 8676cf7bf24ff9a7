//! The forms of a path, as rules of permissions compare it.

use std::path::{Component, Path, PathBuf};
use stepwright_core::permission::{PathForm, PathForms};

/// Returns the forms of a path beneath `root`: as it is written, and as the system resolves it.
/// `path` may be absolute, and `shown` is the text for people.
///
/// ```
/// use std::path::Path;
/// let forms = stepwright_process::paths::forms(Path::new("/"), Path::new("a/../b"), "b", false);
/// assert_eq!(forms.forms[0].relative.as_deref(), Some("b"));
/// ```
pub fn forms(root: &Path, path: &Path, shown: impl Into<String>, is_pattern: bool) -> PathForms {
    let written = root.join(path);
    let whole = without_dots(&written);
    let mut all = vec![whole.clone()];
    // The system follows a link before it goes to the folder above.
    for real in [real(&whole), real(&written)] {
        if !all.contains(&real) {
            all.push(real);
        }
    }
    let form = |path: &PathBuf| PathForm {
        relative: path.strip_prefix(root).ok().map(text),
        absolute: Some(text(path)),
    };
    let forms = all.iter().map(form).collect();
    PathForms { shown: shown.into(), forms, is_pattern, ..PathForms::default() }
}

/// Adds the forms of a path relative to the directories around `root`, for rules that deny or ask.
///
/// ```
/// use std::path::Path;
/// use stepwright_process::paths::{forms, with_around};
/// let root = Path::new("/base/site");
/// let forms = forms(root, Path::new("a"), "a", false);
/// let forms = with_around(forms, root, Path::new("a"), &["/base".into()]);
/// assert_eq!(forms.around[0].relative.as_deref(), Some("site/a"));
/// ```
pub fn with_around(mut of: PathForms, root: &Path, path: &Path, around: &[PathBuf]) -> PathForms {
    for outer in around.iter().filter(|outer| *outer != root) {
        let known = forms(outer, &root.join(path), "", of.is_pattern).forms;
        of.around.extend(known.into_iter().filter(|form| form.relative.is_some()));
    }
    of
}

fn text(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// Resolves the dots of a path without access to the file system.
///
/// ```
/// use std::path::Path;
/// let plain = stepwright_process::paths::without_dots(Path::new("/a/./b/../c"));
/// assert_eq!(plain, Path::new("/a/c"));
/// ```
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
fn real(path: &Path) -> PathBuf {
    for known in path.ancestors() {
        if let Ok(real) = known.canonicalize() {
            let rest = path.strip_prefix(known).unwrap_or(Path::new(""));
            // What does not exist has no links, and `join` would add a slash to a whole path.
            return if rest.as_os_str().is_empty() { real } else { without_dots(&real.join(rest)) };
        }
    }
    path.to_owned()
}
