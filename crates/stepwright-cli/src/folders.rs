//! The folders of the user: state, configuration and data.

use std::env;
use std::path::PathBuf;

/// The folder of this program in each of them.
const PROGRAM: &str = "stepwright";

fn set(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns a folder of the user: from its XDG variable, or beneath the home folder.
fn of_user(xdg: &str, windows: &str, mac: &str, usual: &str) -> Option<PathBuf> {
    let folder = if cfg!(windows) {
        set(windows)
    } else {
        let beneath = if cfg!(target_os = "macos") { mac } else { usual };
        // The XDG conventions say that relative paths are invalid.
        let named = set(xdg).filter(|folder| folder.is_absolute());
        named.or_else(|| set("HOME").map(|home| home.join(beneath)))
    };
    folder.map(|folder| folder.join(PROGRAM))
}

/// Returns the folder for runs that no project keeps.
pub(crate) fn state() -> Option<PathBuf> {
    of_user("XDG_STATE_HOME", "LOCALAPPDATA", "Library/Application Support", ".local/state")
}

/// Returns the folder for the configuration of the user.
pub(crate) fn configuration() -> Option<PathBuf> {
    of_user("XDG_CONFIG_HOME", "APPDATA", "Library/Application Support", ".config")
}

/// Returns the folder for the lines typed at the prompt.
pub(crate) fn data() -> Option<PathBuf> {
    of_user("XDG_DATA_HOME", "APPDATA", "Library/Application Support", ".local/share")
}
