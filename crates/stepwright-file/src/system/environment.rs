//! The names of environment variables, and the variables that a file may read.

use std::ffi::OsString;
use stepwright_process::is_passed;

/// Returns `true` if a text can be the name of a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_part) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Returns `true` for a variable that a file may read.
pub(crate) fn may_read(name: &str, named: &[String]) -> bool {
    is_passed(name, named)
}

/// Returns the value of a variable, if it is set.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
