//! The environment of a command: the variables that every program needs, and those that were named.

use std::ffi::OsString;

/// The variables that every command gets if they are set. None of them holds a secret.
const PASSED: [&str; 14] = [
    "PATH",
    "HOME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TEMP",
    "TMP",
];

/// The variables that programs need to start on Windows.
const PASSED_ON_WINDOWS: [&str; 14] = [
    "SystemRoot",
    "SystemDrive",
    "windir",
    "ComSpec",
    "PATHEXT",
    "USERNAME",
    "USERPROFILE",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "ProgramData",
    "ProgramFiles",
    "NUMBER_OF_PROCESSORS",
];

/// Returns the variables of this process to pass to a command: the usual ones, and the `named`
/// ones.
pub fn passed(named: &[String]) -> Vec<(OsString, OsString)> {
    let is_one = |name: &OsString| name.to_str().is_some_and(|name| is_passed(name, named));
    std::env::vars_os().filter(|(name, _)| is_one(name)).collect()
}

/// Returns `true` for the variables that every program needs, and for those that were named.
pub fn is_passed(name: &str, named: &[String]) -> bool {
    let one_of = |names: &[&str]| {
        if cfg!(windows) {
            names.iter().any(|other| other.eq_ignore_ascii_case(name))
        } else {
            names.contains(&name)
        }
    };
    one_of(&PASSED)
        || name.starts_with("LC_")
        || cfg!(windows) && one_of(&PASSED_ON_WINDOWS)
        || named.iter().any(|other| other == name)
}
