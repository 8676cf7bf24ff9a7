//! The editor of whoever sits at the terminal.

use crate::interrupt::on_interrupt;
use std::ffi::OsStr;
use std::io::Write as _;
use std::process::Command;

/// The editor that somebody has chosen, with its arguments.
pub(super) fn chosen() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    set("VISUAL").or_else(|| set("EDITOR"))
}

/// What somebody makes of a text in this editor.
///
/// # Errors
/// Why it cannot be edited so.
pub(super) async fn edit(
    editor: String,
    text: String,
    suffix: &'static str,
) -> Result<String, String> {
    let edited = tokio::task::spawn_blocking(move || open(&editor, &text, suffix)).await;
    edited.unwrap_or_else(|_| Err("the editor was given up".to_owned()))
}

fn open(editor: &str, text: &str, suffix: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("`{editor}` cannot be used: {error}");
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    // Only its owner can read it.
    let file = tempfile::Builder::new().prefix("stepwright-").suffix(suffix).tempfile();
    let mut file = file.map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
    let path: &OsStr = file.path().as_ref();
    // Ctrl-C is the editor's.
    let _signals = on_interrupt(|_| {});
    let status = Command::new(program).args(words).arg(path).status().map_err(failed)?;
    if !status.success() {
        return Err(format!("`{editor}` ended with {status}, so nothing was changed"));
    }
    let edited = std::fs::read_to_string(file.path()).map_err(failed)?;
    // Editors end the last line.
    Ok(match edited.strip_suffix('\n') {
        Some(whole) if !text.ends_with('\n') => whole.to_owned(),
        _ => edited,
    })
}
