//! The effects on files, as permissions judge them.

use super::Folder;
use crate::effects::{Names, called};
use std::path::Path;
use stepwright_core::StepError;
use stepwright_core::permission::{Effect, Subject};
pub use stepwright_process::paths::without_dots;
use stepwright_process::paths::{forms, with_around};

/// Returns the effect on a file, or on the files of a pattern.
pub fn file(
    names: Names,
    folder: &Folder,
    path: &str,
    is_pattern: bool,
) -> Result<Effect, StepError> {
    let root = folder.root()?;
    let path_of = Path::new(path);
    let forms = forms(&root, path_of, path, is_pattern);
    let forms = with_around(forms, &root, path_of, &folder.around);
    Ok(called(Effect::file(names[0], forms), names))
}

/// Returns `true` if a file is reached through a link.
pub fn is_link(effect: &Effect) -> bool {
    matches!(effect.subject(), Subject::Path(forms) if forms.forms.len() > 1)
}
