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

/// Words at the end of a part of a name, where underscores separate the parts. They are typical of
/// settings: `TAR_OPTIONS`, `RUSTFLAGS`, `RSYNC_RSH`, `http_proxy`.
const SETTING_ENDS: [&str; 28] = [
    "ASKPASS",
    "BROWSER",
    "COMMAND",
    "COMMANDS",
    "CONFIG",
    "EDITOR",
    "EXEC",
    "FLAGS",
    "HANDLER",
    "HELPER",
    "HOME",
    "HOOK",
    "INTERPRETER",
    "LIBRARY",
    "LOADER",
    "MODULES",
    "OPTIONS",
    "OPTS",
    "PAGER",
    "PATH",
    "PATHS",
    "PLUGIN",
    "PLUGINS",
    "PRELOAD",
    "PROXY",
    "SHELL",
    "STARTUP",
    "WRAPPER",
];

/// Parts of names that are typical of settings, but also ends of common words.
const SETTING_PARTS: [&str; 11] =
    ["ARGS", "CMD", "ENV", "INIT", "LIB", "LIBS", "OPT", "PROG", "RC", "RSH", "SOCK"];

/// The first parts of the names of settings, which are mostly programs. They may end with digits.
const SETTING_FAMILIES: [&str; 89] = [
    "ANSIBLE", "APT", "AR", "AS", "ASAN", "AWK", "AWS", "AZURE", "BUN", "BUNDLE", "CARGO", "CC",
    "CLANG", "CMAKE", "COMPOSER", "CONDA", "CPP", "CURL", "CXX", "DBUS", "DENO", "DOCKER",
    "DOTNET", "ELECTRON", "EMACS", "ERL", "FC", "FZF", "GCC", "GDB", "GEM", "GIT", "GLIBC",
    "GNUPG", "GO", "GOOGLE", "GPG", "GREP", "GROOVY", "GTK", "GUILE", "GZIP", "HIST", "JQ",
    "JULIA", "KRB", "KUBE", "LC", "LD", "LESS", "LIBGL", "LUA", "MAKE", "MALLOC", "MAN", "MIX",
    "MYSQL", "NIX", "NLS", "NODE", "NSS", "NVIM", "OPENSSL", "PG", "PHP", "PIP", "PKG", "POETRY",
    "PS", "PSQL", "PYTEST", "QT", "READLINE", "RSYNC", "RUST", "RUSTC", "SED", "SQLITE", "SSH",
    "SSL", "SUDO", "SYSTEMD", "TAR", "TCL", "UV", "VIM", "XDG", "YARN", "ZSH",
];

/// The beginnings of further names of settings, however they continue.
const SETTING_PREFIXES: [&str; 9] =
    ["BASH", "DYLD", "GCONV", "JAVA", "JDK", "NPM", "PERL", "PYTHON", "RUBY"];

/// Settings that none of the other rules covers.
const SETTINGS: [&str; 32] = [
    "COMPREPLY",
    "DIRSTACK",
    "ENV",
    "EXINIT",
    "FCEDIT",
    "FIGNORE",
    "FUNCNEST",
    "GLOBIGNORE",
    "IFS",
    "INPUTRC",
    "LANG",
    "LANGUAGE",
    "LESSCLOSE",
    "LESSOPEN",
    "LINENO",
    "MAIL",
    "MAILCHECK",
    "MAKEFILES",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "POSIXLY_CORRECT",
    "PWD",
    "RANDOM",
    "SECONDS",
    "TERM",
    "TERMCAP",
    "TERMINFO",
    "TMPDIR",
    "VISUAL",
    "WGETRC",
    "ZDOTDIR",
];

/// The beginnings of names that no program reads.
const OWN: [&str; 2] = ["INPUT_", "VALUE_"];

/// Returns `true` if a text can be the name of a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_part) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Returns `true` if the name may be a setting by which a program loads or runs code. No list
/// of these is complete, so the rules follow how such names are made.
pub(crate) fn is_setting(name: &str) -> bool {
    if name.contains(|c: char| c.is_ascii_lowercase()) {
        return name.starts_with("npm_") || name.ends_with("_proxy");
    }
    let name = name.trim_start_matches('_');
    if OWN.iter().any(|own| name.starts_with(own)) {
        return false;
    }
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default();
    let family = first.trim_end_matches(|c: char| c.is_ascii_digit());
    SETTINGS.contains(&name)
        || SETTING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SETTING_FAMILIES.contains(&family)
        || SETTING_ENDS.iter().any(|end| first.ends_with(end))
        || parts.any(|part| {
            SETTING_PARTS.contains(&part) || SETTING_ENDS.iter().any(|end| part.ends_with(end))
        })
        // `RSYNCOPT`, `PSQLRC`
        || SETTING_FAMILIES.iter().any(|family| {
            first.strip_prefix(family).is_some_and(|rest| SETTING_PARTS.contains(&rest))
        })
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
