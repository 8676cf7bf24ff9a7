//! Edits text in the user's editor.

use crate::interrupt::on_interrupt;
use std::ffi::OsStr;
use std::io::Write as _;
use std::process::Command;

/// Returns the user's editor with its arguments.
pub(super) fn chosen() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    set("VISUAL").or_else(|| set("EDITOR"))
}

/// Opens a text in the editor and returns the result.
///
/// # Errors
/// Returns a message if the text could not be edited.
pub(super) async fn edit(
    editor: String,
    text: String,
    suffix: &'static str,
) -> Result<String, String> {
    let edited = tokio::task::spawn_blocking(move || open(&editor, &text, suffix)).await;
    edited.unwrap_or_else(|_| Err("the editor did not finish".to_owned()))
}

fn open(editor: &str, text: &str, suffix: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("`{editor}` cannot be used: {error}");
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    // The file is readable only by its owner.
    let file = tempfile::Builder::new().prefix("stepwright-").suffix(suffix).tempfile();
    let mut file = file.map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
    let path: &OsStr = file.path().as_ref();
    // Ctrl-C belongs to the editor while it runs.
    let _signals = on_interrupt(|_| {});
    let status = Command::new(program).args(words).arg(path).status().map_err(failed)?;
    if !status.success() {
        return Err(format!("`{editor}` ended with {status}, so nothing was changed"));
    }
    let edited = std::fs::read_to_string(file.path()).map_err(failed)?;
    // Editors end the last line with a line break.
    Ok(match edited.strip_suffix('\n') {
        Some(whole) if !text.ends_with('\n') => whole.to_owned(),
        _ => edited,
    })
}
