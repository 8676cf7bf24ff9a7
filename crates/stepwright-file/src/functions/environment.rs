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

/// The variables whose values programs run, load or search for programs.
const RUN: [&str; 38] = [
    "PATH",
    "ENV",
    "IFS",
    "PS1",
    "PS2",
    "PS4",
    "SHELL",
    "SHELLOPTS",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "BROWSER",
    "MANPAGER",
    "LESSOPEN",
    "LESSCLOSE",
    "RUBYOPT",
    "RUBYLIB",
    "NODE_OPTIONS",
    "NODE_PATH",
    "CLASSPATH",
    "MAKEFLAGS",
    "MAKEFILES",
    "GREP_OPTIONS",
    "HOME",
    "XDG_CONFIG_HOME",
    "CDPATH",
    "GLOBIGNORE",
    "FPATH",
    "ZDOTDIR",
    "TERMINFO",
    "TERMCAP",
    "WGETRC",
    "CURL_HOME",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "CC",
    "CXX",
    "PROMPT_COMMAND",
];

/// The prefixes of such names.
const RUN_PREFIXES: [&str; 14] = [
    "LD_",
    "DYLD_",
    "BASH",
    "PYTHON",
    "PERL",
    "GIT_",
    "SSH_",
    "JAVA_",
    "JDK_",
    "_JAVA",
    "NPM_",
    "npm_config_",
    "GCONV_",
    "LUA_",
];

/// Returns `true` if a text can be the name of a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_part) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Returns `true` if a program may run the value of a variable with this name.
pub(crate) fn is_run(name: &str) -> bool {
    RUN.contains(&name) || RUN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the variables of this process to pass to a command: the usual ones, and the `named`
/// ones.
pub(super) fn passed(named: &[String]) -> Vec<(OsString, OsString)> {
    let is_passed = |name: &OsString| {
        let Some(name) = name.to_str() else { return false };
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
    };
    std::env::vars_os().filter(|(name, _)| is_passed(name)).collect()
}
